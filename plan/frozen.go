package plan

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
)

// hold is what keeps one principal of a key's account from an action on the key, where
// the key policy itself does not.
type hold struct {
	who      string           // the principal
	controls []access.Blocker // of the organization
	own      []access.Blocker // of policies that the account writes: the principal's own, its boundary
}

// holdOf finds the principal of a key's account that is nearest to doing something to the
// key; false when the key policy keeps it from all of them. What the account can change
// by itself is nearer than what its organization has to.
func holdOf(e *estate.Estate, action, key string) (hold, bool) {
	var best hold
	found := false
	for who := range membersOf(e, parsedARN(key)) {
		r, err := estate.NewRequest(who, action, key)
		if err != nil {
			continue
		}
		c := e.Bind(r)
		d := access.Authorize(&c)
		if h, ok := held(who, d.Blockers); ok && (!found || h.farness() < best.farness()) {
			best, found = h, true
		}
	}
	return best, found
}

// held sorts blockers by who can lift them; false when neither the account's policies nor
// the organization's are all there is.
func held(who string, blockers []access.Blocker) (hold, bool) {
	h := hold{who: who}
	for i := range blockers {
		switch b := blockers[i]; b.Layer {
		case access.SCP, access.RCP:
			h.controls = append(h.controls, b)
		case access.Identity, access.Boundary:
			h.own = append(h.own, b)
		case access.KeyStateLayer: // told by itself
		default:
			return hold{}, false
		}
	}
	return h, len(h.controls)+len(h.own) > 0
}

// farness is how far a principal is from what it is kept from.
func (h *hold) farness() int {
	n := len(h.own)
	if len(h.controls) > 0 {
		n += 1000 * (1 + len(h.controls))
	}
	return n
}

// membersOf are those of a key's account who could administer it: its root user first.
func membersOf(e *estate.Estate, key arn.ARN) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield("arn:" + key.Partition + ":iam::" + key.Account + ":root") {
			return
		}
		for i := range e.Principals {
			if p := parsed(e.Principals[i].ARN); p.Account == key.Account && !p.IsServiceLinked() && !yield(p.Text) {
				return
			}
		}
	}
}

// thaw says who can have somebody of the key's account do again what nobody there may;
// false when only the key policy itself keeps it from them.
func thaw(x *Stuck, e *estate.Estate, action, key string) bool {
	h, ok := holdOf(e, action, key)
	if !ok {
		return false
	}
	account := parsedARN(key).Account
	own := fmt.Sprintf("let %s do %s on %s by its own policies and boundary", shortName(h.who), action, key)
	if len(h.controls) == 0 {
		x.Why += "; and nobody of account " + account + " may do " + action + " on it"
		x.Owner, x.Do = "account "+account, own+"; then plan again"
		return true
	}
	x.Why += "; and the control policies of the organization keep everybody of account " + account + " from " + action + ": " + h.controls[0].Text
	x.Owner = ofOrganization(account)
	x.Do = fmt.Sprintf("except an administrator of account %s from %s for %s on %s", account, controlsText(h.controls), action, key)
	if len(h.own) > 0 {
		x.Do += ", and " + own
	}
	x.Do += "; then plan again"
	return true
}

// controlsText names the control policies of blockers.
func controlsText(blockers []access.Blocker) string {
	var names []string
	for i := range blockers {
		if name := placeOf(&blockers[i]); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "the control policies"
	}
	return strings.Join(names, " and ")
}

// placeOf is the document and statement of a blocker; empty when none is known.
func placeOf(b *access.Blocker) string { return strings.TrimSpace(b.Document + " " + b.Statement) }

// ofOrganization are those who can change the control policies that bind an account; AWS
// Support does not. See
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_delegate_policies.html.
func ofOrganization(account string) string {
	return "the management account of the organization, or a delegated administrator of its policies (for account " + account + ")"
}

// throughSupport says that only AWS can make the policy of a key changeable. See
// https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html.
func throughSupport(x *Stuck, account string) {
	x.Why += "; and nobody may change that policy (kms:PutKeyPolicy), not even the account's root user"
	x.Owner, x.Do = "account "+account+", through AWS Support", "ask AWS Support to make the key manageable again, as https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html says; then plan again"
}
