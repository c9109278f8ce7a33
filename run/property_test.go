package run

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// anyOp is some op on the small estate. What it needs may not be there.
func anyOp(t *rapid.T) estate.Op {
	pick := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "of") }
	yes := func() bool { return rapid.Bool().Draw(t, "yes") }
	key := func() string { return pick(oldKey, spareKey, newKey) }
	document := func(resource string) string {
		return pick("", allow("kms:Decrypt", resource), allow("kms:Encrypt", resource), allow("kms:*", resource))
	}
	switch pick("key-policy", "key", "alias", "grant", "inline", "role", "rotation", "state", "ebs", "bucket", "setting", "share", "linked") {
	case "key-policy":
		return &estate.KeyPolicy{Key: key(), Document: pick(keyPolicy(), keyPolicy("Decrypt"), keyPolicy("Encrypt", "Decrypt"))}
	case "key":
		return &estate.NewKey{ARN: newKey, MultiRegion: true, Document: keyPolicy("Decrypt")}
	case "alias":
		return &estate.Alias{Name: pick("alias/old", "alias/data"), Account: "111122223333", Region: "us-east-1", Key: pick("", oldKey, spareKey, newKey)}
	case "grant":
		g := &estate.GrantTo{Key: key(), Name: pick("there", "keyreach-1", "keyreach-2"), Issuer: "111122223333", Absent: yes()}
		if !g.Absent {
			g.Grantee, g.Operations = appRole, []string{pick("Decrypt", "Encrypt"), "DescribeKey"}
		}
		return g
	case "inline":
		return &estate.InlinePolicy{Principal: pick(appRole, madeRole), Name: pick("own", "keyreach"), Document: document(key())}
	case "role":
		return &estate.NewRole{ARN: madeRole, Trust: trust(pick("drs.amazonaws.com", "ec2.amazonaws.com")), Absent: yes()}
	case "rotation":
		return &estate.Rotation{Key: key(), On: yes()}
	case "state":
		return &estate.KeyState{Key: spareKey, State: pick("Enabled", "Disabled")}
	case "ebs":
		return &estate.EBSEncryption{Account: pick("111122223333", "444455556666"), Region: "us-east-1", Encrypt: yes(), Key: pick("", oldKey, newKey)}
	case "bucket":
		return &estate.NewBucket{Bucket: "copies", Account: "444455556666", Region: "us-east-1", Absent: yes()}
	case "setting":
		return &estate.BucketSetting{Bucket: pick("data", "copies"), Account: pick("111122223333", "444455556666"), Region: "us-east-1",
			Setting: pick(estate.BucketVersioning, estate.BucketEncryption, estate.BucketKeyOn), Text: pick("", "AES256", "true", oldKey)}
	case "share":
		return &estate.Share{Type: "ec2:Snapshot", ID: "snap-1", Account: "111122223333", Region: "us-east-1", With: pick("444455556666", "555566667777"), Off: yes()}
	}
	return &estate.LinkedRole{ARN: "arn:aws:iam::444455556666:role/aws-service-role/drs.amazonaws.com/AWSServiceRoleForElasticDisasterRecovery", Service: "drs.amazonaws.com"}
}

// anyOps are ops that can follow each other.
func anyOps(t *rapid.T, e *estate.Estate) []estate.Op {
	var ops []estate.Op
	for range rapid.IntRange(1, 10).Draw(t, "ops") {
		op := anyOp(t)
		_, missing := e.Current(op)
		after, failed := e.Apply(op)
		if missing == nil && failed == nil && (op.Slot().Subject == newKey || e.Key(newKey) != nil || !mentions(op, newKey)) {
			ops, e = append(ops, op), after
		}
	}
	return ops
}

func anyFault(t *rapid.T) fault {
	kinds := []cloud.Kind{cloud.Throttled, cloud.Unavailable, cloud.Lost, cloud.Expired, cloud.Denied, cloud.UnknownPrincipal, cloud.NotFound, cloud.Exists, cloud.State}
	f := fault{kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
	f.after = unanswered(f.kind) && rapid.Bool().Draw(t, "done nevertheless")
	return f
}

// Whatever is planned, and whatever fails wherever: going on comes to the end, the same
// as without failures, and undoing comes back to the beginning.
func TestAnythingIsDoneOnceAndUndone(t *testing.T) {
	t.Parallel()
	j := testJournal(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		start := smallEstate(t)
		f := &fixture{t: t, cloud: newFake(start), clock: newClock(), j: j, plan: planOf(t, start, anyOps(rt, start)...)}
		f.plan.Change = fmt.Sprintf("CHG-%d", n)
		f.cloud.lag = rapid.IntRange(0, 2).Draw(rt, "lag")
		end := start
		for i := range f.plan.Steps {
			var err error
			if end, err = end.Apply(f.plan.Steps[i].Op); err != nil {
				rt.Fatal(err)
			}
		}
		f.disturb(rt)
		var r *Run
		first := func() (*Run, error) { return Apply(t.Context(), f.cloud, f.j, f.plan, f.mortal(rt)) }
		r = f.settled(rt, first, func(id string) (*Run, error) { return Resume(t.Context(), f.cloud, f.j, id, f.mortal(rt)) }, rapid.IntRange(0, 12).Draw(rt, "patience"))
		if r == nil { // it never began
			return
		}
		if r.Status == Done {
			got := asText(t, f.cloud.e)
			for i := range f.cloud.e.Keys {
				if k := &f.cloud.e.Keys[i]; k.Tags[plannedTag] != "" {
					got = strings.ReplaceAll(got, keyID(k.ARN), keyID(newKey))
				}
			}
			if diff := cmp.Diff(withoutTags(asText(t, end)), withoutTags(got)); diff != "" {
				rt.Fatalf("the end is another: %s", diff)
			}
		}
		f.disturb(rt)
		undo := func(string) (*Run, error) { return Undo(t.Context(), f.cloud, f.j, r.ID, f.mortal(rt)) }
		u := f.settled(rt, func() (*Run, error) { return undo("") }, undo, 100)
		if u == nil || u.Status != Done {
			rt.Fatalf("the undo ended as %v", u)
		}
		f.takeLeft(rt, u)
		if diff := cmp.Diff(asText(t, start), asText(t, f.cloud.e)); diff != "" {
			rt.Fatalf("the undo leads elsewhere: %s", diff)
		}
	})
}

// takeLeft takes away by hand what an undo left because it was denied; other keys are
// pending deletion.
func (f *fixture) takeLeft(t *rapid.T, u *Run) {
	u, err := f.j.Run(u.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range u.Left {
		switch left.Slot.Kind {
		case "linked-role":
			f.cloud.intrude(f.t, &estate.LinkedRole{ARN: left.Slot.Subject, Absent: true})
		case "key":
			if left.Until.IsZero() {
				f.cloud.intrude(f.t, &estate.NewKey{ARN: left.Slot.Subject, Absent: true})
			}
		case "bucket":
			f.cloud.intrude(f.t, &estate.NewBucket{Bucket: left.Slot.Subject, Account: left.Slot.Account, Region: left.Slot.Region, Absent: true})
		}
	}
}

// withoutTags leaves out by what the fake finds a key again.
func withoutTags(text string) string {
	var kept []string
	tags := false
	for line := range strings.Lines(text) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, `"tags": {`):
			tags = true
		case tags:
			tags = line != "},"
		default:
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// disturb has some of the next calls fail.
func (f *fixture) disturb(t *rapid.T) {
	clear(f.cloud.faults)
	for _, at := range rapid.SliceOfN(rapid.IntRange(1, 60), 0, 6).Draw(t, "faults") {
		f.cloud.faults[f.cloud.n+at] = anyFault(t)
	}
}

// mortal are options with which a run may be killed.
func (f *fixture) mortal(t *rapid.T) Options {
	o := f.options()
	left := rapid.IntRange(0, 60).Draw(t, "killed at record") // 0 is never
	o.After = func(Record) {
		if left--; left == 0 {
			panic(killed{})
		}
	}
	return o
}

// begun are the runs of the change, the latest first.
func (f *fixture) begun() ([]*Run, error) {
	return f.j.runs("WHERE change = ? ORDER BY rowid DESC", f.plan.Change)
}

// settled begins and goes on until it is done or has been tried often enough.
func (f *fixture) settled(t *rapid.T, begin func() (*Run, error), resume func(id string) (*Run, error), tries int) *Run {
	before, err := f.begun()
	if err != nil {
		t.Fatal(err)
	}
	for try := 0; ; try++ {
		runs, err := f.begun()
		if err != nil {
			t.Fatal(err)
		}
		begun := len(runs) > len(before)
		failed, _ := until(func() error { // in ways that the faults and kills say
			if begun {
				_, err = resume(runs[0].ID)
			} else {
				_, err = begin()
			}
			return err
		})
		if runs, err = f.begun(); err != nil {
			t.Fatal(err)
		}
		if len(runs) > len(before) && (runs[0].Status == Done || try >= tries) {
			return runs[0]
		}
		if try >= tries {
			t.Logf("it never began: %v", failed)
			return nil
		}
	}
}
