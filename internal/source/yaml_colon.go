package source

import (
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// tokenize has the library cut a text into tokens. Inside a flow map the library
// takes nearly every colon for the end of a name, though YAML 1.2.2 section 7.3.3
// makes a colon part of a text unless a blank or a bracket follows it:
// {Action: [kms:Decrypt], Account: !Ref AWS::AccountId}. Such colons are hidden
// from it and put back into the tokens.
func tokenize(text string) token.Tokens {
	tokens := lexer.Tokenize(text)
	if !strings.ContainsAny(text, "[{") || strings.Contains(text, hiddenColon) {
		return tokens
	}
	// A text cut short by a broken token shows its further colons once that one
	// is mended.
	for range maxHiding {
		hidden := hideColons(text, tokens)
		if hidden == text {
			break
		}
		text, tokens = hidden, lexer.Tokenize(hidden)
	}
	for _, t := range tokens {
		t.Value = strings.ReplaceAll(t.Value, hiddenColon, ":")
		t.Origin = strings.ReplaceAll(t.Origin, hiddenColon, ":")
	}
	return tokens
}

const (
	// hiddenColon is a character that YAML lets no text hold. It has one byte, as
	// the colon has, so that no place moves.
	hiddenColon = "\x1f"
	maxHiding   = 16
	// wordEnds are the characters that end a word inside brackets.
	wordEnds = blanks + ",[]{}"
)

// hideColons replaces each colon inside a word of a flow map that the tokens
// take for the end of a name.
func hideColons(text string, tokens token.Tokens) string {
	var b []byte
	flow := 0
	eachToken(text, tokens, func(t *token.Token, offset int) {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(flow-1, 0)
		case token.MappingValueType:
			if flow == 0 || offset == 0 || strings.IndexByte(wordEnds+`"'`, text[offset-1]) >= 0 {
				return
			}
			for i := offset; i+1 < len(text) && strings.IndexByte(wordEnds, text[i]) < 0; i++ {
				if text[i] == ':' && strings.IndexByte(wordEnds, text[i+1]) < 0 && (i > offset || strings.IndexByte(`"'`, text[i+1]) < 0) {
					if b == nil {
						b = []byte(text)
					}
					b[i] = hiddenColon[0]
				}
			}
		}
	})
	if b == nil {
		return text
	}
	return string(b)
}
