package terraform

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/policy"
)

// Problems are the places of a text that could not be read. What stands around
// them was read all the same.
type Problems []*policy.Error

func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap returns the problems one by one.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// Read makes material of Terraform configuration: HCL, or JSON when the text
// begins with a brace. file is its name for positions. An error is of the type
// Problems; the material holds what was read in spite of it, and is never nil.
func Read(file string, data []byte) (*rules.Material, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	m := &module{evaluator: newEvaluator(file, data), regions: map[string]string{}}
	if rest := bytes.TrimLeft(data, " \t\r\n"); len(rest) > 0 && rest[0] == '{' {
		m.readJSON(data)
	} else {
		m.readHCL(data)
		m.evaluate()
	}
	out := m.material("terraform")
	out.Format = "Terraform"
	if len(m.problems) > 0 {
		return out, m.problems
	}
	return out, nil
}

// module is the configuration that one text declares.
type module struct {
	*evaluator
	blocks   []block
	problems Problems
	// loose holds attributes and blocks that stand outside of any resource, as in
	// an excerpt.
	loose source.Node
	// regions are the Regions of the providers, by name and alias; that of the
	// default provider has the name aws.
	regions map[string]string
	// linked are the documents that became a policy which the text shows anyway, as
	// a plan does.
	linked []string
}

// block is a resource, a data source or a module call.
type block struct {
	kind      string // resource, data or module
	typ, name string
	path      string // of the module it stands in, with a dot at the end; of plans
	pos       source.Pos
	body      source.Node
}

// address is the block's name in references.
func (b *block) address() string {
	switch b.kind {
	case "data":
		return b.path + "data." + b.typ + "." + b.name
	case "module":
		return b.path + "module." + b.name
	}
	return b.path + b.typ + "." + b.name
}

func (m *module) fail(at source.Pos, text string) {
	m.problems = append(m.problems, &policy.Error{
		Position: finding.Position{File: m.file, Line: int(at.Line), Column: int(at.Column)}, Text: text,
	})
}

// readHCL reads the text as a whole, and block by block when that fails, so
// that one broken block does not hide the others.
func (m *module) readHCL(data []byte) {
	if at, why := tooMuch(data); why != "" {
		m.fail(m.pos(at), why)
		return
	}
	body, diags := parse(data, m.file, hcl.InitialPos)
	if !diags.HasErrors() {
		m.declare(body)
		return
	}
	m.fail(m.place(diags))
	for _, part := range split(data) {
		start := hcl.Pos{Byte: part.from, Line: int(m.pos(part.from).Line), Column: 1}
		if body, diags := parse(data[part.from:part.to], m.file, start); !diags.HasErrors() {
			m.declare(body)
		}
	}
}

// parse reads HCL. The parser is a foreign one that checks itself by panics, and
// what it is given is anybody's text.
func parse(data []byte, file string, start hcl.Pos) (body *hclsyntax.Body, diags hcl.Diagnostics) {
	defer func() {
		if p := recover(); p != nil {
			body, diags = nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: fmt.Sprintf("The parser gave up (%v)", p)}}
		}
	}()
	f, diags := hclsyntax.ParseConfig(data, file, start)
	if f == nil {
		return nil, diags
	}
	body, _ = f.Body.(*hclsyntax.Body)
	return body, diags
}

// place returns where and what the first error is.
func (m *module) place(diags hcl.Diagnostics) (source.Pos, string) {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		text := strings.TrimSuffix(d.Summary, ".")
		if detail := strings.TrimSpace(d.Detail); detail != "" {
			text += ": " + strings.TrimSuffix(detail, ".")
		}
		if d.Subject == nil {
			return source.Pos{}, "this is no HCL: " + text
		}
		return m.pos(d.Subject.Start.Byte), "this is no HCL: " + text
	}
	return source.Pos{}, "this is no HCL"
}

// part is a part of a text, by its bytes.
type part struct{ from, to int }

var blockBegins = lazy.Regexp(`(?m)^(?:resource|data|locals|module|variable|output|provider|terraform|moved|import|removed|check)\b[^\n=]*\{`)

// split cuts a text before each line with which a block begins.
func split(data []byte) []part {
	var parts []part
	from := 0
	for _, at := range blockBegins.FindAllIndex(data, -1) {
		if at[0] > from {
			parts = append(parts, part{from, at[0]})
		}
		from = at[0]
	}
	return append(parts, part{from, len(data)})
}

// declare takes over what a body declares. Locals come first, because anything
// may refer to them.
func (m *module) declare(body *hclsyntax.Body) {
	for _, b := range body.Blocks {
		if b.Type == "locals" {
			for name, a := range b.Body.Attributes {
				m.locals[name] = &local{expr: a.Expr, text: m.text}
			}
		}
	}
	m.pending = append(m.pending, body)
}

// evaluate works out what was declared, once all of it is known.
func (m *module) evaluate() {
	for _, body := range m.pending {
		for _, b := range body.Blocks {
			m.block(b)
		}
		loose := &hclsyntax.Body{Attributes: body.Attributes}
		for _, b := range body.Blocks {
			if b.Type == "statement" {
				loose.Blocks = append(loose.Blocks, b)
			}
		}
		got := m.body(loose, source.Pos{Line: 1, Column: 1})
		m.loose.Kind = source.Map
		m.loose.Fields = append(m.loose.Fields, got.Fields...)
		if len(got.Fields) > 0 && m.loose.Pos.Line == 0 {
			m.loose.Pos = got.Fields[0].Pos
		}
	}
	m.pending = nil
}

func (m *module) block(b *hclsyntax.Block) {
	at := m.pos(b.TypeRange.Start.Byte)
	add := func(kind, typ, name string) {
		m.blocks = append(m.blocks, block{kind: kind, typ: typ, name: name, pos: at, body: m.body(b.Body, at)})
	}
	switch n := len(b.Labels); {
	case (b.Type == "resource" || b.Type == "data") && n == 2:
		add(b.Type, b.Labels[0], b.Labels[1])
	case b.Type == "module" && n == 1:
		add("module", "module", b.Labels[0])
	case b.Type == "provider" && n == 1 && b.Labels[0] == "aws":
		body := m.body(b.Body, at)
		m.provider(&body)
	case b.Type == "locals":
		m.blocks = append(m.blocks, block{kind: "locals", typ: "locals", pos: at, body: m.body(b.Body, at)})
	}
}

// provider notes the Region of a provider.
func (m *module) provider(body *source.Node) {
	name := "aws"
	if alias := plain(body.Field("alias")); alias != "" {
		name += "." + alias
	}
	m.regions[name] = plain(body.Field("region"))
}
