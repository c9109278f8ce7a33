package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func mustRead(t testing.TB, text string) (*policy.Document, []finding.Finding) {
	t.Helper()
	d, fs, err := policy.Read("p.json", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d, fs
}

// rules lists findings as "KEY008@3:5".
func rules(fs []finding.Finding) []string {
	var out []string
	for _, f := range fs {
		out = append(out, fmt.Sprintf("%s@%d:%d", f.Rule, f.Position.Line, f.Position.Column))
	}
	slices.Sort(out)
	return out
}

// Every form that people write is read, and AWS's own forms without a finding.
func TestReadTakesTheFormsPeopleWrite(t *testing.T) {
	t.Parallel()
	const statement = `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`
	tests := []struct {
		name, text string
		statements int
		findings   []string
	}{
		{"a list of statements", `{"Version":"2012-10-17","Statement":[` + statement + `,` + statement + `]}`, 2, nil},
		{"a single statement", `{"Version":"2012-10-17","Statement":` + statement + `}`, 1, nil},
		{"statements without a document around", `[` + statement + `]`, 1, []string{"KEY060@1:1"}},
		{"no version", `{"Statement":[` + statement + `]}`, 1, []string{"KEY060@1:1"}},
		{"the old version", `{"Version":"2008-10-17","Statement":[` + statement + `]}`, 1, []string{"KEY060@1:12"}},
		{"no such version", `{"Version":"2012-10-18","Statement":[` + statement + `]}`, 1, []string{"KEY060@1:12"}},
		{"a policy in a string, as AWS returns it", `"{\"Version\":\"2012-10-17\",\"Statement\":[]}"`, 0, []string{"POL006@1:1"}},
		{"a list of one and a list of two", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:Decrypt"],"Resource":["a","b"]}]}`, 1, nil},
		{"a boolean and a number in a condition", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":true},"NumericLessThan":{"kms:RotationPeriodInDays":[365, 1e2]}}}]}`, 1, nil},
		{"a trust policy without Resource", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"drs.amazonaws.com"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"]}]}`, 1, nil},
		{"a trailing comma", "{\"Version\":\"2012-10-17\",\n\"Statement\":[" + statement + ",]}", 1, []string{"POL001@2:70"}},
		{"comments", "// mine\n{\"Version\":\"2012-10-17\",\"Statement\":[" + statement + "]}", 1, []string{"POL001@1:1"}},
		{"a misspelt element", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resources":"*"}]}`, 1, []string{"KEY008@1:69"}},
		{"misspelt elements and a member that is none", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotActions":"*","Ressource":"*","Owner":"*"}]}`, 1, []string{"KEY008@1:56", "KEY008@1:73", "KEY008@1:89"}},
		{"an element that is missing beside a member that is none", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Owner":"*"}]}`, 1, []string{"KEY008@1:69", "KEY042@1:38"}},
		{"an unknown element of the document", `{"Version":"2012-10-17","Note":"x","Statement":[` + statement + `]}`, 1, []string{"KEY008@1:25"}},
		{"a member twice", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}]}`, 1, []string{"POL002@1:55"}},
		{"an unknown operator", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqual":{"aws:a":"b"}}}]}`, 1, []string{"POL003@1:97"}},
		{"no effect", `{"Version":"2012-10-17","Statement":[{"Action":"*","Resource":"*"}]}`, 1, []string{"POL004@1:38"}},
		{"an effect in small letters", `{"Version":"2012-10-17","Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}`, 1, []string{"POL004@1:48"}},
		{"no action and no resource", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}`, 1, []string{"KEY042@1:38", "KEY042@1:38"}},
		{"empty lists", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":[]},"Action":[],"Resource":""}]}`, 1, []string{"KEY113@1:102", "KEY113@1:75", "KEY113@1:88"}},
		{"an empty principal", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{},"Action":"*","Resource":"*"}]}`, 1, []string{"KEY113@1:68"}},
		{"a principal that is a plain string", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"111122223333","Action":"*","Resource":"*"}]}`, 1, []string{"POL005@1:68"}},
		{"a type of principal in small letters", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"aws":"*"},"Action":"*","Resource":"*"}]}`, 1, []string{"KEY008@1:69"}},
		{"a null condition", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":null}]}`, 1, []string{"POL005@1:96"}},
		{"both elements of a pair", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","NotAction":"a:b","Resource":"*"}]}`, 1, []string{"POL005@1:38"}},
		{"the same Sid twice", `{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}]}`, 2, []string{"KEY028@1:102"}},
		{"a placeholder", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"arn:aws:kms:${region}:<account>:key/*"}]}`, 1, []string{"KEY105@1:80"}},
		{"a placeholder in a Sid decides nothing", `{"Version":"2012-10-17","Statement":[{"Sid":"For${name}","Effect":"Allow","Action":"*","Resource":"*"}]}`, 1, nil},
		{"expressions of a template", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":{"Fn::Sub":"arn:aws:iam::${A}:root"}},"Action":"*","Resource":{"Ref":"Key"}},{"Fn::If":["x",{},{}]}]}`, 2, nil},
		{"a list inside a list", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[["*"]],"Resource":"*"}]}`, 1, []string{"POL005@1:66"}},
		{"a statement that is none", `{"Version":"2012-10-17","Statement":["x"]}`, 1, []string{"POL005@1:38"}},
		{"no statement", `{"Version":"2012-10-17"}`, 0, []string{"POL006@1:1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, fs := mustRead(t, tt.text)
			if len(d.Statements) != tt.statements {
				t.Errorf("%d statements, want %d", len(d.Statements), tt.statements)
			}
			if got := rules(fs); !slices.Equal(got, tt.findings) {
				t.Errorf("findings %v, want %v\n%v", got, tt.findings, fs)
			}
			for _, f := range fs {
				if f.Position.File == "" || f.Text == "" {
					t.Errorf("a finding without place or text: %+v", f)
				}
			}
			same(t, d)
		})
	}
}

// same prints and reads again: nothing but positions may change.
func same(t testing.TB, d *policy.Document) {
	t.Helper()
	text := d.AppendJSON(nil)
	again, _, err := policy.Read("p.json", text)
	if err != nil {
		t.Fatalf("reading what was printed: %v\n%s", err, text)
	}
	if second := again.String(); second != string(text) {
		t.Errorf("printed again it reads differently:\n%s\n%s", text, second)
	}
	if d.Hash() != again.Hash() {
		t.Errorf("the hash changed by printing:\n%s\n%s", d.Canonical(), again.Canonical())
	}
}

func TestReadYAML(t *testing.T) {
	t.Parallel()
	d, fs := mustRead(t, `Version: 2012-10-17
Statement:
  - Sid: Delegate to IAM
    Effect: Allow
    Principal:
      AWS: !Sub arn:aws:iam::${AWS::AccountId}:root
    Action: kms:*
    Resource: '*'
    Condition:
      Bool:
        kms:GrantIsForAWSResource: true
      StringEquals:
        aws:PrincipalAccount: 111122223333
`)
	if len(fs) != 0 {
		t.Errorf("findings: %v", fs)
	}
	const want = `{"Version":"2012-10-17","Statement":[{"Sid":"Delegate to IAM","Effect":"Allow",` +
		`"Principal":{"AWS":{"Fn::Sub":"arn:aws:iam::${AWS::AccountId}:root"}},"Action":"kms:*","Resource":"*",` +
		`"Condition":{"Bool":{"kms:GrantIsForAWSResource":true},"StringEquals":{"aws:PrincipalAccount":111122223333}}}]}`
	if got := d.String(); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
	s := d.Statements[0]
	if at := s.Conditions[1].Keys[0].Values.Pos; at != (policy.Pos{Line: 13, Column: 31}) {
		t.Errorf("the account stands at %v", at)
	}
	if at := d.Position(s.Action.Pos); at.String() != "p.json:7:13" {
		t.Errorf("the action stands at %v", at)
	}
	same(t, d)
}

func TestReadRefusesWhatIsNoPolicy(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"nothing", "", "p.json:1:1: the text is empty"},
		{"a number", "[1", "p.json:1:3: the text ends inside a list"},
		{"a missing comma", "{\"Version\":\"2012-10-17\"\n\"Statement\":[]}", "p.json:2:1:"},
		{"a string with another text", `"hello"`, "this string holds no policy"},
		{"a scalar", "true", "a policy is a map with Statement; this is a boolean"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := policy.Read("p.json", []byte(tt.text))
			var e *policy.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// What is not known in a document leaves its statement open, and names itself.
func TestUnreadPartsLeaveTheAnswerOpen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, statement string
		want            policy.Truth
	}{
		{"a whole statement", `{"Fn::If":["x",{},{}]}`, unknown},
		{"an effect", `{"Effect":"${effect}","Principal":"*","Action":"*","Resource":"*"}`, unknown},
		{"a principal", `{"Effect":"Allow","Principal":{"AWS":{"Ref":"Role"}},"Action":"*","Resource":"*"}`, unknown},
		{"a principal's account", `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::ACCOUNT_ID:user/a"},"Action":"*","Resource":"*"}`, unknown},
		{"another user in an account that is open", `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::ACCOUNT_ID:user/b"},"Action":"*","Resource":"*"}`, no},
		{"an action", `{"Effect":"Allow","Principal":"*","Action":"kms:${what}","Resource":"*"}`, unknown},
		{"an action of another service", `{"Effect":"Allow","Principal":"*","Action":"s3:${what}","Resource":"*"}`, no},
		{"a resource", `{"Effect":"Allow","Principal":"*","Action":"*","Resource":{"Fn::GetAtt":["Key","Arn"]}}`, unknown},
		{"one of two values", `{"Effect":"Allow","Principal":"*","Action":["kms:${what}","kms:Decrypt"],"Resource":"*"}`, yes},
		{"a condition's value", `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"ec2.${region}.amazonaws.com"}}}`, unknown},
		{"a condition's value that cannot become it", `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"s3.${region}.amazonaws.com"}}}`, no},
		{"a condition's key", `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"${oidc}:aud":"x"}}}`, unknown},
		{"an operator nobody knows", `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringIs":{"kms:ViaService":"x"}}}`, unknown},
		{"all conditions", `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"Fn::If":["x",{},{}]}}`, unknown},
		{"the keys of an operator", `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"Fn::If":["x",{},{}]}}}`, unknown},
		{"nothing", `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}}}`, yes},
	}
	ctx := testContext{"kms:viaservice": policy.One("ec2.us-east-1.amazonaws.com")}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := read(t, `{"Version":"2012-10-17","Statement":[`+tt.statement+`]}`)
			q := &policy.Query{Caller: caller(t, "arn:aws:iam::111122223333:user/a"), Action: "kms:Decrypt", Resource: "arn:aws:kms:us-east-1:111122223333:key/k", Context: ctx, Names: true}
			if got := p.Eval(q).Allow(policy.Any); got != tt.want {
				t.Errorf("Eval = %v, want %v", got, tt.want)
			}
			o, reports := p.Explain(q)
			if o != p.Eval(q) {
				t.Errorf("Explain and Eval differ")
			}
			if tt.want == unknown && (len(reports) != 1 || len(reports[0].Misses) == 0) {
				t.Errorf("what is not known has no name: %+v", reports)
			}
		})
	}
}

func TestCanonicalForm(t *testing.T) {
	t.Parallel()
	const a = `{"Statement":[{"Resource":["b","a","b"],"Action":["kms:Decrypt","KMS:ENCRYPT"],"Effect":"Allow","Principal":{"AWS":"111122223333"},
		"Condition":{"stringequals":{"KMS:ViaService":["y","x"]},"Bool":{"aws:SecureTransport":true}}}, {"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}],"Version":"2012-10-17","Id":"x"}`
	const b = `[{"Effect":"Deny","Action":["*"],"Principal":{"AWS":["*"]},"Resource":["*"],"Sid":"d"},
		{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root"]},"Action":["kms:encrypt","kms:decrypt"],"Resource":["a","b"],
		"Condition":{"Bool":{"aws:securetransport":["true"]},"StringEquals":{"kms:viaservice":["x","y"]}}}]`
	da, _ := mustRead(t, a)
	db, _ := mustRead(t, `{"Version":"2012-10-17","Statement":`+b+`}`)
	if da.Hash() != db.Hash() {
		t.Errorf("two spellings of one policy differ:\n%s\n%s", da.Canonical(), db.Canonical())
	}
	if bare, _ := mustRead(t, b); bare.Hash() == da.Hash() {
		t.Error("a document of 2008 has the hash of one of 2012")
	}
	different := []string{
		strings.Replace(a, "kms:Decrypt", "kms:DescribeKey", 1),
		strings.Replace(a, "Allow", "Deny", 1),
		strings.Replace(a, `"y"`, `"Y"`, 1),
		strings.Replace(a, "111122223333", "444455556666", 1),
		strings.Replace(a, `"Resource"`, `"NotResource"`, 1),
	}
	for _, text := range different {
		if d, _ := mustRead(t, text); d.Hash() == da.Hash() {
			t.Errorf("another policy has the same hash: %s", text)
		}
	}
	if !strings.HasPrefix(da.Hash(), "sha256:") || len(da.Hash()) != 7+64 {
		t.Errorf("hash %s", da.Hash())
	}
}

func TestPrinterKeepsOrderAndForm(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"Statement":{"Resource":"*","Action":["a:b"],"Effect":"Allow","Sid":"x"},"Version":"2012-10-17","Id":"é\u0001\"<&>"}`,
		`[{"NotPrincipal":{"Service":"s","AWS":["a"]},"Effect":"Deny","NotAction":"x:y","NotResource":["z"],"Condition":{}}]`,
		`{"Statement":[{"Unknown":{"deep":[1,null,true,{"a":"b"}]},"Effect":"Allow","Other":1,"Action":"a:b","Resource":"*"}],"Extra":0.5}`,
		`{"Statement":[]}`, `{}`, `{"Version":"2012-10-17","Statement":[null]}`,
	} {
		d, _ := mustRead(t, text)
		if got := d.String(); got != strings.ReplaceAll(text, `\u0001`, "\\u0001") {
			t.Errorf("printed %s\nwant    %s", got, text)
		}
	}
}

// A document made in code is printed in AWS's usual order.
func TestPrinterOfMadeDocuments(t *testing.T) {
	t.Parallel()
	value := func(s string) *policy.Value { return &policy.Value{Text: s} }
	one := func(s string) *policy.List {
		return &policy.List{Single: true, Values: []policy.Value{{Text: s}}}
	}
	d := policy.Whole(policy.Statement{
		Resource: one("*"), Action: &policy.List{Values: []policy.Value{{Text: "kms:Decrypt"}}}, Effect: value("Allow"), Sid: value("s"),
		Principal:  &policy.PrincipalElement{Groups: []policy.PrincipalGroup{{Type: "AWS", Names: *one("arn:aws:iam::111122223333:root")}}},
		Conditions: []policy.Operator{{Name: "Bool", Keys: []policy.Key{{Name: "aws:SecureTransport", Values: *one("true")}}}},
	})
	const want = `{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},` +
		`"Action":["kms:Decrypt"],"Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`
	if got := d.String(); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
	same(t, d)
}
