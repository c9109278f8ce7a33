package estate

import (
	"fmt"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
)

// Case is one request with every policy, grant and fact that bears on it: what
// package access decides on. It comes from a case file, or from an estate by
// Bind. Read-only once made.
type Case struct {
	ID      string
	Request Request

	Identity []Named
	Boundary *Named
	// Session is the session policies; nil when the session has none.
	Session []Named
	// Resource is the resource's own policy: the key policy, the trust policy,
	// the bucket policy. Nil when it has none.
	Resource *Named
	Endpoint *Named
	// SCP and RCP are the levels of the organization, root first. Nil means that
	// none apply.
	SCP, RCP [][]Named
	Grants   []Grant
	Key      *Key

	// What could not be read, with the reason; empty when all was read.
	IdentityUnread, BoundaryUnread, ResourceUnread, SCPUnread, RCPUnread, GrantsUnread string

	// RegionOff is set when the account that calls has not enabled the Region.
	RegionOff bool

	// Expect is what a case file says should come out; empty for none.
	Expect string

	facts facts
}

// Named is a policy under the name people know it by.
type Named struct {
	Name string
	*Document
}

// facts are what is known of the caller and the resource beside the policies.
type facts struct {
	// estate is set when what is neither given nor derived is not known, and
	// clear when it is absent, as in a case file.
	estate      bool
	callerTags  map[string]string
	tagsKnown   bool
	callerOrg   place
	resourceOrg place
}

// place is where an account stands in an organization.
type place struct {
	known bool
	org   string   // empty when the account is in none
	paths []string // o-…/r-…/ou-…/
}

// Policy returns the compiled policy, or nil when it could not be read.
func (n *Named) Policy() *policy.Policy {
	if n == nil || n.Document == nil {
		return nil
	}
	return n.compiled
}

// Policies returns every policy of the case that could be read.
func (c *Case) Policies() []Named {
	var ns []Named
	add := func(list ...Named) {
		for _, n := range list {
			if n.Policy() != nil && n.Source != nil {
				ns = append(ns, n)
			}
		}
	}
	add(c.Identity...)
	add(c.Session...)
	for _, n := range []*Named{c.Resource, c.Boundary, c.Endpoint} {
		if n != nil {
			add(*n)
		}
	}
	for _, levels := range [][][]Named{c.SCP, c.RCP} {
		for _, level := range levels {
			add(level...)
		}
	}
	return ns
}

// KeyState returns the key's state, Enabled unless known otherwise.
func (c *Case) KeyState() string {
	if c.Key == nil || c.Key.State == "" {
		return "Enabled"
	}
	return c.Key.State
}

// AWSManaged reports whether the key is managed by AWS for a service.
func (c *Case) AWSManaged() bool { return c.Key != nil && c.Key.Manager == "AWS" }

// SameAccount reports whether the caller belongs to the account that owns the
// resource.
func (c *Case) SameAccount() bool { return c.Request.Caller.Account == c.Request.ResourceAccount }

// OnKMSKey reports whether the request is about a KMS key.
func (c *Case) OnKMSKey() bool { return c.Request.Target.IsKMSKey() }

// Forwarded returns whether a service makes the call with the caller's rights.
func (c *Case) Forwarded() policy.Truth {
	via, forwarded := c.Lookup("kms:viaservice"), c.Lookup("aws:viaawsservice")
	switch {
	case via.Presence == policy.Present || forwarded.Presence == policy.Present && forwarded.One == "true":
		return policy.True
	case via.Presence == policy.NotKnown || forwarded.Presence == policy.NotKnown:
		return policy.Unknown
	}
	return policy.False
}

// prepare reads the principals of the grants, so that matching needs no
// parsing. It refuses an issuing account that is none.
func (g *Grant) prepare(keyAccount string) error {
	g.grantee, _ = arn.ParsePrincipal(g.GranteePrincipal)
	g.retiring, _ = arn.ParsePrincipal(g.RetiringPrincipal)
	if g.GranteeServicePrincipal != "" {
		g.grantee = arn.Principal{Kind: arn.Service, Text: g.GranteeServicePrincipal, Name: g.GranteeServicePrincipal}
	}
	g.issuer = keyAccount
	if g.IssuingAccount != "" {
		p, err := arn.ParsePrincipal(g.IssuingAccount)
		if err != nil || p.Kind != arn.AccountRoot {
			return fmt.Errorf("grant %s: issuing_account %q is neither an account number nor the ARN of an account's root", g.GrantID, g.IssuingAccount)
		}
		g.issuer = p.Account
	}
	return nil
}

// Grantee returns the grantee, of kind Invalid when it cannot be read.
func (g *Grant) Grantee() arn.Principal { return g.grantee }

// Retiring returns the retiring principal, of kind Invalid when there is none.
func (g *Grant) Retiring() arn.Principal { return g.retiring }

// Issuer returns the number of the account that issued the grant.
func (g *Grant) Issuer() string { return g.issuer }
