package source

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// locate works out where each token stands. The library's columns are short by
// one for every tag before them on the line. Where a token is not found in the
// text, the library's own positions must do from there on.
func (c *converter) locate(text string, tokens token.Tokens) {
	c.places = make(map[*token.Token]Pos, len(tokens))
	last, at := 0, Pos{1, 1}
	eachToken(text, tokens, func(t *token.Token, offset int) {
		s := text[last:offset]
		last = offset
		if lines := strings.Count(s, "\n"); lines > 0 {
			at.Line += int32(lines)
			at.Column = int32(len(s) - strings.LastIndexByte(s, '\n'))
		} else {
			at.Column += int32(len(s))
		}
		c.places[t] = at
	})
}

// eachToken calls found with the offset of each token, up to the first that is
// not in the text where it is expected: the words of the tokens are looked for,
// one after the other.
func eachToken(text string, tokens token.Tokens, found func(t *token.Token, offset int)) {
	offset := 0
	for _, t := range tokens {
		word := strings.Trim(t.Origin, blanks)
		if word == "" {
			continue // the value that is not there
		}
		rest := text[offset:]
		offset += len(rest) - len(strings.TrimLeft(rest, blanks))
		n := wordLength(text[offset:], t.Type, word)
		if n == 0 {
			return
		}
		found(t, offset)
		offset += n
	}
}

// blanks is the white space between tokens.
const blanks = " \t\r\n"

// wordLength returns how many bytes of the text are the token at its beginning,
// or 0. The library loses the escapes of a quoted text, so that is measured.
func wordLength(text string, kind token.Type, word string) int {
	if kind == token.DoubleQuoteType && text != "" && text[0] == '"' {
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
		return 0
	}
	if !strings.HasPrefix(text, word) {
		return 0
	}
	return len(word)
}

// longLine is how many characters of a line are counted for one place; beyond
// them a place is a guess, because counting them for every token of a text
// without line breaks would take a time that grows with its square.
const longLine = 4096

// pos turns the library's position, which counts characters, into ours.
func (c *converter) pos(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{1, 1}
	}
	if at, ok := c.places[t]; ok {
		return at
	}
	line, column := t.Position.Line, max(t.Position.Column, 1)
	if line < 1 || line > len(c.lines) {
		return Pos{int32(max(line, 1)), int32(column)}
	}
	text := c.lines[line-1]
	at := 0
	for range min(column-1, longLine) {
		if at >= len(text) {
			break
		}
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
	return Pos{int32(line), int32(at + 1)}
}

// guard refuses what the library's parser must not be given: nesting that
// exhausts its stack or memory, which no recover would catch, and further
// documents, which it drops without a word where two begin in a row.
func (c *converter) guard(tokens token.Tokens) (token.Tokens, *SyntaxError) {
	if err := c.nesting(tokens); err != nil {
		return nil, err
	}
	return c.oneDocument(tokens)
}

func tooDeep(at Pos) *SyntaxError {
	return &SyntaxError{Pos: at, Text: fmt.Sprintf("more than %d lists and maps stand inside one another: no such document is read", maxDepth)}
}

// nesting counts open brackets and, outside them, the columns at which a block
// list or map may have begun. The leaf counts as one more.
func (c *converter) nesting(tokens token.Tokens) *SyntaxError {
	var columns []int
	flow, line, fresh := 0, 0, false
	for _, t := range tokens {
		starts := t.Position.Line != line || fresh // a block may begin here
		line, fresh = t.Position.Line, false
		switch t.Type {
		case token.CommentType:
			continue
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(flow-1, 0)
		case token.SequenceEntryType, token.MappingKeyType:
			starts, fresh = true, true
		case token.MappingValueType:
			fresh = starts
		}
		if starts && (flow == 0 || t.Type == token.MappingKeyType) {
			column := t.Position.Column
			for len(columns) > 0 && columns[len(columns)-1] >= column {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, column)
		}
		if flow+len(columns) > maxDepth+1 {
			return tooDeep(c.pos(t))
		}
	}
	return nil
}

// nameInText finds a colon that YAML allows in no text without quotes.
var nameInText = regexp.MustCompile(`:[ \t\r\n]`)

// runOn refuses a text without quotes that holds what YAML lets none hold. The
// library reads Version: 2012-10-17 and a list indented below it as one text,
// the statements in it.
func (c *converter) runOn(tokens token.Tokens) *SyntaxError {
	flow, line := 0, 0 // line: of a directive, which has rules of its own
	for i, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(flow-1, 0)
		case token.DirectiveType:
			line = t.Position.Line
		case token.StringType:
			if i > 0 && slices.Contains(otherTexts, tokens[i-1].Type) || t.Position.Line == line {
				continue
			}
			if nameInText.MatchString(t.Value) {
				return &SyntaxError{Pos: c.pos(t), Text: "the text that begins here runs on into a name and a colon: indent the next lines as what they are, or put the text in quotes"}
			}
			if flow > 0 && strings.ContainsAny(t.Value, "[]{},") {
				return &SyntaxError{Pos: c.pos(t), Text: "the text that begins here runs on into a bracket or comma: close what is open before it, or put the text in quotes"}
			}
		}
	}
	return nil
}

// otherTexts are the tokens whose text follows in a token of its own.
var otherTexts = []token.Type{token.LiteralType, token.FoldedType, token.AnchorType, token.AliasType}

// oneDocument refuses a second document, and cuts off the marks at the end that
// begin none.
func (c *converter) oneDocument(tokens token.Tokens) (token.Tokens, *SyntaxError) {
	begun, mark, directive := false, -1, 0
	for i, t := range tokens {
		switch {
		case t.Type == token.CommentType, directive == t.Position.Line:
		case t.Type == token.DirectiveType:
			directive = t.Position.Line
		case t.Type == token.DocumentHeaderType, t.Type == token.DocumentEndType:
			if begun && mark < 0 {
				mark = i
			}
			begun = true
		case mark >= 0:
			if m := tokens[mark]; m.Type == token.DocumentHeaderType {
				t = m
			}
			return nil, &SyntaxError{Pos: c.pos(t), Text: "a second document begins here: give one document in each file"}
		default:
			begun = true
		}
	}
	if mark >= 0 {
		tokens = tokens[:mark]
	}
	return tokens, nil
}
