package input

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/lint/script"
	"github.com/keyreach/keyreach/lint/terraform"
	"github.com/keyreach/keyreach/policy"
)

// block is the beginning of a block of Terraform.
var block = lazy.Regexp(`(?m)^[ \t]*(?:(?:resource|data)[ \t]+"[a-z0-9_]+"[ \t]+"[^"\n]+"|(?:module|variable|provider|output)[ \t]+"[^"\n]+"|locals|terraform)[ \t]*\{`)

// read finds out what the text is, and reads it.
func (r *reader) read() {
	first := byte(0)
	if rest := bytes.TrimLeft(r.data, " \t\r\n"); len(rest) > 0 {
		first = rest[0]
	}
	json := first == '{' || first == '['
	switch ext := r.hint.ext; {
	case len(bytes.TrimSpace(r.data)) == 0:
		r.fail(source.Pos{Line: 1, Column: 1}, "the file is empty")
	case slices.Contains([]string{".tf", ".hcl", ".tofu", ".tfvars"}, ext), strings.HasSuffix(strings.ToLower(r.file), ".tf.json"):
		r.terraform(r.data)
	case script.IsShell(r.file, r.data):
		r.is(ShellScript)
		r.script(script.Shell(r.file, r.data))
	case script.IsMarkdown(r.file, r.data):
		r.markdown()
	case r.recipes():
	case isProgram(ext):
		r.fail(source.Pos{Line: 1, Column: 1}, "this is a program, which is not read: give what it makes, such as the template that cdk synth writes")
	case !json && isTree(ext):
		r.trees()
	case !json && block.Match(r.data):
		r.terraform(r.data)
	case json || first == '"':
		r.trees()
	default:
		r.guess()
	}
}

// isTree reports whether a name says that a file is JSON or YAML.
func isTree(ext string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml", ".template"}, ext)
}

// isProgram reports whether a name is that of a program's source.
func isProgram(ext string) bool {
	return slices.Contains([]string{".py", ".js", ".mjs", ".ts", ".tsx", ".jsx", ".go", ".java", ".rb", ".cs", ".kt", ".php", ".rs", ".snap", ".ps1", ".scala"}, ext)
}

// guess reads a text that neither its name nor its beginning tell the kind of:
// as YAML when it is some, or else as prose.
func (r *reader) guess() {
	if p, err := parse(r.data); len(documents(r.data)) > 1 || err == nil && p.n.Kind != source.String {
		r.trees()
		return
	}
	r.markdown()
}

func (r *reader) markdown() {
	r.is(MarkdownText)
	r.script(script.Markdown(r.file, r.data))
}

// terraform reads configuration.
func (r *reader) terraform(data []byte) {
	r.is(Terraform)
	m, err := terraform.Read(r.file, data)
	r.take(m)
	r.partly(err)
}

// plan reads what terraform show -json prints.
func (r *reader) plan(n *source.Node) bool {
	tree := clone(n, r.at)
	m, ok := terraform.ReadPlan(r.file, &tree)
	if ok {
		r.is(TerraformPlan)
		r.take(m)
	}
	return ok
}

// configuration reads the JSON form of Terraform's configuration.
func (r *reader) configuration(n *source.Node) bool {
	if n.Kind != source.Map || r.at != nil {
		return false
	}
	for _, name := range []string{"resource", "data"} {
		block := n.Field(name)
		if block == nil || block.Kind != source.Map {
			continue
		}
		for i := range block.Fields {
			if strings.HasPrefix(block.Fields[i].Name, "aws_") {
				r.terraform(r.data)
				return true
			}
		}
	}
	return false
}

// take adds material that another reader made.
func (r *reader) take(m *rules.Material) {
	if m == nil {
		return
	}
	r.m.Policies = append(r.m.Policies, m.Policies...)
	r.m.Grants = append(r.m.Grants, m.Grants...)
	r.m.Keys = append(r.m.Keys, m.Keys...)
	r.m.Resources = append(r.m.Resources, m.Resources...)
	r.m.Commands = append(r.m.Commands, m.Commands...)
	r.m.Prose = append(r.m.Prose, m.Prose...)
	r.m.Code = append(r.m.Code, m.Code...)
}

// partly notes each part of a text that another reader could not read. Its
// places are those of the file.
func (r *reader) partly(err error) {
	if err == nil {
		return
	}
	var problems terraform.Problems
	if !errors.As(err, &problems) {
		r.syntax(err)
		return
	}
	for _, p := range problems {
		if len(*r.errs) < maxErrors {
			*r.errs = append(*r.errs, &Error{Position: p.Position, Text: p.Text})
		}
	}
}

// script takes what a script or a text says, and reads the texts in it.
func (r *reader) script(p *script.Parsed, err error) {
	if err != nil {
		r.syntax(err)
		return
	}
	r.m.Commands, r.m.Prose, r.m.Code = append(r.m.Commands, p.Commands...), append(r.m.Prose, p.Prose...), append(r.m.Code, p.Code...)
	r.m.Written = append(r.m.Written, p.Written...)
	for i := range p.Parts {
		r.scriptPart(&p.Parts[i])
	}
	for _, c := range p.Commands {
		if c.Is("kms", "create-grant") {
			r.commandGrant(c)
		}
	}
}

// scriptPart reads one text inside a script or a guide. One that is broken is told
// only when it means to be a policy: a guide shows much that is no whole text.
func (r *reader) scriptPart(p *script.Part) {
	if p.Language == "hcl" {
		r.terraform(padded(p))
		return
	}
	one := r.part([]byte(p.Text), p.At)
	one.hint = hintOf(p.Name)
	one.given = &rules.Policy{Standalone: p.Name != ""}
	if p.Use != nil {
		one.given = policyOf(p.Use, p.Option)
	}
	n := &source.Node{Kind: source.String, Text: p.Text}
	if !mayHoldPolicy(n) && !strings.Contains(p.Text, "Effect:") {
		one.errs = new([]error)
	}
	one.trees()
}

// padded returns a text of Terraform with every line where it stands in the
// file, so that its places are those of the file.
func padded(p *script.Part) []byte {
	var b bytes.Buffer
	line, number := int32(1), int32(0)
	for text := range strings.Lines(p.Text) {
		number++
		at := p.At(source.Pos{Line: number, Column: 1})
		for line < at.Line {
			b.WriteByte('\n')
			line++
		}
		if at.Line == line {
			b.WriteString(strings.Repeat(" ", int(max(at.Column-1, 0))))
		}
		b.WriteString(text)
		line += int32(strings.Count(text, "\n"))
	}
	return b.Bytes()
}

// commandGrant makes a grant of the command that asks for one.
func (r *reader) commandGrant(c *rules.Command) {
	if c.Option("--grantee-principal") == nil && c.Option("--grantee-service-principal") == nil {
		return // in a file, which is read where it is shown
	}
	g := &rules.Grant{Pos: c.Pos}
	value := func(names ...string) (string, bool) {
		for _, name := range names {
			if w, ok := c.Value(name); ok {
				return w.Text, w.Unknown || policy.HasPlaceholder(w.Text)
			}
		}
		return "", false
	}
	g.Key, _ = value("--key-id")
	g.Name, _ = value("--name")
	g.Grantee, g.UnknownGrantee = value("--grantee-principal", "--grantee-service-principal")
	g.Retiring, g.RetiringIsUnknown = value("--retiring-principal", "--retiring-service-principal")
	if o := c.Option("--operations"); o != nil {
		for _, w := range o.Values {
			operations(g, &w)
		}
	}
	if w, ok := c.Value("--constraints"); ok {
		if g.Constraints = w.JSON; g.Constraints == nil {
			g.Constraints = shorthand(w.Text, w.Pos)
		}
		g.ConstraintsUnknown = w.Unknown || g.Constraints == nil
	}
	r.m.Grants = append(r.m.Grants, g)
}

// operations reads one word of --operations.
func operations(g *rules.Grant, w *rules.Word) {
	switch {
	case w.JSON != nil && w.JSON.Kind == source.List:
		for i := range w.JSON.Items {
			g.Operations = append(g.Operations, w.JSON.Items[i].Text)
		}
	case w.Unknown || policy.HasPlaceholder(w.Text):
		g.UnknownOperations = true
	default:
		g.Operations = append(g.Operations, strings.FieldsFunc(w.Text, func(r rune) bool { return r == ',' || r == ' ' })...)
	}
}

// member is one map of the CLI's short syntax: EncryptionContextEquals={A=B}.
var member = lazy.Regexp(`^([A-Za-z]+)=\{([^{}]*)\}(?:,|$)`)

// shorthand reads constraints in the short syntax of the CLI, or returns nil.
// See https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-shorthand.html.
func shorthand(text string, at finding.Position) *source.Node {
	pos := source.Pos{Line: int32(at.Line), Column: int32(at.Column)}
	n := &source.Node{Kind: source.Map, Pos: pos}
	for text = strings.TrimSpace(text); text != ""; {
		m := member.FindStringSubmatch(text)
		if m == nil {
			return nil
		}
		text = text[len(m[0]):]
		inner := source.Node{Kind: source.Map, Pos: pos}
		for pair := range strings.SplitSeq(m[2], ",") {
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				return nil
			}
			inner.Fields = append(inner.Fields, source.Field{Name: strings.TrimSpace(name), Pos: pos, Value: source.Node{Kind: source.String, Pos: pos, Text: value}})
		}
		n.Fields = append(n.Fields, source.Field{Name: m[1], Pos: pos, Value: inner})
	}
	return n
}
