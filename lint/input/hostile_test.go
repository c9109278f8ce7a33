package input_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/lint/input"
)

// What is made to exhaust the reader ends in an error with a reason, and takes
// little memory and time for it. The tests of this function run one after the
// other, because what they allocate is measured.
func TestHostileFilesAreRefusedWithLittleMemory(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'm'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c, ", c-1), 9), ", "))
	}
	const mega = 1 << 20
	tests := []struct {
		about, name string
		data        func() []byte
	}{
		{"a hundred megabytes", "p.json", func() []byte { return bytes.Repeat([]byte("[1,"), 100*mega/3) }},
		{"lists in lists", "p.json", func() []byte { return bytes.Repeat([]byte("["), mega) }},
		{"maps in maps", "p.json", func() []byte { return bytes.Repeat([]byte(`{"a":`), mega/5) }},
		{"lists in lists of YAML", "p.yaml", func() []byte { return append([]byte("a: "), bytes.Repeat([]byte("["), mega)...) }},
		{"blocks in blocks of YAML", "p.yaml", func() []byte { return append([]byte("a:\n"), bytes.Repeat([]byte("- "), mega/2)...) }},
		{"many small values", "p.json", func() []byte { return []byte("[" + strings.Repeat("0,", 20*mega) + "0]") }},
		{"aliases of aliases", "p.yaml", func() []byte { return []byte(bomb) }},
		{"expressions that do not end", "p.tpl", func() []byte { return append([]byte("{"), bytes.Repeat([]byte("${"), mega/4)...) }},
		{"quotes that do not end", "p.tpl", func() []byte { return append([]byte("{"), bytes.Repeat([]byte(`{{ "`), mega/8)...) }},
		{"strings in strings", "p.json", func() []byte {
			text := doc(decryptAny)
			for range 12 {
				text = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
			}
			return []byte(text)
		}},
		{"no UTF-8 at the end", "p.json", func() []byte { return append(bytes.Repeat([]byte(" "), 10*mega), 0xff) }},
		{"a long list of YAML", "p.yaml", func() []byte { return bytes.Repeat([]byte("- a\n"), 3*mega/8) }},
		{"a list of YAML that is too long", "p.yaml", func() []byte { return bytes.Repeat([]byte("- a\n"), mega) }},
		{"a quoted text that does not end", "p.yaml", func() []byte { return append([]byte("\""), bytes.Repeat([]byte("a: 'b"), mega/2)...) }},
		{"many documents of YAML", "p.yaml", func() []byte { return bytes.Repeat([]byte("a: 1\n---\n"), mega/10) }},
		{"lists in lists of Terraform", "main.tf", func() []byte { return append([]byte("a = "), bytes.Repeat([]byte("["), mega)...) }},
		{"many blocks of Terraform", "main.tf", func() []byte { return bytes.Repeat([]byte("locals {\n a = [1,2]\n}\n"), mega/23) }},
		{"commands in commands", "a.sh", func() []byte { return bytes.Repeat([]byte("$("), mega/2) }},
		{"lists in lists of Markdown", "a.md", func() []byte { return bytes.Repeat([]byte("> "), mega/2) }},
		{"braces of Markdown", "a.md", func() []byte { return bytes.Repeat([]byte("{\"Effect\": \"Action\"\n"), mega/20) }},
		{"maps in a template of CloudFormation", "t.json", func() []byte {
			return []byte(`{"Resources":{"K":{"Type":"AWS::KMS::Key","Properties":` + strings.Repeat(`{"Fn::If":["c",`, 90) + "1" + strings.Repeat(`,1]}`, 90) + `}}}`)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			data := tt.data()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := input.Read(tt.name, data)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%d MiB allocated in %v for %d KiB: %.200v", allocated, took, len(data)>>10, err)
			if testing.Short() {
				return // the race detector, which runs the short form, allocates and waits more
			}
			if allocated > 768 {
				t.Errorf("%d MiB are allocated", allocated)
			}
			if took > 20*time.Second {
				t.Errorf("it takes %v", took)
			}
		})
	}
}

// Whatever the bytes are, reading them ends with material.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		doc(rootAllowed), template, serverless, "[" + decryptAny + ",", "{\"Policy\": \"{\\\"Statement\\\": []}\"}", "a: |\n  {\"Effect\": \"x\", \"Action\": 1}\n",
		`{"Statement": [{"Effect": {% if a %}"Allow"{% else %}"Deny"{% endif %}, "Action": ${x}}]}`, "1 {\n2 }\n3 \n", "---\n---\na: &x [*x]\n", "policy: \"{\\\"Action\\\": \\\n  \\\"Effect\\\"}\"",
		`{"Grants":[{"GranteePrincipal":"","Operations":"x"}]}`, "- hosts: all\n  tasks: [{kms_key: {policy: '{\"Effect\": \"Action\"}'}}]\n", "apiVersion: kms.aws.upbound.io/v1\nkind: Key\nspec: {forProvider: {policy: {Statement: []}}}\n",
	} {
		f.Add("p.yaml", []byte(s))
	}
	f.Add("ci.yml", []byte("a:\n - run: >\n    aws kms list-keys ${{ x }}\n - shell: \"aws kms a\\n --b\"\n"))
	f.Add("Makefile", []byte("a:\n\t@aws kms a --b $$C $(D)\n"))
	f.Add("Dockerfile", []byte("RUN a \\\n aws kms a\n"))
	f.Add("a.sh", []byte("aws kms put-key-policy --key-id k --policy '"+doc(rootAllowed)+"'\naws kms create-grant --grantee-principal x --constraints a={b=c}\n"))
	f.Add("a.md", []byte("# a\n\n```json\n"+doc(decryptAny)+"\n```\n\n- b\n\n  ```hcl\n  resource \"aws_kms_key\" \"k\" {}\n  ```\n"))
	f.Add("a.tf", []byte("data \"aws_iam_policy_document\" \"d\" {\n statement { actions = [\"kms:*\"] }\n}\n"))
	f.Add("plan.json", []byte(`{"format_version":"1","planned_values":{"root_module":{"resources":[{"type":"aws_kms_key","values":{"policy":"{}"}}]}}}`))
	f.Add("estate.json", []byte(`{"format_version":1,"accounts":[{"id":"111122223333","name":"a"}]}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		m, err := input.Read(name, data)
		if m == nil || m.Format == "" {
			t.Fatalf("nothing is returned; %v", err)
		}
		for _, p := range input.Problems(err) {
			if p.Text == "" {
				t.Errorf("an error without a text: %v", err)
			}
		}
		for _, p := range m.Policies {
			if p.Doc == nil || p.Doc.File != name {
				t.Errorf("a policy without a document: %+v", p)
			}
		}
	})
}
