package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/usage"
)

// question is what can was asked, made complete.
type question struct {
	request estate.Request
	notes   []string // what was taken for granted on the way
}

func (q *question) note(format string, args ...any) {
	q.notes = append(q.notes, fmt.Sprintf(format, args...))
}

func (o *canOptions) question(e *estate.Estate, principal, action, resource string) (*question, error) {
	q := &question{}
	resource, alias, err := q.resource(e, resource)
	if err != nil {
		return nil, err
	}
	if action, err = q.action(action, resource); err != nil {
		return nil, err
	}
	if q.request, err = estate.NewRequest(principal, action, resource); err != nil {
		return nil, misuse(err).hinting("see keyreach can --help")
	}
	if alias != "" {
		q.request.Context.Set("kms:RequestAlias", policy.One(alias))
	}
	if err := q.via(o.via); err != nil {
		return nil, err
	}
	return q, q.context(o.context)
}

// resource finds the key that an id, an alias or an alias ARN means in the
// estate. It returns the alias by which the key was called, if it was.
func (q *question) resource(e *estate.Estate, s string) (resource, alias string, err error) {
	a, parseErr := arn.Parse(s)
	switch {
	case s == "*" || parseErr == nil && !a.IsKMSAlias():
		return s, "", nil
	case parseErr != nil && strings.HasPrefix(s, "arn:"):
		return "", "", misuse(fmt.Errorf("reading the key: %w", parseErr)).hinting("it looks like arn:aws:kms:us-east-1:111122223333:key/…")
	}
	var found []string
	for i := range e.Keys {
		k := &e.Keys[i]
		ka, err := arn.Parse(k.ARN)
		if err != nil || a.Account != "" && (ka.Account != a.Account || ka.Region != a.Region) {
			continue
		}
		name := s
		if a.Account != "" {
			name = a.Resource
		}
		if slices.Contains(k.Aliases, name) || ka.Resource == "key/"+name {
			found = append(found, k.ARN)
			if strings.HasPrefix(name, "alias/") {
				alias = name
			}
		}
	}
	switch len(found) {
	case 0:
		return "", "", misuse(fmt.Errorf("the estate has no key with the id or alias %q", s)).hinting("give the ARN of the key, or an estate that has it")
	case 1:
		q.note("%s is %s", s, found[0])
		if a.IsKMSAlias() {
			q.note("an alias ARN in the Resource of a policy never allows the use of a key; the question is about the key, with kms:RequestAlias %s", alias)
		}
		return found[0], alias, nil
	}
	return "", "", misuse(fmt.Errorf("%d keys of the estate have the id or alias %q", len(found), s)).hinting("give the ARN of one:\n" + strings.Join(found, "\n"))
}

// action completes the action and refuses one that KMS does not have.
func (q *question) action(s, resource string) (string, error) {
	service, name, ok := strings.Cut(s, ":")
	if !ok {
		if a, err := arn.Parse(resource); err != nil || a.Service != "kms" {
			return "", misuse(fmt.Errorf("reading action %q: it has no service", s)).hinting("write it as ec2:CreateVolume")
		}
		service, name, s = "kms", s, "kms:"+s
	}
	if !strings.EqualFold(service, "kms") {
		if !awsfacts.KnownService(strings.ToLower(service)) {
			q.note("%q is no service that Keyreach knows; the question is asked as it stands", service)
		}
		return s, nil
	}
	if strings.ContainsAny(name, "*?") {
		return "", misuse(fmt.Errorf("reading action %q: a question is about one action", s)).hinting("ask about one of " + strings.Join(awsfacts.ActionsMatching(s), ", "))
	}
	if _, ok := awsfacts.KMSAction(s); !ok {
		hint := "the actions of KMS are on https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html"
		if near := awsfacts.ActionsMatching("kms:" + name + "*"); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		} else if near := source.Suggest(s, actionNames()); near != "" {
			hint = "did you mean " + near + "?"
		}
		_, _, date := awsfacts.DataVersion()
		return "", misuse(fmt.Errorf("KMS has no action %q in the data of %s", s, date)).hinting(hint)
	}
	return s, nil
}

func actionNames() []string {
	var names []string
	for _, a := range awsfacts.KMSActions() {
		names = append(names, a.Name)
	}
	return names
}

// via sets what the service that forwards the call brings along.
func (q *question) via(service string) error {
	if service == "" {
		return nil
	}
	r := &q.request
	if short, _, _ := strings.Cut(service, "."); short == service {
		if r.Target.Region == "" {
			return misuse(fmt.Errorf("--via %s: the resource has no Region, so the service's name cannot be completed", service)).hinting("write it in full, as ec2.us-east-1.amazonaws.com")
		}
		service = usage.ViaService(service, r.Target.Region)
	}
	if _, region, documented := awsfacts.ViaServiceName(service); !documented {
		q.note("%s is not among the names that AWS documents for kms:ViaService (list of %s)", service, awsfacts.ViaServicesDate())
	} else if region != r.Target.Region && r.Target.Region != "" {
		q.note("%s calls KMS in %s, and the key is in %s: no such call reaches it", service, region, r.Target.Region)
	}
	r.Context.Set("kms:ViaService", policy.One(service))
	if strings.EqualFold(r.Action, "kms:CreateGrant") {
		r.Context.Set("kms:GrantIsForAWSResource", policy.One("true"))
		q.note("--via with CreateGrant takes kms:GrantIsForAWSResource for true")
	}
	return nil
}

// context adds the given values. A key that is given more than once has many.
func (q *question) context(pairs []string) error {
	values := map[string][]string{}
	var names []string
	for _, pair := range pairs {
		// Names of encryption context pairs may hold an equals sign of their own
		// only in theory; the first one ends the name.
		name, value, ok := strings.Cut(pair, "=")
		const form = "write it as --context aws:PrincipalOrgID=o-abc123, or =? for a value that nobody knows"
		if !ok || name == "" {
			return misuse(fmt.Errorf("--context %q is not KEY=VALUE", pair)).hinting(form)
		}
		if !strings.Contains(name, ":") {
			return misuse(fmt.Errorf("--context %q: %q is no condition key, whose name begins with a service", pair, name)).hinting(form)
		}
		if _, seen := values[name]; !seen {
			names = append(names, name)
		}
		values[name] = append(values[name], value)
	}
	for _, name := range names {
		switch vs := values[name]; {
		case slices.Contains(vs, "?") && len(vs) > 1:
			return misuse(fmt.Errorf("--context %s is given as unknown and with a value", name)).hinting("give one of the two")
		case vs[0] == "?":
			q.request.Context.Set(name, policy.NotGiven())
		case len(vs) > 1 || isMultivalued(name):
			q.request.Context.Set(name, policy.Many(vs...))
		default:
			q.request.Context.Set(name, policy.One(vs[0]))
		}
	}
	return nil
}

// isMultivalued reports whether AWS lets a request have the key more than once;
// with one value it is a list of one.
func isMultivalued(name string) bool {
	k, ok := awsfacts.LookupConditionKey(name)
	return ok && k.Multivalued
}
