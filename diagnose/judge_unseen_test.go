package diagnose_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
)

func TestALayerThatTheEstateDoesNotHoldSettlesNothing(t *testing.T) {
	t.Parallel()
	by := func(layer access.Layer, explicit bool) diagnose.Incident {
		in := decrypts(judgeRole)
		in.Layer, in.Explicit = layer, explicit
		return in
	}
	orgless := world{change: func(e *estate.Estate) { e.Organization = nil }}
	for _, tt := range []struct {
		name    string
		world   world
		in      diagnose.Incident
		code    string
		settled bool
		says    string
	}{
		{"a session policy is in no estate", world{}, by(access.Session, false), "session-policy-deny", false, "the policy of the session, it does not hold"},
		{"nor is the endpoint that a call came through", world{}, by(access.EndpointPolicy, true), "vpce-deny", false, "the policy of a VPC endpoint"},
		{"nor when AWS names it of a forwarded call", world{}, func() diagnose.Incident {
			in := by(access.EndpointPolicy, true)
			in.Service, in.Operation = "ec2", "CopySnapshot"
			return in
		}(), "vpce-deny", false, "the policy of a VPC endpoint"},
		{"the control policies of an organization that is not there", orgless, by(access.SCP, true), "scp-deny", false, "a service control policy"},
		{"those of one that is there and lets it through", world{}, by(access.SCP, true), "scp-deny", true, "was mended since"},
		{"an identity policy that lets it through", world{}, by(access.Identity, false), "iam-policy-missing-action", true, "was mended since"},
	} {
		in := tt.in
		in.Causes = []diagnose.Cause{{Code: tt.code, Confidence: 0.9}}
		j := diagnose.Judge(&in, tt.world.estate(t), time.Time{})
		if j.Settled(&in) != tt.settled || !strings.Contains(j.Says, tt.says) {
			t.Errorf("%s: settled is %v, and it says %q", tt.name, j.Settled(&in), j.Says)
		}
	}
}

func TestAReplicaThatIsNotCollectedIsNoWrongRegion(t *testing.T) {
	t.Parallel()
	const primary = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	held := world{change: func(e *estate.Estate) { e.Keys[0].ARN = primary }}
	for _, tt := range []struct {
		name, code string
		want       diagnose.Verdict
	}{{"AWS knows a key there, and refuses it", "AccessDeniedException", diagnose.Open}, {"AWS knows none there", "NotFoundException", diagnose.True}} {
		in := decrypts(judgeRole)
		in.Code, in.Key, in.Causes = tt.code, strings.Replace(primary, "us-east-1", "us-west-2", 1), []diagnose.Cause{{Code: "wrong-region", Confidence: 0.5}}
		diagnose.Judge(&in, held.estate(t), time.Time{})
		if i := slices.IndexFunc(in.Causes, func(c diagnose.Cause) bool { return c.Code == "wrong-region" }); in.Causes[i].Verdict != tt.want {
			t.Errorf("%s: the other Region is %s", tt.name, in.Causes[i].Verdict)
		}
	}
}

func TestWhatIsRuledOutIsNotSaidToLetThrough(t *testing.T) {
	t.Parallel()
	foreign := world{change: func(e *estate.Estate) { e.Keys[0].Manager = "AWS" }, key: []string{admits("arn:aws:iam::111122223333:root", "kms:DescribeKey")}}
	for _, tt := range []struct {
		name  string
		world world
		in    diagnose.Incident
		code  string
		why   string
	}{
		{"the policy of an AWS managed key refuses another account", foreign, decrypts(judgeFar), "key-policy-missing-principal", "another: default-key-not-shareable"},
		{"two accounts are in play, and it is not that", foreign, decrypts(judgeFar), "cross-account-key-access", "another: default-key-not-shareable"},
		{"the key policy refuses a service", world{}, service(decrypts("cloudtrail.amazonaws.com"), "cloudtrail"), "key-policy-missing-action", "another: key-policy-missing-service-principal"},
		{"an IAM policy allows it but for its condition", world{identity: []string{allows("Allow", "kms:Decrypt", "*", `{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`)}}, decrypts(judgeRole), "iam-policy-missing-action", "another: policy-condition-mismatch"},
		{"the key policy is not in the way", world{identity: []string{allows("Allow", "s3:*", "*", "")}}, decrypts(judgeRole), "key-policy-missing-action", `"Account" allows kms:Decrypt`},
	} {
		in := tt.in
		in.Causes = []diagnose.Cause{{Code: tt.code, Confidence: 0.5}}
		diagnose.Judge(&in, tt.world.estate(t), time.Time{})
		i := slices.IndexFunc(in.Causes, func(c diagnose.Cause) bool { return c.Code == tt.code })
		if c := in.Causes[i]; c.Verdict != diagnose.RuledOut || !strings.Contains(strings.Join(c.Why, " "), tt.why) {
			t.Errorf("%s: %s %q", tt.name, c.Verdict, c.Why)
		}
	}
}

func TestAnIdThatIsLeftInAKeyPolicyIsNoted(t *testing.T) {
	t.Parallel()
	w := world{key: []string{admits("AROAEXAMPLEOLDROLE12", "kms:*"), admits("arn:aws:iam::111122223333:role/admin", "kms:*")}}
	in := decrypts(judgeRole)
	j := diagnose.Judge(&in, w.estate(t), time.Time{})
	if notes := strings.Join(j.Notes, "\n"); !strings.Contains(notes, "AROAEXAMPLEOLDROLE12, which is gone") || len(j.Blocked()) != 1 {
		t.Errorf("it is noted: %s", notes)
	}
	held := world{key: w.key, change: func(e *estate.Estate) { e.Principals[1].ID = "AROAEXAMPLEOLDROLE12" }}
	in = decrypts(judgeRole)
	if j = diagnose.Judge(&in, held.estate(t), time.Time{}); strings.Contains(strings.Join(j.Notes, "\n"), "gone") {
		t.Errorf("of one that is there it is noted: %q", j.Notes)
	}
}

func TestAnAccountThatTheEstateDoesNotKnowIsNoted(t *testing.T) {
	t.Parallel()
	for who, want := range map[string]bool{"arn:aws:iam::999988887777:role/app": true, judgeFar: false, judgeRole: false, "logs.amazonaws.com": false} {
		in := decrypts(who)
		j := diagnose.Judge(&in, world{}.estate(t), time.Time{})
		if got := strings.Contains(strings.Join(j.Notes, " "), "see whose it is"); got != want {
			t.Errorf("of %s it is noted: %v, %q", who, got, j.Notes)
		}
	}
}

func TestTheConditionOfAnAllowThatIsThereComesBeforeNoAllow(t *testing.T) {
	t.Parallel()
	w := world{identity: []string{allows("Allow", "kms:Decrypt", "*", `{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`)}}
	in := decrypts(judgeRole)
	in.Causes = []diagnose.Cause{{Code: "iam-policy-missing-action", Confidence: 0.7}, {Code: "policy-condition-mismatch", Confidence: 0.1}}
	diagnose.Judge(&in, w.estate(t), time.Time{})
	if in.Causes[0].Code != "policy-condition-mismatch" || in.Causes[0].Verdict != diagnose.Open || in.Causes[0].Confidence != 0.7 {
		t.Errorf("the causes are %+v", in.Causes)
	}
	denied := decrypts(judgeRole)
	denied.Explicit, denied.Causes = true, []diagnose.Cause{{Code: "explicit-deny", Confidence: 0.7}, {Code: "policy-condition-mismatch", Confidence: 0.1}}
	deny := world{identity: []string{allows("Allow", "kms:*", "*", ""), allows("Deny", "kms:*", "*", `{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`)}}
	diagnose.Judge(&denied, deny.estate(t), time.Time{})
	if denied.Causes[0].Code != "explicit-deny" {
		t.Errorf("of a Deny the causes are %+v", denied.Causes)
	}
}
