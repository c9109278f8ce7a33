// Package lazy holds what is made when it is first used and not when the program
// starts: most runs of the program use little of it.
package lazy

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression that is compiled when it is first matched. Its
// methods are those of [regexp.Regexp], and like them may be called side by side.
type Pattern struct{ compiled func() *regexp.Regexp }

// Regexp names a pattern without compiling it. One that is malformed panics at its
// first use.
func Regexp(expr string) *Pattern {
	return &Pattern{compiled: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })}
}

// MatchString reports whether the text has a match.
func (p *Pattern) MatchString(text string) bool { return p.compiled().MatchString(text) }

// FindString returns the leftmost match, or "".
func (p *Pattern) FindString(text string) string { return p.compiled().FindString(text) }

// FindStringIndex returns where the leftmost match begins and ends, or nil.
func (p *Pattern) FindStringIndex(text string) []int { return p.compiled().FindStringIndex(text) }

// FindStringSubmatch returns the leftmost match and its groups, or nil.
func (p *Pattern) FindStringSubmatch(text string) []string {
	return p.compiled().FindStringSubmatch(text)
}

// FindAllString returns the matches, n at the most; all when n is negative.
func (p *Pattern) FindAllString(text string, n int) []string {
	return p.compiled().FindAllString(text, n)
}

// FindAllStringSubmatch returns the matches with their groups, n at the most.
func (p *Pattern) FindAllStringSubmatch(text string, n int) [][]string {
	return p.compiled().FindAllStringSubmatch(text, n)
}

// FindAllStringSubmatchIndex returns where the matches and their groups begin and
// end, n at the most.
func (p *Pattern) FindAllStringSubmatchIndex(text string, n int) [][]int {
	return p.compiled().FindAllStringSubmatchIndex(text, n)
}

// Split returns what stands between the matches, n pieces at the most.
func (p *Pattern) Split(text string, n int) []string { return p.compiled().Split(text, n) }

// Match reports whether the text has a match.
func (p *Pattern) Match(text []byte) bool { return p.compiled().Match(text) }

// Find returns the leftmost match, or nil.
func (p *Pattern) Find(text []byte) []byte { return p.compiled().Find(text) }

// FindAllSubmatchIndex returns where the matches and their groups begin and end, n at
// the most.
func (p *Pattern) FindAllSubmatchIndex(text []byte, n int) [][]int {
	return p.compiled().FindAllSubmatchIndex(text, n)
}

// FindAllIndex returns where the matches begin and end, n at the most.
func (p *Pattern) FindAllIndex(text []byte, n int) [][]int { return p.compiled().FindAllIndex(text, n) }

// FindAllStringIndex returns where the matches begin and end, n at the most.
func (p *Pattern) FindAllStringIndex(text string, n int) [][]int {
	return p.compiled().FindAllStringIndex(text, n)
}

// FindStringSubmatchIndex returns where the leftmost match and its groups begin and
// end, or nil.
func (p *Pattern) FindStringSubmatchIndex(text string) []int {
	return p.compiled().FindStringSubmatchIndex(text)
}

// ReplaceAllString returns the text with each match replaced, and $1 in what it is
// replaced by standing for the first group.
func (p *Pattern) ReplaceAllString(text, by string) string {
	return p.compiled().ReplaceAllString(text, by)
}
