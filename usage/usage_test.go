package usage_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/usage"
)

// Every row says what it asks, how sure it is and where that stands.
func TestTheTableIsWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, u := range usage.All() {
		name := strings.Join([]string{u.Operation, u.Scenario, u.Action, u.Key}, " ")
		t.Run(name, func(t *testing.T) {
			if seen[name] {
				t.Error("the row stands twice")
			}
			seen[name] = true
			service, _, ok := strings.Cut(u.Operation, ":")
			if !ok || !awsfacts.KnownService(service) {
				t.Errorf("operation %q", u.Operation)
			}
			if _, ok := awsfacts.KMSAction(u.Action); !ok {
				t.Errorf("KMS has no action %q", u.Action)
			}
			if covered := awsfacts.ActionsMatching(u.Asks()); !contains(covered, u.Action) {
				t.Errorf("%s does not cover %s", u.Asks(), u.Action)
			}
			if u.About == "" || u.Key == "" || u.Failure.Text == "" {
				t.Error("about, key and failure.text say what the row is")
			}
			if u.Need != usage.Required && u.Need != usage.Asked {
				t.Errorf("need %q", u.Need)
			}
			if u.Confidence != usage.Recorded && u.Confidence != usage.Documented && u.Confidence != usage.Inferred {
				t.Errorf("confidence %q", u.Confidence)
			}
			if u.Confidence == usage.Inferred && u.From == "" {
				t.Error("an inferred row says what from")
			}
			if !strings.HasPrefix(u.Source, "https://docs.aws.amazon.com/") {
				t.Errorf("source %q", u.Source)
			}
			if !contains([]string{"error", "state", "silence"}, u.Failure.Shows) {
				t.Errorf("failure shows as %q", u.Failure.Shows)
			}
			if _, _, documented := awsfacts.ViaServiceName(usage.ViaService(u.Via, "us-east-1")); u.Via != "" && !documented {
				t.Errorf("via %q is no name that AWS documents", u.Via)
			}
			if (len(u.Grants) > 0) != (u.Action == "kms:CreateGrant") {
				t.Errorf("grants %v of %s", u.Grants, u.Action)
			}
			for key := range u.Context {
				if carries, known := awsfacts.Carries(u.Action, "kms:EncryptionContext:"+key); known && !carries {
					t.Errorf("%s carries no encryption context", u.Action)
				}
			}
		})
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if strings.EqualFold(l, s) {
			return true
		}
	}
	return false
}

const key = "arn:aws-cn:kms:cn-north-1:111122223333:key/k"

func TestAUseBecomesARequest(t *testing.T) {
	t.Parallel()
	for _, u := range usage.Of("ec2:CreateVolume", "from-snapshot") {
		r, err := u.Request("arn:aws-cn:iam::111122223333:role/app", key)
		if err != nil {
			t.Fatal(err)
		}
		if r.Action != u.Action || r.Resource != key {
			t.Errorf("%s asks %s on %s", u.About, r.Action, r.Resource)
		}
		want := map[string]policy.ContextValue{"kms:ViaService": policy.One("ec2.cn-north-1.amazonaws.com")}
		if u.Action == "kms:CreateGrant" {
			want["kms:GrantIsForAWSResource"] = policy.One("true")
			want["kms:GrantOperations"] = policy.Many("Decrypt")
		}
		for name := range u.Context {
			want["kms:EncryptionContext:"+name] = policy.NotGiven()
		}
		if len(r.Context) != len(want) {
			t.Errorf("%s: context %+v", u.Action, r.Context)
		}
		for _, e := range r.Context {
			if w := want[e.Name]; w.One != e.Value.One || w.Presence != e.Value.Presence {
				t.Errorf("%s: %s = %+v, want %+v", u.Action, e.Name, e.Value, w)
			}
		}
	}
	u := usage.All()[0]
	if _, err := u.Request("arn:aws:iam::111122223333:role/app", "nothing"); err == nil {
		t.Error("a key that is none was taken")
	}
	if _, err := u.Request("nobody", key); err == nil {
		t.Error("a caller who is none was taken")
	}
}

func TestOperationsWithoutRowsMakeNoUse(t *testing.T) {
	t.Parallel()
	if us := usage.Of("ec2:CreateSnapshot", ""); us != nil {
		t.Errorf("CreateSnapshot was recorded to need no KMS right, and the table has %v", us)
	}
}

// A copy of a volume's recovery point is a copy of a snapshot: the rows of both require the
// same, with the vault's key as the destination.
func TestACopyOfARecoveryPointRequiresWhatACopyOfASnapshotDoes(t *testing.T) {
	t.Parallel()
	required := func(operation, scenario string) map[string]bool {
		list := map[string]bool{}
		for _, u := range usage.Of(operation, scenario) {
			if u.Need == usage.Required {
				list[strings.Replace(u.Key, "destination", "vault", 1)+" "+u.Action+" "+u.Via] = true
			}
		}
		return list
	}
	want, got := required("ec2:CopySnapshot", "copy"), required("backup:StartCopyJob", "ebs")
	if len(want) == 0 || !maps.Equal(got, want) {
		t.Errorf("the copy of a recovery point requires %v, that of a snapshot %v", got, want)
	}
}

// Across accounts both sides have to allow, and nobody can change what AWS allows its
// service-linked role: what the copy requires has to be among it.
func TestAWSAllowsItsCopyingRoleWhatACopyRequires(t *testing.T) {
	t.Parallel()
	p, ok := awsfacts.ManagedPolicies()["AWSBackupServiceLinkedRolePolicyForBackup"]
	if !ok {
		t.Fatal("AWS's policy for the role is not known")
	}
	for _, u := range usage.Of("backup:StartCopyJob", "ebs") {
		if !strings.Contains(string(p.Document), `"`+u.Action+`"`) {
			t.Errorf("the policy does not allow %s", u.Action)
		}
	}
}
