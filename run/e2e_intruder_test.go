package run_test

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/run"
)

// theirPolicy is what somebody else writes: it says what no plan of the small world does.
const theirPolicy = `{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:*","Resource":"*"},{"Sid":"Auditors","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:Describe*","Resource":"*"}]}`

// intruder is somebody who writes the policy of the shared key while a run goes on.
type intruder struct {
	*twin
	want ended
	run  *run.Run
	err  error
	ours string // what was there before theirs
}

func (x *intruder) api() *kms.Client { return kms.NewFromConfig(x.Root(production, home)) }

func (x *intruder) write() {
	out, err := x.api().GetKeyPolicy(x.Context(), &kms.GetKeyPolicyInput{KeyId: aws.String(sharedKey)})
	if err != nil {
		x.Errorf("they look: %v", err)
		return
	}
	x.ours = aws.ToString(out.Policy)
	x.put(theirPolicy)
}

func (x *intruder) put(policy string) {
	if _, err := x.api().PutKeyPolicy(x.Context(), &kms.PutKeyPolicyInput{KeyId: aws.String(sharedKey), Policy: &policy}); err != nil {
		x.Errorf("they write: %v", err)
	}
}

// theirs sees that their policy stands.
func (x *intruder) theirs() {
	x.Helper()
	out, err := x.api().GetKeyPolicy(x.Context(), &kms.GetKeyPolicyInput{KeyId: aws.String(sharedKey)})
	if err != nil || estate.CanonicalPolicy(aws.ToString(out.Policy)) != estate.CanonicalPolicy(theirPolicy) {
		x.Errorf("theirs was overwritten: %v, %v", out, err)
	}
}

// staleBeforeAnything: the plan is stale before there is a run.
func (x *intruder) staleBeforeAnything() {
	x.Helper()
	if !errAs[*run.StaleError](x.err) || x.run != nil {
		x.Fatalf("%v, %v", x.run, x.err)
	}
	x.theirs()
	if list := x.effects(production, recovery); len(list) != 1 {
		x.Errorf("%d calls wrote, and theirs is one", len(list))
	}
}

// stale: the run stops at theirs, and goes on when they have taken it back.
func (x *intruder) stale() {
	x.Helper()
	if !errAs[*run.StaleError](x.err) || x.run == nil || x.run.Status != run.Failed {
		x.Fatalf("%v, %v", x.run, x.err)
	}
	x.theirs()
	if _, err := run.Resume(x.Context(), x.cloud, x.journal, x.run.ID, x.options()); !errAs[*run.StaleError](err) {
		x.Errorf("resuming: %v", err)
	}
	x.theirs()
	x.goesOn()
}

// lost: between the last look and the write nobody can notice them, as Apply says.
func (x *intruder) lost() {
	x.Helper()
	if x.err != nil || x.run.Status != run.Done {
		x.Fatalf("%v, %v", x.run, x.err)
	}
	x.sameBut(1)
}

// overwritten: what was written is theirs again, which the reading back tells; neither
// going on nor undoing writes over it.
func (x *intruder) overwritten() {
	x.Helper()
	if !errAs[*run.OverwrittenError](x.err) || x.run == nil || x.run.Status != run.Failed {
		x.Fatalf("%v, %v", x.run, x.err)
	}
	x.theirs()
	if _, err := run.Resume(x.Context(), x.cloud, x.journal, x.run.ID, x.options()); !errAs[*run.OverwrittenError](err) {
		x.Errorf("resuming: %v", err)
	}
	if _, err := run.Undo(x.Context(), x.cloud, x.journal, x.run.ID, x.options()); !errAs[*run.ChangedSinceError](err) {
		x.Errorf("undoing: %v", err)
	}
	x.theirs()
	x.goesOn()
}

// goesOn takes theirs back and has the run come to its end.
func (x *intruder) goesOn() {
	x.Helper()
	x.put(x.ours)
	r, err := run.Resume(x.Context(), x.cloud, x.journal, x.run.ID, x.options())
	if err != nil || r.Status != run.Done {
		x.Fatalf("going on: %v, %v", r, err)
	}
	x.sameBut(2)
}

// sameBut holds the end to the undisturbed one, but for so many writes of theirs.
func (x *intruder) sameBut(theirs int) {
	x.Helper()
	got := x.ended()
	for name := range got.writes {
		if strings.HasPrefix(name, "PutKeyPolicy "+sharedKey[strings.LastIndexByte(sharedKey, '/')+1:]) {
			got.writes[name] -= theirs
		}
	}
	x.same(x.want, got)
}
