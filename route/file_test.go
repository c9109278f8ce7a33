package route_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

const goodFile = `
accounts:
  staging: {id: "444455556666", region: us-east-1, access: {profile: dr}}
  target:
    id: 111122223333
    region: us-east-1
    access: {role_arn: "arn:aws:iam::111122223333:role/reader", external_id: x, via: staging}
    actor: {role: ops/RecoveryOperator, session_tags: {team: dr}, source_identity: me}
routes:
  - name: recover
    kind: drs
    staging: {account: staging, key: "arn:aws:kms:us-east-1:444455556666:key/k"}
    target: {account: target, region: us-west-2, actor: {user: eve}}
  - {name: again, kind: drs, staging: {account: staging, key: "arn:aws:kms:us-east-1:444455556666:key/k"}, target: target}
`

func TestTheFileIsReadWhole(t *testing.T) {
	t.Parallel()
	f, err := route.Load("dir/keyreach.yaml", []byte(goodFile))
	if err != nil {
		t.Fatal(err)
	}
	a := f.Accounts["target"]
	if a.ID != "111122223333" || a.Access.Via != "staging" || a.Access.ExternalID != "x" || f.EstatePath() != filepath.Join("dir", "estate.json") {
		t.Errorf("account %+v", a)
	}
	if len(f.Routes) != 2 || f.Routes[0].Position.Line != 10 {
		t.Fatalf("routes %+v", f.Routes)
	}
	first, second := f.Routes[0].Parties["target"][0], f.Routes[1].Parties["target"][0]
	if first.Region != "us-west-2" || first.Actor.Principal != "arn:aws:iam::111122223333:user/eve" {
		t.Errorf("what the route says does not win: %+v", first)
	}
	if second.Region != "us-east-1" || second.Actor.Principal != "arn:aws:iam::111122223333:role/ops/RecoveryOperator" || second.Actor.SessionTags["team"] != "dr" || second.Actor.SourceIdentity != "me" {
		t.Errorf("what the account says is not taken: %+v", second)
	}
}

// Files of both kinds: the reader and the published schema agree on each,
// apart from what no schema can say.
func TestReaderAndSchemaAgree(t *testing.T) {
	t.Parallel()
	schema := fileSchema(t)
	change := func(from, to string) string { return strings.Replace(goodFile, from, to, 1) }
	tests := []struct {
		name, text, want string
		schemaTakesIt    bool
	}{
		{"a good file", goodFile, "", true},
		{"with its version", "format_version: 1" + goodFile, "", true},
		{"another version", "format_version: 2" + goodFile, "the file is of format_version 2", false},
		{"an unknown member", change("accounts:", "acounts: {}\naccounts:"), `keyreach.yaml:2:1: "acounts" is no member here`, false},
		{"an account without id", change(`id: "444455556666", `, ""), "account staging has no id", false},
		{"a short id", change(`"444455556666"`, `"44445555666"`), "is no account number", false},
		{"a Region that is none", change("us-east-1", "us-east"), `"us-east" is no Region`, false},
		{"an unknown member of access", change("profile", "profil"), "did you mean profile?", false},
		{"a role of another account", change("arn:aws:iam::111122223333:role/reader", "arn:aws:iam::444455556666:role/reader"), "the role is in account 444455556666, and target is 111122223333", true},
		{"via of nobody", change("via: staging", "via: stagin"), "did you mean staging?", true},
		{"via of itself", change("via: staging", "via: target"), "via leads back to the account itself", true},
		{"an actor without a name", change("role: ops/RecoveryOperator, ", ""), "an actor has either a role or a user", false},
		{"tags of a user", change("actor: {user: eve}", "actor: {user: eve, session_tags: {a: b}}"), "a user has neither session_tags nor a source_identity", true},
		{"an unknown kind", change("kind: drs", "kind: dr"), `there is no kind of route called "dr"`, false},
		{"no kind", change("    kind: drs\n", ""), "the route has no kind", false},
		{"no name", change("name: recover\n    kind", "kind"), "the route has no name", false},
		{"two of one name", change("name: again", "name: recover"), `there are two routes called "recover"`, true},
		{"an unknown party", change("staging: {account: staging,", "stagging: {account: staging,"), "did you mean staging?", false},
		{"no staging account", change(`    staging: {account: staging, key: "arn:aws:kms:us-east-1:444455556666:key/k"}`+"\n", ""), "the route does not say who is staging", false},
		{"a party of no account", change("{account: target", "{account: tarjet"), "did you mean target?", true},
		{"no key", change(`{account: staging, key: "arn:aws:kms:us-east-1:444455556666:key/k"}`, "staging"), "the key of staging is not said", true},
		{"an alias as the key", change("444455556666:key/k", "444455556666:alias/k"), "an alias can move to another key", false},
		{"no routes", goodFile[:strings.Index(goodFile, "routes:")], "the file declares no route", false},
		{"a list", "- a", "the file is a map with accounts and routes", false},
		{"a member twice", goodFile + "routes: []\n", `"routes" stands twice`, true},
		{"routes of another kind", change("routes:\n", "routes: x\nx:\n"), "this is a string; it should be a list", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := route.Load("keyreach.yaml", []byte(tt.text))
			var file *estate.FileError
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (!errors.As(err, &file) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error:\n%v\nwant one with %s", err, tt.want)
			}
			if file != nil {
				for _, p := range file.Problems {
					if p.Position.Line == 0 || p.Excerpt == "" {
						t.Errorf("a problem without its place: %+v", p)
					}
				}
			}
			if err := validate(schema, tt.text); (err == nil) != tt.schemaTakesIt {
				t.Errorf("the schema says %v", err)
			}
		})
	}
}

func fileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	published, err := route.FileSchema()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jsonschema.UnmarshalJSON(bytes.NewReader(published))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("keyreach.json", text); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("keyreach.json")
}

func validate(s *jsonschema.Schema, text string) error {
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil // it is not for the schema to say
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

var update = flag.Bool("update", false, "write the schema in docs anew")

func TestTheSchemaIsPublished(t *testing.T) {
	t.Parallel()
	want, err := route.FileSchema()
	if err != nil {
		t.Fatal(err)
	}
	const path = "../docs/keyreach.schema.json"
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // it is published
			t.Fatal(err)
		}
	}
	if published, err := os.ReadFile(path); err != nil || !bytes.Equal(published, want) {
		t.Errorf("docs/keyreach.schema.json is not the one of the program (%v); run the test with -update", err)
	}
}
