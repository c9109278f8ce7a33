package run

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/estate"
)

// theirs is what somebody else writes into the slot of an op; nothing where the slot
// holds only what is before or after.
func theirs(op estate.Op) estate.Op {
	switch o := op.(type) {
	case *estate.Alias:
		return &estate.Alias{Name: o.Name, Account: o.Account, Region: o.Region, Key: spareKey}
	case *estate.KeyPolicy:
		return &estate.KeyPolicy{Key: o.Key, Document: keyPolicy("Encrypt")}
	case *estate.GrantTo:
		return &estate.GrantTo{Key: o.Key, Name: o.Name, Issuer: o.Issuer, Grantee: o.Grantee, Operations: []string{"Encrypt"}}
	case *estate.NewRole:
		return &estate.NewRole{ARN: o.ARN, Trust: trust("lambda.amazonaws.com")}
	case *estate.InlinePolicy:
		return &estate.InlinePolicy{Principal: o.Principal, Name: o.Name, Document: allow("s3:*", "*")}
	case *estate.EBSEncryption:
		return &estate.EBSEncryption{Account: o.Account, Region: o.Region, Encrypt: true, Key: spareKey}
	case *estate.BucketSetting:
		return &estate.BucketSetting{Bucket: o.Bucket, Account: o.Account, Region: o.Region, Setting: o.Setting, Text: spareKey}
	}
	return nil
}

// overwrite has somebody else write over what is there: a role they make anew.
func (f *fakeCloud) overwrite(t testing.TB, op estate.Op) {
	if role, ok := op.(*estate.NewRole); ok {
		f.intrude(t, &estate.NewRole{ARN: role.ARN, Absent: true})
	}
	f.intrude(t, op)
}

func TestAWriterBeforeTheFirstLookMakesThePlanStale(t *testing.T) {
	t.Parallel()
	for i, op := range severalOps() {
		f := newFixture(t)
		other := theirs(op)
		subject := op.Slot().Subject
		if other == nil || subject == newKey || subject == "copies" || op.Slot().Kind == "inline-policy" {
			continue // what it is about is not there yet
		}
		f.cloud.overwrite(t, other)
		r, err := f.apply()
		var stale *StaleError
		if !errors.As(err, &stale) || r != nil || f.cloud.performed() != 0 {
			t.Errorf("%s: %v, %v, %d writes", op.Slot(), r, err, f.cloud.performed())
			continue
		}
		if stale.Step != i+1 || stale.Slot != op.Slot() || !estate.SameOp(stale.Have, other) || !estate.SameOp(stale.Want, f.plan.Steps[i].Was) {
			t.Errorf("%s: it says %+v", op.Slot(), stale)
		}
	}
}

func TestAWriterBetweenTheFirstLookAndTheWriteIsNotOverwritten(t *testing.T) {
	t.Parallel()
	for i, op := range severalOps() {
		if theirs(op) == nil {
			continue
		}
		t.Run(op.Slot().Kind, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			kind, done := op.Slot().Kind, false
			first := true // the look of the check
			if s := op.Slot().Subject; s == newKey || s == "copies" || kind == "inline-policy" {
				first = false // which it does not have
			}
			var other, was estate.Op
			f.cloud.before = func(c call) {
				if c.name != "Current" || c.op.Slot().Kind != kind || done {
					return
				}
				if first {
					first = false
					return
				}
				done, other = true, theirs(c.op)
				was, _ = f.cloud.e.Current(c.op) // it is there
				f.cloud.overwrite(t, other)
			}
			r, err := f.apply()
			var stale *StaleError
			if !errors.As(err, &stale) || r.Status != Failed || f.cloud.writes[stale.Slot] != 0 {
				t.Fatalf("%v, %v", r, err)
			}
			if have, err := f.cloud.e.Current(other); err != nil || !estate.SameOp(have, other) {
				t.Errorf("theirs was overwritten with %v", have)
			}
			if stale.Step != i+1 || !estate.SameOp(stale.Have, other) {
				t.Errorf("it says %+v", stale)
			}
			f.cloud.intrude(t, was) // they take it back
			f.must(f.resume(r.ID))
			f.once()
		})
	}
}

func TestAWriterAfterTheWriteIsTold(t *testing.T) {
	t.Parallel()
	for _, op := range severalOps() {
		if theirs(op) == nil {
			continue
		}
		t.Run(op.Slot().Kind, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			var other, ours estate.Op
			f.cloud.after = func(c call) {
				if c.name == "Perform" && c.op.Slot().Kind == op.Slot().Kind && other == nil {
					ours, other = c.op, theirs(c.op)
					f.cloud.overwrite(t, other)
				}
			}
			r, err := f.apply()
			var over *OverwrittenError
			if !errors.As(err, &over) || over.Old || r.Status != Failed {
				t.Fatalf("%v, %v", r, err)
			}
			if !estate.SameOp(over.Have, other) || !estate.SameOp(over.Wrote, ours) {
				t.Errorf("it says %+v", over)
			}
			// Neither going on nor undoing overwrites theirs.
			if _, err := f.resume(r.ID); !errors.As(err, &over) {
				t.Errorf("resuming: %v", err)
			}
			n := f.cloud.performed()
			var changed *ChangedSinceError
			if _, err := f.undo(r.ID); !errors.As(err, &changed) || f.cloud.performed() != n {
				t.Errorf("undoing: %v", err)
			}
			f.cloud.overwrite(t, ours)
			f.must(f.undo(r.ID))
			if diff := cmp.Diff(asText(t, smallEstate(t)), asText(t, f.cloud.e)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
