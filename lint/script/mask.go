package script

import (
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
)

// What people write for readers and a shell would take amiss is masked before
// parsing, each byte by one other, so that offsets stay. Texts are always taken
// from what was written.
var (
	// blank is <key-id>, which to a shell is two redirections. What follows tells it
	// from those.
	blank = lazy.Regexp(`<[A-Za-z][A-Za-z0-9_ ./:|-]*[A-Za-z0-9_.-]>`)
	// expression is what GitHub, Ansible and Helm put in before a shell sees it.
	expression = lazy.Regexp(`\$?\{\{[^{}\n]*\}\}`)
	// carried is a backslash at the end of a line with blanks after it.
	carried = lazy.Regexp(`\\[ \t\r]+\n`)
	// caret is how lines go on in cmd.exe, tick in PowerShell.
	caret = lazy.Regexp(`[ \t]\^[ \t\r]*\n`)
	tick  = lazy.Regexp("[ \t]`[ \t\r]*\n[ \t]+-")
	// prompt is what a terminal shows before a command. A lone # is one only in a
	// block that is called a console.
	prompt = lazy.Regexp(`^[ \t]*(?:(?:\([\w.-]+\)[ \t]*)?(?:[\w.-]+@[\w.-]+[^\n$#%>]{0,80}[$#%]|\[[^\]\n]{1,80}\][$#%]|[$%❯]|➜[ \t]+(?:[~/]\S*)?)|PS [^>\n]{0,120}>|[A-Za-z]:\\[^>\n]{0,120}>)[ \t]+([A-Za-z_./("]|$)`)
	root   = lazy.Regexp(`^[ \t]*#[ \t]+aws[ \t]`)
	more   = lazy.Regexp(`^[ \t]*>[ \t]`)
)

// masking takes the place of what the parser is not to see.
const masking = 1

// mask returns the text as the parser is given it.
func mask(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c == 0 {
			b[i] = 4
		}
	}
	if strings.IndexByte(text, '<') >= 0 {
		for _, m := range blank.FindAllStringIndex(text, -1) {
			if isBlank(text, m[0], m[1]) {
				maskBlank(b[m[0]:m[1]])
			}
		}
	}
	if strings.Contains(text, "{{") {
		for _, m := range expression.FindAllStringIndex(text, -1) {
			for i := m[0]; i < m[1]; i++ {
				if strings.IndexByte("${}\"'`|&;<>()\\ \t", b[i]) >= 0 {
					b[i] = masking
				}
			}
		}
	}
	carry := func(m []int) {
		end := m[1] - 1
		for i := m[0]; i < end; i++ {
			b[i] = ' '
		}
		b[end-1] = '\\'
	}
	for _, m := range carried.FindAllStringIndex(text, -1) {
		carry(m)
	}
	for _, m := range caret.FindAllStringIndex(text, -1) {
		carry(m)
	}
	for _, m := range tick.FindAllStringIndex(text, -1) {
		carry([]int{m[0], m[0] + strings.IndexByte(text[m[0]:], '\n') + 1})
	}
	return string(b)
}

// isBlank tells <name> from redirections: in sort <in>out a name follows, in
// cat <in 2>err a number stands before the sign.
func isBlank(text string, from, to int) bool {
	if from > 0 && text[from-1] == '<' {
		return false
	}
	inner := text[from+1 : to-1]
	if n := len(inner); n > 1 && inner[n-2] == ' ' && '0' <= inner[n-1] && inner[n-1] <= '9' {
		return false
	}
	return to == len(text) || strings.IndexByte(" \t\r\n\"'`,:;/=)]}|\\.-_@?*&", text[to]) >= 0
}

func maskBlank(b []byte) {
	for i, c := range b {
		if c == '<' || c == '>' || c == ' ' || c == '|' {
			b[i] = masking
		}
	}
}

// isConsole reports whether a block's language promises a session.
func isConsole(language string) bool {
	switch language {
	case "console", "terminal", "shell-session", "sh-session", "shellsession", "bash-session", "session", "cmd", "bat", "batch", "dos",
		"powershell", "pwsh", "ps1", "posh":
		return true
	}
	return false
}

// prompts returns the offsets at which the lines with a prompt begin, and where
// the command after each does. There is none where the block is a script.
func prompts(text, language string) (lines, commands []int) {
	for at := 0; at < len(text); {
		end := lineEnd(text, at)
		line := text[at:end]
		if m := prompt.FindStringSubmatchIndex(line); m != nil && m[2] < len(line) {
			lines, commands = append(lines, at), append(commands, at+m[2])
		} else if isConsole(language) && root.MatchString(line) {
			lines, commands = append(lines, at), append(commands, at+strings.Index(line, "aws"))
		}
		at = end + 1
	}
	return lines, commands
}
