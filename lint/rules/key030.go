package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key030() Rule {
	return Rule{
		ID: "KEY030", Severity: finding.Error,
		Title: "The key policy is too long, or has characters that KMS refuses",
		Text: "A key policy may have 32,768 bytes, and the quota cannot be raised. Its characters are those of ASCII and Latin-1 that print, " +
			"tabs and line ends.",
		Fix:   "Merge statements and principals, or give grants.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html",
		Check: policyTooLong,
		Fires: []Example{{"key-policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Für alle → hier", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
    "Action": "kms:*", "Resource": "*"
  }]
}`}},
		Silent: []Example{{"key-policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Für alle", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
    "Action": "kms:*", "Resource": "*"
  }]
}`}},
	}
}

var (
	appended = regexp.MustCompile(`\[['"]Statement['"]\]\.(append|extend|push)\(|\bStatement\.push\(|\[['"]Statement['"]\]\s*\+=`)
	measured = regexp.MustCompile(`(?i)\b(len|getsizeof)\(|\.length\b|32_?768|32 ?\* ?1024|['"]Sid['"]\]?\)?\s*(!=|==|not in|in)\b|\.get\(['"]Sid['"]\)`)
)

func policyTooLong(m *Material, r *Report) {
	most := awsfacts.Limits().KeyPolicyBytes
	for _, p := range m.Policies {
		if p.Kind != KeyPolicy || p.Doc == nil {
			continue
		}
		// What is written is longer by its white space; that much is sure.
		text := p.Doc.AppendJSON(nil)
		at := p.Doc.Position(p.Doc.Pos)
		switch n := len(text); {
		case n > most:
			r.Add(at, p.Owner, fmt.Sprintf("the policy has at least %d bytes, KMS takes %d", n, most), "merge statements and principals, or give grants")
		case n*10 > most*8:
			r.AddAs(finding.Warning, at, p.Owner, fmt.Sprintf("the policy has at least %d bytes of the %d that KMS takes", n, most), "merge statements and principals before it is full")
		}
		for _, v := range knownTexts(p.Doc) {
			if i := strings.IndexFunc(v.Text, refused); i >= 0 {
				c, _ := utf8.DecodeRuneInString(v.Text[i:])
				r.Add(p.Doc.Position(v.Pos), p.Owner, fmt.Sprintf("the policy has the character %q: KMS takes ASCII and Latin-1 only", c), "write it in plain letters")
				break
			}
		}
	}
	for _, code := range m.Code {
		at := appended.FindStringIndex(code.Text)
		if at != nil && putPolicyCall.MatchString(code.Text) && !measured.MatchString(code.Text) {
			r.AddAs(finding.Info, code.at(at[0]), "PutKeyPolicy", fmt.Sprintf("every run adds a statement, the same one again: the policy grows until KMS refuses it at %d bytes", most),
				"replace the statement that has the Sid, and look at the length before writing")
		}
	}
}

// refused reports whether KMS refuses a character in a key policy.
func refused(c rune) bool {
	return c > 0xff || c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c == 0x7f
}

// knownTexts returns the texts of a policy that hold nothing unknown.
func knownTexts(d *policy.Document) []policy.Value {
	var all []policy.Value
	if d.ID != nil {
		all = append(all, *d.ID)
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		if s.Sid != nil {
			all = append(all, *s.Sid)
		}
		if s.Resource != nil {
			all = append(all, s.Resource.Values...)
		}
		for j := range s.Conditions {
			for k := range s.Conditions[j].Keys {
				all = append(all, s.Conditions[j].Keys[k].Values.Values...)
			}
		}
	}
	return slices.DeleteFunc(all, func(v policy.Value) bool { return v.Unknown })
}
