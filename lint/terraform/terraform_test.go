package terraform_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/lint/terraform"
	"github.com/keyreach/keyreach/policy"
)

func read(t *testing.T, text string) *rules.Material {
	t.Helper()
	m, err := terraform.Read("main.tf", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// show writes the policies of some material on one line each.
func show(m *rules.Material) string {
	var b strings.Builder
	for _, p := range m.Policies {
		fmt.Fprintf(&b, "%s kind %d whole %t", p.Owner, p.Kind, p.Whole)
		if p.Role != "" {
			b.WriteString(" role " + p.Role)
		}
		for i := range p.Doc.Statements {
			s := &p.Doc.Statements[i]
			if s.Opaque {
				b.WriteString(" | opaque")
				continue
			}
			fmt.Fprintf(&b, " | %d:%d", s.Pos.Line, s.Pos.Column)
			if s.Effect != nil {
				b.WriteString(" " + s.Effect.Text)
			}
			for _, l := range []*policy.List{s.Action, s.Resource} {
				b.WriteString(" [")
				if l != nil {
					for j, v := range l.Values {
						if j > 0 {
							b.WriteString(" ")
						}
						b.WriteString(v.Text)
						if v.Unknown {
							b.WriteString("?")
						}
					}
				}
				b.WriteString("]")
			}
			if s.Principal != nil {
				b.WriteString(" " + principals(s.Principal))
			}
			for _, op := range s.Conditions {
				for _, k := range op.Keys {
					fmt.Fprintf(&b, " %s(%s %s)", op.Name, k.Name, k.Values.Values[0].Text)
				}
			}
		}
		b.WriteString("\n")
	}
	return strings.TrimSpace(b.String())
}

func principals(p *policy.PrincipalElement) string {
	if p.Text != nil {
		return p.Text.Text
	}
	var names []string
	for _, g := range p.Groups {
		for _, v := range g.Names.Values {
			names = append(names, g.Type+"="+v.Text)
		}
	}
	return strings.Join(names, ",")
}

func TestPoliciesOfConfiguration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"jsonencode": {
			`resource "aws_kms_key" "main" {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { AWS = "*" }, Action = "kms:*", Resource = "*" }]
  })
}`, `aws_kms_key.main kind 1 whole true | 4:18 Allow [kms:*] [*] AWS=*`},
		"a heredoc keeps the places of its parts, and what is filled in stays": {
			`resource "aws_iam_role_policy" "a" {
  role   = "copier"
  policy = <<-EOT
    {"Version": "2012-10-17",
     "Statement": [{"Effect": "Allow",
       "Action": "kms:Decrypt", "Resource": "arn:aws:kms:${var.r == "x" ? "a:b" : "c"}:1:key/*"}]}
  EOT
}`, `aws_iam_role_policy.a kind 2 whole true role copier | 5:20 Allow [kms:Decrypt] [arn:aws:kms:${var.r == 'x' ~ 'a~b' ~ 'c'}:1:key/*?]`},
		"a document gets its kind from the key that has it": {
			`data "aws_iam_policy_document" "d" {
  statement {
    actions   = ["kms:Decrypt"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["111122223333"]
    }
    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalTag/team"
      values   = ["&{aws:username}"]
    }
  }
}
resource "aws_kms_key" "k" {
  policy = data.aws_iam_policy_document.d.json
}`, `aws_kms_key.k kind 1 whole true | 2:3 Allow [kms:Decrypt] [*] AWS=111122223333,Service=sns.amazonaws.com StringEquals(aws:PrincipalTag/team ${aws:username})`},
		"a document with others in it is a fragment, and so are they": {
			`data "aws_iam_policy_document" "a" {
  source_policy_documents = [data.aws_iam_policy_document.b.json]
  statement {
    actions = ["kms:Encrypt"]
    resources = ["*"]
  }
}
data "aws_iam_policy_document" "b" {
  statement {
    actions = ["kms:Decrypt"]
    resources = ["*"]
  }
}
resource "aws_kms_key" "k" {
  policy = data.aws_iam_policy_document.a.json
}`, "aws_kms_key.k kind 1 whole false | 9:3 Allow [kms:Decrypt] [*]\naws_kms_key.k kind 1 whole false | 3:3 Allow [kms:Encrypt] [*]"},
		"what nothing refers to is told by its content": {
			`data "aws_iam_policy_document" "a" {
  statement {
    actions = ["kms:*"]
    principals {
      type = "*"
      identifiers = ["*"]
    }
    resources = ["*"]
  }
}`, `data.aws_iam_policy_document.a kind 1 whole false | 2:3 Allow [kms:*] [*] *`},
		"locals and functions are worked out, variables are not": {
			`variable "more" { default = ["kms:*"] }
locals {
  account = "111122223333"
  actions = concat(["kms:Decrypt"], local.also)
  also    = formatlist("kms:%s", ["Encrypt", "DescribeKey"])
}
resource "aws_iam_policy" "p" {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([for s in ["a", "b"] : {
      Effect = "Allow", Action = local.actions, Resource = "arn:aws:kms:eu-west-1:${local.account}:key/${s}"
    }], var.more ? [{ Effect = "Deny", Action = var.more, Resource = "*" }] : [], var.statements)
  })
}`, `aws_iam_policy.p kind 2 whole false` +
				` | 10:47 Allow [kms:Decrypt kms:Encrypt kms:DescribeKey] [arn:aws:kms:eu-west-1:111122223333:key/a]` +
				` | 10:47 Allow [kms:Decrypt kms:Encrypt kms:DescribeKey] [arn:aws:kms:eu-west-1:111122223333:key/b]` +
				` | 12:21 Deny ["var.more"] [*] | opaque`},
		"a condition between two things is not known": {
			`resource "aws_iam_policy" "p" {
  policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect = "Allow", Action = "kms:Decrypt", Resource = var.all ? ["*"] : [aws_kms_key.k.arn]
  }] })
}`, `aws_iam_policy.p kind 2 whole true | 2:62 Allow [kms:Decrypt] ["var.all ~ ['~'] ~ [aws_kms_key.k.arn]"]`},
		"dynamic blocks": {
			`data "aws_iam_policy_document" "d" {
  dynamic "statement" {
    for_each = ["kms:Decrypt", "kms:Encrypt"]
    content {
      actions   = [statement.value]
      resources = ["*"]
    }
  }
  dynamic "statement" {
    for_each = var.x
    content {
      effect    = "Deny"
      actions   = [statement.value]
      resources = ["*"]
    }
  }
}`, `data.aws_iam_policy_document.d kind 2 whole false | 2:3 Allow [kms:Decrypt] [*] | 2:3 Allow [kms:Encrypt] [*] | 9:3 Deny ["statement.value"] [*]`},
		"directives in a heredoc": {
			`resource "aws_kms_key" "k" {
  policy = <<EOT
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": ${jsonencode(var.r)}}
  %{ if var.more }, {"Effect": "Deny", "Principal": "*", "Action": "kms:PutKeyPolicy", "Resource": "*"} %{ endif }
]}
EOT
}`, `aws_kms_key.k kind 1 whole true | 4:3 Allow [kms:*] ["var.r"] * | 5:21 Deny [kms:PutKeyPolicy] [*] *`},
		"policies of other things": {
			`resource "aws_organizations_policy" "o" {
  type    = "RESOURCE_CONTROL_POLICY"
  content = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"kms:*\",\"Resource\":\"*\"}]}"
}
resource "aws_iam_role" "r" {
  name                 = "app"
  permissions_boundary = aws_iam_policy.b.arn
  assume_role_policy   = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }] })
  inline_policy {
    policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "kms:Decrypt", Resource = "*" }] })
  }
}
resource "aws_iam_policy" "b" {
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "kms:*", Resource = "*" }] })
}`, `aws_organizations_policy.o kind 5 whole true | 3:57 Deny [kms:*] [*] *
aws_iam_role.r kind 3 whole true | 8:76 Allow [sts:AssumeRole] [] Service=ec2.amazonaws.com
aws_iam_role.r kind 2 whole true role app | 10:64 Allow [kms:Decrypt] [*]
aws_iam_policy.b kind 7 whole true | 14:62 Allow [kms:*] [*]`},
		"an excerpt": {
			`statement {
  actions   = ["kms:Decrypt"]
  resources = ["*"]
}`, ` kind 2 whole false | 1:1 Allow [kms:Decrypt] [*]`},
		"a file is not opened": {`resource "aws_kms_key" "k" { policy = file("k.json") }`, ``},
		"JSON syntax": {
			`{"locals": {"who": "111122223333"}, "resource": {"aws_kms_key": {"k": {
  "policy": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"${local.who}\"},\"Action\":\"kms:*\",\"Resource\":\"*\"}]}"
}}}}`, `aws_kms_key.k kind 1 whole true | 2:13 Allow [kms:*] [*] AWS=111122223333`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := show(read(t, c.text)); got != strings.TrimSpace(c.want) {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestKeysAndGrants(t *testing.T) {
	t.Parallel()
	m := read(t, `
provider "aws" {
  region = "eu-west-1"
}
resource "aws_kms_key" "k" {
  is_enabled   = false
  multi_region = true
}
resource "aws_kms_key_policy" "p" {
  key_id = aws_kms_key.k.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [] })
}
resource "aws_kms_alias" "a" {
  name          = "alias/data"
  target_key_id = aws_kms_key.k.key_id
}
resource "aws_kms_grant" "g" {
  key_id            = aws_kms_key.k.key_id
  grantee_principal = "arn:aws:iam::111122223333:role/${var.role}"
  operations        = ["Decrypt", "CreateGrant"]
  constraints {
    encryption_context_equals = { a = "b" }
  }
}`)
	if len(m.Keys) != 1 || len(m.Grants) != 1 {
		t.Fatalf("%d keys and %d grants, want one of each", len(m.Keys), len(m.Grants))
	}
	k, g := m.Keys[0], m.Grants[0]
	if k.State != "Disabled" || !k.MultiRegion || k.ARN.Region != "eu-west-1" || k.Spec != "SYMMETRIC_DEFAULT" || strings.Join(k.Aliases, " ") != "alias/data" {
		t.Errorf("the key is %+v", *k)
	}
	if k.Policy == nil || k.Policy.Key.Region != "eu-west-1" || k.Policy.Kind != rules.KeyPolicy {
		t.Errorf("the key's policy is %+v", k.Policy)
	}
	if !g.UnknownGrantee || g.UnknownOperations || len(g.Operations) != 2 || g.Constraints.At([]string{"EncryptionContextEquals", "a"}).Text != "b" {
		t.Errorf("the grant is %+v", *g)
	}
}

func TestAPolicyInALocalIsReadOnce(t *testing.T) {
	t.Parallel()
	m := read(t, `
locals {
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = "*", Action = "kms:*", Resource = "*" }] })
}
provider "aws" {
  region = "eu-west-1"
}
provider "aws" {
  alias  = "us"
  region = "us-east-1"
}
resource "aws_kms_key" "here" {
  policy = local.policy
}
resource "aws_kms_key" "there" {
  provider = aws.us
  policy   = local.policy
}`)
	if got := show(m); got != "aws_kms_key.here kind 1 whole true | 3:62 Allow [kms:*] [*] *" {
		t.Errorf("got\n%s", got)
	}
	if m.Policies[0].Key.Region != "" || m.Keys[1].ARN.Region != "us-east-1" || m.Keys[1].Policy != m.Policies[0] {
		t.Errorf("the policy is of a key in %q, the second key in %q", m.Policies[0].Key.Region, m.Keys[1].ARN.Region)
	}
}

func TestTheRulesExamplesInTerraform(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, rule := range rules.All() {
		for i, list := range [][]rules.Example{rule.Fires, rule.Silent} {
			for _, x := range list {
				if x.Name != "main.tf" {
					continue
				}
				ran++
				if n := len(rules.Check(read(t, x.Text), []rules.Rule{rule})); (n > 0) != (i == 0) {
					t.Errorf("%s finds %d in\n%s", rule.ID, n, x.Text)
				}
			}
		}
	}
	if ran == 0 {
		t.Error("no rule has an example in Terraform")
	}
}

func TestABrokenBlockDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	m, err := terraform.Read("main.tf", []byte(`resource "aws_kms_key" "a" {
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = "*", Action = "kms:*", Resource = "*" }] })
}
resource "aws_kms_key" "b" {
  policy = jsonencode({ A = [1] B = 2 })
}
resource "aws_kms_key" "c" {
  policy = "{\"Version\": \"2012-10-17\","
}
resource "aws_kms_key" "d" {
}
`))
	var problems terraform.Problems
	if !errors.As(err, &problems) || len(problems) != 2 {
		t.Fatalf("the error is %v, want two problems", err)
	}
	for i, want := range []string{"main.tf:5:33: ", "main.tf:8:42: "} {
		if !strings.HasPrefix(problems[i].Error(), want) {
			t.Errorf("problem %d is %q, want it at %s", i, problems[i], want)
		}
	}
	if got := show(m); got != "aws_kms_key.a kind 1 whole true | 2:62 Allow [kms:*] [*] *" || len(m.Keys) != 3 {
		t.Errorf("got %d keys and\n%s", len(m.Keys), got)
	}
}

func TestWhatAHeredocHasThatAWSDoesNotTake(t *testing.T) {
	t.Parallel()
	m := read(t, `resource "aws_kms_key" "k" {
  policy = <<EOT
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"},]}
EOT
}`)
	found := map[string]string{}
	for _, f := range m.Policies[0].Read {
		found[f.Rule] = f.Position.String()
	}
	if found[policy.RuleDuplicate] != "main.tf:3:61" || found[policy.RuleJSON] != "main.tf:3:132" {
		t.Errorf("found %v", found)
	}
}

const plan = `{"format_version": "1.2", "terraform_version": "1.9.0",
 "planned_values": {"root_module": {
  "resources": [
   {"address": "aws_kms_key.known", "mode": "managed", "type": "aws_kms_key", "name": "known",
    "values": {"is_enabled": true, "policy": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"kms:*\",\"Resource\":\"*\"}]}"}}],
  "child_modules": [{"address": "module.m[0]", "resources": [
   {"address": "module.m[0].aws_kms_key.late", "mode": "managed", "type": "aws_kms_key", "name": "late", "values": {"is_enabled": false}},
   {"address": "module.m[0].data.aws_iam_policy_document.d", "mode": "data", "type": "aws_iam_policy_document", "name": "d",
    "values": {"statement": [{"actions": ["kms:Decrypt"], "effect": null, "resources": [null], "principals": []}]}}]}]}},
 "resource_changes": [
  {"address": "module.m[0].aws_kms_key.late", "mode": "managed", "type": "aws_kms_key", "name": "late", "change": {"after": {}, "after_unknown": {"policy": true}}},
  {"address": "module.m[0].data.aws_iam_policy_document.d", "change": {"after_unknown": {"json": true, "statement": [{"resources": [true]}]}}}],
 "configuration": {"root_module": {
  "resources": [{"address": "aws_kms_key.known", "expressions": {"policy": {"references": ["data.aws_iam_policy_document.r.json", "data.aws_iam_policy_document.r"]}}}],
  "module_calls": {"m": {"module": {"resources": [
   {"address": "aws_kms_key.late", "expressions": {"policy": {"references": ["data.aws_iam_policy_document.d.json", "data.aws_iam_policy_document.d"]}}}]}}}}},
 "prior_state": {"values": {"root_module": {"resources": [
  {"address": "data.aws_iam_policy_document.r", "mode": "data", "type": "aws_iam_policy_document", "name": "r",
   "values": {"json": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"kms:*\",\"Resource\":\"*\"}]}"}},
  {"address": "data.aws_iam_policy_document.lone", "mode": "data", "type": "aws_iam_policy_document", "name": "lone",
   "values": {"json": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"kms:Encrypt\",\"Resource\":\"*\"}]}"}}]}}}}`

func TestPlans(t *testing.T) {
	t.Parallel()
	n, _, err := source.Parse([]byte(plan))
	if err != nil {
		t.Fatal(err)
	}
	m, ok := terraform.ReadPlan("plan.json", n)
	if !ok {
		t.Fatal("the plan is not recognised")
	}
	want := `aws_kms_key.known kind 1 whole true | 5:46 Allow [kms:*] [*] *
module.m.aws_kms_key.late kind 1 whole true | 9:30 Allow [kms:Decrypt] ["known after apply"]
data.aws_iam_policy_document.lone kind 2 whole false | 21:23 Allow [kms:Encrypt] [*]`
	if got := show(m); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(m.Keys) != 2 || m.Keys[1].State != "Disabled" {
		t.Errorf("the keys are %v", m.Keys)
	}
	other, _, _ := source.Parse([]byte(`{"format_version": 1, "accounts": []}`))
	if _, ok := terraform.ReadPlan("estate.json", other); ok {
		t.Error("an estate passes for a plan")
	}
}

func TestHostileTextEndsSoon(t *testing.T) {
	t.Parallel()
	double := "locals {\n  a0 = [\"x\"]\n"
	for i := 1; i < 60; i++ {
		double += fmt.Sprintf("  a%d = concat(local.a%d, local.a%d)\n", i, i-1, i-1)
	}
	for name, text := range map[string]string{
		"brackets":   "a = " + strings.Repeat("[", 100_000),
		"signs":      "a = " + strings.Repeat("!", 300_000) + "true",
		"choices":    "a = " + strings.Repeat("x ? y : ", 100_000) + "z",
		"tokens":     strings.Repeat(",", 7<<20),
		"bytes":      strings.Repeat(" ", 9<<20),
		"a sum":      "resource \"a\" \"b\" {\n x = " + strings.Repeat("1 + ", 100_000) + "1\n}\n",
		"a circle":   "locals {\n a = local.b\n b = local.a\n}\nresource \"aws_kms_key\" \"k\" {\n policy = local.a\n}\n",
		"doubling":   double + "}\nresource \"aws_iam_policy\" \"p\" {\n policy = jsonencode({Statement = local.a59})\n}\n",
		"long texts": "locals {\n a = \"" + strings.Repeat("x", 1000) + "\"\n b = join(local.a, [for i in [1,2,3,4,5,6,7,8,9] : join(local.a, [for j in [1,2,3,4,5,6,7,8,9] : local.a])])\n}\nresource \"a\" \"b\" {\n x = local.b\n}\n",
		"numbers":    "locals {\n a = [" + strings.Repeat("1,", 250_000) + "]\n}\n",
		"copies":     "resource \"a\" \"b\" {\n" + strings.Repeat("dynamic \"s\" {\n for_each = [1, 2, 3, 4, 5, 6, 7, 8, 9]\n content {\n", 9) + strings.Repeat("}\n}\n", 9) + "}\n",
		"JSON":       strings.Repeat(`{"resource":`, 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			m, _ := terraform.Read("main.tf", []byte(text))
			if m == nil {
				t.Error("there is no material")
			}
			if d := time.Since(begin); d > 2*time.Minute {
				t.Errorf("it took %v", d)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"resource \"aws_kms_key\" \"k\" {\n policy = <<E\n{\"Statement\": [%{ if var.x }{}%{ endif }, ${jsonencode(var.x)}]}\nE\n}\n",
		"data \"aws_iam_policy_document\" \"d\" {\n dynamic \"statement\" {\n for_each = [1]\n content {\n sid = statement.value\n condition {\n test = \"Bool\"\n variable = \"a\"\n values = [true]\n}\n}\n}\n}\n",
		"locals {\n a = [for k, v in {a = 1} : format(\"%s-%s\", k, v) if v == 1]\n b = local.a[0]\n}\nmodule \"m\" {\n policy = merge({Statement = [{Effect = local.b}]}, null)\n}\n",
		`{"resource": {"aws_kms_key": {"k": {"policy": "{\"a\": \"${local.x}\"}"}}}, "locals": [{"x": "$${y}"}]}`,
		"a = \"\\u00e9\\n$${x}%%{y}{\"\r\n",
		plan,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := terraform.Read("f", data)
		if m == nil {
			t.Fatalf("there is no material: %v", err)
		}
		if n, _, err := source.Parse(data); err == nil {
			terraform.ReadPlan("f", n)
		}
	})
}
