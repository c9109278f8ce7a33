package access

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// Authorize decides the request and says why: every independent blocker, the
// statements and grants that allow it, those that come close, and what is not
// known. It reads the case only, so it may be called from many goroutines.
func Authorize(c *estate.Case) Decision {
	var r recorder
	l := look(c, &r)
	ps := pathsOf(c, &l)
	d := Decision{Effect: effectOf(c, &l, &ps)}
	rule, usable := Usable(c)
	d.Usable = usable
	w := writer{c: c, l: &l, ps: &ps, r: &r, d: &d}
	w.evidence()
	switch d.Effect {
	case Unknown:
		w.doubts()
	case ImplicitDeny, ExplicitDeny:
		w.blockers()
	}
	if !usable {
		w.state(rule)
	}
	w.validity()
	w.notes()
	return d
}

// writer turns what the layers said into a Decision.
type writer struct {
	c  *estate.Case
	l  *layers
	ps *paths
	r  *recorder
	d  *Decision
}

// evidence sorts the reports into what applies and what comes close.
func (w *writer) evidence() {
	for i := range w.r.reports {
		rep := &w.r.reports[i]
		if rep.layer == KeyPolicy && isRetire(w.c) && !rep.Deny {
			continue
		}
		e := w.statement(rep)
		if rep.Applies == policy.True {
			w.d.Evidence = append(w.d.Evidence, e)
			w.d.until(rep.Until, "a date condition in "+e.Document+", "+e.Statement)
		} else if w.d.Effect != Allow {
			w.d.NearMisses = append(w.d.NearMisses, e)
		}
	}
	for i := range w.r.grants {
		rep := &w.r.grants[i]
		e := grantEvidence(rep)
		if rep.Applies == policy.True {
			w.d.Evidence = append(w.d.Evidence, e)
		} else if w.d.Effect != Allow {
			w.d.NearMisses = append(w.d.NearMisses, e)
		}
	}
}

// blockers lists what stands against the request: every Deny that applies, and
// on the way that is closest to open, every layer that does not allow.
func (w *writer) blockers() {
	for i := range w.r.reports {
		if rep := &w.r.reports[i]; rep.Deny && rep.Applies == policy.True {
			w.d.Blockers = append(w.d.Blockers, w.explicit(rep))
		}
	}
	if w.l.misuse != fits {
		w.add(Operation, w.c.Request.Caller.Account, w.l.misuse.text(w.c))
	}
	if w.c.RegionOff {
		w.add(Region, w.c.Request.Caller.Account, "the Region "+w.c.Request.Target.Region+" is not enabled in account "+w.c.Request.Caller.Account)
	}
	w.missing()
	if w.l.scp.allow == policy.False {
		w.add(SCP, w.c.Request.Caller.Account, "no service control policy of one of the levels above account "+w.c.Request.Caller.Account+" allows "+w.c.Request.Action)
	}
	if w.l.endpoint.allow == policy.False {
		w.add(EndpointPolicy, w.c.Request.Caller.Account, "the VPC endpoint policy does not allow "+w.c.Request.Action)
	}
}

// missing reports the layers that keep the closest way closed.
func (w *writer) missing() {
	n := w.l.grants.need
	if !isRetire(w.c) {
		n = w.ps.list[0].missing(w.l)
		for i := 1; i < w.ps.n; i++ {
			n = closer(n, w.ps.list[i].missing(w.l))
		}
		n = closer(n, w.l.grants.need)
	}
	if n == noPath {
		w.add(GrantLayer, w.c.Request.ResourceAccount, "no grant names "+w.c.Request.Caller.Text+" as retiring principal, or as grantee with RetireGrant")
		return
	}
	if n == 0 {
		return
	}
	if n&needResource != 0 {
		w.add(resourceLayer(w.c), w.c.Request.ResourceAccount, w.resourceText())
	}
	if w.l.grants.refused {
		w.add(GrantLayer, w.c.Request.ResourceAccount, "a grant names the caller for this operation and does not apply")
	}
	if n&needIdentity != 0 {
		w.add(Identity, w.c.Request.Caller.Account, w.identityText())
	}
	if n&needBoundary != 0 {
		w.add(Boundary, w.c.Request.Caller.Account, "the permissions boundary of "+w.who()+" does not allow "+w.c.Request.Action)
	}
	if n&needSession != 0 {
		w.add(Session, w.c.Request.Caller.Account, "the session policy does not allow "+w.c.Request.Action)
	}
}

// add appends a blocker of the implicit kind with the layer's near misses.
func (w *writer) add(layer Layer, owner, text string) {
	b := Blocker{Layer: layer, Owner: owner, Text: text}
	for i := range w.d.NearMisses {
		if e := &w.d.NearMisses[i]; e.Effect == "Allow" && (e.Layer == layer || w.couldCure(e.Layer, layer)) {
			b.NearMisses = append(b.NearMisses, *e)
		}
	}
	w.d.Blockers = append(w.d.Blockers, b)
}

// couldCure reports whether a statement of one layer would make up for the
// missing Allow of another: inside one account a policy that names the caller
// does for an identity policy, and so does a grant.
func (w *writer) couldCure(statement, missing Layer) bool {
	return missing == Identity && w.c.SameAccount() && (statement == resourceLayer(w.c) || statement == GrantLayer)
}

func (w *writer) who() string {
	c := &w.c.Request.Caller
	if c.Kind == arn.AssumedRole {
		return c.RoleARN
	}
	return c.Text
}

func (w *writer) resourceText() string {
	r := &w.c.Request
	what := "the resource policy of " + r.Resource
	if isKMSKey(w.c) {
		what = "the key policy"
	} else if isRole(w.c) {
		what = "the trust policy of " + r.Resource
	}
	if r.Caller.Account == "" {
		return what + " does not allow " + r.Caller.Text + " " + r.Action
	}
	return what + " allows " + r.Action + " neither to " + w.who() + " nor to account " + r.Caller.Account
}

func (w *writer) identityText() string {
	caller := &w.c.Request.Caller
	text := "no identity policy of " + w.who() + " allows " + w.c.Request.Action + " on " + w.c.Request.Resource
	if isKMSKey(w.c) && w.c.SameAccount() {
		text = "the key policy names the account, not " + w.who() + ", for this, and " + text
	}
	if caller.IsServiceLinked() {
		return text + w.serviceLinked()
	}
	if !w.c.SameAccount() && w.l.grants.named && strings.EqualFold(w.c.Request.Target.Service, "kms") {
		text += "; a grant that the key's account issued does not replace it, one issued from account " + caller.Account + " would"
	}
	return text
}

// serviceLinked says what helps a service-linked role, which takes no policy
// of ours.
func (w *writer) serviceLinked() string {
	text := "; a service-linked role takes no policy of yours"
	if role, ok := awsfacts.ServiceLinkedRoleFor(w.c.Request.Caller.Name); ok && !role.KMSUse {
		text += ", and its own, " + role.ManagedPolicy + ", has no rights to use keys"
	}
	if w.c.SameAccount() {
		return text + ": name the role in the key policy"
	}
	text += ": make a grant to it from account " + w.c.Request.Caller.Account
	if w.l.grants.named {
		text += "; the grant that it has was issued by another account, and does not do instead"
	}
	return text
}

// state reports a key state that forbids the operation.
func (w *writer) state(rule awsfacts.StateRule) {
	text := "the key is " + w.c.KeyState() + ", and " + operationOf(w.c.Request.Action) + " then fails"
	if len(rule.Exceptions) > 0 {
		text += " with " + strings.Join(rule.Exceptions, " or ")
	}
	if rule.Note != "" {
		text += "; " + rule.Note
	}
	w.d.Blockers = append(w.d.Blockers, Blocker{Layer: KeyStateLayer, Owner: w.c.Request.ResourceAccount, Text: text})
}

// validity notes what ends the decision although nobody changes anything.
func (w *writer) validity() {
	if k := w.c.Key; k != nil && isKMSKey(w.c) {
		if k.DeletionDate != nil {
			w.d.until(*k.DeletionDate, "the key is deleted then")
		}
		if k.ValidTo != nil {
			w.d.until(*k.ValidTo, "the imported key material expires then")
		}
	}
}
