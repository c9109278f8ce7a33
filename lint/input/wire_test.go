package input_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/lint/input"
)

func TestPoliciesOfScriptsBelongToTheirCommands(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	tests := []struct{ about, name, text, format, want, key string }{
		{"a policy in the command", "a.sh", "aws kms put-key-policy --key-id k --region eu-west-1 --policy-name default --policy '" + doc(rootAllowed) + "'\n", "shell script", "key! 1@1:86 of k", "eu-west-1:"},
		{"a policy in a file that the script writes", "a.sh", "cat > p.json <<EOF\n" + doc(rootAllowed) + "\nEOF\naws kms put-key-policy --key-id " + arn + " --policy file://p.json\n", "shell script", "key! 1@2:1 of " + arn, "us-east-1:111122223333"},
		{"an inline policy of a role", "a.sh", "aws iam put-role-policy --role-name r --policy-name p --policy-document '" + doc(decryptAny) + "'\n", "shell script", "identity! 1@1:74 of r on r", ":"},
		{"a trust policy", "a.sh", "aws iam create-role --role-name r --assume-role-policy-document '" + doc(`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`) + "'\n", "shell script", "trust! 1@1:66 of r on r", ":"},
		{"a control policy", "a.sh", "aws organizations create-policy --name n --type RESOURCE_CONTROL_POLICY --content '" + doc(denyAll) + "'\n", "shell script", "rcp! 1@1:84 of n", ":"},
		{"a policy of a guide", "a.md", "# Keys\n\nGive the key this policy:\n\n```json\n" + doc(rootAllowed) + "\n```\n\nand a role this statement:\n\n- as a fragment\n\n  ```json\n  " + decryptAny + "\n  ```\n", "Markdown", "key 1@6:1; identity 1@14:3", ":"},
		{"a template of a guide", "a.md", "# Keys\n\n```yaml\nResources:\n  K:\n    Type: AWS::KMS::Key\n    Properties:\n      KeyPolicy: {Version: 2012-10-17, Statement: [" + rootAllowed + "]}\n```\n", "Markdown", "key! 1@8:19 of K; KEY K with policy", ":"},
		{"an output that is no JSON", "a.md", "# Keys\n\n```json\n{\"KeyMetadata\": {...}, oops}\n```\n", "Markdown", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			m := readsAs(t, tt.name, tt.text, tt.format, tt.want)
			if len(m.Policies) > 0 {
				if k := m.Policies[0].Key; k.Region+":"+k.Account != tt.key {
					t.Errorf("the key is %+v, want %s", k, tt.key)
				}
			}
		})
	}
}

func TestABrokenPolicyOfAGuideIsTold(t *testing.T) {
	t.Parallel()
	m, err := input.Read("a.md", []byte("# Keys\n\n```json\n{\"Statement\": [{\"Effect\": \"Allow\" \"Action\": \"kms:*\"}]}\n```\n\n```json\n"+doc(rootAllowed)+"\n```\n"))
	if got := reasons(err); len(got) != 1 || !strings.HasPrefix(got[0], "a.md:4:35: ") {
		t.Errorf("told %q", got)
	}
	if got := said(m); got != "key 1@8:1" {
		t.Errorf("the rest is %q", got)
	}
}

func TestGrantsOfCommands(t *testing.T) {
	t.Parallel()
	m, err := input.Read("a.sh", []byte(`aws kms create-grant --key-id alias/a --grantee-principal "$ROLE" --operations Decrypt "CreateGrant" \
  --constraints 'EncryptionContextSubset={a=b,c=d}'
aws kms create-grant --key-id k --grantee-principal arn:aws:iam::111122223333:role/r --operations $OPS --constraints '{"EncryptionContextEquals":{"a":"b"}}'
`))
	if err != nil || len(m.Grants) != 2 {
		t.Fatal(len(m.Grants), reasons(err))
	}
	a, b := m.Grants[0], m.Grants[1]
	if !a.UnknownGrantee || fmt.Sprint(a.Operations) != "[Decrypt CreateGrant]" || a.UnknownOperations || a.Key != "alias/a" {
		t.Errorf("the first: %+v", a)
	}
	if n := a.Constraints.At([]string{"EncryptionContextSubset", "c"}); n == nil || n.Text != "d" || a.ConstraintsUnknown {
		t.Errorf("the constraints of the first: %+v", a.Constraints)
	}
	if n := b.Constraints.At([]string{"EncryptionContextEquals", "a"}); b.UnknownGrantee || !b.UnknownOperations || n == nil || n.Text != "b" {
		t.Errorf("the second: %+v", b)
	}
}

func TestTerraformIsReadWhereverItStands(t *testing.T) {
	t.Parallel()
	const hcl = "resource \"aws_kms_key\" \"k\" {\n  policy = jsonencode({ Version = \"2012-10-17\", Statement = [{ Effect = \"Allow\", Principal = \"*\", Action = \"kms:*\", Resource = \"*\" }] })\n}\n"
	tests := []struct {
		about, name, text, format string
		line                      int
	}{
		{"by its name", "main.tf", hcl, "Terraform", 2},
		{"by what it says", "main", hcl, "Terraform", 2},
		{"in a guide", "a.md", "# A\n\n- one\n\n  ```hcl\n  " + strings.ReplaceAll(strings.TrimSpace(hcl), "\n", "\n  ") + "\n  ```\n", "Markdown", 7},
		{"as JSON", "main.tf.json", "{\"resource\": {\"aws_kms_key\": {\"k\":\n{\"policy\": \"" + strings.ReplaceAll(doc(rootAllowed), `"`, `\"`) + "\"}}}}", "Terraform", 2},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			m, err := input.Read(tt.name, []byte(tt.text))
			if err != nil || len(m.Policies) != 1 || len(m.Keys) != 1 {
				t.Fatal(len(m.Policies), len(m.Keys), reasons(err))
			}
			p := m.Policies[0]
			if got := int(p.Doc.Statements[0].Action.Pos.Line); m.Format != tt.format || got != tt.line || !p.Whole {
				t.Errorf("read as %s: the action stands on line %d, want %s, %d", m.Format, got, tt.format, tt.line)
			}
		})
	}
}

func TestAPlanIsRead(t *testing.T) {
	t.Parallel()
	m, err := input.Read("plan.json", []byte(`{"format_version": "1.2", "terraform_version": "1.9.0", "planned_values": {"root_module": {"resources": [
{"address": "aws_kms_key.k", "mode": "managed", "type": "aws_kms_key", "name": "k", "values": {"policy": "`+strings.ReplaceAll(doc(rootAllowed), `"`, `\"`)+`"}}]}}}`))
	if err != nil || m.Format != "Terraform plan" || len(m.Policies) != 1 {
		t.Errorf("read as %s with %d policies; %v", m.Format, len(m.Policies), reasons(err))
	}
}

func TestAnEstateIsRead(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../examples/drs-cross-account/estate.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := input.Read("estate.json", data)
	if err != nil || m.Estate == nil || len(m.Places) == 0 || m.Keys[0].Pos.Line == 0 || m.Format != "estate" || len(m.Policies) == 0 {
		t.Errorf("read as %s with %d policies and %d keys; %v", m.Format, len(m.Policies), len(m.Keys), reasons(err))
	}
}

func TestOtherTexts(t *testing.T) {
	t.Parallel()
	tests := []struct{ about, name, text, format, told string }{
		{"a program", "app.py", "import boto3\n", "other", "app.py:1:1: this is a program"},
		{"prose", "LICENSE", "Permission is granted: to any person.\n\nAs is.\n", "Markdown", ""},
		{"nothing", "a.json", " \n", "other", "a.json:1:1: the file is empty"},
		{"a script by its first line", "run", "#!/bin/bash\naws kms list-keys\n", "shell script", ""},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			m, err := input.Read(tt.name, []byte(tt.text))
			told := strings.Join(reasons(err), "; ")
			if m.Format != tt.format || !strings.HasPrefix(told, tt.told) || (told == "") != (tt.told == "") {
				t.Errorf("read as %s, told %q; want %s, %q", m.Format, told, tt.format, tt.told)
			}
		})
	}
}
