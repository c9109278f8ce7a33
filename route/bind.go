package route

import (
	"errors"
	"maps"
	"time"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/usage"
)

// boundStep is a step of a kind with everything filled in for one party.
type boundStep struct {
	*StepKind
	route  *Route
	values values
	party  string // what the file calls the party, when there are many
	estate *estate.Estate
	at     time.Time
}

// bind returns the step once for each party that takes it, or not at all when
// the route does not have it.
func (r *Route) bind(k *StepKind, e *estate.Estate) []boundStep {
	base := r.values(e)
	kind, _ := r.Kind.Party(k.Party)
	if !kind.Many {
		return (&boundStep{StepKind: k, route: r, values: base, estate: e}).ifAny()
	}
	var bs []boundStep
	for i := range r.Parties[k.Party] {
		p := &r.Parties[k.Party][i]
		v := maps.Clone(base)
		v.add(k.Party, p, e)
		bs = append(bs, (&boundStep{StepKind: k, route: r, values: v, party: p.label(), estate: e}).ifAny()...)
	}
	return bs
}

// label is what the file calls the party, with how it consumes.
func (p *Party) label() string {
	if p.As == "" || p.As == "role" {
		return p.Name
	}
	return p.Name + " (" + p.As + ")"
}

// ifAny returns the step if the route has it.
func (b *boundStep) ifAny() []boundStep {
	if b.When != "" && !b.values.has(b.When) || b.Unless != "" && b.values.has(b.Unless) {
		return nil
	}
	return []boundStep{*b}
}

// values spells out what the braces in the kind's texts stand for, apart from
// the parties of which there are many.
func (r *Route) values(e *estate.Estate) values {
	v := values{"partition": "aws"}
	for _, kind := range r.Kind.Parties {
		for i := range r.Parties[kind.Name] {
			p := &r.Parties[kind.Name][i]
			if !kind.Many {
				v.add(kind.Name, p, e)
			}
			if kind.Source {
				v["source@"+p.Region] = p.Key
			}
			if key, err := arn.Parse(p.Key); err == nil {
				v["partition"] = key.Partition
			}
		}
	}
	r.backupValues(v)
	return v
}

func (v values) add(name string, p *Party, e *estate.Estate) {
	v[name+".account"] = p.Account
	v[name+".region"] = p.Region
	v[name+".key"] = p.Key
	v[name+".actor"] = p.Actor.Principal
	v[name+".default_key"] = e.DefaultEBSKey(p.Account, p.Region)
}

func (b *boundStep) prove() (StepProof, error) {
	v := b.values
	s := StepProof{
		Name: b.Name, About: b.About, For: b.party, Operation: b.Operation, Scenario: b.Scenario, Rule: b.Rule,
		Account: v[b.Party+".account"], Region: v[b.Party+".region"],
	}
	var err error
	if s.Actor, err = v.fill(b.Actor); err != nil {
		return s, err
	}
	s.Leaves = b.artifact()
	for i := range b.Preconditions {
		c, err := checkPrecondition(&b.Preconditions[i], v, b.estate)
		if err != nil {
			return s, err
		}
		s.Preconditions = append(s.Preconditions, c)
		s.Verdict = max(s.Verdict, c.Verdict)
	}
	actor := b.route.actorOf(s.Actor)
	for _, u := range b.keyUses() {
		for _, v := range b.perKey() {
			q, err := b.use(b.inContext(u), actor, v)
			if err != nil {
				return s, err
			}
			s.Requests = append(s.Requests, q)
			s.Verdict = max(s.Verdict, q.Verdict)
		}
	}
	return s, nil
}

// actorOf finds the declared actor with this principal, for its session tags
// and source identity; another principal has neither stated.
func (r *Route) actorOf(principal string) Actor {
	for _, parties := range r.Parties {
		for i := range parties {
			if parties[i].Actor.Principal == principal {
				return parties[i].Actor
			}
		}
	}
	return Actor{Principal: principal}
}

func (b *boundStep) use(u usage.Use, actor Actor, v values) (RequestProof, error) {
	q := RequestProof{Use: u, Caller: actor.Principal}
	var err error
	if q.Key, err = v.fill(b.Keys[u.Key]); err != nil {
		var missing *MissingError
		if !errors.As(err, &missing) {
			return q, err
		}
		q.Decision = b.withoutKey(&u, missing)
		q.Verdict = verdictOf(&q.Decision, u.Need)
		return q, nil
	}
	req, err := u.Request(q.Caller, q.Key)
	if err != nil {
		return q, err
	}
	req.At, req.SessionTags, req.SourceIdentity = b.at, actor.SessionTags, actor.SourceIdentity
	c := b.estate.Bind(req)
	q.Decision = access.Authorize(&c)
	q.Verdict = verdictOf(&q.Decision, u.Need)
	return q, nil
}

// withoutKey is the decision on a use of a key that nobody can name: the data
// does not lie there, or the default key of the account is not known.
func (b *boundStep) withoutKey(u *usage.Use, missing *MissingError) access.Decision {
	account, region := b.values[b.Party+".account"], b.values[b.Party+".region"]
	if missing.Region != "" {
		return access.Decision{Effect: access.ImplicitDeny, Usable: true, Blockers: []access.Blocker{{
			Layer: access.Operation, Owner: account, Text: missing.Error() + ": copy it there first, under a key of that Region",
		}}}
	}
	return access.Decision{Effect: access.Unknown, Usable: true, Unknown: []access.Doubt{{
		Layer:  access.Operation,
		If:     "the " + u.Key + " key admits " + u.Action,
		Text:   "the default EBS key of account " + account + " in " + region + " is not known, and the route names no key",
		Settle: "give key: on the route, or ebs_defaults in the estate (aws ec2 get-ebs-default-kms-key-id --region " + region + ")",
	}}}
}
