package script

import (
	"bytes"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"github.com/keyreach/keyreach/internal/lazy"
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
	root := blockParser().Parse(text.NewReader(data))
	m := &marks{r: r, data: data, loose: loose}
	m.blocks(root)
	m.pass(len(data))
	return nil
}

// blockParser parses blocks and leaves the text in them as it is, definitions of
// links too.
func blockParser() parser.Parser {
	return parser.NewParser(
		parser.WithBlockParsers(parser.DefaultBlockParsers()...),
		parser.WithParagraphTransformers(util.Prioritized(extension.NewTableParagraphTransformer(), 200)),
	)
}

// maxIndent is how far in an item of a list may begin.
const maxIndent = 200

// maxQuotes is how many quotes and lists may stand inside one another; the
// parser calls itself for each.
const maxQuotes = 100

// container is what begins a quote or a list.
var container = lazy.Regexp(`^[ \t]*(?:>|[-*+][ \t]|\d{1,9}[.)][ \t])`)

// nested finds a line that begins more quotes and lists than are read.
func nested(text string) (at int, deep bool) {
	for at < len(text) {
		end := lineEnd(text, at)
		line := text[at:end]
		for n := 0; ; n++ {
			if n == 0 && len(line)-len(strings.TrimLeft(line, " \t")) > maxIndent && container.MatchString(line) {
				return at, true
			}
			m := container.FindString(line)
			if m == "" {
				break
			}
			if n > maxQuotes {
				if strings.Trim(line, "-*_ \t\r") == "" {
					break // a rule across the page
				}
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
	m.spans(m.lines(n))
}

// prose takes up a paragraph, and the commands in the code within it.
func (m *marks) prose(n ast.Node) {
	p := m.lines(n)
	text := m.spans(p)
	if text != "" {
		m.r.out.Prose = append(m.r.out.Prose, &rules.Prose{Pos: m.r.place(p.offset(0)), Headings: m.path(), Text: text})
	}
}

// spans reads the commands in code within a line, and returns the line.
func (m *marks) spans(p piece) string {
	text, codes := strip(p.text)
	for _, c := range codes {
		if oneCommand.MatchString(p.text[c.from:c.to]) {
			m.r.script(p.cut(c.from, c.to), block{headings: m.path(), strict: true})
		}
	}
	return text
}

// bareCommand finds a command that stands on a line of its own in prose.
var bareCommand = lazy.Regexp(`(?m)^[ \t]*(?:[$%❯][ \t]+)?aws[ \t]+[a-z0-9-]+[ \t]+[a-z0-9-]+(?:[ \t]+-|[ \t]*\\?\r?$)`)

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
	if lines := n.Lines(); lines != nil {
		for i := range lines.Len() {
			l := lines.At(i)
			b.add(m.r.text[l.Start:l.Stop], l.Start)
		}
	}
	return b.piece()
}

// plain returns the text of a block on one line.
func (m *marks) plain(n ast.Node) string {
	text, _ := strip(m.lines(n).text)
	return text
}
