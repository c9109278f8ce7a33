package estate_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/estate"
)

// whole is an estate with every member that an estate can have.
const whole = `{
  "format_version": 1,
  "collected_at": "2026-11-01T08:00:00Z",
  "organization": {
    "id": "o-abc1234567", "management_account": "999999999999",
    "policies": {"guard": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "kms:Schedule*", "Resource": "*"}]}, "lost": {"unreadable": "AccessDenied"}},
    "root": {"id": "r-ab12", "scps": ["FullAWSAccess"], "rcps": ["RCPFullAWSAccess"], "units": [
      {"id": "ou-ab12-12345678", "name": "Workloads", "scps": ["FullAWSAccess", "guard"], "accounts": [{"id": "111122223333", "scps": ["FullAWSAccess"]}]}],
      "accounts": [{"id": "999999999999"}]}
  },
  "accounts": [{"id": "111122223333", "name": "app", "partition": "aws", "regions": ["us-east-1"], "ebs_defaults": {"us-east-1": {"encrypt": true, "key": "arn:aws:kms:us-east-1:111122223333:alias/aws/ebs"}}}],
  "principals": [
    {"arn": "arn:aws:iam::111122223333:role/app", "id": "AROAEXAMPLEEXAMPLEEX1", "tags": {"team": "dr"},
     "policies": [{"name": "use", "kind": "inline", "document": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}},
                  {"name": "p", "kind": "group", "group": "ops", "document": {"unreadable": "not listed"}}],
     "boundary": {"Version": "2012-10-17", "Statement": []}, "trust": "{\"Version\":\"2012-10-17\",\"Statement\":[]}",
     "not_attached": [{"name": "x", "document": {"Version": "2012-10-17", "Statement": []}, "reason": "refused"}]},
    {"arn": "arn:aws:iam::111122223333:user/eve", "unreadable": "AccessDenied"}
  ],
  "keys": [
    {"arn": "arn:aws:kms:us-east-1:111122223333:key/k1", "state": "Enabled", "manager": "CUSTOMER", "spec": "SYMMETRIC_DEFAULT", "usage": "ENCRYPT_DECRYPT", "origin": "EXTERNAL",
     "multi_region": true, "primary_key": "arn:aws:kms:us-west-2:111122223333:key/k1", "deletion_date": "2030-01-01T00:00:00Z", "valid_to": "2029-01-01T00:00:00Z",
     "aliases": ["alias/app"], "tags": {"a": "b"}, "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kms:*", "Resource": "*"}]},
     "grants": [{"grant_id": "g1", "name": "n", "token": "t", "grantee_principal": "arn:aws:iam::111122223333:role/app", "grantee_principal_id": "AROAEXAMPLEEXAMPLEEX1", "retiring_principal": "arn:aws:iam::111122223333:role/app", "operations": ["Decrypt"],
       "constraints": {"EncryptionContextSubset": {"x": "y"}}, "issuing_account": "arn:aws:iam::111122223333:root", "created_at": "2026-01-01T00:00:00Z"},
       {"grant_id": "g2", "grantee_service_principal": "ec2.us-east-1.amazonaws.com", "operations": ["Decrypt"]}],
     "principal_ids": {"arn:aws:iam::111122223333:role/app": "AROAEXAMPLEEXAMPLEEX1"}},
    {"arn": "arn:aws:kms:us-east-1:111122223333:key/k2", "policy": {"unreadable": "AccessDenied"}, "grants_unreadable": "AccessDenied"}
  ],
  "resources": [{"type": "ec2:Snapshot", "id": "snap-1", "arn": "arn:aws:ec2:us-east-1::snapshot/snap-1", "account": "111122223333", "region": "us-east-1", "key": "arn:aws:kms:us-east-1:111122223333:key/k1", "shared_with": ["444455556666"], "attributes": {"state": "completed"}}],
  "endpoints": [{"id": "vpce-12345678", "account": "111122223333", "region": "us-east-1", "service": "kms", "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}}]
}`

func load(t testing.TB, text string) *estate.Estate {
	t.Helper()
	e, err := estate.Load("estate.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAnEstateIsWrittenAsItWasRead(t *testing.T) {
	t.Parallel()
	first := written(t, load(t, whole))
	if again := written(t, load(t, first)); again != first {
		t.Errorf("written again it differs:\n%s", cmp.Diff(first, again))
	}
	// A policy in a string is written as a policy.
	want := strings.Replace(whole, `"{\"Version\":\"2012-10-17\",\"Statement\":[]}"`, `{"Version":"2012-10-17","Statement":[]}`, 1)
	if diff := cmp.Diff(plain(t, want), plain(t, first)); diff != "" {
		t.Errorf("what was written is not what was read:\n%s", diff)
	}
}

func TestYAMLWillDo(t *testing.T) {
	t.Parallel()
	e := load(t, "format_version: 1\naccounts:\n- id: \"111122223333\"\nprincipals: []\nkeys:\n- arn: arn:aws:kms:us-east-1:111122223333:key/k\n  policy:\n    Version: 2012-10-17\n    Statement: []\n")
	if e.Key("arn:aws:kms:us-east-1:111122223333:key/k") == nil || e.Account("111122223333") == nil {
		t.Error("the estate does not have what the file says")
	}
}

func TestATextThatIsNoEstate(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"nothing", "", "1:1: the text is empty: a JSON or YAML document is expected"},
		{"no JSON", `{"a": }`, "1:7: '}' stands where a value should: write the value, or remove the comma or colon before it"},
		{"a list", "[]", "1:1: an estate is a map with format_version and the rest; this is a list"},
		{"a case", `{"request": {}}`, "1:1: this is a case, not an estate | give a case file with --cases"},
		{"no format_version", `{"accounts":[]}`, `1:1: the estate has no format_version | begin it with "format_version": 1`},
		{"a format_version in quotes", `{"format_version": "1"}`, `1:20: format_version is "1" | write "format_version": 1`},
		{"a format_version of the future", `{"format_version": 2, "tidings": []}`, "1:20: the estate is of format_version 2, and this program reads 1 | read it with the program that wrote it, or collect it again"},
		{"a template", "format_version: 1\nkeys:\n- arn: arn:aws:kms:us-east-1:111122223333:key/k\n  tags: {a: !Ref b}\n", "4:13: keys[0].tags.a: this is a template expression; it should be a text"},
		{"a policy that a template fills in", "format_version: 1\nkeys:\n- arn: arn:aws:kms:us-east-1:111122223333:key/k\n  policy: !Sub x\n", "4:11: keys[0].policy: a policy is a map with Statement; this is a template expression"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := problems(t, tt.text); len(got) != 1 || got[0] != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// Whatever is wrong is told at once, in the order of the file.
func TestAllProblemsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	got := problems(t, "{\"format_version\": 1, \"accounts\": 1,\n\"principal\": [],\n\"keys\": [{\"arn\": \"k\", \"policy\": {\"a\": 1},\n\"grants\": [{\"grant_id\": \"g\", \"grantee_principal\": \"*\", \"operations\": []}]}]}")
	wants := []string{"1:35: \"accounts\" is a number", "2:1: \"principal\" is no member", "3:18: \"arn\" is \"k\"", "3:34: keys[0].policy: this is no policy", "4:51: \"grantee_principal\" is everyone"}
	if len(got) != len(wants) {
		t.Fatalf("told %q", got)
	}
	for i, want := range wants {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("told %q, want %q", got[i], want)
		}
	}
}

func TestAnEstateFileIsRead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "e.json")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	if e, err := estate.LoadFile(file); err != nil || len(e.Keys) != 2 {
		t.Errorf("%v, %v", e, err)
	}
	if _, err := estate.LoadFile(file + "x"); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "reading estate: ") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestFindingsNameTheOwnerOfThePolicy(t *testing.T) {
	t.Parallel()
	e := load(t, `{"format_version": 1, "accounts": [], "principals": [{"arn": "arn:aws:iam::111122223333:role/a", "policies": [
{"name": "p", "document": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resources": "*"}]}}]}], "keys": []}`)
	fs := e.Findings()
	if len(fs) != 1 || fs[0].Rule != "KEY008" || fs[0].Subject != "arn:aws:iam::111122223333:role/a" || fs[0].Position.String() != "estate.json:2:106" {
		t.Errorf("findings %v", fs)
	}
}

func cases(t testing.TB, lines ...string) []estate.CaseLine {
	t.Helper()
	return slices.Collect(estate.ReadCases("c.jsonl", strings.NewReader(strings.Join(lines, "\n"))))
}
