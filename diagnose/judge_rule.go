package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/route"
)

// rule gives a cause that nothing was learnt about its verdict: ruled out, with the
// reason, where the estate shows that it is not so, and open elsewhere.
func (a *asker) rule(code string) {
	if a.ruleOfKey(code) {
		return
	}
	if len(a.j.Asked) == 0 {
		a.isOpen(code, "the estate was not asked: "+strings.Join(a.j.Notes, "; "))
		return
	}
	switch code {
	case iamMissing:
		a.isNot(code, a.passes(access.Identity, "no IAM policy is in the way"))
	case keyPrincipal, keyAction, keyRoot:
		a.isNot(code, a.passes(access.KeyPolicy, "the key policy is not in the way"))
	case keyService:
		if a.who.Kind != arn.Service {
			a.isNot(code, a.j.Principal+" is no AWS service")
		}
		a.isNot(code, a.passes(access.KeyPolicy, "the key policy admits the service"))
	case slrMissing:
		if !a.who.IsServiceLinked() {
			a.isNot(code, a.j.Principal+" is no service-linked role")
		}
		a.isNot(code, a.passes(access.KeyPolicy, "the role has access to the key"))
	case crossAccount:
		if !a.crossAccount() {
			a.isNot(code, "caller and key are of one account, "+a.keyAt.Account)
		}
		a.isNot(code, a.otherwise("both accounts let it through"))
	case staleGrant:
		a.isNot(code, "no grant on the key names an earlier "+a.who.Name)
	case condition:
		a.isNot(code, "no Allow is there of which the condition alone fails")
	case aliasMisuse:
		a.isOpen(code, "how the caller named the key, the estate does not tell")
	default:
		a.ruleOfCeilings(code)
	}
}

// ruleOfKey rules on what the key itself tells.
func (a *asker) ruleOfKey(code string) bool {
	if a.key == nil {
		return false
	}
	state := cmp.Or(a.key.State, "Enabled")
	switch code {
	case keyDisabled, keyDeletion:
		a.isNot(code, "the key is "+state)
	case keyNotFound, aliasNotFound:
		a.isNot(code, "the estate holds the key "+a.key.ARN)
	case defaultKey, managedKey:
		if a.key.Manager == "AWS" {
			if len(a.j.Asked) == 0 {
				a.isOpen(code, "the key "+a.key.ARN+" is an AWS managed key; who used it is not known")
				return true
			}
			a.isNot(code, a.otherwise("it is an AWS managed key, and admits this request"))
			return true
		}
		a.isNot(code, "the key is a customer managed key")
	case keyUsage:
		a.isNot(code, fmt.Sprintf("the key is of spec %s and usage %s", cmp.Or(a.key.Spec, "SYMMETRIC_DEFAULT"), cmp.Or(a.key.Usage, "ENCRYPT_DECRYPT")))
	case wrongRegion:
		if a.in.Region == "" || a.in.Region != a.keyAt.Region {
			return false
		}
		a.isNot(code, "the key is in "+a.keyAt.Region+", where it is looked for")
	default:
		return false
	}
	return true
}

// ruleOfCeilings rules on what limits a caller from above, and leaves open what no estate
// tells: credentials, ciphertexts, parameters, networks, rates.
func (a *asker) ruleOfCeilings(code string) {
	forwarded := slices.ContainsFunc(a.j.Asked, func(q route.RequestProof) bool { return q.Use.Via != "" })
	switch code {
	case explicitDeny:
		a.isNot(code, "no Deny in the policies that the estate holds applies")
	case scpDeny, rcpDeny:
		if a.e.Organization == nil {
			a.isOpen(code, "the estate holds no organization, and so none of its control policies")
			return
		}
		a.isNot(code, "no control policy of the organization is in the way")
	case boundaryDeny:
		if p := a.e.Principal(cmp.Or(a.who.RoleARN, a.who.Text)); p != nil && p.Boundary == nil {
			a.isNot(code, p.ARN+" has no permissions boundary")
		}
		a.isNot(code, "no permissions boundary is in the way")
	case sessionDeny:
		if a.who.Kind != arn.AssumedRole && a.who.Kind != arn.Role {
			a.isNot(code, a.j.Principal+" is no session of a role")
			return
		}
		if a.who.IsServiceLinked() {
			a.isNot(code, "nobody passes a policy to a session of a service-linked role")
			return
		}
		a.isOpen(code, "which policy was passed when the role was assumed, the estate does not tell")
	case endpointDeny:
		if forwarded && a.in.Layer != access.EndpointPolicy {
			a.isNot(code, "a service forwards the call, which then does not come through the caller's endpoint")
			return
		}
		a.isOpen(code, "whether the call came through a VPC endpoint, the estate does not tell")
	default:
		a.isOpen(code, "an estate does not tell")
	}
}

// otherwise says why it is not a cause: in the given words, or where the requests are
// refused in the place of the cause, that they are for another reason.
func (a *asker) otherwise(text string, layers ...access.Layer) string {
	first := ""
	for code, f := range a.facts {
		if f.verdict == True && (first == "" || cmp.Or(cmp.Compare(f.rank, a.facts[first].rank), cmp.Compare(code, first)) < 0) {
			first = code
		}
	}
	for _, q := range a.j.Blocked() {
		for _, b := range q.Decision.Blockers {
			if first != "" && (len(layers) == 0 || slices.Contains(layers, b.Layer)) {
				return "the reason is another: " + first
			}
		}
	}
	return text
}

// passes says what lets the requests through at a layer.
func (a *asker) passes(layer access.Layer, text string) string {
	for i := range a.j.Asked {
		for _, e := range a.j.Asked[i].Decision.Evidence {
			if e.Layer == layer && e.Effect == "Allow" {
				return e.Document + " " + e.Statement + " allows " + a.j.Asked[i].Use.Action
			}
		}
	}
	return a.otherwise(text, layer)
}
