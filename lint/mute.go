package lint

import (
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint/rules"
)

// mark is how a file says that findings are meant:
//
//	# keyreach:ignore KEY014 the other Region is where the replica is
//	# keyreach:ignore-file KEY105,KEY060 a template
//
// It covers its own line; on a line of its own it covers the line after it,
// with what is indented deeper or stands in the block that begins there.
var mark = regexp.MustCompile(`keyreach:ignore(-file)?[ \t]+([A-Za-z]+[0-9]+(?:[ \t]*,[ \t]*[A-Za-z]+[0-9]+)*)\b[ \t]*([^\r\n]*)`)

// bare is a mark that names no rule, at the beginning of a comment: elsewhere
// somebody may be talking of marks.
var bare = regexp.MustCompile(`(?:#|//|/\*|<!--)[ \t]*(keyreach:ignore)(?:-file)?(?:[ \t]|\r?$)`)

// span is the lines that one mark covers.
type span struct {
	from, to int // lines, both included
	rules    []string
	reason   string
	line     int // of the mark
	column   int
	used     bool
}

// mute parts the findings into those to tell and those that somebody said not
// to tell, and adds what is wrong with the marks.
func mute(f *File, found []rules.Found, o *Options) ([]rules.Found, []Muted) {
	spans := marks(f.Data)
	var told []rules.Found
	var muted []Muted
	for _, x := range found {
		if reason, ok := marked(&x.Finding, spans); ok {
			muted = append(muted, Muted{Found: x, Reason: reason, InSource: true})
		} else {
			told = append(told, x)
		}
	}
	var wrong []rules.Found
	for i := range spans {
		x := spans[i].wrong(f.Name, o)
		if x == nil || !o.chosen[x.Rule] {
			continue
		}
		if reason, ok := marked(&x.Finding, spans); ok {
			muted = append(muted, Muted{Found: *x, Reason: reason, InSource: true})
		} else {
			wrong = append(wrong, *x)
		}
	}
	told = slices.DeleteFunc(append(told, wrong...), func(x rules.Found) bool {
		i := slices.IndexFunc(o.Ignore, func(g Ignore) bool { return g.covers(&x.Finding, f.Name) })
		if i >= 0 {
			muted = append(muted, Muted{Found: x, Reason: o.Ignore[i].Reason})
		}
		return i >= 0
	})
	return distinct(told), muted
}

// marked returns the reason why a mark keeps a finding from being told.
func marked(x *finding.Finding, spans []span) (string, bool) {
	for i := range spans {
		s := &spans[i]
		if s.reason != "" && slices.Contains(s.rules, x.Rule) && s.from <= max(x.Position.Line, 1) && x.Position.Line <= s.to {
			s.used = true
			return s.reason, true
		}
	}
	return "", false
}

// wrong says what is wrong with a mark, when all that it names was looked for.
func (s *span) wrong(name string, o *Options) *rules.Found {
	f := finding.Finding{Rule: NoReason, Severity: finding.Warning, Position: finding.Position{File: name, Line: s.line, Column: s.column}}
	unknown := slices.IndexFunc(s.rules, func(id string) bool { return !o.known[id] })
	switch {
	case len(s.rules) == 0:
		f.Text, f.Fix = "the mark names no rule, so it does not count", "write the rules after it, and then why: keyreach:ignore KEY014 the replica is there"
	case unknown >= 0:
		f.Text, f.Fix = fmt.Sprintf("there is no rule %s, which the mark ignores", s.rules[unknown]), "keyreach explain lists the rules"
		if near := Near(s.rules[unknown]); near != "" {
			f.Fix = "did you mean " + near + "?"
		}
	case s.reason == "":
		f.Text = "the mark that ignores " + strings.Join(s.rules, ", ") + " gives no reason, so it does not count"
		f.Fix = "write why after the rules"
	case s.used || slices.ContainsFunc(s.rules, func(id string) bool { return !o.chosen[id] || id == NeedlessMute }):
		return nil
	default:
		f.Rule, f.Severity = NeedlessMute, finding.Info
		f.Text = "nothing here is against " + strings.Join(s.rules, ", ") + ", which the mark ignores"
		f.Fix = "remove the mark"
	}
	return &rules.Found{Finding: f}
}

// maxMarks is how many marks of one file count, so that no file takes time
// without bound.
const maxMarks = 2000

// marks finds the marks of a file.
func marks(data []byte) []span {
	if !bytes.Contains(data, []byte("keyreach:ignore")) {
		return nil
	}
	lines := strings.Split(string(data), "\n")
	var spans []span
	for i, line := range lines {
		if len(spans) == maxMarks {
			break
		}
		m := mark.FindStringSubmatchIndex(line)
		if m == nil {
			if m = bare.FindStringSubmatchIndex(line); m != nil {
				spans = append(spans, span{line: i + 1, column: m[2] + 1})
			}
			continue
		}
		s := span{line: i + 1, column: m[0] + 1, from: i + 1, to: i + 1, reason: reasonOf(line[:m[0]], line[m[6]:m[7]])}
		for rule := range strings.SplitSeq(line[m[4]:m[5]], ",") {
			s.rules = append(s.rules, strings.ToUpper(strings.TrimSpace(rule)))
		}
		switch {
		case m[2] >= 0:
			s.from, s.to = 0, len(lines)
		case alone(line[:m[0]]):
			s.to = blockEnd(lines, i+1)
		}
		spans = append(spans, s)
	}
	return spans
}

// reasonOf is what stands after the rules, without what closes the comment, or
// the text that the mark stands in: files without comments have it in a Sid.
func reasonOf(before, s string) string {
	if strings.Count(before, `"`)%2 == 1 {
		s, _, _ = strings.Cut(s, `"`)
	}
	s = strings.TrimSpace(s)
	for _, end := range []string{"-->", "*/"} {
		s = strings.TrimSpace(strings.TrimSuffix(s, end))
	}
	return strings.TrimSpace(strings.TrimLeft(s, ":-– "))
}

// alone reports whether nothing but the beginning of a comment stands before
// the mark.
func alone(before string) bool {
	return strings.Trim(before, " \t#/*;<!-") == ""
}

// blockEnd returns the last line, from 1, of what begins after the mark on the
// line before lines[i].
func blockEnd(lines []string, i int) int {
	for i < len(lines) && strings.TrimSpace(lines[i]) == "" {
		i++
	}
	if i >= len(lines) {
		return len(lines)
	}
	if fence := strings.TrimSpace(lines[i]); strings.HasPrefix(fence, "```") {
		for j := i + 1; j < len(lines); j++ {
			if strings.HasPrefix(strings.TrimSpace(lines[j]), "```") {
				return j + 1
			}
		}
		return len(lines)
	}
	depth, end := indent(lines[i]), i
	for j := i + 1; j < len(lines); j++ {
		if strings.TrimSpace(lines[j]) == "" {
			continue
		}
		if indent(lines[j]) <= depth {
			break
		}
		end = j
	}
	return end + 1
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

// Ignore is an entry of the configuration: what is not to be told, where, and
// why.
type Ignore struct {
	Rule    string   `json:"rule"`
	Files   []string `json:"files"`   // patterns as in path.Match, from the directory of the configuration; none is every file
	Subject string   `json:"subject"` // only findings about this
	Reason  string   `json:"reason"`

	below string // the directory of the configuration
}

// relative is the name of a file from the directory of the configuration.
func (g *Ignore) relative(name string) string {
	if g.below == "." && !filepath.IsAbs(name) || g.below == "" {
		return filepath.Clean(name)
	}
	from, err := filepath.Abs(g.below)
	to, err2 := filepath.Abs(name)
	if err != nil || err2 != nil {
		return name
	}
	if name, err = filepath.Rel(from, to); err != nil {
		return to
	}
	return name
}

func (g *Ignore) covers(x *finding.Finding, name string) bool {
	if g.Rule != x.Rule || g.Subject != "" && g.Subject != x.Subject {
		return false
	}
	if len(g.Files) == 0 {
		return true
	}
	name = filepath.ToSlash(g.relative(name))
	return slices.ContainsFunc(g.Files, func(pattern string) bool {
		whole, _ := path.Match(pattern, name)
		last, _ := path.Match(pattern, path.Base(name))
		return whole || last || strings.HasSuffix(pattern, "/") && strings.HasPrefix(name, pattern)
	})
}
