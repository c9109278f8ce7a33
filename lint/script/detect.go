package script

import (
	"path"
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
)

// IsShell reports whether a file is a shell script, by its name or its first
// line.
func IsShell(name string, data []byte) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".sh", ".bash", ".zsh", ".ksh", ".bats", ".command", ".envrc":
		return true
	}
	return shebang.Match(data[:min(len(data), 200)])
}

var marked = lazy.Regexp("(?m)^(?:#{1,6} \\S|[ \t]*```|[ \t]*~~~)")

// IsMarkdown reports whether a file is Markdown or plain prose, by its name, or
// without one that says so by its headings and fences. A text file that holds
// JSON or YAML alone is neither.
func IsMarkdown(name string, data []byte) bool {
	text := strings.TrimSpace(strings.TrimPrefix(string(data[:min(len(data), 64<<10)]), "\ufeff"))
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".markdown", ".mdx", ".rmd", ".mkd", ".mdown", ".qmd":
		return true
	case ".txt", ".text", ".rst", ".adoc":
		return languageOf("", text) == ""
	case "":
		return !IsShell(name, data) && languageOf("", text) == "" && marked.MatchString(text)
	}
	return false
}
