package diagnose_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
)

func TestTheFirstCauseComesWithTheFixThatIsPossible(t *testing.T) {
	t.Parallel()
	const (
		backup = "arn:aws:iam::444455556666:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
		sso    = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef"
	)
	none := []string{allows("Allow", "s3:*", "*", "")}
	with := func(arns ...string) func(*estate.Estate) {
		return func(e *estate.Estate) {
			for _, a := range arns {
				e.Principals = append(e.Principals, estate.Principal{ARN: a, Policies: []estate.Attached{{Name: "own", Kind: "inline", Document: document(t, allows("Allow", "kms:*", "*", ""))}}})
			}
		}
	}
	state := func(s string) func(*estate.Estate) { return func(e *estate.Estate) { e.Keys[0].State = s } }
	layered := func(in diagnose.Incident) diagnose.Incident {
		in.Layer = "identity"
		return in
	}
	elsewhere := decrypts(judgeRole)
	elsewhere.Code, elsewhere.Region = "NotFoundException", "us-west-2"
	for _, tt := range []struct {
		name  string
		world world
		in    diagnose.Incident
		code  string
		also  string
		fix   string
	}{
		{"a service-linked role with rights of its own is let in by the key policy", world{change: with(backup)}, through(decrypts(backup), "ec2", "", "kms:Decrypt"), "slr-missing-key-access", "cross-account-key-access", "in account 111122223333, allow kms:Decrypt to " + backup},
		{"one without gets a grant", world{}, through(decrypts(judgeFarLR), "ec2", "", "kms:Decrypt"), "slr-missing-key-access", "cross-account-key-access", "from account 444455556666, make a grant"},
		{"that of the key's account is allowed what it lacks", world{}, launched(judgeSLR), "slr-missing-key-access", "", "kms:GenerateDataKeyWithoutPlaintext"},
		{"a role of IAM Identity Center has its rights from there", world{identity: none, change: func(e *estate.Estate) {
			e.Principals = append(e.Principals, estate.Principal{ARN: sso, Policies: []estate.Attached{{Name: "own", Kind: "inline", Document: document(t, none...)}}})
		}}, decrypts(sso), "iam-policy-missing-action", "", "in IAM Identity Center, allow kms:Decrypt"},
		{"grants are allowed for a service's resources", world{identity: none}, through(decrypts(judgeRole), "ec2", "CopySnapshot", "kms:CreateGrant"), "iam-policy-missing-action", "", "kms:GrantIsForAWSResource"},
		{"an alias in Resource comes before what follows from it", world{identity: []string{allows("Allow", "kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:alias/data", "")}}, layered(decrypts(judgeRole)), "alias-misuse", "iam-policy-missing-action", "in place of the alias"},
		{"an account that its own key leaves out", world{key: []string{admits(judgeRole, "kms:*")}}, decrypts("arn:aws:iam::111122223333:root"), "key-policy-root-delegation-missing", "key-policy-missing-principal", "to arn:aws:iam::111122223333:root."},
		{"a key that waits for its material", world{change: state("PendingImport")}, decrypts(judgeRole), "key-spec-or-usage-mismatch", "", "get-parameters-for-import --key-id " + judgeKey},
		{"a key whose store is not there", world{change: state("Unavailable")}, decrypts(judgeRole), "key-spec-or-usage-mismatch", "", "connect the key store"},
		{"a key of another Region than was called", world{}, elsewhere, "wrong-region", "", "us-west-2"},
		{"a permissions boundary", world{boundary: allows("Allow", "s3:*", "*", "")}, decrypts(judgeRole), "boundary-deny", "", "in the permissions boundary of " + judgeRole},
	} {
		in := tt.in
		diagnose.Judge(&in, tt.world.estate(t), time.Time{})
		if len(in.Causes) == 0 || in.Causes[0].Code != tt.code || in.Causes[0].Verdict != diagnose.True || !strings.Contains(strings.ToLower(in.Causes[0].Fix), strings.ToLower(tt.fix)) {
			t.Errorf("%s: the causes are %+v, want %s with %q", tt.name, in.Causes, tt.code, tt.fix)
		}
		if tt.also != "" && !slices.ContainsFunc(in.Causes, func(c diagnose.Cause) bool { return c.Code == tt.also && c.Verdict == diagnose.True }) {
			t.Errorf("%s: %s is not true too", tt.name, tt.also)
		}
	}
}
