package script

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// markdown reads the text as Markdown. Prose without marks is Markdown too.
func (r *reader) markdown() error {
	data := []byte(r.text)
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		copy(data, "   ")
	}
	if at, deep := nested(r.text); deep {
		return &source.SyntaxError{Pos: r.pos(at), Text: "quotes and lists stand too deeply inside one another: no such text is read"}
	}
	loose := r.looseJSON(data)
	for _, p := range loose {
		hide(data[p.from:p.to])
	}
	root := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser().Parse(text.NewReader(data))
	m := &marks{r: r, data: data, loose: loose}
	m.blocks(root)
	m.pass(len(data))
	return nil
}

// maxQuotes is how many quotes and lists may stand inside one another; the
// parser calls itself for each.
const maxQuotes = 100

// container is what begins a quote or a list.
var container = regexp.MustCompile(`^[ \t]*(?:>|[-*+][ \t]|\d{1,9}[.)][ \t])`)

// nested finds a line that begins more quotes and lists than are read.
func nested(text string) (at int, deep bool) {
	for at < len(text) {
		end := at + strings.IndexByte(text[at:]+"\n", '\n')
		line := text[at:end]
		for n := 0; ; n++ {
			m := container.FindString(line)
			if m == "" {
				break
			}
			if n > maxQuotes && strings.Trim(line, "-*_ \t\r") != "" {
				return at, true
			}
			line = line[len(m):]
		}
		at = end + 1
	}
	return 0, false
}

// marks walks over the blocks of the text.
type marks struct {
	r        *reader
	data     []byte
	headings []string
	levels   []int
	loose    []span // JSON between the blocks that was not told yet
}

// path returns the headings above the current place.
func (m *marks) path() []string { return slices.Clone(m.headings) }

// pass tells the loose JSON that stands before an offset.
func (m *marks) pass(at int) {
	for len(m.loose) > 0 && m.loose[0].from < at {
		p := m.loose[0]
		m.loose = m.loose[1:]
		b := builder{}
		b.add(m.r.text[p.from:p.to], p.from)
		m.r.part(b.piece(), p.name, "json", m.path(), p.from)
	}
}

func (m *marks) blocks(parent ast.Node) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		if at := begin(n); at >= 0 {
			m.pass(at)
		}
		switch n := n.(type) {
		case *ast.Heading:
			m.heading(n)
		case *ast.FencedCodeBlock:
			m.fence(n)
		case *ast.CodeBlock:
			m.indented(n)
		case *ast.Paragraph, *ast.TextBlock:
			m.paragraph(n)
		case *tables.TableCell:
			m.prose(n)
		case *ast.HTMLBlock, *ast.ThematicBreak, *ast.LinkReferenceDefinition:
		default:
			m.blocks(n)
		}
	}
}

// begin returns where in the text a block begins, or -1.
func begin(n ast.Node) int {
	if n.Type() == ast.TypeBlock {
		if lines := n.Lines(); lines != nil && lines.Len() > 0 {
			return lines.At(0).Start
		}
	}
	if t, ok := n.(*ast.Text); ok {
		return t.Segment.Start
	}
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if at := begin(c); at >= 0 {
			return at
		}
	}
	return -1
}

func (m *marks) heading(n *ast.Heading) {
	for len(m.levels) > 0 && m.levels[len(m.levels)-1] >= n.Level {
		m.levels, m.headings = m.levels[:len(m.levels)-1], m.headings[:len(m.headings)-1]
	}
	m.levels, m.headings = append(m.levels, n.Level), append(m.headings, m.plain(n))
	m.codeSpans(n)
}

func (m *marks) prose(n ast.Node) {
	at := begin(n)
	if text := m.plain(n); text != "" && at >= 0 {
		m.r.out.Prose = append(m.r.out.Prose, &rules.Prose{Pos: m.r.place(at), Headings: m.path(), Text: text})
	}
	m.codeSpans(n)
}

// bareCommand finds a command that stands on a line of its own in prose.
var bareCommand = regexp.MustCompile(`(?m)^[ \t]*(?:[$%❯][ \t]+)?aws[ \t]+[a-z0-9-]+[ \t]+[a-z0-9-]+(?:[ \t]+-|[ \t]*\\?\r?$)`)

func (m *marks) paragraph(n ast.Node) {
	p := m.lines(n)
	if bareCommand.MatchString(p.text) {
		m.r.script(p, block{headings: m.path(), strict: true})
	}
	m.prose(n)
}

// lines returns the lines of a block, without what stands before each.
func (m *marks) lines(n ast.Node) piece {
	b := builder{}
	lines := n.Lines()
	for i := range lines.Len() {
		l := lines.At(i)
		b.add(m.r.text[l.Start:l.Stop], l.Start)
	}
	return b.piece()
}

// codeSpans reads the commands in code within a line.
func (m *marks) codeSpans(n ast.Node) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if _, ok := c.(*ast.CodeSpan); !ok {
			m.codeSpans(c)
			continue
		}
		b := builder{}
		for t := c.FirstChild(); t != nil; t = t.NextSibling() {
			if t, ok := t.(*ast.Text); ok {
				b.add(m.r.text[t.Segment.Start:t.Segment.Stop], t.Segment.Start)
			}
		}
		if p := b.piece(); oneCommand.MatchString(p.text) {
			m.r.script(p, block{headings: m.path(), strict: true})
		}
	}
}

// plain returns the text of a block on one line.
func (m *marks) plain(n ast.Node) string {
	var b strings.Builder
	m.inline(&b, n)
	return strings.Join(strings.Fields(b.String()), " ")
}

func (m *marks) inline(b *strings.Builder, n ast.Node) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			b.Write(c.Segment.Value(m.data))
			if c.SoftLineBreak() || c.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(c.Value)
		case *ast.CodeSpan:
			b.WriteByte('`')
			m.inline(b, c)
			b.WriteByte('`')
		case *ast.AutoLink:
			b.Write(c.Label(m.data))
		case *ast.RawHTML:
			b.WriteByte(' ')
		default:
			m.inline(b, c)
		}
	}
}
