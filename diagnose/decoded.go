package diagnose

import (
	"cmp"
	"strings"
	"time"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/usage"
)

// Tell fills into an incident what its encoded message says.
func Tell(in *Incident, d *cloud.Decoded) {
	if d.Principal != "" {
		in.Principal, in.PrincipalKind = d.Principal, kindOf(d.Principal)
	}
	in.Action = cmp.Or(d.Action, in.Action)
	in.Explicit = in.Explicit || d.ExplicitDeny
	if p, err := arn.Parse(in.Principal); err == nil && arn.IsAccount(p.Account) {
		in.Account = p.Account
	}
	if a, err := arn.Parse(d.Resource); err == nil && (a.IsKMSKey() || a.IsKMSAlias()) {
		in.Key, in.KeyAccount, in.Region = d.Resource, a.Account, a.Region
	}
	for name, values := range d.Conditions {
		pair, ok := strings.CutPrefix(strings.ToLower(name), "kms:encryptioncontext:")
		if !ok || len(values) != 1 {
			continue
		}
		if in.Context == nil {
			in.Context = map[string]string{}
		}
		in.Context[name[len(name)-len(pair):]] = values[0]
	}
}

// JudgeDecoded is Judge for a refusal whose encoded message was decoded: it asks for the
// action on the resource that the message names, also where that is another service's.
func JudgeDecoded(in *Incident, d *cloud.Decoded, e *estate.Estate, at time.Time) Judgement {
	Tell(in, d)
	return (&asker{in: in, e: e, at: at, facts: map[string]*fact{}, decoded: d}).judge()
}

// askDecoded asks for an action of another service than KMS, and reports whether it was
// one.
func (a *asker) askDecoded() bool {
	d := a.decoded
	if d == nil || d.Action == "" || a.j.Principal == "" || len(kmsActions(d.Action)) > 0 {
		return false
	}
	q := route.RequestProof{Use: usage.Use{Operation: d.Action, About: "the call that was refused", Action: d.Action, Need: usage.Required}, Caller: a.j.Principal, Key: cmp.Or(d.Resource, "*")}
	r, err := estate.NewRequest(q.Caller, q.Use.Action, q.Key)
	if err != nil {
		a.note("the request could not be asked: %v", err)
		return true
	}
	r.At = a.at
	for name, values := range d.Conditions {
		switch {
		case !strings.Contains(name, ":") || len(values) == 0:
		case len(values) == 1:
			r.Context.Set(name, policy.One(values[0]))
		default:
			r.Context.Set(name, policy.Many(values...))
		}
	}
	c := a.e.Bind(r)
	q.Decision = access.Authorize(&c)
	q.Verdict = verdictOf(&q.Decision)
	a.j.Asked, a.j.Allowed = append(a.j.Asked, q), q.Verdict == route.Proven
	return true
}
