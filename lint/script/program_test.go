package script_test

import (
	"strings"
	"testing"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/script"
)

// The maps of programs that are policies become JSON, and keep their places.
func TestPoliciesOfPrograms(t *testing.T) {
	t.Parallel()
	tests := []struct{ about, language, text, want string }{
		{"a dict", "python", `p = {'Effect': "Allow", 'Action': ['a:b',], "Resource": "*"}  # so`, `{"Effect": "Allow", "Action": ["a:b"], "Resource": "*"}`},
		{"words of Python", "python", `p = {"Effect": "Deny", "Action": "a", "C": {"B": True, "N": None, "n": 5}}`, `{"Effect": "Deny", "Action": "a", "C": {"B": true, "N": null, "n": 5}}`},
		{"what is put in", "python", `p = {"Effect": "Allow", "Action": f"a:{x}", "Resource": key['Arn']}`, `{"Effect": "Allow", "Action": "a:${x}", "Resource": "${key_Arn}"}`},
		{"what is worked out", "python", `p = {"Effect": "Allow", "Action": "a:" + x, "Resource": [k for k in ks]}`, `{"Effect": "Allow", "Action": "${a_x}", "Resource": ["${k_for_k_in_ks}"]}`},
		{"a sum", "python", `p = {"Effect": "Allow", "Action": "a:" + x}`, `{"Effect": "Allow", "Action": "${a_x}"}`},
		{"an object", "typescript", "const p = { Effect: 'Allow', // so\n Action: [`a:${x}`] };", "{ \"Effect\": \"Allow\",\n \"Action\": [\"a:${x}\"] }"},
		{"what another map adds", "python", `p = {"Effect": "Allow", "Action": "a", **rest}`, ""},
		{"no policy", "python", `p = {"Effect": "Allow", "Other": 1}`, ""},
		{"another language", "ruby", `p = {"Effect": "Allow", "Action": "a"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			p, err := script.Markdown("a.md", []byte("# A\n\n```"+tt.language+"\n"+tt.text+"\n```\n"))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if len(p.Parts) > 0 {
				got = p.Parts[0].Text
				if at := p.Parts[0].At(source.Pos{Line: 1, Column: 1}); at.Line != 4 || int(at.Column) != strings.Index(tt.text, "{")+1 {
					t.Errorf("it stands at %v", at)
				}
			}
			if squeezed(got) != squeezed(tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func squeezed(s string) string { return strings.Join(strings.Fields(s), "") }

// What a command says goes into a variable, and other programs write files.
func TestWhereOutputGoes(t *testing.T) {
	t.Parallel()
	p, err := script.Shell("a.sh", []byte(`A=$(aws kms a --x 1 | base64 -d)
local B="$(aws kms b --x $(aws kms c --x 1))"
for K in $(aws kms d --x 1); do echo; done
aws kms e --x 1 | while read -r L; do echo; done
aws kms f --x 1 > out
echo "$A" > one.txt
mv one.txt two.txt
base64 -d -i two.txt -o ./three.bin
`))
	if err != nil {
		t.Fatal(err)
	}
	into := map[string]string{}
	for _, c := range p.Commands {
		into[c.Operation] = c.Into
	}
	for operation, want := range map[string]string{"a": "A", "b": "B", "c": "", "d": "K", "e": "L", "f": ""} {
		if into[operation] != want {
			t.Errorf("the output of %s goes into %q, not %q", operation, into[operation], want)
		}
	}
	var files []string
	for _, w := range p.Written {
		files = append(files, w.File+"="+w.Variable)
	}
	if got := strings.Join(files, " "); got != "one.txt=A two.txt= three.bin=" {
		t.Errorf("written are %s", got)
	}
}

func FuzzPrograms(f *testing.F) {
	f.Add("p = {'Effect': f\"{x}\", 'Action': [\"a\", True, -1, {}], }  # x\n")
	f.Add("const p = { Effect: 'A\\'', Action: `a:${x}`, b: f({}) };\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, language := range []string{"python", "js"} {
			inside(t, script.Markdown, "```"+language+"\n"+text+"\n```\n")
		}
	})
}
