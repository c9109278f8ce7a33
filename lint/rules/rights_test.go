package rules

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
)

// plainPolicy reads an example that is a policy by itself.
func plainPolicy(name, text string) (*Policy, error) {
	d, found, err := policy.Read(name, []byte(text))
	if err != nil {
		return nil, err
	}
	p := &Policy{Doc: d, Kind: IdentityPolicy, Read: found}
	if len(d.Statements) > 0 && (d.Statements[0].Principal != nil || d.Statements[0].NotPrincipal != nil) {
		p.Kind = KeyPolicy
	}
	return p, nil
}

// simpleText reads an example that is a policy, a short guide or a few commands.
func simpleText(t *testing.T, name, text string) *Material {
	t.Helper()
	m := &Material{File: name}
	switch {
	case strings.HasSuffix(name, ".json") && strings.Contains(name, "policy"):
		m.addPolicy(t, name, text)
	case strings.HasSuffix(name, ".md"):
		m.addGuide(t, name, text)
	case strings.HasSuffix(name, ".sh"):
		m.addCommands(name, text)
	default:
		return nil
	}
	return m
}

func (m *Material) addPolicy(t *testing.T, name, text string) {
	if strings.HasPrefix(strings.TrimSpace(text), "{\n  \"Sid\"") || strings.HasPrefix(name, "fragment") {
		text = "[" + text + "]"
	}
	p, err := plainPolicy(name, text)
	if err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	m.Policies = append(m.Policies, p)
}

// addGuide takes a guide apart: paragraphs, and blocks between fences.
func (m *Material) addGuide(t *testing.T, name, text string) {
	line := 1
	var headings []string
	for i, part := range strings.Split(text, "```") {
		at := finding.Position{File: name, Line: line, Column: 1}
		language, body, _ := strings.Cut(part, "\n")
		switch {
		case i%2 == 1 && language == "json":
			m.addPolicy(t, name, body)
			m.Policies[len(m.Policies)-1].Doc.Pos.Line = int32(line)
		case i%2 == 1:
			m.Code = append(m.Code, &Code{Pos: at, Language: language, Text: body})
		default:
			for _, paragraph := range strings.Split(part, "\n\n") {
				if heading, ok := strings.CutPrefix(strings.TrimSpace(paragraph), "# "); ok {
					headings = []string{heading}
				} else if paragraph = strings.TrimSpace(paragraph); paragraph != "" {
					m.Prose = append(m.Prose, &Prose{Pos: at, Headings: headings, Text: paragraph})
				}
			}
		}
		line += strings.Count(part, "\n")
	}
}

// addCommands reads calls of the AWS CLI without quotes.
func (m *Material) addCommands(name, text string) {
	for i, line := range strings.Split(strings.ReplaceAll(text, "\\\n", ""), "\n") {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "aws" {
			continue
		}
		at := finding.Position{File: name, Line: i + 1, Column: 1}
		c := &Command{Pos: at, Service: words[1], Operation: words[2]}
		for _, w := range words[3:] {
			if strings.HasPrefix(w, "--") {
				c.Options = append(c.Options, Option{Name: w, Pos: at})
			} else if n := len(c.Options); n > 0 {
				c.Options[n-1].Values = append(c.Options[n-1].Values, Word{Text: w, Pos: at})
			}
		}
		m.Commands = append(m.Commands, c)
		if c.Is("kms", "create-grant") {
			grantee, _ := c.Value("--grantee-principal")
			g := &Grant{Pos: at, Grantee: grantee.Text}
			for _, w := range c.Option("--operations").Values {
				g.Operations = append(g.Operations, w.Text)
			}
			m.Grants = append(m.Grants, g)
		}
	}
}

func TestRightsRulesFireAndStaySilent(t *testing.T) {
	t.Parallel()
	for _, rule := range rightsRules() {
		for _, e := range rule.Fires {
			if m := simpleText(t, e.Name, e.Text); m != nil && len(Check(m, []Rule{rule})) == 0 {
				t.Errorf("%s is silent on what it should report:\n%s", rule.ID, e.Text)
			}
		}
		for _, e := range rule.Silent {
			if m := simpleText(t, e.Name, e.Text); m != nil {
				for _, f := range Check(m, []Rule{rule}) {
					t.Errorf("%s reports %v in\n%s", rule.ID, f.Finding, e.Text)
				}
			}
		}
	}
}

func TestEveryRightsRuleIsDescribed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, rule := range rightsRules() {
		if seen[rule.ID] || rule.Check == nil || rule.Title == "" || rule.Text == "" || rule.Fix == "" || len(rule.Fires) == 0 || len(rule.Silent) == 0 {
			t.Errorf("%s stands twice or lacks a part", rule.ID)
		}
		seen[rule.ID] = true
	}
}

// wholeKey is a key policy in force.
func wholeKey(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := plainPolicy("key-policy.json", text)
	if err != nil {
		t.Fatal(err)
	}
	p.Kind, p.Whole = KeyPolicy, true
	p.Key = arn.ARN{Partition: "aws", Service: "kms", Region: "us-east-1", Account: "444455556666", Resource: "key/1234abcd-12ab-34cd-56ef-1234567890ab"}
	return p
}

func attached(t *testing.T, kind Kind, owner, role, text string) *Policy {
	t.Helper()
	p, err := plainPolicy("policy.json", text)
	if err != nil {
		t.Fatal(err)
	}
	p.Kind, p.Owner, p.Role, p.Whole = kind, owner, role, true
	return p
}

// oneStatement makes a document of one statement out of its members but Effect.
func oneStatement(members string) string {
	return `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", ` + members + `}]}`
}

const (
	ownRoot   = `"Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"`
	otherRoot = `"Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Resource": "*", `
	theKey    = `"Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"`
	restore   = "arn:aws:iam::111122223333:role/Restore"
)

// toldBy returns the severities that a rule has for material, sorted.
func toldBy(m *Material, id string) []string {
	got := []string{}
	for _, f := range Check(m, rightsRules()) {
		if f.Rule == id {
			got = append(got, f.Severity.String())
		}
	}
	slices.Sort(got)
	return got
}

func TestRightsInWholePolicies(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rule string
		m    Material
		want []string
	}{
		"a whole policy for another account locks its own out": {"KEY004",
			Material{Policies: []*Policy{wholeKey(t, oneStatement(otherRoot+`"Action": "kms:*"`))}}, []string{"critical"}},
		"the key's account administers it": {"KEY004",
			Material{Policies: []*Policy{wholeKey(t, oneStatement(ownRoot))}}, []string{}},
		"an action that is still open may be the right to change the policy": {"KEY004",
			Material{Policies: []*Policy{wholeKey(t, oneStatement(otherRoot+`"Action": "${actions}"`))}}, []string{}},
		"one role alone leaves the account out": {"KEY005",
			Material{Policies: []*Policy{wholeKey(t, oneStatement(`"Principal": {"AWS": "arn:aws:iam::444455556666:role/Admin"}, "Action": "kms:*", "Resource": "*"`))}}, []string{"warning"}},
		"a policy attached to a service-linked role": {"KEY010",
			Material{Policies: []*Policy{attached(t, IdentityPolicy, "", "AWSServiceRoleForAutoScaling", oneStatement(`"Action": "kms:Decrypt", `+theKey))}}, []string{"critical"}},
		"roles of a template, one of them service-linked": {"KEY010",
			Material{Resources: []*Resource{declared("AWS::IAM::Policy", `{"Roles": ["Restore", "AWSServiceRoleForEC2Spot"]}`)}}, []string{"critical"}},
		"the key policy does not let the role's account in": {"KEY007",
			Material{Policies: []*Policy{wholeKey(t, oneStatement(ownRoot)), attached(t, IdentityPolicy, restore, "", oneStatement(`"Action": "kms:Decrypt", `+theKey))}}, []string{"critical"}},
		"the key policy lets the role's account in": {"KEY007",
			Material{Policies: []*Policy{wholeKey(t, oneStatement(otherRoot+`"Action": "kms:Decrypt"`)), attached(t, IdentityPolicy, restore, "", oneStatement(`"Action": "kms:Decrypt", `+theKey))}}, []string{}},
		"a grant lets the role in": {"KEY007",
			Material{Grants: []*Grant{{Grantee: restore}}, Policies: []*Policy{wholeKey(t, oneStatement(ownRoot)), attached(t, IdentityPolicy, restore, "", oneStatement(`"Action": "kms:Decrypt", `+theKey))}}, []string{}},
		"a service-linked role without kms:CreateGrant": {"KEY011",
			Material{Policies: []*Policy{wholeKey(t, oneStatement(linkedRole+`, "Action": ["kms:Decrypt", "kms:GenerateDataKey*"]`))}}, []string{"critical"}},
		"a service-linked role with kms:CreateGrant": {"KEY011",
			Material{Policies: []*Policy{wholeKey(t, oneStatement(linkedRole+`, "Action": ["kms:Decrypt", "kms:GenerateDataKey*", "kms:CreateGrant"]`))}}, []string{}},
		"a boundary leaves out what its role is given": {"KEY051",
			Material{Policies: []*Policy{
				attached(t, IdentityPolicy, restore, "", oneStatement(`"Action": ["kms:Decrypt", "kms:DescribeKey"], `+theKey)),
				attached(t, BoundaryPolicy, restore, "", oneStatement(`"Action": "kms:DescribeKey", "Resource": "*"`))}}, []string{"critical"}},
		"a boundary allows all but IAM": {"KEY051",
			Material{Policies: []*Policy{
				attached(t, IdentityPolicy, restore, "", oneStatement(`"Action": "kms:Decrypt", `+theKey)),
				attached(t, BoundaryPolicy, restore, "", oneStatement(`"NotAction": "iam:*", "Resource": "*"`))}}, []string{}},
		"another's boundary": {"KEY051",
			Material{Policies: []*Policy{
				attached(t, IdentityPolicy, restore, "", oneStatement(`"Action": "kms:Decrypt", `+theKey)),
				attached(t, BoundaryPolicy, restore, "", oneStatement(`"Action": "kms:*", "Resource": "*"`)),
				attached(t, BoundaryPolicy, restore+"2", "", oneStatement(`"Action": "s3:*", "Resource": "*"`))}}, []string{}},
		"a control policy denies what a role is given": {"KEY050",
			Material{Policies: []*Policy{
				attached(t, IdentityPolicy, "", "Restore", oneStatement(`"Action": "kms:Decrypt", `+theKey)),
				attached(t, ControlPolicy, "", "", `{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "kms:*", "Resource": "*"}]}`)}}, []string{"critical"}},
		"a control policy denies it under conditions": {"KEY050",
			Material{Policies: []*Policy{
				attached(t, IdentityPolicy, "", "Restore", oneStatement(`"Action": "kms:Decrypt", `+theKey)),
				attached(t, ControlPolicy, "", "", `{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "kms:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}`)}}, []string{}},
		"a role has the same right twice": {"KEY108",
			Material{Policies: []*Policy{
				wholeKey(t, `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", `+ownRoot+`}, {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:role/Restore"}, "Action": "kms:Decrypt", "Resource": "*"}]}`),
				attached(t, IdentityPolicy, "", "Restore", oneStatement(`"Action": "kms:Decrypt", `+theKey))}}, []string{"warning"}},
		"a role of another account needs both": {"KEY108",
			Material{Policies: []*Policy{
				wholeKey(t, `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", `+ownRoot+`}, {"Effect": "Allow", "Principal": {"AWS": "`+restore+`"}, "Action": "kms:Decrypt", "Resource": "*"}]}`),
				attached(t, IdentityPolicy, "", "Restore", oneStatement(`"Action": "kms:Decrypt", `+theKey))}}, []string{}},
		"a key policy longer than KMS takes": {"KEY030",
			Material{Policies: []*Policy{wholeKey(t, oneStatement(`"Sid": "`+strings.Repeat("x", 40000)+`", `+ownRoot))}}, []string{"error"}},
		"a key policy near what KMS takes": {"KEY030",
			Material{Policies: []*Policy{wholeKey(t, oneStatement(`"Sid": "`+strings.Repeat("x", 28000)+`", `+ownRoot))}}, []string{"warning"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := toldBy(&tt.m, tt.rule); !slices.Equal(got, tt.want) {
				t.Errorf("%s says %v, not %v", tt.rule, got, tt.want)
			}
		})
	}
}

const linkedRole = `"Principal": {"AWS": "arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"}, "Resource": "*"`

// declared is a resource of a template.
func declared(kind, body string) *Resource {
	n, _, err := source.Parse([]byte(body))
	if err != nil {
		panic(err)
	}
	return &Resource{Type: kind, Body: n}
}

// TestRightsOnPublicPolicies prints what the rules say about policies that
// people published, which lie outside of this repository.
func TestRightsOnPublicPolicies(t *testing.T) {
	dir := os.Getenv("KEYREACH_CORPUS")
	if dir == "" {
		t.Skip("KEYREACH_CORPUS names no directory of policies")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file))
		p, err := plainPolicy(name, string(text))
		if err != nil || len(p.Doc.Statements) == 0 {
			continue
		}
		if s := &p.Doc.Statements[0]; s.Principal == nil && s.Effect != nil && s.Effect.Text == "Deny" {
			p.Kind = ControlPolicy
		}
		for _, f := range Check(&Material{Policies: []*Policy{p}}, rightsRules()) {
			if f.Severity >= finding.Warning || testing.Verbose() {
				t.Log(f.Finding)
			}
		}
	}
}
