package estate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
)

// AppendJSON appends the estate file: what Load reads back as an equal estate.
// The same estate always gives the same bytes.
func (e *Estate) AppendJSON(dst []byte) ([]byte, error) {
	out := *e
	out.FormatVersion = FormatVersion
	// A list that is there and empty says that there is none; null says nothing.
	out.Accounts = orEmpty(e.Accounts)
	out.Principals = orEmpty(e.Principals)
	out.Keys = orEmpty(e.Keys)
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(&out); err != nil {
		return dst, fmt.Errorf("writing estate: %w", err)
	}
	return b.Bytes(), nil
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// WriteTo writes the estate file to w.
func (e *Estate) WriteTo(w io.Writer) (int64, error) {
	b, err := e.AppendJSON(nil)
	if err != nil {
		return 0, err
	}
	n, err := w.Write(b)
	return int64(n), err
}

// caseLine is a case in the order in which it is written.
type caseLine struct {
	FormatVersion int          `json:"format_version"`
	ID            string       `json:"id"`
	Request       requestLine  `json:"request"`
	Policies      policiesLine `json:"policies"`
	Grants        []any        `json:"grants,omitempty"`
	Key           *Key         `json:"key,omitempty"`
	Expect        string       `json:"expect,omitempty"`
}

type requestLine struct {
	Principal        string         `json:"principal"`
	PrincipalAccount string         `json:"principal_account,omitempty"`
	PrincipalID      string         `json:"principal_id,omitempty"`
	RoleARN          string         `json:"role_arn,omitempty"`
	Action           string         `json:"action"`
	Resource         string         `json:"resource"`
	ResourceAccount  string         `json:"resource_account,omitempty"`
	Context          map[string]any `json:"context,omitempty"`
	GrantTokens      []string       `json:"grant_tokens,omitempty"`
}

type policiesLine struct {
	Identity []any     `json:"identity,omitempty"`
	Boundary *Document `json:"boundary,omitempty"`
	Session  []any     `json:"session,omitempty"`
	Resource *Document `json:"resource,omitempty"`
	Endpoint *Document `json:"endpoint,omitempty"`
	SCP      []any     `json:"scp,omitempty"`
	RCP      []any     `json:"rcp,omitempty"`
}

// AppendCase appends the case as one line of a case file, without its end.
// ReadCases reads the same question back; what was derived from an estate (the
// place in an organization, the tags of a role, a Region that is off) is not
// part of a line unless the request gives it.
func AppendCase(dst []byte, c *Case) ([]byte, error) {
	line := caseLine{
		FormatVersion: FormatVersion, ID: c.ID, Request: lineOfRequest(&c.Request), Key: c.Key, Expect: c.Expect,
		Policies: policiesLine{
			Identity: unreadOr(listOf(c.Identity), c.IdentityUnread), Session: listOf(c.Session),
			Boundary: documentOr(c.Boundary, c.BoundaryUnread), Resource: documentOr(c.Resource, c.ResourceUnread),
			Endpoint: documentOr(c.Endpoint, ""),
			SCP:      unreadOr(levelsOf(c.SCP), c.SCPUnread), RCP: unreadOr(levelsOf(c.RCP), c.RCPUnread),
		},
	}
	for i := range c.Grants {
		line.Grants = append(line.Grants, &c.Grants[i])
	}
	line.Grants = unreadOr(line.Grants, c.GrantsUnread)
	if c.Key != nil {
		plain := *c.Key // its policy and grants stand in their own places
		plain.Policy, plain.Grants, plain.GrantsUnreadable = nil, nil, ""
		line.Key = &plain
	}
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&line); err != nil {
		return dst, fmt.Errorf("writing case %s: %w", c.ID, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

func lineOfRequest(r *Request) requestLine {
	line := requestLine{
		Principal: r.Caller.Text, PrincipalID: r.Caller.ID, Action: r.Action, Resource: r.Resource, GrantTokens: r.GrantTokens,
	}
	if r.Caller.Kind == arn.AssumedRole && r.Caller.PathKnown {
		line.RoleARN = r.Caller.RoleARN
	}
	if p, err := arn.ParsePrincipal(r.Caller.Text); err != nil || p.Account != r.Caller.Account {
		line.PrincipalAccount = r.Caller.Account
	}
	if own := r.Target.Account; own != r.ResourceAccount && (own != "" || r.ResourceAccount != r.Caller.Account) {
		line.ResourceAccount = r.ResourceAccount
	}
	line.Context = contextOf(r)
	return line
}

// contextOf is what the asker stated about the call, as context values: a line
// has no other place for the tags, the identity and the time of a session.
func contextOf(r *Request) map[string]any {
	all := slices.Clone(r.Context)
	state := func(name, value string) {
		if _, given := all.lookup(strings.ToLower(name)); !given {
			all.Set(name, policy.One(value))
		}
	}
	for name, value := range r.SessionTags {
		state("aws:PrincipalTag/"+name, value)
	}
	if r.SourceIdentity != "" {
		state("aws:SourceIdentity", r.SourceIdentity)
	}
	if !r.At.IsZero() {
		state("aws:CurrentTime", r.At.UTC().Format(time.RFC3339))
		state("aws:EpochTime", strconv.FormatInt(r.At.Unix(), 10))
	}
	context := make(map[string]any, len(all))
	for i := range all {
		if v := all[i].Value; v.Presence != policy.Absent { // which a line says by leaving it out
			context[all[i].Name] = plainValue(v)
		}
	}
	return context
}

// plainValue is a context value as a case writes it: null for one that nobody
// knows, a list for a multivalued one.
func plainValue(v policy.ContextValue) any {
	switch {
	case v.Presence != policy.Present:
		return nil
	case v.Multi && v.Many == nil:
		return []string{}
	case v.Multi:
		return v.Many
	}
	return v.One
}

func listOf(ns []Named) []any {
	var list []any
	for i := range ns {
		list = append(list, ns[i].Document)
	}
	return list
}

func levelsOf(levels [][]Named) []any {
	var list []any
	for _, level := range levels {
		documents := listOf(level)
		if documents == nil {
			documents = []any{}
		}
		list = append(list, documents)
	}
	return list
}

func unreadOr(list []any, why string) []any {
	if why != "" {
		list = append(list, &Document{Unreadable: why})
	}
	return list
}

func documentOr(n *Named, why string) *Document {
	switch {
	case n != nil && n.Document != nil:
		return n.Document
	case why != "":
		return &Document{Unreadable: why}
	}
	return nil
}
