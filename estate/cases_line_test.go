package estate_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// line is a case with more members after its request.
func line(members string) string { return request(`},` + members) }

// acceptedLines are cases that are read without an error or a warning about
// their form, and that the schema takes.
var acceptedLines = []struct{ name, line string }{
	{"no more than it must have", request(`}`)},
	{"members that nobody reads", line(`"source":"recorded","note":["any","thing"],"format_version":1`)},
	{"null wherever nothing is said", line(`"format_version":null,"policies":{"identity":null,"boundary":null,"session":null,"resource":null,"endpoint":null,"scp":null,"rcp":null},"grants":null,"key":{"state":null,"tags":null,"aliases":null},"expect":null`)},
	{"null in place of the parts", line(`"policies":null,"key":null`)},
	{"null in the request", request(`,"principal_account":null,"principal_id":null,"role_arn":null,"resource_account":null,"context":null,"grant_tokens":null}`)},
	{"empty texts in the request", request(`,"principal_account":"","principal_id":"","role_arn":"","resource_account":""}`)},
	{"values of every kind", request(`,"context":{"t":"x","n":1.5,"b":false,"none":[],"one":["x"],"more":["x",2,true],"unknown":null}}`)},
	{"one identity policy without a list", line(`"policies":{"identity":{}}`)},
	{"one session policy without a list", line(`"policies":{"session":{}}`)},
	{"a list of session policies", line(`"policies":{"session":[{},{}]}`)},
	{"levels with many, one and no policy", line(`"policies":{"scp":[[{},{}],[{}],[]],"rcp":[[]]}`)},
	{"levels of one policy without a list", line(`"policies":{"scp":[{},{}],"rcp":{}}`)},
	{"policies that nobody could read", line(`"policies":{"identity":[{"unreadable":"a"}],"boundary":{"unreadable":"b"},"session":[{"unreadable":"s"}],"resource":{"unreadable":"c"},"endpoint":{"unreadable":"d"},"scp":{"unreadable":"e"},"rcp":[{"unreadable":"f"}]},"grants":{"unreadable":"g"}`)},
	{"some grants that nobody could read", line(`"grants":[null,{"grant_id":"g","grantee_principal":"111122223333","operations":[]},{"unreadable":"h"}]`)},
	{"one grant without a list", line(`"grants":{"grant_id":"g","grantee_service_principal":"ec2.amazonaws.com","operations":["Decrypt"]}`)},
	{"a grant with everything", line(`"grants":[{"grant_id":"g","name":"n","token":"t","grantee_principal":"` + caseRole + `","grantee_principal_id":"AROAEXAMPLEEXAMPLEEX1","retiring_principal":"111122223333","operations":["Decrypt"],"constraints":{"EncryptionContextEquals":{"a":"b"},"EncryptionContextSubset":{},"SourceArn":"arn:aws:s3:::b"},"issuing_account":"111122223333","created_at":"2026-01-01T00:00:00Z"}]`)},
	{"a key with everything", line(`"key":{"arn":"passed over","state":"PendingDeletion","manager":"CUSTOMER","spec":"RSA_2048","usage":"SIGN_VERIFY","origin":"EXTERNAL","multi_region":true,"primary_key":"arn:aws:kms:us-west-2:111111111111:key/mrk-1","deletion_date":"2030-01-01T00:00:00Z","valid_to":"2029-01-01T00:00:00Z","aliases":["alias/x"],"tags":{"k":"v"},"principal_ids":{"arn:aws:iam::222222222222:role/app":"AROAEXAMPLEEXAMPLEEX1"}}`)},
	{"a policy in a text", line(`"policies":{"resource":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}"}`)},
	{"statements without the rest of a policy", line(`"policies":{"resource":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}],"identity":[[{"Effect":"Allow","Action":"*","Resource":"*"}]]}`)},
	{"an action without a resource", `{"id":"t","request":{"principal":"111122223333","action":"kms:ListKeys","resource":"*","resource_account":"111122223333"}}`},
	{"a service that calls", `{"id":"t","request":{"principal":"ec2.amazonaws.com","principal_account":"111122223333","action":"kms:CreateGrant","resource":"` + caseKey + `"}}`},
}

func TestACaseThatIsFine(t *testing.T) {
	t.Parallel()
	schema := published(t, estate.CaseSchema)
	for _, tt := range acceptedLines {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := oneCase(t, tt.line)
			sameCase(t, c)
			again, err := estate.AppendCase(nil, c)
			if err != nil {
				t.Fatal(err)
			}
			for _, form := range []string{tt.line, string(again)} {
				if err := validate(schema, form); err != nil {
					t.Errorf("the schema refuses what is read: %v\n%s", err, form)
				}
			}
			for _, w := range cases(t, tt.line)[0].Warnings {
				if w.Rule == estate.CaseRule {
					t.Errorf("warned: %v", w)
				}
			}
		})
	}
}

// The word of expect is kept as it stands.
func TestWhatIsExpected(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"Allow", "Deny", "ImplicitDeny", "ExplicitDeny", "Unknown"} {
		if c := oneCase(t, line(`"expect":"`+want+`"`)); c.Expect != want {
			t.Errorf("%s is read as %q", want, c.Expect)
		}
	}
}

// refusedLines are cases with something wrong, and all that is said of it.
var refusedLines = []struct {
	name, line string
	want       []string
}{
	{"a comment", `# x`, []string{"the text is empty: a JSON or YAML document is expected"}},
	{"plain text", `hello`, []string{"a case is a map with id and request; this is a text | write each case on a line of its own, from { to }"}},
	{"the first line of a case on many", `{`, []string{"the text ends inside a map: it was cut off, or a } is missing | a case stands on one line, from { to }; join the lines of each case"}},
	{"no UTF-8", "\xff\xfe", []string{"the text is UTF-16: save it as UTF-8"}},
	{"a byte that is no text", `{"id":"` + "\xff", []string{"the byte 0xff is not UTF-8: save the text as UTF-8"}},
	{"no id", `{"request":{"principal":"1","action":"2","resource":"3"}}`, []string{
		`this case has no id | name it: "id": "…"`,
		`the principal is "1": it is no principal: no ARN, account number, service name or unique id | name a user, role, session, federated user, account or service`,
		`the action is "2": it is no single action | write one such as kms:Decrypt, without wildcards`,
		`the resource is "3": it does not begin with arn: | write its ARN, or * for an action without a resource`}},
	{"null as an id and a request", `{"id":null,"request":null}`, []string{`this case has no id | name it: "id": "…"`, `this case has no request | ask something: "request": {"principal": "…", "action": "…", "resource": "…"}`}},
	{"an empty id", strings.Replace(request(`}`), `"t"`, `""`, 1), []string{`"id" is empty | fill it in`}},
	{"numbers for an id and a request", `{"id":5,"request":5}`, []string{`"id" is a number; it should be a text | put it in quotes: "5"`, `"request" is a number; it should be a map`}},
	{"an empty request", `{"id":"t","request":{}}`, []string{`this request has no "principal" | add it`, `this request has no "action" | add it`, `this request has no "resource" | add it`}},
	{"empty texts for a request", `{"id":"t","request":{"principal":"","action":"","resource":""}}`, []string{`"principal" is empty | fill it in`, `"action" is empty | fill it in`, `"resource" is empty | fill it in`}},
	{"everyone as the caller", `{"id":"t","request":{"principal":"*","action":"kms:Decrypt","resource":"*"}}`, []string{`the principal is "*": it is no caller | name a user, role, session, federated user, account or service`}},
	{"accounts that are none", request(`,"principal_account":"12","resource_account":34}`), []string{`"principal_account" is "12", which is not an account number (twelve digits)`, `"resource_account" is a number; it should be a text | put it in quotes: "34"`}},
	{"a context that is a list", request(`,"context":[]}`), []string{`"context" is a list; it should be a map`}},
	{"values that are none", request(`,"context":{"a":{},"b":[null]}}`), []string{`the value of "a" is a map | a value is a text, a list of texts, or null for not known`, `a value of "b" is null | the values of a list are texts; null for the whole list says that nobody knows it`}},
	{"one grant token without a list", request(`,"grant_tokens":"t"}`), []string{`"grant_tokens" is a text; it should be a list | put it in a list: ["t"]`}},
	{"a word that nobody expects", line(`"expect":"allow"`), []string{`"expect" is "allow", which is none of Allow, Deny, ImplicitDeny, ExplicitDeny, Unknown | did you mean Allow?`}},
	{"another format_version", line(`"format_version":2`), []string{`the case is of format_version 2, and this program reads 1 | read it with the program that wrote it`}},
	{"a format_version in quotes", line(`"format_version":"1"`), []string{`format_version is "1" | write "format_version": 1`}},
	{"numbers for the parts", line(`"policies":1,"grants":2,"key":3`), []string{`"policies" is a number; it should be a map`, `"grants" is a number; it should be a list`, `"key" is a number; it should be a map`}},
	{"a grant that is a text", line(`"grants":["g"]`), []string{`"grant" is a text; it should be a map`}},
	{"a grant with members of other kinds", line(`"grants":[{"grant_id":1,"operations":"Decrypt","constraints":[],"created_at":"now","issuing_account":"12"}]`), []string{
		`"grant_id" is a number; it should be a text | put it in quotes: "1"`, `"operations" is a text; it should be a list | put it in a list: ["Decrypt"]`, `"constraints" is a list; it should be a map`,
		`"created_at" is "now", which is not a date and time (RFC 3339) | it looks like 2026-01-31T08:00:00Z`, `"issuing_account" is "12", which is not an account | write its number, or its root ARN as ListGrants shows it`}},
	{"a key with members of other kinds", line(`"key":{"state":"enabled","multi_region":"yes","tags":{"a":1},"aliases":"alias/x","deletion_date":5}`), []string{
		`"state" is "enabled", which is none of Enabled, Disabled, PendingDeletion, PendingImport, PendingReplicaDeletion, Creating, Updating, Unavailable | did you mean Enabled?`,
		`"multi_region" is a text; it should be true or false | write true or false without quotes`, `"a" is a number; it should be a text | put it in quotes: "1"`, `"aliases" is a text; it should be a list | put it in a list: ["alias/x"]`,
		`"deletion_date" is a number; it should be a text | put it in quotes: "5"`}},
	{"a policy that is none", line(`"policies":{"resource":{"hello":1}}`), []string{`this is no policy: it has no Statement, and a policy has no "hello"`}},
	{"a policy inside a list", line(`"policies":{"boundary":[{"Version":"2012-10-17","Statement":[]}]}`), []string{`this is a list of policies, and one policy stands here: take it out of the list`}},
	{"statements in place of policies", line(`"policies":{"identity":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`), []string{`this is a statement: a policy has it under "Statement"`}},
	{"a policy with a reason beside it", line(`"policies":{"resource":{"unreadable":"x","Statement":[]}}`), []string{`a policy that could not be read has no Statement: take out this, or unreadable`}},
}

func TestACaseThatIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range refusedLines {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The line before shifts the number of this one, and that after is read.
			ls := cases(t, request(`}`), tt.line, request(`}`))
			var file *estate.FileError
			if len(ls) != 3 || !errors.As(ls[1].Err, &file) || ls[1].Case != nil || ls[2].Err != nil {
				t.Fatalf("%d lines, the second with case %v and error %v", len(ls), ls[1].Case, ls[1].Err)
			}
			var told []string
			for _, p := range file.Problems {
				if p.Position.File != "c.jsonl" || p.Position.Line != 2 || p.Position.Column < 1 || !strings.HasPrefix(p.Excerpt, "    2 | ") {
					t.Errorf("at %v: %s\n%s", p.Position, p.Text, p.Excerpt)
				}
				told = append(told, strings.TrimSuffix(p.Text+" | "+p.Hint, " | "))
			}
			if !slices.Equal(told, tt.want) {
				t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestTheCaretStandsUnderTheFault(t *testing.T) {
	t.Parallel()
	err := cases(t, "", "", `{"id":"t","expect":"No"}`)[0].Err
	want := `c.jsonl:3:1: this case has no request
    3 | {"id":"t","expect":"No"}
      | ^
  ask something: "request": {"principal": "…", "action": "…", "resource": "…"}
c.jsonl:3:20: "expect" is "No", which is none of Allow, Deny, ImplicitDeny, ExplicitDeny, Unknown
    3 | {"id":"t","expect":"No"}
      |                    ^`
	if err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
}

// A file need not end its last line, may end lines as Windows does, and may
// begin with a byte-order mark.
func TestLinesOfEveryKind(t *testing.T) {
	t.Parallel()
	text := "\ufeff" + request(`}`) + "\r\n\r\n" + request(`,"context":{"pad":"`+strings.Repeat("x", 200_000)+`"}}`) + "\n  \n" + request(`}`)
	var lines []int
	for l := range estate.ReadCases("c.jsonl", strings.NewReader(text)) {
		if l.Err != nil {
			t.Errorf("line %d: %v", l.Line, l.Err)
		}
		lines = append(lines, l.Line)
	}
	if !slices.Equal(lines, []int{1, 3, 5}) {
		t.Errorf("lines %v", lines)
	}
	for l := range estate.ReadCases("c.jsonl", strings.NewReader(text)) {
		if l.Line > 1 {
			t.Fatal("reading went on after the loop was left")
		}
		break
	}
}

func TestAReaderThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	ls := slices.Collect(estate.ReadCases("c.jsonl", io.MultiReader(strings.NewReader(request(`}`)+"\n"), iotest.ErrReader(broken))))
	if len(ls) != 2 || ls[0].Err != nil || !errors.Is(ls[1].Err, broken) || ls[1].Err.Error() != "reading c.jsonl: the disk is gone" {
		t.Errorf("lines %+v", ls)
	}
}

// null is a value that nobody knows, which is not the same as no value.
func TestNullIsUnknownAndNothingIsAbsent(t *testing.T) {
	t.Parallel()
	c := oneCase(t, request(`,"context":{"aws:SourceIp":null,"aws:SourceVpc":["vpc-1"],"kms:ViaService":"s3.us-east-1.amazonaws.com","aws:TagKeys":[]}}`))
	tests := []struct {
		key    string
		want   policy.ContextValue
		origin estate.Origin
	}{
		{"aws:SourceIp", policy.NotGiven(), estate.NotKnown},
		{"aws:SourceVpce", policy.ContextValue{}, estate.NotThere},
		{"aws:SourceVpc", policy.Many("vpc-1"), estate.FromAsker},
		{"aws:TagKeys", policy.Many(), estate.FromAsker},
		{"KMS:VIASERVICE", policy.One("s3.us-east-1.amazonaws.com"), estate.FromAsker},
	}
	for _, tt := range tests {
		if v, origin := c.Describe(tt.key); fmt.Sprintf("%+v", v) != fmt.Sprintf("%+v", tt.want) || origin != tt.origin {
			t.Errorf("%s is %+v (%s), want %+v (%s)", tt.key, v, origin, tt.want, tt.origin)
		}
	}
}

// What was stated of a session stands in the context of the line, unless it is
// given there.
func TestALineStatesTheSession(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	r := ask(t, "arn:aws:sts::111122223333:assumed-role/app/s", "arn:aws:kms:us-east-1:111122223333:key/k1")
	r.SessionTags, r.SourceIdentity, r.At = map[string]string{"cost": "42"}, "me", someday
	r.Context.Set("aws:currenttime", policy.One("2020-01-01T00:00:00Z"))
	r.Context.Set("aws:SourceVpc", policy.ContextValue{})
	c := e.Bind(r)
	c.ID = "bound"
	b, err := estate.AppendCase([]byte("> "), &c)
	if err != nil || !strings.HasPrefix(string(b), `> {"format_version":1,"id":"bound",`) || strings.Contains(string(b), "\n") {
		t.Fatalf("wrote %q: %v", b, err)
	}
	again := oneCase(t, string(b[2:]))
	for key, want := range map[string]string{
		"aws:PrincipalTag/cost": "42", "aws:SourceIdentity": "me", "aws:CurrentTime": "2020-01-01T00:00:00Z", "aws:EpochTime": "1767323045", "aws:SourceVpc": "",
	} {
		if v, _ := again.Describe(key); v.One != want || v.Presence == policy.NotKnown {
			t.Errorf("%s is %+v, want %q", key, v, want)
		}
	}
	sameCase(t, again)
}

// What an estate says of a key without grants or a policy that could be read
// does not become a member that no case has.
func TestALineOfAnUnreadableKey(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	c := e.Bind(ask(t, "arn:aws:iam::111122223333:user/eve", "arn:aws:kms:us-east-1:111122223333:key/k2"))
	c.ID = "unread"
	b, err := estate.AppendCase(nil, &c)
	if err != nil {
		t.Fatal(err)
	}
	ls := cases(t, string(b))
	if ls[0].Err != nil || len(ls[0].Warnings) != 0 {
		t.Fatalf("%v, %v", ls[0].Err, ls[0].Warnings)
	}
	if again := ls[0].Case; again.IdentityUnread != "AccessDenied" || again.ResourceUnread != "AccessDenied" || again.GrantsUnread != "AccessDenied" {
		t.Errorf("what could not be read is %q, %q, %q", again.IdentityUnread, again.ResourceUnread, again.GrantsUnread)
	}
	if _, err := estate.AppendCase(nil, &estate.Case{ID: "x", Identity: []estate.Named{{Document: new(estate.Document)}}}); err == nil || !strings.HasPrefix(err.Error(), "writing case x: ") {
		t.Errorf("a policy that is nothing: %v", err)
	}
}
