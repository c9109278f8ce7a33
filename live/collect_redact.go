package live

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
)

// Redact returns the estate with other account numbers and other names: of accounts,
// principals and their paths, policies, groups, units, aliases, grants, and of resources
// that have one. What had the same name has the same again, also inside policies, so
// that the estate decides as before; except that a pattern for a part of a name, such as
// role/app-*, no longer matches. Names that AWS gives stay, and so do tags and ids.
func Redact(e *estate.Estate) (*estate.Estate, error) {
	text, err := e.AppendJSON(nil)
	if err != nil {
		return nil, fmt.Errorf("redacting: %w", err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("redacting: %w", err)
	}
	r := &redaction{names: map[string]string{}, counts: map[string]int{}, accounts: map[string]string{}}
	r.nameAll(e)
	for i, number := range slices.Sorted(maps.Keys(accountsIn(string(text)))) {
		r.accounts[number] = fmt.Sprintf("%012d", i+1)
	}
	if text, err = json.Marshal(r.walk(tree)); err != nil {
		return nil, fmt.Errorf("redacting: %w", err)
	}
	out, err := estate.Load("the redacted estate", text)
	if err != nil {
		return nil, fmt.Errorf("redacting: %w", err)
	}
	return out, nil
}

// redaction is what takes the place of what.
type redaction struct {
	names    map[string]string
	counts   map[string]int
	accounts map[string]string
}

// name gives a name a new one, once.
func (r *redaction) name(kind, old string) {
	if old == "" || r.names[old] != "" || redactKept(old) {
		return
	}
	r.counts[kind]++
	r.names[old] = fmt.Sprintf("%s-%d", kind, r.counts[kind])
}

// redactKept are names that AWS gives, and on which its own policies and our rules rest.
func redactKept(name string) bool {
	switch name {
	case fullAWSAccess, rcpFullAWSAccess, "Root", "Default", "default", "root", "service-role", "aws-service-role", "aws-reserved", "job-function":
		return true
	}
	return strings.HasPrefix(name, "AWS") || strings.HasSuffix(name, ".amazonaws.com") || strings.HasPrefix(name, "aws/")
}

// nameAll goes through everything that has a name.
func (r *redaction) nameAll(e *estate.Estate) {
	for i := range e.Accounts {
		r.name("account", e.Accounts[i].Name)
	}
	if o := e.Organization; o != nil {
		for _, name := range slices.Sorted(maps.Keys(o.Policies)) {
			r.name("control", name)
		}
		r.unit(&o.Root)
	}
	for i := range e.Principals {
		r.principal(&e.Principals[i])
	}
	for i := range e.Keys {
		k := &e.Keys[i]
		for _, alias := range k.Aliases {
			r.name("alias", strings.TrimPrefix(alias, "alias/"))
		}
		for j := range k.Grants {
			r.name("grant", k.Grants[j].Name)
		}
	}
	for i := range e.Resources {
		switch x := &e.Resources[i]; x.Type {
		case "s3:Bucket":
			r.name("bucket", x.ID)
		case "backup:BackupVault":
			r.name("vault", x.ID)
		case "rds:DBInstance", "rds:DBCluster", "rds:DBSnapshot", "rds:DBClusterSnapshot":
			r.name("database", x.ID)
		}
	}
}

func (r *redaction) unit(u *estate.Unit) {
	r.name("unit", u.Name)
	for i := range u.Units {
		r.unit(&u.Units[i])
	}
}

func (r *redaction) principal(p *estate.Principal) {
	parsed, err := arn.ParsePrincipal(p.ARN)
	if err == nil && !parsed.IsServiceLinked() && !strings.HasPrefix(parsed.Path, "/service-role/") {
		r.name(map[bool]string{true: "user", false: "role"}[parsed.Kind == arn.User], parsed.Name)
		for part := range strings.SplitSeq(strings.Trim(parsed.Path, "/"), "/") {
			r.name("path", part)
		}
	}
	for i := range p.Policies {
		a := &p.Policies[i]
		r.name("group", a.Group)
		if at, err := arn.Parse(a.ARN); a.ARN == "" || err == nil && at.Account != "aws" {
			r.name("policy", a.Name)
		}
	}
	for i := range p.NotAttached {
		r.name("policy", p.NotAttached[i].Name)
	}
}

// redactDigits is where an account number may stand; digits beside it would make it another.
var redactDigits = regexp.MustCompile(`[0-9]+`)

func accountsIn(text string) map[string]bool {
	found := map[string]bool{}
	for _, digits := range redactDigits.FindAllString(text, -1) {
		if len(digits) == 12 {
			found[digits] = true
		}
	}
	return found
}

// redactFixed are the members whose values are AWS's words and nobody's names.
var redactFixed = []string{
	"Effect", "Action", "NotAction", "Version", "operations", "state", "manager", "spec", "usage", "origin", "kind", "type", "service", "region", "regions",
	"partition", "rotation", "format_version", "collected_at", "created_at", "deletion_date", "valid_to",
}

// redactNamed are the maps whose members are called by names.
var redactNamed = []string{"policies", "principal_ids"}

func (r *redaction) walk(v any) any { return r.in("", v) }

// in puts the new names into the value of a member.
func (r *redaction) in(member string, v any) any {
	if slices.Contains(redactFixed, member) {
		return v
	}
	switch v := v.(type) {
	case string:
		return r.text(v)
	case []any:
		for i := range v {
			v[i] = r.in(member, v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, value := range v {
			called := name
			if slices.Contains(redactNamed, member) {
				called = r.words(name)
				name = "" // it is nobody's member
			}
			out[called] = r.in(name, value)
		}
		return out
	}
	return v
}

// text puts the new names into a text; into one that is a policy as into a policy.
func (r *redaction) text(s string) string {
	if strings.HasPrefix(s, "{") {
		var tree map[string]any
		if json.Unmarshal([]byte(s), &tree) == nil {
			if out, err := json.Marshal(r.walk(tree)); err == nil {
				return string(out)
			}
		}
	}
	return r.words(s)
}

// redactWord is what a name may consist of. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
var redactWord = regexp.MustCompile(`[A-Za-z0-9_+=,.@-]+`)

// words replaces the names and account numbers of a text. A name may have spaces, and
// one with slashes is that of an alias.
func (r *redaction) words(s string) string {
	if new := r.names[s]; new != "" {
		return new
	}
	if alias, ok := strings.CutPrefix(s, "alias/"); ok && r.names[alias] != "" {
		return "alias/" + r.names[alias]
	}
	if before, alias, ok := strings.Cut(s, ":alias/"); ok && r.names[alias] != "" {
		return r.words(before) + ":alias/" + r.names[alias]
	}
	s = redactWord.ReplaceAllStringFunc(s, func(w string) string {
		if new := r.names[w]; new != "" {
			return new
		}
		return w
	})
	return redactDigits.ReplaceAllStringFunc(s, func(digits string) string {
		if new := r.accounts[digits]; new != "" {
			return new
		}
		return digits
	})
}
