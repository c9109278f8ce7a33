package rules

import (
	"fmt"
	"unicode/utf8"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/policy"
)

func key030() Rule {
	return Rule{
		ID: "KEY030", Severity: finding.Error,
		Title: "The key policy is too long, or has characters that KMS refuses",
		Text: "A key policy has at most 32,768 bytes, which no quota increase changes, and only printable characters of Latin-1, tabs and line ends. " +
			"KMS refuses any other, and the policy that was there before stays in force.",
		Fix:     "Put principals with the same rights into one statement, or give grants; write plain characters.",
		Page:    "https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html",
		Assumed: "the length is that of the policy without any space between its elements",
		Check:   oversized,
		Fires: []Example{{"key-policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Own → account", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"
  }]
}`}},
		Silent: []Example{{"key-policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Zugriff für Prüfer", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"
  }]
}`}},
	}
}

// looksAtLength finds code that measures something.
var looksAtLength = lazy.Regexp(`(?i)\blen\(|\.length|32_?768|size`)

func oversized(m *Material, r *Report) {
	for _, p := range m.Policies {
		if p.Kind != KeyPolicy {
			continue
		}
		policyLength(p, r)
		for i := range p.Doc.Statements {
			at := place{policy: p, s: &p.Doc.Statements[i], index: i}
			if c, ok := refused(at.s); ok {
				r.add(&at, at.s.Pos, fmt.Sprintf("has the character %q, which KMS refuses in a key policy", c), "write it with plain characters")
			}
		}
	}
	for _, c := range m.Code {
		if line, ok := appends(c.Text); ok && !looksAtLength.MatchString(c.Text) {
			r.AddAs(finding.Info, finding.Position{File: c.Pos.File, Line: c.Pos.Line + line, Column: 1}, "",
				"this adds to a key policy and never looks how long it gets: KMS takes 32,768 bytes", "compare the length before writing")
		}
	}
}

func policyLength(p *Policy, r *Report) {
	limit := awsfacts.Limits().KeyPolicyBytes
	n := len(p.Doc.AppendJSON(nil))
	text := fmt.Sprintf("the key policy has %d bytes of the %d that KMS takes", n, limit)
	const fix = "put principals with the same rights into one statement, or give grants"
	switch {
	case n > limit && p.settled():
		r.Add(p.Doc.Position(p.Doc.Pos), p.Owner, text, fix)
	case n > limit*8/10:
		r.AddAs(finding.Warning, p.Doc.Position(p.Doc.Pos), p.Owner, text, fix)
	}
}

// refused returns the first character of a statement that KMS does not take.
// What a template puts in is not known and is let pass.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html.
func refused(s *policy.Statement) (rune, bool) {
	if s.Opaque {
		return 0, false
	}
	text := s.AppendJSON(nil)
	for len(text) > 0 {
		c, n := utf8.DecodeRune(text)
		if c > 0xff || c == 0x7f {
			return c, true
		}
		text = text[n:]
	}
	return 0, false
}
