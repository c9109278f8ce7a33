package input_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/input"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/policy"
)

var kindNames = map[rules.Kind]string{
	rules.OtherPolicy: "other", rules.KeyPolicy: "key", rules.IdentityPolicy: "identity", rules.TrustPolicy: "trust", rules.ControlPolicy: "scp",
	rules.ResourceControlPolicy: "rcp", rules.EndpointPolicy: "endpoint", rules.BoundaryPolicy: "boundary", rules.SessionPolicy: "session",
	rules.BucketPolicy: "bucket", rules.ResourcePolicy: "resource",
}

// said puts material into a few words.
func said(m *rules.Material) string {
	var words []string
	for _, p := range m.Policies {
		w := kindNames[p.Kind]
		if p.Whole {
			w += "!"
		}
		if p.Standalone {
			w += "."
		}
		w += fmt.Sprintf(" %d@%d:%d", len(p.Doc.Statements), p.Doc.Pos.Line, p.Doc.Pos.Column)
		if p.Owner != "" {
			w += " of " + p.Owner
		}
		if p.Role != "" {
			w += " on " + p.Role
		}
		words = append(words, w)
	}
	for _, k := range m.Keys {
		w := "KEY " + k.Name
		if k.Policy != nil {
			w += " with policy"
		}
		words = append(words, strings.TrimSpace(w+" "+strings.Join(append([]string{k.State, k.Spec, k.ARN.Region}, k.Aliases...), " ")))
	}
	for _, g := range m.Grants {
		words = append(words, fmt.Sprintf("grant %s %v on %s", g.Grantee, g.Operations, g.Key))
	}
	return strings.Join(words, "; ")
}

const (
	rootAllowed = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`
	decryptAny  = `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`
	denyAll     = `{"Effect":"Deny","Principal":"*","Action":"kms:ScheduleKeyDeletion","Resource":"*"}`
)

func doc(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func TestPoliciesAreTakenForWhatTheyAre(t *testing.T) {
	t.Parallel()
	tests := []struct{ about, name, text, format, want string }{
		{"a key policy", "p.json", doc(rootAllowed), "key policy", "key. 1@1:1"},
		{"an IAM policy", "p.json", doc(decryptAny), "IAM policy", "identity. 1@1:1"},
		{"a single statement in a document", "p.json", `{"Version":"2012-10-17","Statement":` + decryptAny + `}`, "IAM policy", "identity. 1@1:1"},
		{"a statement by itself", "p.json", rootAllowed, "key policy", "key 1@1:1"},
		{"statements without a document", "p.json", "[" + rootAllowed + "," + denyAll + "]", "key policy", "key 2@1:1"},
		{"statements without a list", "p.json", rootAllowed + ",\n" + denyAll, "key policy", "key 2@1:1"},
		{"members without a map", "p.json", `"Version": "2012-10-17",` + "\n" + `"Statement": [` + rootAllowed + "],", "key policy", "key 1@1:1"},
		{"a string", "p.json", `"` + strings.ReplaceAll(doc(rootAllowed), `"`, `\"`) + `"`, "key policy", "key. 1@1:2"},
		{"what kms get-key-policy prints", "p.json", `{"Policy": "` + strings.ReplaceAll(doc(rootAllowed), `"`, `\"`) + `", "PolicyName": "default"}`, "key policy", "key! 1@1:13"},
		{"a request for kms:PutKeyPolicy", "p.json", `{"KeyId": "arn:aws:kms:us-east-1:111122223333:key/k", "Policy": "` + strings.ReplaceAll(doc(rootAllowed), `"`, `\"`) + `"}`, "key policy", "key! 1@1:66 of arn:aws:kms:us-east-1:111122223333:key/k"},
		{"what iam get-role-policy prints", "p.json", `{"RoleName": "r", "PolicyName": "n", "PolicyDocument": ` + doc(decryptAny) + `}`, "IAM policy", "identity 1@1:56 of n on r"},
		{"what iam get-role prints", "p.json", `{"Role": {"RoleName": "r", "AssumeRolePolicyDocument": "%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22ec2.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D"}}`, "trust policy", "trust! 1@1:56 of r on r"},
		{"what organizations describe-policy prints", "p.json", `{"Policy": {"PolicySummary": {"Type": "RESOURCE_CONTROL_POLICY"}, "Content": "` + strings.ReplaceAll(doc(denyAll), `"`, `\"`) + `"}}`, "resource control policy", "rcp! 1@1:79"},
		{"a trust policy", "p.yaml", "Version: 2012-10-17\nStatement:\n- Effect: Allow\n  Principal: {Service: ec2.amazonaws.com}\n  Action: [sts:AssumeRole, sts:TagSession]\n", "trust policy", "trust. 1@1:1"},
		{"a bucket policy", "p.json", doc(`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}`, `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"s3:GetObject","Resource":"*"}`), "resource policy", "bucket. 2@1:1"},
		{"a resource control policy only denies", "p.json", doc(denyAll), "resource control policy", "rcp. 1@1:1"},
		{"a statement that denies is no control policy", "p.json", denyAll, "key policy", "key 1@1:1"},
		{"a service control policy only denies", "p.json", doc(`{"Effect":"Deny","Action":"kms:*","Resource":"*"}`), "service control policy", "scp. 1@1:1"},
		{"a name that says so", "policies/boundary.json", doc(decryptAny), "IAM policy", "boundary. 1@1:1"},
		{"a name that has the letters in it", "describe-policy.json", doc(decryptAny), "IAM policy", "identity. 1@1:1"},
		{"a name of sessions of another kind", "session-manager.json", doc(decryptAny), "IAM policy", "identity. 1@1:1"},
		{"a session's", "session_policy.json", doc(decryptAny), "IAM policy", "session. 1@1:1"},
		{"a key policy that only denies, in the form that no control policy has", "p.json", doc(strings.Replace(denyAll, `"*"`, `{"AWS":"*"}`, 1)), "key policy", "key. 1@1:1"},
		{"an endpoint's", "vpce-policy.json", doc(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`), "endpoint policy", "endpoint. 1@1:1"},
		{"a property of a template", "p.yaml", "KeyPolicy:\n  Version: 2012-10-17\n  Statement:\n  - Effect: Allow\n    Principal: {AWS: !Sub 'arn:aws:iam::${AWS::AccountId}:root'}\n    Action: kms:*\n    Resource: '*'\n", "key policy", "key! 1@2:3"},
		{"two documents of YAML", "p.yaml", "# one\n---\nVersion: 2012-10-17\nStatement: [" + rootAllowed + "]\n---\nVersion: 2012-10-17\nStatement: [" + decryptAny + "]\n", "key policy", "key. 1@3:1; identity. 1@6:1"},
		{"nothing of interest", "package.json", `{"name": "x", "version": "1.0.0"}`, "other", ""},
		{"taints, which have effects", "p.yaml", "taints:\n- key: a\n  effect: NoSchedule\n", "other", ""},
		{"a misspelt Statement", "p.json", `{"Version":"2012-10-17","Statment":[` + decryptAny + `]}`, "IAM policy", "identity 0@1:1"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			readsAs(t, tt.name, tt.text, tt.format, tt.want)
		})
	}
}

func TestTemplatesOfPoliciesAreReadWithWhatTheyLeaveOpen(t *testing.T) {
	t.Parallel()
	tests := []struct{ about, name, text, want, document string }{
		{"an expression that is a value", "p.tpl", `{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ${jsonencode(arns)}}, "Action": "kms:Decrypt", "Resource": "*"}]}`, "key 1@1:1",
			`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"${jsonencode(arns)}"},"Action":"kms:Decrypt","Resource":"*"}]}`},
		{"quotes in an expression in a string", "p.json", `{"Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "{{ lookup("env", "KEY") }}"}]}`, "identity 1@1:1",
			`{"Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"{{ lookup('env', 'KEY') }}"}]}`},
		{"branches and a loop", "p.j2", "{\"Statement\": [\n{% for k in keys %}\n{\"Effect\": \"Allow\", \"Action\": \"kms:Decrypt\", \"Resource\": {% if k %}\"{{ k }}\"{% else %}\"*\"{% endif %}}{% if not loop.last %},{% endif %}\n{% endfor %}\n]}", "identity 1@1:1",
			`{"Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"{{ k }}"}]}`},
		{"a whole statement", "p.tpl", `{"Statement": [` + decryptAny + `, ${extra}]}`, "identity 2@1:1", `{"Statement":[` + decryptAny + `,"${extra}"]}`},
		{"angle brackets", "p.json", `{"Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": <key arn>}]}`, "identity 1@1:1",
			`{"Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"<key arn>"}]}`},
		{"an ellipsis", "p.json", `{"Statement": [` + decryptAny + `, ...]}`, "identity 1@1:1", `{"Statement":[` + decryptAny + `]}`},
		{"an ellipsis in a comment", "p.json", "{\"Statement\": [" + decryptAny + ",\n  # ...\n]}", "identity 1@1:1", `{"Statement":[` + decryptAny + `]}`},
		{"line numbers", "p.json", "1 {\"Statement\": [\n2 " + decryptAny + "\n3 ]}", "identity 1@1:3", `{"Statement":[` + decryptAny + `]}`},
		{"YAML with lines of control", "p.yaml", "Statement:\n{% if x %}\n- Effect: Allow\n  Action: kms:Decrypt\n  Resource: {{ key }}\n{% endif %}\n", "identity 1@1:1",
			`{"Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"{{ key }}"}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			m, err := input.Read(tt.name, []byte(tt.text))
			if err != nil {
				t.Fatal(reasons(err))
			}
			if got := said(m); got != tt.want {
				t.Fatalf("read %s, want %s", got, tt.want)
			}
			if got := m.Policies[0].Doc.String(); got != tt.document {
				t.Errorf("the document is\n%s\nwant\n%s", got, tt.document)
			}
		})
	}
}

// What stands in a string stands in the file, at the place where it is seen.
func TestPlacesInStringsArePlacesOfTheFile(t *testing.T) {
	t.Parallel()
	tests := []struct{ about, text string }{
		{"a block of YAML", "policy: |\n  {\n    \"Version\": \"2012-10-17\",\n    \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"kms:Decrypt\", \"Resource\": \"*\"}]\n  }\n"},
		{"a folded block of YAML", "policy: >-\n  {\"Statement\": [\n    {\"Effect\": \"Allow\",\n     \"Action\": \"kms:Decrypt\", \"Resource\": \"*\"}]}\n"},
		{"a string of JSON", `{"policy": "{\"Statement\": [{\"Effect\": \"Allow\",\n \"Action\": \"kms:Decrypt\", \"Resource\": \"*\"}]}"}`},
		{"single quotes", "policy: '{\"Statement\": [{\"Sid\": \"it''s\", \"Effect\": \"Allow\", \"Action\": \"kms:Decrypt\", \"Resource\": \"*\"}]}'\n"},
		{"a string in a second document", "a: 1\n---\npolicy: |\n    {\"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"kms:Decrypt\", \"Resource\": \"*\"}]}\n"},
		{"a block that is substituted", "Resources:\n  P:\n    Type: AWS::Organizations::Policy\n    Properties:\n      Content: !Sub |\n        {\"Statement\": [\n          {\"Effect\": \"Allow\", \"Resource\": \"${Key.Arn}\", \"Action\": \"kms:Decrypt\"}]}\n"},
		{"lines of Windows", "policy: |\r\n  {\"Statement\": [\r\n  {\"Effect\": \"Allow\", \"Action\": \"kms:Decrypt\", \"Resource\": \"*\"}]}\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			m, err := input.Read("p.yaml", []byte(tt.text))
			if err != nil || len(m.Policies) != 1 {
				t.Fatal(len(m.Policies), reasons(err))
			}
			if got := m.Policies[0].Doc.Statements[0].Action.Pos; got != placeOf(tt.text, "kms:Decrypt") {
				t.Errorf("the action stands at %v, want %v", got, placeOf(tt.text, "kms:Decrypt"))
			}
		})
	}
}

// placeOf returns where the string stands that holds a word: at its quote, and
// at the escape before that.
func placeOf(text, word string) policy.Pos {
	at := strings.Index(text, word) - 1
	if text[at-1] == '\\' {
		at--
	}
	return policy.Pos{Line: int32(1 + strings.Count(text[:at], "\n")), Column: int32(at - strings.LastIndex(text[:at], "\n"))}
}

// What cannot be read is told with its place, and the rest goes on.
func TestWhatCannotBeReadIsToldWithItsPlace(t *testing.T) {
	t.Parallel()
	tests := []struct{ about, name, text, want, rest string }{
		{"a missing comma", "p.json", "{\"Version\": \"2012-10-17\"\n\"Statement\": []}", "p.json:2:1: ", ""},
		{"literals of Python", "p.json", "{'Version': '2012-10-17',\n 'Statement': []}", "p.json:1:2: ", ""},
		{"one document of two", "p.yaml", "policy: [\n---\nVersion: 2012-10-17\nStatement: [" + decryptAny + "]\n", "p.yaml:", "identity. 1@3:1"},
		{"a string in a template", "t.yaml", "Resources:\n  A:\n    Type: AWS::Organizations::Policy\n    Properties:\n      Content: '{\"Statement\": [{\"Effect\" \"Deny\", \"Action\": \"a:b\"}]}'\n  Key:\n    Type: AWS::KMS::Key\n    Properties: {}\n", "t.yaml:5:42: ", "KEY Key"},
		{"no text", "p.json", "{\"a\": \"\x00\"}", "p.json:1:8: ", ""},
		{"no UTF-8", "p.json", "{\"a\": \"\xff\"}", "p.json:1:8: ", ""},
		{"UTF-16", "p.json", "\xff\xfe{\x00}\x00", "p.json:1:1: the text is UTF-16", ""},
		{"an estate that is none", "estate.json", `{"format_version": 1, "accounts": [{"id": 5}]}`, "estate.json:1:", ""},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			m, err := input.Read(tt.name, []byte(tt.text))
			if got := reasons(err); len(got) == 0 || !strings.HasPrefix(got[0], tt.want) {
				t.Errorf("told %q, want %q", got, tt.want)
			}
			if got := said(m); got != tt.rest {
				t.Errorf("the rest is %q, want %q", got, tt.rest)
			}
		})
	}
}

func TestFindingsOfTheReaderAreKept(t *testing.T) {
	t.Parallel()
	tests := []struct{ about, text, want string }{
		{"a comma too many", `{"Version":"2012-10-17","Statement":[` + decryptAny + `,]}`, "POL001@1:94"},
		{"a comment of another language", "{\"Version\": \"2012-10-17\", # the newer one\n\"Statement\":[" + decryptAny + "]}", "POL001@1:27"},
		{"a member that stands twice, in a string", `{"Policy":"{\"Version\":\"2012-10-17\",\"Version\":\"2012-10-17\",\"Statement\":[` + strings.ReplaceAll(decryptAny, `"`, `\"`) + `]}"}`, "POL002@1:40"},
		{"a misspelt element", doc(`{"Effect":"Allow","Action":"kms:Decrypt","Resources":"*"}`), "KEY008@1:79"},
		{"no Version in a document", `{"Statement":[` + decryptAny + `]}`, "KEY060@1:1"},
		{"no Version where none is to be seen", `[` + decryptAny + `]`, ""},
		{"what is left open in a policy", doc(`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"<arn>"}`), "KEY105@1:90"},
		{"what a template works out", "Version: '2012-10-17'\nStatement:\n- {Effect: Allow, Action: kms:Decrypt, Resource: !Sub 'arn:${AWS::Partition}:kms:*:*:key/*'}\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			m, err := input.Read("p.json", []byte(tt.text))
			if err != nil || len(m.Policies) != 1 {
				t.Fatal(len(m.Policies), reasons(err))
			}
			var got []string
			for _, f := range m.Policies[0].Read {
				got = append(got, fmt.Sprintf("%s@%d:%d", f.Rule, f.Position.Line, f.Position.Column))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func body(t *testing.T, m *rules.Material, name string) *source.Node {
	t.Helper()
	for _, r := range m.Resources {
		if r.Name == name {
			return r.Body
		}
	}
	t.Fatalf("there is no resource %s", name)
	return nil
}
