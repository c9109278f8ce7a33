package script

import (
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"

	"github.com/keyreach/keyreach/internal/lazy"
)

// span is a part of the file.
type span struct {
	from, to int
	name     string
}

// title finds the file name that a fence's own line gives.
var title = lazy.Regexp(`(?:(?:title|file|filename|name)=["']?|^\S+?:)([\w./-]+\.\w+)`)

// fence reads a fenced block by its language, and one without a language by what
// is in it.
func (m *marks) fence(n *ast.FencedCodeBlock) {
	var info, name string
	if n.Info != nil {
		info = string(n.Info.Segment.Value(m.data))
		if t := title.FindStringSubmatch(info); t != nil {
			name = t[1]
		}
	}
	p := m.lines(n)
	if strings.TrimSpace(p.text) == "" {
		return
	}
	if name == "" {
		name = m.named(n, p.text)
	}
	language := fenceLanguage(info)
	switch {
	case language == "sh" || isConsole(language):
		if looksJSON(p.text) {
			m.r.part(p, name, "json", m.path(), p.offset(0))
			return
		}
		m.r.script(p, block{language: language, headings: m.path()})
	case slices.Contains([]string{"json", "yaml", "hcl"}, language):
		m.r.part(p, name, language, m.path(), p.offset(0))
	case language == "" || languageOf("", p.text) == "json" && !slices.Contains(programs, language):
		m.anything(p, name)
	default:
		m.r.code(p, language, m.path())
	}
}

// firstCommand tells a block of commands, before which comments may stand.
var firstCommand = lazy.Regexp(`\A(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?:[$%❯#][ \t]+)?(?:sudo[ \t]+)?aws[ \t]+[a-z]`)

// programs are languages in which a block that begins with a brace is no JSON.
var programs = []string{"python", "js", "javascript", "ts", "typescript", "go", "java", "ruby", "rb", "diff", "jinja", "jinja2", "csharp", "c"}

// anything reads a block that does not say what it is.
func (m *marks) anything(p piece, name string) {
	switch language := languageOf("", p.text); language {
	case "json", "yaml", "hcl":
		m.r.part(p, name, language, m.path(), p.offset(0))
	case "sh":
		m.r.script(p, block{language: "sh", headings: m.path()})
	default:
		if !firstCommand.MatchString(p.text) {
			m.r.code(p, "", m.path())
		}
		if oneCommand.MatchString(p.text) {
			m.r.script(p, block{headings: m.path(), strict: true})
		}
	}
}

// indented reads a block that is code by its indentation.
func (m *marks) indented(n *ast.CodeBlock) {
	if p := m.lines(n); strings.TrimSpace(p.text) != "" {
		m.anything(p, m.named(n, p.text))
	}
}

var (
	// fileIn finds the name of a file in code marks, then in bold or bare.
	fileIn   = lazy.Regexp("`([\\w./~-]+\\.(?:json|ya?ml|tf|hcl|py|sh|template))`")
	bareFile = lazy.Regexp(`(?:^|[\s*"“(])([\w./~-]+\.(?:json|ya?ml|tf|hcl))(?:$|[\s*"”):,.])`)
	// commented finds it in a comment on the first line of the block.
	commented = lazy.Regexp(`\A\s*(?:#|//)\s*([\w./~-]+\.(?:json|ya?ml|tf|hcl))\s*(?:\n|\z)`)
)

// named returns the file name that the block's first line or the paragraph
// before it gives it.
func (m *marks) named(n ast.Node, text string) string {
	if c := commented.FindStringSubmatch(text); c != nil {
		return c[1]
	}
	before := n.PreviousSibling()
	switch before.(type) {
	case *ast.Paragraph, *ast.TextBlock, *ast.Heading:
		return fileNamed(m.plain(before))
	}
	return ""
}

// fileNamed returns the last file that a sentence names.
func fileNamed(text string) string {
	for _, pattern := range []*lazy.Pattern{fileIn, bareFile} {
		if all := pattern.FindAllStringSubmatch(text, -1); len(all) > 0 {
			return all[len(all)-1][1]
		}
	}
	return ""
}
