package terraform

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Limits that no honest configuration reaches. The parser calls itself for
// everything that stands inside something else, and needs some hundred bytes
// for each token.
const (
	maxSize    = 8 << 20
	maxTokens  = 600_000
	maxDepth   = 200  // brackets, templates and heredocs inside one another
	maxChoices = 1000 // conditionals, operators and directives of one block
)

// tooMuch returns at which byte a text goes beyond what is read, and in which
// way; the way is empty when it does not.
func tooMuch(data []byte) (at int, why string) {
	if len(data) > maxSize {
		return 0, fmt.Sprintf("the text has %d bytes, more than the %d MiB that are read", len(data), maxSize>>20)
	}
	if n := fewestTokens(data); n > maxTokens {
		return 0, fmt.Sprintf("the text has more than the %d words and signs that are read", maxTokens)
	}
	tokens, _ := hclsyntax.LexConfig(data, "", hcl.InitialPos)
	return tooDeep(tokens)
}

// fewestTokens counts what begins a word or a sign. In strings that is more
// than there are tokens, which for a limit is the right side to err on.
func fewestTokens(data []byte) int {
	n, word := 0, false
	for _, c := range data {
		inWord := c == '_' || c == '-' || c == ' ' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !inWord || !word {
			n++
		}
		word = inWord
	}
	return n
}

// tooDeep looks for what makes the parser call itself: brackets in one another,
// and chains of conditionals and signs.
func tooDeep(tokens hclsyntax.Tokens) (at int, why string) {
	depth, choices := 0, 0
	for i := range tokens {
		t := &tokens[i]
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
			if t.Type == hclsyntax.TokenTemplateControl {
				choices++
			}
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			depth = max(depth-1, 0)
		case hclsyntax.TokenQuestion, hclsyntax.TokenBang, hclsyntax.TokenMinus:
			choices++
		case hclsyntax.TokenNewline:
			if depth == 0 {
				choices = 0
			}
		}
		if depth > maxDepth {
			return t.Range.Start.Byte, fmt.Sprintf("more than the %d brackets that are read stand inside one another here", maxDepth)
		}
		if choices > maxChoices {
			return t.Range.Start.Byte, fmt.Sprintf("one block has more than the %d conditionals and operators that are read", maxChoices)
		}
	}
	return 0, ""
}
