package rules

import (
	"slices"
	"strings"
	"unicode"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/internal/source"
)

// cliWords writes an API's name as the CLI does: DBSnapshotARN is
// db-snapshot-arn, sourceServerIDs is source-server-ids. These are the rules of
// botocore's xform_name.
func cliWords(name string) string {
	rs := []rune(name)
	// A plural of capitals at the end (IDs, ARNs) is one word.
	if n := len(rs); n >= 3 && rs[n-1] == 's' && unicode.IsUpper(rs[n-2]) && unicode.IsUpper(rs[n-3]) {
		i := n - 2
		for i > 0 && unicode.IsUpper(rs[i-1]) {
			i--
		}
		return strings.TrimPrefix(cliWords(string(rs[:i]))+"-"+strings.ToLower(string(rs[i:])), "-")
	}
	var b strings.Builder
	for i, r := range rs {
		if unicode.IsUpper(r) && i > 0 && rs[i-1] != '-' {
			before := rs[i-1]
			next := i+1 < len(rs) && unicode.IsLower(rs[i+1])
			if unicode.IsLower(before) || unicode.IsDigit(before) || next {
				b.WriteByte('-')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// cliAPI returns the API behind a service of the CLI. Only s3api bears another
// name than its model; aws s3 is the CLI's own.
func cliAPI(service string) (*awsfacts.API, bool) {
	switch service {
	case "s3":
		return nil, false
	case "s3api":
		service = "s3"
	}
	return awsfacts.LookupAPI(service)
}

// cliOperation is one operation of the CLI: what it takes.
type cliOperation struct {
	api    *awsfacts.API
	op     *awsfacts.APIOperation
	option map[string]*awsfacts.Member
}

// findOperation looks an operation of the CLI up. Known is false for a name
// that AWS has not; the operation is nil where only its name is known.
func findOperation(api *awsfacts.API, name string) (op *cliOperation, known bool) {
	for apiName, o := range api.Operations {
		if cliWords(apiName) != name {
			continue
		}
		found := &cliOperation{api: api, op: o, option: map[string]*awsfacts.Member{}}
		if o.Input != nil {
			for _, m := range o.Input.Members {
				found.option["--"+cliWords(m.Name)] = m
			}
		}
		return found, true
	}
	return nil, slices.ContainsFunc(api.Others, func(o string) bool { return cliWords(o) == name })
}

// takes reports whether the operation takes an option, and which member of the
// input it is. The member is nil for options of the CLI itself.
func (o *cliOperation) takes(service, operation, option string) (*awsfacts.Member, bool) {
	if m := o.option[option]; m != nil {
		return m, true
	}
	if positive, no := strings.CutPrefix(option, "--no-"); no {
		if m := o.option["--"+positive]; m != nil && m.Shape.Type == "boolean" {
			return m, true
		}
	}
	if slices.Contains(cliGlobals(), option) || slices.Contains(cliAdds()[service+" "+operation], option) {
		return nil, true
	}
	// argparse takes the beginning of an option for the option. Which one is meant
	// by the beginning of several, newer models may settle.
	var begins []*awsfacts.Member
	for known, m := range o.option {
		if len(option) > 3 && strings.HasPrefix(known, option) {
			begins = append(begins, m)
		}
	}
	switch len(begins) {
	case 0:
	case 1:
		return begins[0], true
	default:
		return nil, true
	}
	for _, known := range cliGlobals() {
		if len(option) > 3 && strings.HasPrefix(known, option) {
			return nil, true
		}
	}
	return nil, false
}

// near returns the name among many that is most likely meant, or "".
func near(name string, names []string) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s))
	}
	best, least := "", 4
	for _, n := range slices.Sorted(slices.Values(names)) {
		if plain(n) == plain(name) {
			return n
		}
		if d := source.Distance(plain(name), plain(n), least); d < least && d*3 < len(name) {
			best, least = n, d
		}
	}
	if best != "" {
		return best
	}
	// Another verb: get-x for describe-xs.
	_, noun, ok := strings.Cut(name, "-")
	for _, n := range slices.Sorted(slices.Values(names)) {
		_, other, _ := strings.Cut(n, "-")
		if ok && strings.TrimSuffix(other, "s") == strings.TrimSuffix(noun, "s") && !strings.HasPrefix(name, "--") &&
			(strings.HasPrefix(n, "describe-") || strings.HasPrefix(n, "get-") || strings.HasPrefix(n, "list-")) {
			return n
		}
	}
	return ""
}
