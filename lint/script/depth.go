package script

// The shell's parser and every walk over its tree call themselves for what
// stands inside something else, and Go's stack ends the program when it is full.
// So a text is measured before it is parsed. The measure knows no quotes and may
// refuse what a shell would take; no script that a person wrote comes near it.
const (
	maxNesting   = 1500  // brackets and compound commands inside one another
	maxOperators = 30000 // operators in one statement, which may nest to either side
	maxUnary     = 500   // signs in a row, each of which may stand before the next
)

// tooDeep finds where a script nests beyond what is parsed.
func tooDeep(text string) (offset int, deep bool) {
	m := measure{text: text, command: true}
	for m.at < len(text) {
		if m.step(); m.brackets+m.blocks > maxNesting || m.operators > maxOperators || m.unary > maxUnary {
			return min(m.at, len(text)-1), true
		}
	}
	return 0, false
}

type measure struct {
	text                       string
	at                         int
	brackets, blocks           int
	operators, unary, backtick int
	command                    bool // a command may begin here
	last                       byte // the last byte that was no blank
}

func (m *measure) step() {
	c := m.text[m.at]
	if isWordByte(c) {
		m.word()
		return
	}
	m.at++
	switch c {
	case ' ', '\t', '\r':
		return
	case '\n':
		if m.brackets == 0 && m.last != '\\' && m.last != '&' && m.last != '|' {
			m.operators = 0
		}
		m.command, m.unary = true, 0
		return
	case '#':
		if m.at == 1 || m.text[m.at-2] == '\n' || m.text[m.at-2] == ' ' || m.text[m.at-2] == '\t' {
			for m.at < len(m.text) && m.text[m.at] != '\n' {
				m.at++
			}
			return
		}
	case '(', '{', '[':
		m.brackets++
		m.command = true
	case ')', '}', ']':
		m.brackets = max(m.brackets-1, 0)
	case '`':
		m.backtick++
		m.command = true
	case '!', '~', '+', '-':
		m.operators++
		m.unary++
		m.command = m.command || c == '!'
		m.last = c
		return
	case '&', '|', ';':
		m.operators++
		m.command = true
	case '=', '?', '*', '<', '>', ',', '^', '%', '/', ':':
		m.operators++
	}
	m.unary = 0
	m.last = c
}

func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c >= 0x80
}

// word passes over a word, and counts it when it begins or ends a compound
// command.
func (m *measure) word() {
	from := m.at
	for m.at < len(m.text) && isWordByte(m.text[m.at]) {
		m.at++
	}
	m.unary, m.last = 0, m.text[m.at-1]
	if !m.command {
		return
	}
	m.command = false
	switch m.text[from:m.at] {
	case "if", "while", "until", "for", "case", "select", "time", "coproc", "function":
		m.blocks++
		m.command = true
	case "then", "else", "elif", "do":
		m.command = true
	case "fi", "done", "esac":
		m.blocks = max(m.blocks-1, 0)
	}
}
