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
		{"an account of nothing", change("accounts:", "accounts:\n  none:"), "account none has no id", false},
		{"an id that a number would cut short", change("id: 111122223333", "id: 011122223333"), `write it as "011122223333"`, false},
		{"an id in quotes that begins with zero", strings.ReplaceAll(goodFile, "444455556666", "044455556666"), "", true},
		{"an id with hyphens", change("id: 111122223333", "id: 1111-2222-3333"), `"1111-2222-3333" is no account number`, false},
		{"an id that is a list", change("id: 111122223333", "id: [111122223333]"), "this is a list; it should be an account number", false},
		{"a short id", change(`"444455556666"`, `"44445555666"`), "is no account number", false},
		{"a Region that is none", change("us-east-1", "us-east"), `"us-east" is no Region`, false},
		{"an unknown member of access", change("profile", "profil"), "did you mean profile?", false},
		{"a role of another account", change("arn:aws:iam::111122223333:role/reader", "arn:aws:iam::444455556666:role/reader"), "the role is in account 444455556666, and target is 111122223333", true},
		{"a role of another partition", change("arn:aws:iam::111122223333:role/reader", "arn:aws-us-gov:iam::111122223333:role/reader"), "the ARN is in the partition aws-us-gov, and us-east-1 is in aws", true},
		{"via without a role", change(`role_arn: "arn:aws:iam::111122223333:role/reader", external_id: x, `, ""), "are for assuming a role, and access names none", false},
		{"an external id without a role", change("{profile: dr}", "{profile: dr, external_id: x}"), "are for assuming a role, and access names none", false},
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
		{"a party of nothing", change("target: {account: target, region: us-west-2, actor: {user: eve}}", "target:"), "target names no account", false},
		{"a party without an account", change("account: target, region", "region"), "target names no account", false},
		{"no key", change(`{account: staging, key: "arn:aws:kms:us-east-1:444455556666:key/k"}`, "staging"), "the key of staging is not said", true},
		{"an alias as the key", change("444455556666:key/k", "444455556666:alias/k"), "an alias can move to another key", false},
		{"an account in China and one in the rest of the world", change("target: {account: target, region: us-west-2,", "target: {account: target, region: cn-north-1,"), "target is in the partition aws-cn and staging in aws: nothing is shared across partitions", true},
		{"a GovCloud key in a commercial account", change("arn:aws:kms:us-east-1", "arn:aws-us-gov:kms:us-gov-west-1"), "nothing is shared across partitions", true},
		{"a key of no Region", change("kms:us-east-1", "kms:us-nowhere-1"), `"us-nowhere-1" is no Region`, true},
		{"a key of a Region in another partition", change("arn:aws:kms:us-east-1", "arn:aws-cn:kms:us-east-1"), "the ARN is in the partition aws-cn, and us-east-1 is in aws", true},
		{"an estate that is a list", "estate: [a]" + goodFile, "estate: this is a list; it should be a text", false},
		{"accounts as a list", "accounts: []\nroutes: []", "accounts: this is a list; it should be a map", false},
		{"an account that is a text", change("staging: {id:", "other: x\n  staging: {id:"), "this is a string; it should be a map", false},
		{"a region that is a number", change("region: us-east-1", "region: 1"), "this is a number; it should be a text", false},
		{"a region of the wrong letter case", change("region: us-east-1", "region: US-EAST-1"), `"US-EAST-1" is no Region`, false},
		{"a role_arn that is a name", change("arn:aws:iam::111122223333:role/reader", "reader"), `"reader" is not the ARN of a role`, false},
		{"a role_arn of a user", change("111122223333:role/reader", "111122223333:user/reader"), "is not the ARN of a role", false},
		{"a profile and via", change("external_id: x, via: staging", "profile: p, via: staging"), "access says both profile and via", true},
		{"an actor that is a text", change("actor: {user: eve}", "actor: eve"), "this is a string; it should be a map", false},
		{"an actor with a misspelt member", change("actor: {user: eve}", "actor: {usr: eve}"), "did you mean user?", false},
		{"an actor that is a role and a user", change("actor: {user: eve}", "actor: {user: eve, role: adam}"), "either a role or a user", false},
		{"an actor of another account", change("role: ops/RecoveryOperator", `role: "arn:aws:iam::444455556666:role/x"`), "is not in account 111122223333", true},
		{"an actor that is a group", change("role: ops/RecoveryOperator", `role: "arn:aws:iam::111122223333:group/x"`), "is no role or user", true},
		{"an actor of another partition", change("role: ops/RecoveryOperator", `role: "arn:aws-cn:iam::111122223333:role/x"`), "the ARN is in the partition aws-cn, and us-east-1 is in aws", true},
		{"a user that stands as a role", change("role: ops/RecoveryOperator", `role: "arn:aws:iam::111122223333:user/x"`), "is a user, and stands as a role", true},
		{"a role that stands as a user", change("user: eve", `user: "arn:aws:iam::111122223333:role/x"`), "is a role, and stands as a user", true},
		{"session tags that are a list", change("session_tags: {team: dr}", "session_tags: [team]"), "this is a list; it should be a map", false},
		{"a session tag that is a number", change("{team: dr}", "{team: 1}"), `put it in quotes: "1"`, false},
		{"a route that is a text", goodFile + "  - recover\n", "a route is a map with name and kind", false},
		{"a name that is a number", change("name: recover", "name: 7"), "name: this is a number; it should be a text", false},
		{"a list where one party stands", change("target: {account: target,", "target: [target]\n    x: {account: target,"), "target is one party, and this is a list", false},
		{"a party with a misspelt member", change("region: us-west-2", "regoin: us-west-2"), "did you mean region?", false},
		{"a key that is no ARN", change(`"arn:aws:kms:us-east-1:444455556666:key/k"`, "1234abcd"), `"1234abcd" is not the ARN of a KMS key`, false},
		{"a key of another service", change("arn:aws:kms:us-east-1:444455556666:key/k", "arn:aws:s3:::bucket"), "is not the ARN of a KMS key", false},
		{"a consumer where there is none", change("target: {account: target,", "target: {account: target, as: spot,"), "target is no consumer on a route of this kind", true},
		{"a tab", "accounts:\n\ta: 1\n", "the YAML cannot be read", true},
		{"an anchor of nothing", change("{profile: dr}", "*nothing"), "accounts.staging.access: this is a template expression; it should be a map", true},
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

// What the account leaves to the route decides how a name becomes an ARN.
func TestAnActorIsInThePartitionOfTheParty(t *testing.T) {
	t.Parallel()
	f, err := route.Load("keyreach.yaml", []byte(`
accounts:
  a: {id: "444455556666", region: cn-north-1}
  b: {id: "111122223333", actor: {role: Operator}}
routes:
  - {name: r, kind: drs, staging: {account: a, key: "arn:aws-cn:kms:cn-north-1:444455556666:key/k"}, target: {account: b, region: cn-north-1}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.Routes[0].Parties["target"][0].Actor.Principal, "arn:aws-cn:iam::111122223333:role/Operator"; got != want {
		t.Errorf("actor %s, want %s", got, want)
	}
}

// The examples are what people copy.
func TestTheSchemaTakesTheExamples(t *testing.T) {
	t.Parallel()
	schema := fileSchema(t)
	paths, err := filepath.Glob("../examples/*/" + route.FileName)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d examples (%v)", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(schema, string(text)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A kind with consumers.
func TestConsumersOfAFile(t *testing.T) {
	t.Parallel()
	file := func(consumers string) string {
		return `
accounts:
  owner: {id: "444455556666", region: us-east-1, actor: {role: builder}}
  app: {id: "111122223333", region: us-east-1, actor: {role: app}}
routes:
  - {name: r, kind: ami, owner: {account: owner, key: "arn:aws:kms:us-east-1:444455556666:key/k"}, consumers: ` + consumers + `}
`
	}
	f, err := route.Load("keyreach.yaml", []byte(file("[app, {account: app, as: auto-scaling}, {account: app, as: karpenter, actor: {role: karpenter}}]")))
	if err != nil {
		t.Fatal(err)
	}
	var actors []string
	for _, p := range f.Routes[0].Parties["consumers"] {
		actors = append(actors, strings.TrimPrefix(p.Actor.Principal, "arn:aws:iam::111122223333:role/"))
	}
	if got, want := strings.Join(actors, " "), "app aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling karpenter"; got != want {
		t.Errorf("actors %s, want %s", got, want)
	}
	for text, want := range map[string]string{
		"[]":                             "consumers is empty",
		"[{account: app, as: karpentr}]": "did you mean karpenter?",
		"[{account: app, as: spot, actor: {role: x}}]": "spot acts as AWSServiceRoleForEC2Spot, so no actor can be named",
		"[apps]": "did you mean app?",
	} {
		if _, err := route.Load("keyreach.yaml", []byte(file(text))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("consumers %s: %v, want %s", text, err, want)
		}
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
