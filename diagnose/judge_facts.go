package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/route"
)

// The ranks of true causes: what is seen first of several. A cause of the layer that the
// text itself names comes before the others.
const (
	rankNamed = iota
	rankKey
	rankManaged
	rankDeny
	rankStale
	rankCondition
	rankParty // who is refused explains it: a service, a service-linked role, another account
	rankKeyPolicy
	rankIdentity
)

// learn notes what one decision says about the causes.
func (a *asker) learn(q *route.RequestProof) {
	d := &q.Decision
	for i := range d.Blockers {
		a.blocker(q, &d.Blockers[i])
	}
	for i := range d.Unknown {
		u := &d.Unknown[i]
		for _, code := range codesOf(u.Layer) {
			a.isOpen(code, doubt(u))
		}
		if u.Key != "" {
			a.isOpen(condition, doubt(u))
		}
	}
}

func doubt(u *access.Doubt) string {
	text := u.Text
	if u.If != "" {
		text += "; it is not this if " + u.If
	}
	return text
}

// codesOf are the causes that a layer can be.
func codesOf(l access.Layer) []string {
	switch l {
	case access.Identity:
		return []string{iamMissing, crossAccount, explicitDeny}
	case access.KeyPolicy, access.ResourcePolicy:
		return []string{
			keyPrincipal, keyAction, keyRoot, keyService,
			slrMissing, crossAccount, explicitDeny, managedKey, defaultKey,
		}
	case access.GrantLayer:
		return []string{slrMissing, staleGrant}
	case access.Boundary:
		return []string{boundaryDeny}
	case access.Session:
		return []string{sessionDeny}
	case access.SCP:
		return []string{scpDeny}
	case access.RCP:
		return []string{rcpDeny}
	case access.EndpointPolicy:
		return []string{endpointDeny}
	}
	return nil
}

// blocker maps one reason against a request to causes.
func (a *asker) blocker(q *route.RequestProof, b *access.Blocker) {
	action := q.Use.Action
	rank := func(r int) int {
		if a.in.Layer != "" && sameLayer(a.in.Layer, b.Layer) && a.in.Explicit == b.Explicit {
			return rankNamed
		}
		return r
	}
	switch {
	case b.Layer == access.SCP, b.Layer == access.RCP, b.Layer == access.EndpointPolicy, b.Layer == access.Boundary, b.Layer == access.Session:
		a.isTrue(codesOf(b.Layer)[0], action, rank(rankDeny), b.Text)
	case b.Explicit:
		a.isTrue(explicitDeny, action, rank(rankDeny), b.Text)
	case b.Layer == access.Identity:
		a.identity(action, b, rank)
	case b.Layer == access.KeyPolicy:
		a.keyPolicy(q, b, rank)
	case b.Layer == access.GrantLayer:
		a.grantRefused(action, b)
	case b.Layer == access.KeyStateLayer:
		a.state(b.Text)
	case b.Layer == access.Region:
		a.isTrue(wrongRegion, action, rankKey, b.Text)
	case b.Layer == access.Operation:
		a.operation(action, b)
	}
}

// sameLayer reports whether the text names a layer: for AWS a key policy is a
// resource-based policy.
func sameLayer(told, is access.Layer) bool {
	return told == is || told == access.ResourcePolicy && is == access.KeyPolicy
}

func (a *asker) operation(action string, b *access.Blocker) {
	switch {
	case a.crossAccount():
		a.isTrue(crossAccount, action, rankKey, b.Text)
	default:
		a.isTrue(wrongRegion, action, rankKey, b.Text)
	}
}

func (a *asker) crossAccount() bool {
	return a.who.Account != "" && a.keyAt.Account != "" && a.who.Account != a.keyAt.Account
}

// identity is a missing Allow on the caller's side.
func (a *asker) identity(action string, b *access.Blocker, rank func(int) int) {
	if a.conditions(b, action) {
		return
	}
	if a.who.IsServiceLinked() {
		a.isTrue(slrMissing, action, rankParty, b.Text)
		if a.crossAccount() {
			a.isTrue(crossAccount, action, rankKeyPolicy, "the key is of account "+a.keyAt.Account+", and the service-linked role of account "+a.who.Account)
		}
		return
	}
	aliases := aliasResources(b)
	if len(aliases) > 0 {
		a.isTrue(aliasMisuse, action, rank(rankCondition), "an IAM policy of "+a.j.Principal+" has the alias in Resource ("+strings.Join(aliases, ", ")+"), which never allows the use of a key: it takes the key's ARN")
	}
	if a.crossAccount() {
		a.isTrue(crossAccount, action, rankParty, "the key is of account "+a.keyAt.Account+", and the caller's account "+a.who.Account+" has to allow it too")
	}
	if len(aliases) > 0 { // of which it is the consequence
		a.isTrue(iamMissing, action, rankIdentity, b.Text)
		return
	}
	a.isTrue(iamMissing, action, rank(rankIdentity), b.Text)
}

// aliasResources are aliases in the Resource of statements that would allow it otherwise.
func aliasResources(b *access.Blocker) []string {
	var list []string
	for i := range b.NearMisses {
		for _, m := range b.NearMisses[i].Misses {
			for _, r := range m.Expected {
				if at, err := arn.Parse(r); m.Element == "Resource" && err == nil && at.IsKMSAlias() {
					list = append(list, r)
				}
			}
		}
	}
	return list
}

// conditions notes the Allow statements of which nothing but the condition fails, and
// reports whether there are any.
func (a *asker) conditions(b *access.Blocker, action string) bool {
	found := false
	for i := range b.NearMisses {
		e := &b.NearMisses[i]
		if e.Effect != "Allow" || e.Applies != policy.False.String() {
			continue
		}
		if e.Layer == access.GrantLayer {
			continue
		}
		if len(e.Misses) > 0 && !slices.ContainsFunc(e.Misses, func(m access.Miss) bool { return m.Element != "Condition" }) {
			a.isTrue(condition, action, rankCondition, e.String())
			found = true
		}
	}
	return found
}

// keyPolicy is a missing Allow on the key's side.
func (a *asker) keyPolicy(q *route.RequestProof, b *access.Blocker, rank func(int) int) {
	action := q.Use.Action
	if a.key != nil && a.key.Manager == "AWS" {
		a.managed(action, b)
		return
	}
	if stored := storedMiss(b); stored != "" {
		a.isTrue(keyPrincipal, action, rankStale, stored)
	}
	if a.conditions(b, action) {
		return
	}
	a.noteGone()
	n := namedBy(a.key, &policy.Caller{Principal: a.who})
	switch {
	case a.who.Kind == arn.Service:
		a.isTrue(keyService, action, rankParty, b.Text)
		return
	case a.who.IsServiceLinked():
		a.isTrue(slrMissing, action, rankParty, b.Text+", and no grant does")
		if a.crossAccount() {
			a.isTrue(crossAccount, action, rankKeyPolicy, "the key is of account "+a.keyAt.Account+", and the service-linked role of account "+a.who.Account)
		}
		return
	case a.crossAccount():
		a.isTrue(crossAccount, action, rankParty, "the key is of account "+a.keyAt.Account+", and its policy does not let "+a.who.Account+" in for "+action)
	}
	switch {
	case len(n.caller) > 0:
		a.isTrue(keyAction, action, rank(rankKeyPolicy), fmt.Sprintf("the key policy names %s (%s), and not for %s", a.j.Principal, strings.Join(n.caller, ", "), action))
	case len(n.account) > 0:
		a.isTrue(keyAction, action, rank(rankKeyPolicy), fmt.Sprintf("the key policy names account %s (%s), and not for %s", a.who.Account, strings.Join(n.account, ", "), action))
	case !a.crossAccount() && a.who.Kind == arn.AccountRoot:
		a.isTrue(keyRoot, action, rank(rankKeyPolicy), b.Text)
		a.isTrue(keyPrincipal, action, rankIdentity, b.Text)
	case !a.crossAccount() && a.identityAllows(q):
		a.isTrue(keyRoot, action, rank(rankKeyPolicy), "the key policy does not name account "+a.who.Account+", so that its IAM policies, which allow "+action+", have no effect on the key")
		a.isTrue(keyPrincipal, action, rankIdentity, b.Text)
	default:
		a.isTrue(keyPrincipal, action, rank(rankKeyPolicy), b.Text)
	}
}

// storedMiss tells of a statement that names the caller's name as it was before it was
// made anew.
func storedMiss(b *access.Blocker) string {
	for i := range b.NearMisses {
		e := &b.NearMisses[i]
		if slices.ContainsFunc(e.Misses, func(m access.Miss) bool { return m.Element == policy.StoredPrincipal }) {
			return e.String()
		}
	}
	return ""
}

// identityAllows reports whether an identity policy of the caller allows the request.
func (a *asker) identityAllows(q *route.RequestProof) bool {
	return slices.ContainsFunc(q.Decision.Evidence, func(e access.Evidence) bool { return e.Layer == access.Identity && e.Effect == "Allow" })
}

// managed is a key of AWS's, whose policy nobody changes.
// See https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk.
func (a *asker) managed(action string, b *access.Blocker) {
	why := "the key " + a.key.ARN + " is an AWS managed key"
	if len(a.key.Aliases) > 0 {
		why += " (" + strings.Join(a.key.Aliases, ", ") + ")"
	}
	if a.crossAccount() {
		a.isTrue(defaultKey, action, rankManaged, why+": it never opens to another account")
		return
	}
	text := b.Text
	if len(b.NearMisses) > 0 {
		text = b.NearMisses[0].String()
	}
	a.isTrue(managedKey, action, rankManaged, why+", whose policy cannot be changed: "+text)
}

// grantRefused is a grant that names the caller and does not apply.
func (a *asker) grantRefused(action string, b *access.Blocker) {
	for i := range b.NearMisses {
		e := &b.NearMisses[i]
		switch {
		case e.Layer != access.GrantLayer:
		case strings.Contains(e.Text, "which is gone"):
			a.isTrue(staleGrant, action, rankStale, e.String())
		default:
			a.isTrue(condition, action, rankCondition, e.String())
		}
	}
}

// state is a key that cannot be used as it is.
func (a *asker) state(text string) {
	switch awsfacts.KeyState(a.key.State) {
	case awsfacts.Disabled:
		a.isTrue(keyDisabled, "", rankKey, text)
	case awsfacts.PendingDeletion, awsfacts.PendingReplicaDeletion:
		a.isTrue(keyDeletion, "", rankKey, text)
	case awsfacts.PendingImport, awsfacts.Unavailable:
		a.isTrue(keyUsage, "", rankKey, text)
	default:
		a.note("%s", text)
	}
}

// lookAtKey notes what the key itself tells, also when nothing could be asked.
func (a *asker) lookAtKey() {
	if a.key == nil {
		return
	}
	switch state := awsfacts.KeyState(a.key.State); state {
	case awsfacts.Disabled, awsfacts.PendingDeletion, awsfacts.PendingReplicaDeletion, awsfacts.PendingImport, awsfacts.Unavailable:
		if len(a.j.Asked) == 0 {
			a.state("the key is " + string(state))
		}
	}
	if at := a.keyAt.Region; strings.Contains(a.in.Code, "NotFound") && a.in.Region != "" && a.in.Region != at {
		a.isTrue(wrongRegion, "", rankKey, "the key is in "+at+", and was looked for in "+a.in.Region)
	}
	if text := unfit(a.key, a.in.Action, a.in.Service); text != "" {
		a.isTrue(keyUsage, "", rankKey, text)
	}
}

// unfit says why a key is of no use for what was tried: the services that encrypt for
// others take symmetric keys only.
// See https://docs.aws.amazon.com/kms/latest/developerguide/service-integration.html.
func unfit(k *estate.Key, action, service string) string {
	spec, use := cmp.Or(k.Spec, "SYMMETRIC_DEFAULT"), cmp.Or(k.Usage, "ENCRYPT_DECRYPT")
	symmetric := spec == "SYMMETRIC_DEFAULT" && use == "ENCRYPT_DECRYPT"
	_, op, _ := strings.Cut(action, ":")
	switch {
	case symmetric && (op == "Sign" || op == "Verify" || op == "GenerateMac" || op == "VerifyMac" || op == "GetPublicKey"):
		return "the key is symmetric and encrypts, and " + op + " takes another kind"
	case !symmetric && (strings.HasPrefix(op, "GenerateDataKey") || service != "" && service != "kms"):
		return "the key is of spec " + spec + " and usage " + use + "; this takes SYMMETRIC_DEFAULT and ENCRYPT_DECRYPT"
	case use != "ENCRYPT_DECRYPT" && (op == "Encrypt" || op == "Decrypt" || strings.HasPrefix(op, "ReEncrypt")):
		return "the key is for " + use + ", and " + op + " takes one for ENCRYPT_DECRYPT"
	}
	return ""
}

// lookAtGrants finds grants that name the caller as it was before it was made anew: by
// its old unique id, or by an id that is left of it. They count only where the request is
// refused.
func (a *asker) lookAtGrants() {
	if a.key == nil || a.j.Allowed || a.who.Name == "" {
		return
	}
	p := a.e.Principal(cmp.Or(a.who.RoleARN, a.who.Text))
	if p == nil || p.ID == "" {
		return
	}
	for i := range a.key.Grants {
		g := &a.key.Grants[i]
		grantee := g.Grantee()
		if g.GranteePrincipalID != "" && g.GranteePrincipalID != p.ID && a.who.SameRole(grantee) {
			a.isTrue(staleGrant, "", rankStale, fmt.Sprintf("the grant %s was made for %s, which is gone; %s now has the id %s", g.GrantID, g.GranteePrincipalID, p.ARN, p.ID))
		}
	}
}

// noteGone notes the principals that a key policy names by their unique ids and that the
// estate does not hold: AWS shows who was deleted so, and one that was made anew under its
// name is not let in by it. Whose name an id had, nothing tells. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.
func (a *asker) noteGone() {
	if a.who.Name == "" || a.key == nil || a.key.Policy == nil || a.key.Policy.Source == nil {
		return
	}
	for i := range a.key.Policy.Source.Statements {
		s := &a.key.Policy.Source.Statements[i]
		if s.Effect == nil || s.Effect.Text != "Allow" || s.Principal == nil {
			continue
		}
		for _, g := range s.Principal.Groups {
			for _, v := range g.Names.Values {
				p, err := arn.ParsePrincipal(v.Text)
				if err == nil && p.Kind == arn.UniqueID && !slices.ContainsFunc(a.e.Principals, func(have estate.Principal) bool { return have.ID == p.Text }) {
					a.note("%s of the key policy lets in %s, which is gone: if that was %s before it was made anew, the policy has to name it again", access.StatementName(s, i), p.Text, a.who.Name)
				}
			}
		}
	}
}

// nameIn is who a key policy lets in for anything at all.
type nameIn struct{ caller, account []string } // statements

// namedBy finds the Allow statements of a key's policy that name the caller, or its account.
func namedBy(k *estate.Key, c *policy.Caller) nameIn {
	var n nameIn
	if k == nil || k.Policy == nil || k.Policy.Source == nil {
		return n
	}
	for i := range k.Policy.Source.Statements {
		s := &k.Policy.Source.Statements[i]
		if s.Effect == nil || s.Effect.Text != "Allow" || s.Principal == nil {
			continue
		}
		direct, account := names(s.Principal, c)
		switch {
		case direct:
			n.caller = append(n.caller, access.StatementName(s, i))
		case account:
			n.account = append(n.account, access.StatementName(s, i))
		}
	}
	return n
}

// names reports whether a Principal element has the caller itself, and whether its account.
func names(e *policy.PrincipalElement, c *policy.Caller) (direct, account bool) {
	for _, g := range e.Groups {
		for _, v := range g.Names.Values {
			p, err := arn.ParsePrincipal(v.Text)
			if err != nil {
				continue
			}
			switch grade, ok := policy.GradeOf(&p, c); {
			case !ok || grade == policy.ByEveryone:
			case grade == policy.ByAccount:
				account = true
			default:
				direct = true
			}
		}
	}
	return direct, account
}
