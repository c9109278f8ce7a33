package script_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/lint/script"
)

// line writes a command as the tables here have it.
func line(c *rules.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%d %s %s", c.Pos.Line, c.Pos.Column, c.Service, c.Operation)
	for _, w := range c.Args {
		b.WriteString(" " + w.Text)
	}
	for _, o := range c.Options {
		b.WriteString(" " + o.Name)
		for _, w := range o.Values {
			b.WriteString(" " + w.Text)
			if w.Unknown {
				b.WriteString("?")
			}
			if w.JSON != nil {
				fmt.Fprintf(&b, "@%d:%d", w.JSON.Pos.Line, w.JSON.Pos.Column)
			}
		}
	}
	for p := c.Stdin; p != nil; p = p.Next {
		b.WriteString(" <" + words(p))
	}
	for p := c.Pipe; p != nil; p = p.Next {
		b.WriteString(" |" + words(p))
	}
	if c.Out != "" {
		b.WriteString(" >" + c.Out)
	}
	if c.Guarded {
		b.WriteString(" guarded")
	}
	return b.String()
}

func words(p *rules.Pipe) string {
	var texts []string
	for _, w := range p.Words {
		texts = append(texts, w.Text)
	}
	return strings.Join(texts, " ")
}

func commands(p *script.Parsed) string {
	var lines []string
	for _, c := range p.Commands {
		lines = append(lines, line(c))
	}
	return strings.Join(lines, "\n")
}

func TestShellCommands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"lines go on after a backslash, with blanks behind it too": {"aws kms a \\  \n  --b c \\\n --d=e f", "1:1 kms a --b c --d e f"},
		"the CLI's own options stand before the service":           {"aws --region x --no-cli-pager kms a --y", "1:1 kms a --region x --no-cli-pager --y"},
		"other commands carry the call":                            {"sudo -E X=1 aws kms a\nY=2 aws kms b\ndocker run amazon/aws-cli kms c", "1:13 kms a\n2:5 kms b\n3:12 kms c"},
		"pipes are told to both ends":                              {"echo x | aws kms a | base64 -d | tee f", "1:10 kms a <echo x |base64 -d |tee f"},
		"output goes into a file":                                  {"aws kms a > f 2>/dev/null", "1:1 kms a >f"},
		"calls stand in substitutions":                             {"K=$(aws kms a --q \"`aws sts b`\")", "1:5 kms a --q `aws sts b`?\n1:21 sts b"},
		"a value set once is put in":                               {"R=x\nS=y-$R\naws kms a --b $R --c \"$S.${R}\"", "3:1 kms a --b x --c y-x.x"},
		"a value set twice is not":                                 {"R=x\nif z; then R=y; fi\naws kms a --b $R", "3:1 kms a --b $R?"},
		"nor one of a loop, nor one that was read":                 {"for R in x; do aws kms a --b $R; done\nread Q; aws kms a --b $Q", "1:16 kms a --b $R?\n2:9 kms a --b $Q?"},
		"defaults stay open":                                       {"aws kms a --b ${R:-x}", "1:1 kms a --b ${R}?"},
		"blanks are no redirections":                               {"aws kms a --b <key-id> --c <your name>", "1:1 kms a --b <key-id>? --c <your name>?"},
		"redirections stay ones":                                   {"aws kms a --b <in >out", "1:1 kms a --b >out"},
		"what is done only if needed is guarded": {"aws kms a || true\nif ! aws kms b; then aws kms c; fi\n[ -z \"$K\" ] && aws kms d\naws kms e && aws kms f\nif [ $x = y ]; then aws kms g; fi",
			"1:1 kms a guarded\n2:6 kms b guarded\n2:22 kms c guarded\n3:16 kms d guarded\n4:1 kms e\n4:14 kms f guarded\n5:21 kms g"},
		"functions and loops are gone into": {"f() { aws kms a; }\nwhile x; do aws kms b; done\ncase x in y) aws kms c;; esac", "1:7 kms a\n2:13 kms b\n3:14 kms c"},
		"JSON keeps its places":             {"aws kms a --b '{\n \"x\": 1}' --c \"{\\\"y\\\": 2}\"", "1:1 kms a --b {\n \"x\": 1}@1:16 --c {\"y\": 2}@2:16"},
		"JSON comes from a here-document":   {"cat > p.json <<E\n{\"a\": 1}\nE\naws kms a --b file://p.json", "4:1 kms a --b file://p.json@2:1"},
		"or by tee, without its tabs":       {"tee d/p.json <<-E\n\t{\"a\": 1}\n\tE\naws kms a --b file://p.json", "4:1 kms a --b file://p.json@2:2"},
		"or from a variable":                {"P=$(cat <<E\n{\"a\": 1}\nE\n)\naws kms a --b \"$P\"", "5:1 kms a --b {\"a\": 1}@2:1"},
		"or is printed by cat":              {"echo '{\"a\": 1}' > p.json\naws kms a --b \"$(cat p.json)\"", "2:1 kms a --b $(cat p.json)?@1:7"},
		"or comes on standard input":        {"aws kms a --b file:///dev/stdin <<E\n{\"a\": 1}\nE\naws kms c --b file:///dev/stdin", "1:1 kms a --b file:///dev/stdin@2:1\n4:1 kms c --b file:///dev/stdin"},
		"scripts stand in here-documents":   {"ssh h <<'E'\naws kms a\nE", "2:1 kms a"},
		"what is broken costs one line":     {"aws kms a --b 'x\naws kms c\n) (\naws kms d [--e]", "1:1 kms a --b 'x?\n2:1 kms c\n4:1 kms d [--e]"},
		"what is printed is no call":        {"echo aws kms a\n# aws kms b\naws\naws help", ""},
		"s3 has arguments after its flags":  {"aws s3 cp --recursive a s3://b --sse aws:kms", "1:1 s3 cp a s3://b --recursive --sse aws:kms"},
		"lines may end as on Windows":       {"aws kms a \\\r\n --b c\r\ncat > p.json <<E\r\n{}\r\nE\r\naws kms d\r\n", "1:1 kms a --b c\n6:1 kms d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := script.Shell("f", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := commands(p); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestMarkdownCommands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"blocks of a list are set in":       {"1. x\n\n   ```bash\n   aws kms a \\\n     --b c\n   ```\n", "4:4 kms a --b c"},
		"output after a command is none":    {"```bash\naws kms a\n{\n  \"x\": {\n    ...\n  }\n}\naws kms b --c\n```\n", "2:1 kms a\n8:1 kms b --c"},
		"prompts tell commands from output": {"```console\n$ aws kms a \\\n>  --b c\naws kms no\nme@host:~$ aws kms d\n❯ aws kms e\n```\n", "2:3 kms a --b c\n5:12 kms d\n6:5 kms e"},
		"a block may not say what it is":    {"```\naws is good for you\naws kms a-b <id>\n```\n", "3:1 kms a-b <id>"},
		"code within a line counts":         {"Run `aws kms a --b c`, not `aws/ebs` or `aws kms`.\n", "1:6 kms a --b c"},
		"indented blocks count":             {"x\n\n    aws kms a --b\n", "3:5 kms a --b"},
		"a line of prose may be a command":  {"Then:\n\naws kms a --b c\n\naws is a cloud\n", "3:1 kms a --b c"},
		"PowerShell goes on with a tick":    {"```powershell\n$k = aws kms a `\n  --b c\n```\n", "2:6 kms a --b c"},
		"cmd.exe goes on with a caret":      {"```bat\naws kms a ^\n  --b c\n```\n", "2:1 kms a --b c"},
		"a block is the file that is named": {"Create `p.json`:\n\n```json\n{\"a\": 1}\n```\n\n```sh\naws kms a --b file://p.json\n```\n", "8:1 kms a --b file://p.json@4:1"},
		"values hold across blocks":         {"```sh\nR=x\n```\n\n```sh\naws kms a --b $R\n```\n", "6:1 kms a --b x"},
		"an open quote ends with its block": {"```sh\naws kms a --b 'c\n```\n\n```sh\naws kms d\n```\n", "2:1 kms a --b 'c?\n6:1 kms d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := script.Markdown("f", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := commands(p); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestMarkdownParts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"a fence":                        {"# A\n## B\n```json\n{\"a\": 1}\n```\n", "2 json  4:1 A/B"},
		"a fence without a language":     {"```\n{\"a\": 1}\n```\n", "2 json  2:1 "},
		"JSON between paragraphs":        {"One.\n\n{\n\n\"a\": [1]\n}\n\nTwo [x](y).\n", "4 json  3:1 "},
		"JSON in a list":                 {"- x\n\n  {\"a\": 1}\n", "1 json  3:3 "},
		"a policy in a command":          {"```sh\naws iam x --policy-document '{\"Statement\": []}'\n```\n", "1 json  2:30 "},
		"a policy in a variable, once":   {"```sh\nP='{\"Statement\": []}'\naws kms a --policy \"$P\"\n```\n", "1 json  2:4 "},
		"YAML and HCL":                   {"```yml\na: 1\n```\n```tf\na = 1\n```\n", "2 yaml  2:1 \n2 hcl  5:1 "},
		"a file named on the fence":      {"```json title=\"p.json\"\n{}\n```\n", "2 json p.json 2:1 "},
		"a query is none, nor a link":    {"[a](b)\n\n{{ x }}\n\n```sh\naws kms a --query '[{a:b}]'\n```\n", ""},
		"brackets that nothing closes":   {"{\n\"a\": [\n\ntext\n", ""},
		"a here-document in a list item": {"- x\n  ```sh\n  cat > p.json <<E\n  {\"a\": 1}\n  E\n  ```\n", "2 json p.json 4:3 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := script.Markdown("f", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, q := range p.Parts {
				at := q.At(source.Pos{Line: 1, Column: 1})
				got = append(got, fmt.Sprintf("%d %s %s %d:%d %s", strings.Count(q.Text+"\n", "\n"), q.Language, q.Name, at.Line, at.Column, strings.Join(q.Headings, "/")))
			}
			if text := strings.Join(got, "\n"); text != c.want {
				t.Errorf("got\n%s\nwant\n%s", text, c.want)
			}
		})
	}
}

func TestProse(t *testing.T) {
	t.Parallel()
	text := "Title\n=====\n\nOne **bold** and\n`kms:*` [link](http://x) <br> kms:Re* two_words.\n\n- item *x*\n  1. inner\n\n> quoted\n> more\n\n## Sub\n| a | b |\n|---|---|\n| `c` | d |\n\n```python\nimport boto3\n```\n"
	p, err := script.Markdown("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range p.Prose {
		got = append(got, fmt.Sprintf("%d:%d %s: %s", q.Pos.Line, q.Pos.Column, strings.Join(q.Headings, "/"), q.Text))
	}
	want := `4:1 Title: One bold and ` + "`kms:*`" + ` link kms:Re* two_words.
7:3 Title: item x
8:6 Title: inner
10:3 Title: quoted more
14:3 Title/Sub: a
14:7 Title/Sub: b
16:3 Title/Sub: ` + "`c`" + `
16:9 Title/Sub: d`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if len(p.Code) != 1 || p.Code[0].Language != "python" || p.Code[0].Pos.Line != 19 {
		t.Errorf("the code is %+v", p.Code)
	}
}

func TestHostileTextsAreRefusedOrReadSoon(t *testing.T) {
	t.Parallel()
	const n = 1 << 18
	rep := strings.Repeat
	for name, text := range map[string]string{
		"substitutions": rep("$(", n), "conditions": rep("if ", n), "signs": "$((" + rep("-", n), "lists": rep("a&&", n) + "b", "tests": "[[ " + rep("! ", n),
	} {
		var refused *source.SyntaxError
		if _, err := script.Shell("f", []byte(text)); !errors.As(err, &refused) || refused.Pos.Line != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"open marks": rep("[a](*b_`", n/8), "bare braces": rep("{\n\"", n/3), "rules": rep("- ", n/2), "sessions": "```console\n" + rep("$ aws kms a 'b\n", n/16),
		"definitions": rep("[a]: b\n", n/7), "values": "```sh\naws kms a --b " + rep("{} ", n/3) + "\n```\n", "quotes": "```sh\n" + rep("aws kms a 'b (\n", n/16),
	} {
		start := time.Now()
		if _, err := script.Markdown("f", []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
	for name, text := range map[string]string{"quotes": rep(">", n), "bytes": "a\n\xff", "size": rep("a", 9<<20)} {
		if _, err := script.Markdown("f", []byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestKindsOfFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text      string
		shell, markdown bool
	}{
		{"a.sh", "", true, false}, {"run", "#!/usr/bin/env bash\n", true, false}, {"a.md", "", false, true}, {"a.txt", "Prose.", false, true},
		{"a.txt", "{\"a\": 1}", false, false}, {"README", "# A\n", false, true}, {"a.py", "#!/usr/bin/python\n", false, false}, {"a.json", "{}", false, false},
	} {
		if s, m := script.IsShell(c.name, []byte(c.text)), script.IsMarkdown(c.name, []byte(c.text)); s != c.shell || m != c.markdown {
			t.Errorf("%s %q: shell %v, Markdown %v", c.name, c.text, s, m)
		}
	}
}

func FuzzShell(f *testing.F) {
	f.Add("A=b; aws kms a --b \"$A\" <<E | jq .\n{}\nE\n")
	f.Add("aws kms a --b $'\\n{' '{\"a\": 1}' \\\r\n")
	f.Fuzz(func(t *testing.T, text string) { inside(t, script.Shell, text) })
}

func FuzzMarkdown(f *testing.F) {
	f.Add("# A\n- `aws kms a --b`\n\n```sh\n$ aws kms c\n```\n|a|\n|-|\n{\"a\": 1}\n")
	f.Add("> ```\n> cat > p.json <<-E\n> {}\n> E\n")
	f.Fuzz(func(t *testing.T, text string) { inside(t, script.Markdown, text) })
}

// inside checks that every place that was told is one of the text.
func inside(t *testing.T, read func(string, []byte) (*script.Parsed, error), text string) {
	p, err := read("f", []byte(text))
	if err != nil {
		return
	}
	lines := strings.Split(text, "\n")
	check := func(line, column int) {
		if line < 1 || line > len(lines) || column < 1 || column > len(lines[line-1])+1 {
			t.Errorf("%d:%d is not in the text", line, column)
		}
	}
	for _, c := range p.Commands {
		check(c.Pos.Line, c.Pos.Column)
		for _, o := range c.Options {
			check(o.Pos.Line, o.Pos.Column)
		}
	}
	for _, q := range p.Prose {
		check(q.Pos.Line, q.Pos.Column)
	}
	for _, q := range p.Parts {
		for i := range strings.Count(q.Text, "\n") + 1 {
			at := q.At(source.Pos{Line: int32(i + 1), Column: 1})
			check(int(at.Line), int(at.Column))
		}
	}
}
