package estate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

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
	first, err := load(t, whole).AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := load(t, string(first)).AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, again) {
		t.Errorf("written again it differs:\n%s", cmp.Diff(string(first), string(again)))
	}
	var want, got any
	// A policy in a string is written as a policy.
	plain := strings.Replace(whole, `"{\"Version\":\"2012-10-17\",\"Statement\":[]}"`, `{"Version":"2012-10-17","Statement":[]}`, 1)
	if err := errors.Join(json.Unmarshal([]byte(plain), &want), json.Unmarshal(first, &got)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
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

// Whatever is wrong is told at once, each with its place and what to do.
func TestABadEstateIsRefusedWithPlaces(t *testing.T) {
	t.Parallel()
	base := func(member string) string {
		return "{\"format_version\": 1, \"accounts\": [], \"principals\": [], \"keys\": [],\n" + member + "}"
	}
	tests := []struct{ name, text, want string }{
		{"nothing", "", "estate.json:1:1: the text is empty"},
		{"no JSON", "{\"a\": }", "estate.json:1:7: '}' stands where a value should"},
		{"a list", "[]", "estate.json:1:1: an estate is a map with format_version and the rest"},
		{"a case", `{"request": {}}`, "this is a case, not an estate"},
		{"no format_version", `{"accounts":[],"principals":[],"keys":[]}`, "the estate has no format_version"},
		{"another format_version", `{"format_version": 2}`, "the estate is of format_version 2, and this program reads 1"},
		{"a misspelt member", base(`"key": []`), "estate.json:2:1: \"key\" is no member of this estate\n    2 | \"key\": []}\n      | ^\n  did you mean keys?"},
		{"a member twice", base(`"keys": []`), `estate.json:2:1: "keys" stands twice in this map`},
		{"an account with a letter", base(`"resources": [{"type": "x", "account": "11112222333a"}]`), `estate.json:2:40: "account" is "11112222333a", which is not`},
		{"an account without quotes", base(`"resources": [{"type": "x", "account": 111122223333}]`), `put it in quotes: "111122223333"`},
		{"a state that is none", base(`"resources": []`)[:0] + "{\"format_version\": 1, \"accounts\": [], \"principals\": [], \"keys\": [\n{\"arn\": \"arn:aws:kms:us-east-1:111122223333:key/k\", \"state\": \"enabled\"}]}", `estate.json:2:62: "state" is "enabled", which is none of`},
		{"the same key twice", "{\"format_version\": 1, \"accounts\": [], \"principals\": [], \"keys\": [{\"arn\": \"arn:aws:kms:us-east-1:111122223333:key/k\"},\n{\"arn\": \"arn:aws:kms:us-east-1:111122223333:key/k\"}]}", "estate.json:2:9: key arn:aws:kms:us-east-1:111122223333:key/k is listed twice\n    2 | "},
		{"an alias as a key", "{\"format_version\": 1, \"accounts\": [], \"principals\": [], \"keys\": [\n{\"arn\": \"arn:aws:kms:us-east-1:111122223333:alias/k\"}]}", "estate.json:2:9:"},
		{"a control policy that is not there", "{\"format_version\": 1, \"accounts\": [], \"principals\": [], \"keys\": [],\n\"organization\": {\"id\": \"o-abc1234567\", \"policies\": {\"guard\": {}}, \"root\": {\"id\": \"r-ab12\", \"scps\": [\"gard\"]}}}", `estate.json:2:101: organization.policies has no policy called "gard"`},
		{"an account in two units", "{\"format_version\": 1, \"accounts\": [], \"principals\": [], \"keys\": [],\n\"organization\": {\"id\": \"o-abc1234567\", \"root\": {\"id\": \"r-ab12\", \"accounts\": [{\"id\": \"111122223333\"}, {\"id\": \"111122223333\"}]}}}", "111122223333 stands twice in the organization"},
		{"a grant for everyone", "{\"format_version\": 1, \"accounts\": [], \"principals\": [], \"keys\": [{\"arn\": \"arn:aws:kms:us-east-1:111122223333:key/k\", \"grants\": [\n{\"grant_id\": \"g\", \"grantee_principal\": \"*\", \"operations\": [\"Decrypt\"]}]}]}", `estate.json:2:40: "grantee_principal" is everyone, and a grant has one principal`},
		{"a policy that is a number", "{\"format_version\": 1, \"accounts\": [], \"principals\": [], \"keys\": [{\"arn\": \"arn:aws:kms:us-east-1:111122223333:key/k\",\n\"policy\": 5}]}", "estate.json:2:11:"},
		{"a policy string with no policy in it", "{\"format_version\": 1, \"accounts\": [], \"principals\": [], \"keys\": [{\"arn\": \"arn:aws:kms:us-east-1:111122223333:key/k\",\n\"policy\": \"hello\"}]}", "estate.json:2:11: "},
		{"a role that is none", "{\"format_version\": 1, \"accounts\": [], \"keys\": [], \"principals\": [\n{\"arn\": \"role/app\"}]}", "estate.json:2:9:"},
		{"a date that is none", "{\"format_version\": 1, \"collected_at\": \"yesterday\", \"accounts\": [], \"keys\": [], \"principals\": []}", "estate.json:1:39:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := estate.Load("estate.json", []byte(tt.text))
			var file *estate.FileError
			if !errors.As(err, &file) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error:\n%v\nwant one with\n%s", err, tt.want)
			}
		})
	}
	_, err := estate.Load("estate.json", []byte("{\"format_version\": 1, \"accounts\": 1,\n\"principal\": [],\n\"keys\": {}}"))
	var file *estate.FileError
	if !errors.As(err, &file) || len(file.Problems) < 3 {
		t.Errorf("not everything is told at once: %v", err)
	}
	if _, err := estate.LoadFile("no-such-file.json"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestFindingsNameTheOwnerOfThePolicy(t *testing.T) {
	t.Parallel()
	e := load(t, `{"format_version": 1, "accounts": [], "principals": [{"arn": "arn:aws:iam::111122223333:role/a", "policies": [
{"name": "p", "document": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resources": "*"}]}}]}], "keys": []}`)
	fs := e.Findings()
	if len(fs) != 2 || fs[0].Rule != "KEY008" || fs[0].Subject != "arn:aws:iam::111122223333:role/a" || fs[0].Position.String() != "estate.json:2:106" {
		t.Errorf("findings %v", fs)
	}
}

// The schemas that are published are those that the program reads by, and they
// take what it takes.
func TestPublishedSchemas(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"estate": estate.EstateSchema, "case": estate.CaseSchema} {
		published, err := os.ReadFile("../docs/" + name + ".schema.json")
		if err != nil || string(published) != text {
			t.Errorf("docs/%s.schema.json is not the one of the program (%v)", name, err)
		}
	}
}

func TestLoadingALargeEstateIsQuick(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	key, role := e.Keys[0], e.Principals[0]
	for i := range 1000 {
		k := key
		k.ARN += strings.Repeat("x", i/100) + string(rune('a'+i%26)) + time.Duration(i).String()
		e.Keys = append(e.Keys, k)
		p := role
		p.ARN += time.Duration(i).String()
		e.Principals = append(e.Principals, p)
	}
	text, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	load(t, string(text))
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("%d bytes took %v", len(text), took)
	} else {
		t.Logf("%d bytes in %v", len(text), took)
	}
}

func cases(t testing.TB, lines ...string) []estate.CaseLine {
	t.Helper()
	return slices.Collect(estate.ReadCases("c.jsonl", strings.NewReader(strings.Join(lines, "\n"))))
}
