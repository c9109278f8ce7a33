package run

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

func TestUndoGivesBackWhatWasThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, append(severalOps(),
		&estate.GrantTo{Key: oldKey, Name: "there", Issuer: "111122223333", Absent: true},
		&estate.Alias{Name: "alias/old", Account: "111122223333", Region: "us-east-1", Key: spareKey},
		&estate.KeyState{Key: spareKey, State: "Disabled"},
		&estate.InlinePolicy{Principal: appRole, Name: "own"},
	)...)
	r := f.must(f.apply())
	u := f.must(f.undo(r.ID))
	if diff := cmp.Diff(asText(t, smallEstate(t)), asText(t, f.cloud.e)); diff != "" {
		t.Error(diff)
	}
	if u.Kind != KindUndo || u.Of != r.ID || len(u.Plan.Steps) != len(f.plan.Steps) {
		t.Errorf("the undo is %+v", u)
	}
	// AWS keeps a key pending deletion: the replica and its primary.
	if len(u.Left) != 2 || u.Left[0].Until.Format("2006-01-02") != "2026-12-25" || u.Left[0].Slot.Region != "us-west-2" || u.Left[1].Slot.Region != "us-east-1" {
		t.Errorf("left are %+v", u.Left)
	}
	if r, err := f.j.Run(r.ID); err != nil || r.Status != Undone {
		t.Errorf("the run is %v, %v", r.Status, err)
	}
	var status *StatusError
	if _, err := f.undo(r.ID); !errors.As(err, &status) || status.Status != Undone {
		t.Errorf("undoing it again: %v", err)
	}
	if _, err := f.resume(r.ID); !errors.As(err, &status) {
		t.Errorf("resuming it: %v", err)
	}
	if _, err := f.undo(u.ID); !errors.As(err, &status) {
		t.Errorf("undoing the undo: %v", err)
	}
	// Applied again, it makes another key: the first is pending deletion.
	f.cloud.writes = map[estate.Slot]int{}
	f.must(f.apply())
	f.once()
}

func TestUndoTakesBackWhatAStoppedRunWrote(t *testing.T) {
	t.Parallel()
	smooth := newFixture(t)
	smooth.must(smooth.apply())
	f := newFixture(t)
	for name, bad := range map[string]fault{"denied": {kind: cloud.Expired}, "no answer, nothing done": {kind: cloud.Lost}, "no answer, done": {kind: cloud.Lost, after: true}} {
		for n := 1; n <= smooth.cloud.n; n++ {
			f.again(t, fmt.Sprintf("%s-%d", name, n))
			f.cloud.faults[n] = bad
			if bad.kind == cloud.Lost {
				f.cloud.faults[n+1] = fault{kind: cloud.Expired}
			}
			r, err := f.apply()
			if err == nil || r == nil {
				continue
			}
			f.must(f.undo(r.ID))
			if diff := cmp.Diff(asText(t, smallEstate(t)), asText(t, f.cloud.e)); diff != "" {
				t.Errorf("%s at call %d: %s", name, n, diff)
			}
			var status *StatusError
			if _, err := f.resume(r.ID); !errors.As(err, &status) {
				t.Errorf("%s at call %d: it was resumed after its undo: %v", name, n, err)
			}
		}
	}
}

// The undo has faults of its own, and is resumed by its id or by undoing again.
func TestAFaultInAnUndoLeadsToTheSameEnd(t *testing.T) {
	t.Parallel()
	smooth := newFixture(t)
	applied := smooth.must(smooth.apply())
	calls := smooth.cloud.n
	smooth.must(smooth.undo(applied.ID))
	last := smooth.cloud.n
	for name, bad := range map[string]fault{
		"no answer, done": {kind: cloud.Lost, after: true}, "credentials expired": {kind: cloud.Expired}, "throttled": {kind: cloud.Throttled}, "denied": {kind: cloud.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			for n := calls + 1; n <= last; n += callStep() {
				f.again(t, fmt.Sprintf("CHG-%d", n))
				r := f.must(f.apply())
				f.cloud.faults[n] = bad
				u, err := f.undo(r.ID)
				switch {
				case err != nil && u != nil && n%2 == 0:
					u, err = f.resume(u.ID)
				case err != nil:
					u, err = f.undo(r.ID)
				}
				f.must(u, err)
				if diff := cmp.Diff(asText(t, smallEstate(t)), asText(t, f.cloud.e)); diff != "" {
					t.Errorf("at call %d: %s", n, diff)
				}
				if r, err := f.j.Run(r.ID); err != nil || r.Status != Undone {
					t.Errorf("at call %d: the run is %v, %v", n, r.Status, err)
				}
			}
		})
	}
}

func TestUndoListsWhatWasChangedSinceAndWritesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.must(f.apply())
	before := f.cloud.performed()
	f.cloud.intrude(t, &estate.KeyPolicy{Key: oldKey, Document: keyPolicy("Decrypt", "Encrypt")})
	f.cloud.intrude(t, &estate.InlinePolicy{Principal: madeRole, Name: "keyreach", Document: allow("s3:*", "*")})
	u, err := f.undo(r.ID)
	var changed *ChangedSinceError
	if !errors.As(err, &changed) || u != nil || f.cloud.performed() != before {
		t.Fatalf("%v, %v, %d writes", u, err, f.cloud.performed()-before)
	}
	var kinds []string
	for _, c := range changed.Changes {
		kinds = append(kinds, c.Slot.Kind)
		if estate.SameOp(c.Left, c.Have) {
			t.Errorf("the %s did not change", c.Slot)
		}
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{"inline-policy", "key-policy"}) {
		t.Errorf("changed are %v", kinds)
	}
	f.cloud.intrude(t, &estate.KeyPolicy{Key: oldKey, Document: keyPolicy("Decrypt")})
	f.cloud.intrude(t, &estate.InlinePolicy{Principal: madeRole, Name: "keyreach"}) // as before the run
	f.must(f.undo(r.ID))
	if diff := cmp.Diff(asText(t, smallEstate(t)), asText(t, f.cloud.e)); diff != "" {
		t.Error(diff)
	}
}

func TestUndoTellsWhatIsGone(t *testing.T) {
	t.Parallel()
	setting := func(text string) *estate.BucketSetting {
		return &estate.BucketSetting{Bucket: "data", Account: "111122223333", Region: "us-east-1", Setting: estate.BucketVersioning, Text: text}
	}
	f := newFixture(t, setting("Suspended"))
	r := f.must(f.apply())
	f.cloud.intrude(t, &estate.NewBucket{Bucket: "data", Account: "111122223333", Region: "us-east-1", Absent: true})
	var changed *ChangedSinceError
	if _, err := f.undo(r.ID); !errors.As(err, &changed) || len(changed.Changes) != 1 || changed.Changes[0].Have != nil || !estate.SameOp(changed.Changes[0].Left, setting("Suspended")) {
		t.Errorf("%v", err)
	}
}

func TestUndoLeavesWhatAWSDoesNotTakeBack(t *testing.T) {
	t.Parallel()
	linked := "arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
	f := newFixture(t, &estate.LinkedRole{ARN: linked, Service: "autoscaling.amazonaws.com"}, &estate.NewBucket{Bucket: "copies", Account: "444455556666", Region: "us-east-1"},
		&estate.KeyPolicy{Key: oldKey, Document: keyPolicy("Decrypt")})
	r := f.must(f.apply())
	f.cloud.refuse = func(c call) error {
		switch c.op.(type) {
		case *estate.LinkedRole:
			if c.name == "Perform" {
				return (&fault{kind: cloud.State}).error("iam:DeleteServiceLinkedRole")
			}
		case *estate.NewBucket:
			if c.name == "Perform" {
				return (&fault{kind: cloud.Invalid, code: "BucketNotEmpty"}).error("s3:DeleteBucket")
			}
		}
		return nil
	}
	u := f.must(f.undo(r.ID))
	if len(u.Left) != 2 || u.Left[0].Slot.Kind != "bucket" || u.Left[1].Slot.Kind != "linked-role" || u.Left[0].Why == "" {
		t.Errorf("left are %+v", u.Left)
	}
	if policy, err := f.cloud.e.Current(&estate.KeyPolicy{Key: oldKey}); err != nil || !estate.SameOp(policy, f.plan.Steps[2].Was) {
		t.Errorf("the rest was not undone: %v, %v", policy, err)
	}
}

func TestUndoOfAnAccountsPartsIsAnUndoWhenAllAreDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.must(f.apply())
	o := f.options()
	for _, account := range []string{"444455556666", "111122223333"} {
		if got, err := f.j.Run(r.ID); err != nil || got.Status != Done {
			t.Errorf("before the part of %s: %v, %v", account, got.Status, err)
		}
		o.Accounts = []string{account}
		f.must(Undo(t.Context(), f.cloud, f.j, r.ID, o))
	}
	if got, err := f.j.Run(r.ID); err != nil || got.Status != Undone {
		t.Errorf("at the end: %v, %v", got.Status, err)
	}
	if diff := cmp.Diff(asText(t, smallEstate(t)), asText(t, f.cloud.e)); diff != "" {
		t.Error(diff)
	}
}

func TestRevokeTakesBackTheRunThatItIsOf(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &estate.KeyPolicy{Key: oldKey, Document: keyPolicy("Decrypt")})
	r := f.must(f.apply())
	p := planOf(t, f.cloud.e, &estate.KeyPolicy{Key: oldKey, Document: keyPolicy()})
	p.Kind = "revoke"
	o := f.options()
	o.Of = r.ID[:13]
	v := f.must(Apply(t.Context(), f.cloud, f.j, p, o))
	if v.Kind != KindRevoke || v.Of != r.ID {
		t.Errorf("the run is %+v", v)
	}
	if r, err := f.j.Run(r.ID); err != nil || r.Status != Undone {
		t.Errorf("the run is %v, %v", r.Status, err)
	}
	o.Of = "2020"
	var none *NoRunError
	if _, err := Apply(t.Context(), f.cloud, f.j, p, o); !errors.As(err, &none) {
		t.Errorf("a run that is not there: %v", err)
	}
}
