package diagnose_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

func TestWhatATextDoesNotTellIsTakenFromTheOneStepThatFits(t *testing.T) {
	t.Parallel()
	f, err := route.LoadFile("../examples/drs-cross-account/keyreach.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e, err := estate.LoadFile(f.EstatePath())
	if err != nil {
		t.Fatal(err)
	}
	p, err := route.Prove(&f.Routes[0], e, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	const key = "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	const staging = "arn:aws:iam::444455556666:role/service-role/DRSStagingAccountRole_111122223333"
	for _, tt := range []struct {
		name string
		in   diagnose.Incident
		who  string
	}{
		{"by operation and key", diagnose.Incident{Service: "ec2", Operation: "ModifySnapshotAttribute", Key: key}, staging},
		{"by operation alone", diagnose.Incident{Service: "ec2", Operation: "ModifySnapshotAttribute"}, staging},
		{"by the id of the key", diagnose.Incident{Service: "ec2", Operation: "ModifySnapshotAttribute", Key: "1234abcd-12ab-34cd-56ef-1234567890ab"}, staging},
		{"not for another key", diagnose.Incident{Service: "ec2", Operation: "ModifySnapshotAttribute", Key: strings.Replace(key, "1234abcd", "99999999", 1)}, ""},
		{"not for an operation of no step", diagnose.Incident{Service: "s3", Operation: "GetObject", Key: key}, ""},
		{"not for an action that the step does not make", diagnose.Incident{Service: "ec2", Operation: "ModifySnapshotAttribute", Key: key, Action: "kms:CreateGrant"}, ""},
		{"not where the text tells", diagnose.Incident{Service: "ec2", Operation: "ModifySnapshotAttribute", Key: key, Principal: judgeRole}, judgeRole},
	} {
		in := tt.in
		note := diagnose.Declared(&in, []route.Proof{p})
		if in.Principal != tt.who || (note != "") != (tt.who == staging) {
			t.Errorf("%s: %q, %q, want %q", tt.name, in.Principal, note, tt.who)
		}
		if tt.who == staging && (in.PrincipalKind != diagnose.Role || in.Key == "" || !strings.Contains(note, "step share of the route recover-servers")) {
			t.Errorf("%s: it is a %s on %q, from %q", tt.name, in.PrincipalKind, in.Key, note)
		}
	}
}
