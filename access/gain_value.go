package access

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// unnamed stands for a value that no policy names.
const unnamed = "keyreach-unnamed"

// maxOverlaps bounds the patterns of which pairs are intersected.
const maxOverlaps = 12

// values returns one value of the key for each class that its uses tell apart:
// absence, every value they name, one that none names.
func (s *survey) values(c *estate.Case, w *wait) []policy.ContextValue {
	fold := strings.ToLower(w.name)
	scalars, sets := s.scalars(c, w)
	known, isKnown := awsfacts.LookupConditionKey(w.name)
	out := []policy.ContextValue{}
	if !alwaysThere(fold) {
		out = append(out, policy.ContextValue{})
	}
	if !isKnown || !known.Multivalued {
		for _, v := range scalars {
			out = append(out, policy.One(v))
		}
	}
	if isKnown && known.Multivalued || !isKnown && sets {
		for _, set := range subsets(scalars) {
			out = append(out, policy.Many(set...))
		}
	}
	if fold == "aws:principalorgid" || fold == "aws:principalorgpaths" {
		out = slices.DeleteFunc(out, s.home)
	}
	return out
}

// home reports whether the value is our own organization, in which an outsider
// is not.
func (s *survey) home(v policy.ContextValue) bool {
	for _, id := range s.organizations {
		for _, text := range append(slices.Clone(v.Many), v.One) {
			if text == id || strings.HasPrefix(text, id+"/") {
				return true
			}
		}
	}
	return false
}

func alwaysThere(fold string) bool { return fold == "aws:currenttime" || fold == "aws:epochtime" }

// scalars returns the single values that the uses tell apart, and whether any
// use takes the key as a set.
func (s *survey) scalars(c *estate.Case, w *wait) (values []string, sets bool) {
	var patterns []string
	other := unnamed
	for i := range w.uses {
		family, set := familyOf(w.uses[i].operator)
		sets = sets || set
		for _, text := range w.uses[i].values {
			text = fill(c, text)
			switch family {
			case "bool":
				values, other = append(values, "true", "false"), ""
			case "ip":
				values, other = append(values, addresses(text)...), "198.51.100.7"
			case "numeric":
				values = append(values, around(text)...)
				other = ""
			case "date":
				values, other = append(values, moments(w.name, text)...), ""
			case "null":
			case "like":
				patterns = append(patterns, text)
			default:
				values = append(values, text)
			}
		}
	}
	values = append(values, instances(patterns)...)
	values = append(values, usual(w.name)...)
	if other != "" && !boolean(w.name) {
		values = append(values, other)
	}
	slices.Sort(values)
	return slices.Compact(values), sets
}

// boolean reports whether the key is known to hold true or false only.
func boolean(name string) bool {
	k, ok := awsfacts.LookupConditionKey(name)
	return ok && k.Type == "Bool"
}

// usual are values that a key has whoever names it.
func usual(name string) []string {
	switch {
	case boolean(name):
		return []string{"true", "false"}
	case strings.EqualFold(name, "kms:GrantConstraintType"):
		return []string{"EncryptionContextEquals", "EncryptionContextSubset"}
	case strings.EqualFold(name, "kms:GrantOperations"):
		return []string{"CreateGrant", "Decrypt"}
	}
	return nil
}

// familyOf tells how an operator compares, and whether it takes a set.
func familyOf(operator string) (family string, set bool) {
	name := strings.ToLower(operator)
	for _, prefix := range [...]string{"forallvalues:", "foranyvalue:"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name, set = rest, true
		}
	}
	switch {
	case strings.HasPrefix(name, "bool"):
		return "bool", set
	case strings.HasPrefix(name, "numeric"):
		return "numeric", set
	case strings.HasPrefix(name, "date"):
		return "date", set
	case strings.Contains(name, "ipaddress"):
		return "ip", set
	case name == "null":
		return "null", set
	case strings.Contains(name, "like"), strings.HasPrefix(name, "arn"):
		return "like", set
	}
	return "equal", set
}

// fill puts the values of policy variables in their place, where they are known.
func fill(c *estate.Case, text string) string {
	for _, name := range variablesOf(text) {
		v := c.Lookup(strings.ToLower(name))
		if v.Presence != policy.Present || v.Multi {
			continue
		}
		if begin := strings.Index(text, "${"+name); begin >= 0 {
			if n := strings.IndexByte(text[begin:], '}'); n > 0 {
				text = text[:begin] + v.One + text[begin+n+1:]
			}
		}
	}
	return text
}

// instances returns a text for each pattern, and one for each two that overlap.
func instances(patterns []string) []string {
	slices.Sort(patterns)
	patterns = slices.Compact(patterns)
	var out []string
	for _, p := range patterns {
		out = append(out, instance(p))
	}
	if len(patterns) > maxOverlaps {
		patterns = patterns[:maxOverlaps]
	}
	for i := range patterns {
		for _, p := range patterns[i+1:] {
			if both, ok := overlap(patterns[i], p); ok {
				out = append(out, both)
			}
		}
	}
	return out
}

// instance returns a text that a pattern matches.
func instance(pattern string) string {
	return strings.ReplaceAll(strings.ReplaceAll(pattern, "*", unnamed), "?", "x")
}

// overlap returns a text that both patterns match, if there is one.
func overlap(p, q string) (string, bool) {
	memo := map[[2]int]bool{}
	var walk func(i, j int) (string, bool)
	walk = func(i, j int) (string, bool) {
		if i == len(p) && j == len(q) {
			return "", true
		}
		if memo[[2]int{i, j}] {
			return "", false
		}
		memo[[2]int{i, j}] = true
		if i < len(p) && p[i] == '*' {
			if rest, ok := walk(i+1, j); ok {
				return rest, true
			}
		}
		if j < len(q) && q[j] == '*' {
			if rest, ok := walk(i, j+1); ok {
				return rest, true
			}
		}
		if i == len(p) || j == len(q) {
			return "", false
		}
		a, b := p[i], q[j]
		ni, nj := i+1, j+1
		if a == '*' {
			ni = i
		}
		if b == '*' {
			nj = j
		}
		if ni == i && nj == j {
			return "", false
		}
		c := a
		if a == '*' || a == '?' {
			c = b
		}
		if a != b && a != '*' && a != '?' && b != '*' && b != '?' {
			return "", false
		}
		rest, ok := walk(ni, nj)
		if c == '?' || c == '*' {
			c = 'x'
		}
		return string(c) + rest, ok
	}
	return walk(0, 0)
}

// addresses returns the first and the last address of a network, those beside it, and one
// of the other version of IP, which is in no network of this one.
func addresses(text string) []string {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return []string{text}
	}
	last := prefix.Masked().Addr().AsSlice()
	for i := prefix.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 1 << (7 - i%8)
	}
	first := prefix.Masked().Addr()
	end, _ := netip.AddrFromSlice(last)
	list := []string{first.String(), end.String(), "2001:db8::1"}
	if first.Is6() {
		list[2] = "192.0.2.1"
	}
	for _, beside := range []netip.Addr{first.Prev(), end.Next()} {
		if beside.IsValid() {
			list = append(list, beside.String())
		}
	}
	return list
}

// around returns a number with its neighbours.
func around(text string) []string {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return []string{text, "0"}
	}
	format := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	return []string{format(n - 1), text, format(n + 1)}
}

// moments returns a time with the seconds before and after it.
func moments(name, text string) []string {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return []string{strconv.FormatInt(n-1, 10), text, strconv.FormatInt(n+1, 10)}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		if t, err = time.Parse(time.DateOnly, text); err != nil {
			return []string{text}
		}
	}
	var out []string
	for _, d := range [...]time.Duration{-time.Second, 0, time.Second} {
		if strings.EqualFold(name, "aws:EpochTime") {
			out = append(out, strconv.FormatInt(t.Add(d).Unix(), 10))
		} else {
			out = append(out, t.Add(d).UTC().Format(time.RFC3339))
		}
	}
	return out
}

// subsets returns the sets of values that are tried: all for a few values, and
// for more each, every two, and all.
func subsets(values []string) [][]string {
	var sets [][]string
	if len(values) <= 4 {
		for mask := 1; mask < 1<<len(values); mask++ {
			var set []string
			for i, v := range values {
				if mask&(1<<i) != 0 {
					set = append(set, v)
				}
			}
			sets = append(sets, set)
		}
		return sets
	}
	for i := range values {
		sets = append(sets, values[i:i+1:i+1])
		for j := i + 1; j < len(values); j++ {
			sets = append(sets, []string{values[i], values[j]})
		}
	}
	named := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == unnamed })
	return append(sets, named, values)
}

// forcedValues are the values of a key that is split before anything is
// decided: how the call came, and the pairs of the encryption context.
func (s *survey) forcedValues(q *question, name string) []policy.ContextValue {
	w := &wait{name: name, uses: append(s.usesIn(&q.before, name), s.usesIn(&q.after, name)...)}
	if !strings.EqualFold(name, "kms:ViaService") {
		return s.values(&q.after, w)
	}
	region := q.after.Request.Target.Region
	if region == "" {
		region = "us-east-1"
	}
	other := "us-west-2"
	if region == other {
		other = "us-east-1"
	}
	out := s.values(&q.after, w)
	for _, service := range [...]string{"ec2", "rds", "s3", "secretsmanager", unnamed} {
		for _, r := range [...]string{region, other} {
			out = append(out, policy.One(service+"."+r+".amazonaws.com"))
		}
	}
	out = slices.DeleteFunc(out, func(v policy.ContextValue) bool { return v.One == unnamed })
	return told(out, w.uses)
}

// told keeps one value of each class that the uses tell apart: the first of
// those that match the same of their values.
func told(values []policy.ContextValue, uses []use) []policy.ContextValue {
	seen := map[string]bool{}
	return slices.DeleteFunc(values, func(v policy.ContextValue) bool {
		class := []byte{'0' + byte(v.Presence)}
		for i := range uses {
			family, _ := familyOf(uses[i].operator)
			for _, text := range uses[i].values {
				switch {
				case v.Presence != policy.Present:
				case strings.Contains(text, "${"):
					return false // what it will say is not known
				case v.One == text:
					class = append(class, '=')
				case strings.EqualFold(v.One, text):
					class = append(class, '~')
				case family == "like" && arn.Glob(text, v.One):
					class = append(class, '*')
				default:
					class = append(class, '-')
				}
			}
		}
		repeated := seen[string(class)]
		seen[string(class)] = true
		return repeated
	})
}

// usesIn returns how the documents and grants of a case compare a key.
func (s *survey) usesIn(c *estate.Case, name string) []use {
	var uses []use
	for _, n := range c.Policies() {
		uses = append(uses, s.read(n.Document).uses[strings.ToLower(name)]...)
	}
	pair, ok := cutFold(name, encryptionContextPrefix)
	for i := range c.Grants {
		k := c.Grants[i].Constraints
		if !ok || k == nil {
			continue
		}
		for _, pairs := range []map[string]string{k.EncryptionContextSubset, k.EncryptionContextEquals} {
			for n, v := range pairs {
				if strings.EqualFold(n, pair) {
					uses = append(uses, use{operator: "StringEquals", values: []string{v}})
				}
			}
		}
	}
	return uses
}

// principalOf reads a caller, and reports whether the text is one.
func principalOf(text string) (arn.Principal, bool) {
	p, err := arn.ParsePrincipal(text)
	return p, err == nil && p.Kind != arn.Invalid
}
