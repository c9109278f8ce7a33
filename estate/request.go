package estate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
)

// Request is one authorization question: may this caller do this action on
// this resource, in this context? Build one with NewRequest.
type Request struct {
	Caller   policy.Caller
	Action   string  // "kms:Decrypt"
	Resource string  // the ARN, or "*" for an action without a resource
	Target   arn.ARN // Resource taken apart; zero for "*"
	// ResourceAccount owns the resource. Where the ARN names no account it is
	// the caller's, unless said.
	ResourceAccount string
	Context         Given
	GrantTokens     []string
	// SessionPolicies are the policies passed when the session was made. A role
	// session without any is limited by nothing but its role.
	SessionPolicies []*Document
	// SessionTags and SourceIdentity are set by whoever assumes the role.
	SessionTags    map[string]string
	SourceIdentity string
	// Endpoint is the id of the VPC endpoint the call came through, if any.
	Endpoint string
	// At is when the call is made; date conditions are judged by it. Zero means
	// that nobody said.
	At time.Time
}

// NewRequest reads the principal and the resource and builds a request. The
// principal may be an ARN, an account number (its root user) or a service
// name; a role ARN stands for any session of the role.
func NewRequest(principal, action, resource string) (Request, error) {
	p, err := arn.ParsePrincipal(principal)
	if err != nil {
		return Request{}, fmt.Errorf("reading principal: %w", err)
	}
	switch p.Kind {
	case arn.Everyone, arn.UniqueID:
		return Request{}, fmt.Errorf("reading principal %q: a caller is a user, role, session, account or service", principal)
	}
	service, name, ok := strings.Cut(action, ":")
	if !ok || service == "" || name == "" || strings.ContainsAny(action, "*? ") {
		return Request{}, fmt.Errorf("reading action %q: it is one action, such as kms:Decrypt, without wildcards", action)
	}
	r := Request{Caller: policy.Caller{Principal: p}, Action: action, Resource: resource, ResourceAccount: p.Account}
	if resource != "*" {
		if r.Target, err = arn.Parse(resource); err != nil {
			return Request{}, fmt.Errorf("reading resource: %w", err)
		}
		if r.Target.Account != "" {
			r.ResourceAccount = r.Target.Account
		}
	}
	return r, nil
}

// Given is the context values that the asker gave, in any order. Every key is
// kept, whatever characters its name has.
type Given []Entry

// Entry is one given context value.
type Entry struct {
	Name  string // as given
	fold  string // in lower case
	Value policy.ContextValue
}

// NewEntry returns an entry for a context key.
func NewEntry(name string, value policy.ContextValue) Entry {
	return Entry{Name: name, fold: strings.ToLower(name), Value: value}
}

// Set adds the value, or replaces the one that the key had.
func (g *Given) Set(name string, value policy.ContextValue) {
	e := NewEntry(name, value)
	for i := range *g {
		if (*g)[i].fold == e.fold {
			(*g)[i] = e
			return
		}
	}
	*g = append(*g, e)
}

// lookup returns the value given for the key, by its name in lower case.
func (g Given) lookup(fold string) (policy.ContextValue, bool) {
	for i := range g {
		if e := &g[i]; len(e.fold) == len(fold) && e.fold == fold {
			return e.Value, true
		}
	}
	return policy.ContextValue{}, false
}

// contextPrefix is the family of condition keys that carry one pair of the
// encryption context each, in lower case.
const contextPrefix = "kms:encryptioncontext:"

// EncryptionContext returns the pairs of the given encryption context by the
// name of the pair as given.
func (g Given) EncryptionContext() map[string]string {
	m := map[string]string{}
	for i := range g {
		if strings.HasPrefix(g[i].fold, contextPrefix) && g[i].Value.Presence == policy.Present {
			m[g[i].Name[len(contextPrefix):]] = g[i].Value.One
		}
	}
	return m
}

// hasEncryptionContext reports whether any pair was given, known or not.
func (g Given) hasEncryptionContext() bool {
	return slices.ContainsFunc(g, func(e Entry) bool { return strings.HasPrefix(e.fold, contextPrefix) })
}

// encryptionContextKeys returns the names of the given pairs, sorted.
func (g Given) encryptionContextKeys() []string {
	var names []string
	for i := range g {
		if strings.HasPrefix(g[i].fold, contextPrefix) {
			names = append(names, g[i].Name[len(contextPrefix):])
		}
	}
	slices.Sort(names)
	return names
}
