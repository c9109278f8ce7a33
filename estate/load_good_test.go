package estate_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/estate"
)

var update = flag.Bool("update", false, "write the golden files anew")

// accepted are members of an estate that is fine.
var accepted = []struct{ name, member string }{
	{"lists that are empty", `"accounts": [], "principals": [], "keys": [], "resources": [], "endpoints": []`},
	{"a time with a zone", `"collected_at": "2026-11-01T08:00:00.5+01:00"`},
	{"an account of which nothing is known", `"accounts": [{"id": "000000000001"}]`},
	{"an account of China", `"accounts": [{"id": "111122223333", "partition": "aws-cn", "regions": ["cn-north-1", "us-gov-west-1"]}]`},
	{"EBS encryption under an alias and under the default key", `"accounts": [{"id": "111122223333", "ebs_defaults": {"us-east-1": {"encrypt": false, "key": "arn:aws:kms:us-east-1:111122223333:alias/x"}, "eu-west-1": {"encrypt": true}}}]`},
	{"no organization", `"organization": null`},
	{"an organization whose policies nobody could read", `"organization": {"id": "o-a", "root": {"id": "r-a"}, "unreadable": "AccessDenied"}`},
	{"policies that AWS attaches, and those that nobody could read", `"organization": {"id": "o-a", "policies": {"x": {"unreadable": "why"}}, "root": {"id": "r-a", "scps": ["FullAWSAccess", "x"], "rcps": ["RCPFullAWSAccess"]}}`},
	{"a user and a role of one name", `"principals": [{"arn": "arn:aws:iam::111122223333:user/a"}, {"arn": "arn:aws:iam::111122223333:role/a"}, {"arn": "arn:aws:iam::444455556666:role/b/a"}]`},
	{"a policy in a text", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "trust": "{\"Version\":\"2012-10-17\",\"Statement\":[]}"}]`},
	{"a policy in a URL-encoded text", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "trust": "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D"}]`},
	{"statements without the rest of a policy", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "policies": [{"name": "p", "document": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}]}]`},
	{"a policy that says nothing", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "policies": [{"name": "p", "document": {}}]}]`},
	{"no boundary, in so many words", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "boundary": null}]`},
	{"placeholders in a policy", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "boundary": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "arn:aws:kms:${region}:<ACCOUNT_ID>:key/{{key}}"}]}}]`},
	{"an odd policy, of which a finding tells", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "boundary": {"Versoin": "2012-10-17", "Statement": {"Efect": "Allow"}}}]`},
	{"a key of which nothing is known", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/mrk-1"}]`},
	{"one alias in two Regions and two accounts", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "aliases": ["alias/a"]}, {"arn": "arn:aws:kms:us-west-2:111122223333:key/k", "aliases": ["alias/a"]}, {"arn": "arn:aws:kms:us-east-1:444455556666:key/k", "aliases": ["alias/a"]}]`},
	{"a key that is being deleted", `"keys": [{"arn": "arn:aws-cn:kms:cn-north-1:111122223333:key/k", "state": "PendingDeletion", "deletion_date": "2030-01-01T00:00:00Z"}]`},
	{"grants for a number, a service, a unique id and a session", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "grants": [
		{"grant_id": "1", "grantee_principal": "111122223333", "operations": []},
		{"grant_id": "2", "grantee_principal": "ec2.amazonaws.com", "operations": ["Decrypt"]},
		{"grant_id": "3", "grantee_principal": "AROAEXAMPLEEXAMPLEEX1", "operations": ["Decrypt"], "issuing_account": "111122223333"},
		{"grant_id": "4", "grantee_principal": "arn:aws:sts::111122223333:assumed-role/a/s", "operations": ["Decrypt"], "constraints": null},
		{"grant_id": "5", "grantee_service_principal": "dynamodb.amazonaws.com", "operations": ["Decrypt"], "constraints": {"SourceArn": "arn:aws:dynamodb:us-east-1:111122223333:table/t"}}]}]`},
	{"a bucket under the bare name of an alias", `"resources": [{"type": "s3:Bucket", "account": "111122223333", "key": "alias/data"}]`},
	{"an endpoint without a policy", `"endpoints": [{"id": "vpce-1", "account": "111122223333", "region": "us-east-1", "service": "kms"}]`},
}

// What is fine is read, written, and read as the same estate; and the schema
// takes it before and after.
func TestAnEstateThatIsFine(t *testing.T) {
	t.Parallel()
	schema := published(t, estate.EstateSchema)
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := `{"format_version": 1, ` + tt.member + `}`
			first := written(t, load(t, text))
			if again := written(t, load(t, first)); again != first {
				t.Errorf("written again it differs:\n%s", cmp.Diff(first, again))
			}
			for _, form := range []string{text, first} {
				if err := validate(schema, form); err != nil {
					t.Errorf("the schema refuses what is read: %v\n%s", err, form)
				}
			}
		})
	}
}

func written(t testing.TB, e *estate.Estate) string {
	t.Helper()
	b, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The bytes of an estate file do not change unnoticed.
func TestTheEstateFile(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	n, err := load(t, whole).WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("wrote %d bytes of %d: %v", n, b.Len(), err)
	}
	golden := filepath.Join("testdata", "whole.golden.json")
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("the file is another (write it anew with -update):\n%s", diff)
	}
}

// A policy that is neither there nor unreadable cannot be written.
func TestAnEmptyDocumentIsNotWritten(t *testing.T) {
	t.Parallel()
	e := estate.Estate{Principals: []estate.Principal{{ARN: "arn:aws:iam::111122223333:role/a", Trust: new(estate.Document)}}}
	if _, err := e.AppendJSON(nil); err == nil || !strings.HasPrefix(err.Error(), "writing estate: ") {
		t.Errorf("the error is %v", err)
	}
	if n, err := e.WriteTo(new(bytes.Buffer)); n != 0 || err == nil {
		t.Errorf("wrote %d bytes: %v", n, err)
	}
}

// What stands twice in a policy of an estate is told, as in a policy alone.
func TestWhatStandsTwiceInAPolicyIsTold(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "a:b", "Action": "c:d", "Resource": "*"}]}`,
		`"{\"Version\": \"2012-10-17\", \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"a:b\", \"Action\": \"c:d\", \"Resource\": \"*\"}]}"`,
	} {
		e := load(t, `{"format_version": 1, "principals": [{"arn": "arn:aws:iam::111122223333:role/a", "boundary": `+policy+`}]}`)
		fs := e.Findings()
		if len(fs) != 1 || fs[0].Rule != "POL002" || !strings.HasPrefix(fs[0].Text, `"Action" stands twice here`) || fs[0].Position.Line != 1 {
			t.Errorf("findings %v of %s", fs, policy)
		}
	}
}

// large is an estate of a thousand keys and two thousand roles.
func large(t testing.TB) []byte {
	t.Helper()
	e := load(t, whole)
	key, role := e.Keys[0], e.Principals[0]
	key.Aliases = nil
	for i := range 2000 {
		p := role
		p.ARN = fmt.Sprintf("arn:aws:iam::111122223333:role/role-%d", i)
		e.Principals = append(e.Principals, p)
		if k := key; i%2 == 0 {
			k.ARN = fmt.Sprintf("arn:aws:kms:us-east-1:111122223333:key/%08d-12ab-34cd-56ef-1234567890ab", i)
			e.Keys = append(e.Keys, k)
		}
	}
	return []byte(written(t, e))
}

// Not a measurement, for which see the benchmark: it fails when loading takes
// out of all proportion.
func TestLoadingALargeEstateIsQuick(t *testing.T) {
	t.Parallel()
	text := large(t)
	start := time.Now()
	load(t, string(text))
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("%d bytes took %v", len(text), took)
	}
}

// Neither does a file in which everything is wrong, all on one line: excerpts
// are made for what is shown.
func TestManyProblemsOnOneLineAreToldQuickly(t *testing.T) {
	t.Parallel()
	key := `{"arn": "arn:aws:kms:us-east-1:111122223333:key/%d", "polcy": {"Version": "2012-10-17", "Statement": [` + strings.Repeat(" ", 400) + `]}}`
	keys := make([]string, 3000)
	for i := range keys {
		keys[i] = fmt.Sprintf(key, i)
	}
	start := time.Now()
	_, err := estate.Load("e.json", []byte(`{"format_version": 1, "keys": [`+strings.Join(keys, ",")+`]}`))
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if err == nil || strings.Count(err.Error(), "did you mean policy?") != 20 || !strings.HasSuffix(err.Error(), "\nand 980 more") {
		t.Errorf("the error is %.2000v", err)
	}
}

func BenchmarkLoad(b *testing.B) {
	text := large(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := estate.Load("estate.json", text); err != nil {
			b.Fatal(err)
		}
	}
}

// plain is a text of JSON as values.
func plain(t testing.TB, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
