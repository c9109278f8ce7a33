package arn

import (
	"strings"
	"unicode/utf8"
)

// Glob reports whether s matches pattern, in which * stands for any run of
// characters (none included) and ? for exactly one character. Everything else
// stands for itself; letter case counts.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html.
func Glob(pattern, s string) bool { return GlobWith(pattern, s, '*', '?') }

// GlobWith is Glob with other bytes for the two wildcards, so that a caller
// who has * or ? as plain text can say so.
func GlobWith(pattern, s string, many, one byte) bool {
	p, i := 0, 0
	star, mark := -1, 0 // where to go on after the last star took one character more
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == many:
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == one:
			p++
			i += width(s[i:])
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			mark += width(s[mark:])
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == many {
		p++
	}
	return p == len(pattern)
}

// width is the length in bytes of the first character of s.
func width(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// Like reports whether the ARN s matches pattern as ArnLike and ArnEquals do:
// both are cut into their six parts and each part is matched on its own, so a
// wildcard never reaches over a colon before the resource. A pattern of fewer
// than six parts that ends in * stands for any remaining parts (assumed; AWS
// documents only six-part patterns).
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN.
func Like(pattern, s string) bool { return LikeWith(pattern, s, '*', '?') }

// LikeWith is Like with other bytes for the two wildcards.
func LikeWith(pattern, s string, many, one byte) bool {
	for range 5 {
		pp, prest, pmore := strings.Cut(pattern, ":")
		if !pmore {
			return pattern != "" && pattern[len(pattern)-1] == many && GlobWith(pattern, s, many, one)
		}
		sp, srest, smore := strings.Cut(s, ":")
		if !smore || !GlobWith(pp, sp, many, one) {
			return false
		}
		pattern, s = prest, srest
	}
	return GlobWith(pattern, s, many, one)
}
