package rules

import (
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key112() Rule {
	return Rule{
		ID: "KEY112", Severity: finding.Error,
		Title: "A wildcard in an operator that compares exactly",
		Text: "Under StringEquals and StringNotEquals * and ? are characters like any other. An Allow that equals a pattern never matches; " +
			"a Deny that excepts a pattern by StringNotEquals excepts nobody, and denies everything.",
		Fix:   "Write StringLike or StringNotLike, or for ARNs ArnLike or ArnNotLike; then read again what the statement now covers.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_String",
		Check: exactWildcards,
		Fires: []Example{
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Volumes", "Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*",
  "Condition": {"StringEquals": {"kms:ViaService": "ec2.*.amazonaws.com"}}
}]}`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "OnlyReaders", "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"StringNotEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/reader-*"}}
}]}`},
		},
		Silent: []Example{
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Volumes", "Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*",
  "Condition": {"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"}, "ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/a"}}
}]}`},
			{"fragment.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"StringEquals": {"aws:PrincipalTag/mark": "${*}"}}
}]}`},
		},
	}
}

// exactWildcards reports patterns that are compared letter by letter.
func exactWildcards(m *Material, r *Report) {
	for _, p := range m.statements() {
		if !p.allows() && !p.denies() {
			continue
		}
		for _, a := range p.asks() {
			if !exactOperator(a.op.Name) || !knownText(a.name) {
				continue
			}
			p.exactWildcard(&a, r)
		}
	}
}

// exactOperator reports whether the operator compares text without wildcards.
func exactOperator(name string) bool {
	name = strings.ToLower(name)
	if i := strings.IndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	name = strings.TrimSuffix(name, "ifexists")
	switch name {
	case "stringequals", "stringnotequals", "stringequalsignorecase", "stringnotequalsignorecase":
		return true
	}
	return false
}

// knownText reports whether the key's values are known to hold no * and no ?.
// Browsers and links may have both.
func knownText(key string) bool {
	if key == "aws:useragent" || key == "aws:referer" {
		return false
	}
	_, ok := awsfacts.LookupConditionKey(key)
	return ok
}

func (p *place) exactWildcard(a *asked, r *Report) {
	var patterns []string
	at, values := a.key.Pos, a.key.Values.Values
	for i := range values {
		v := &values[i]
		if v.Kind == policy.StringValue && strings.ContainsAny(outside(v.Text), "*?") {
			if len(patterns) == 0 {
				at = v.Pos
			}
			patterns = append(patterns, v.Text)
		}
	}
	if len(patterns) == 0 {
		return
	}
	not := strings.Contains(strings.ToLower(a.op.Name), "not")
	all := len(patterns) == len(values)
	text := list(patterns) + " is compared letter by letter under " + a.op.Name + ", so it "
	switch {
	case not && p.denies() && all:
		text += "excepts nobody: the statement denies everything it names"
	case not:
		text += "excepts nothing"
	case p.denies() && all:
		text += "never matches, and nothing is denied"
	case all && a.byAbsence() == policy.False:
		text += "never matches: the statement is dead"
	default:
		text += "never matches"
	}
	r.add(p, at, text, "write "+likeOperator(a, not))
}

// likeOperator names the operator with wildcards.
func likeOperator(a *asked, not bool) string {
	name := "StringLike"
	if k, ok := awsfacts.LookupConditionKey(a.key.Name); ok && k.Type == "ARN" {
		name = "ArnLike"
	}
	if not {
		name = strings.Replace(name, "Like", "NotLike", 1)
	}
	if i := strings.IndexByte(a.op.Name, ':'); i >= 0 {
		name = a.op.Name[:i+1] + name
	}
	if strings.HasSuffix(strings.ToLower(a.op.Name), "ifexists") {
		name += "IfExists"
	}
	return name
}

// outside returns a text without what somebody or something still fills in:
// ${…}, {{…}}, #{…} and <…>.
func outside(text string) string {
	if !strings.ContainsAny(text, "${<#") {
		return text
	}
	for _, b := range [...][2]string{{"${", "}"}, {"{{", "}}"}, {"#{", "}"}, {"<", ">"}} {
		text = without(text, b[0], b[1])
	}
	return text
}

// without returns a text without what stands between two brackets; one that is
// not closed takes all that follows with it.
func without(text, opening, closing string) string {
	var kept strings.Builder
	for {
		before, rest, found := strings.Cut(text, opening)
		kept.WriteString(before)
		if !found {
			return kept.String()
		}
		if _, text, found = strings.Cut(rest, closing); !found {
			return kept.String()
		}
	}
}
