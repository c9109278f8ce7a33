package plan

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
)

// administrators refuses a plan after one of whose ops a key, bucket, vault or role has
// no durable administrator any more. One that had none before is noted.
func (c *checker) administrators(op estate.Op, next *estate.Estate) error {
	resource := administered(op)
	if resource == "" {
		return nil
	}
	after := access.Administrators(next, resource)
	if after.Durable {
		return nil
	}
	if access.Administrators(c.base, resource).Durable || c.base.Key(resource) == nil && next.Key(resource) != nil {
		return &RefusedError{Guard: LockoutGuard, Text: fmt.Sprintf("after the %s, %s has no durable administrator: %s", op.Slot(), resource, after.Why)}
	}
	c.note(resource + " has no durable administrator, with the plan or without: " + after.Why)
	return nil
}

func (c *checker) note(text string) {
	if !slices.Contains(c.plan.Notes, text) {
		c.plan.Notes = append(c.plan.Notes, text)
		slices.Sort(c.plan.Notes)
	}
}

// administered is the resource whose policy an op changes; nothing for none.
func administered(op estate.Op) string {
	switch o := op.(type) {
	case *estate.KeyPolicy:
		return o.Key
	case *estate.NewKey:
		return o.ARN
	case *estate.VaultPolicy:
		return vaultARN(o.Account, o.Region, o.Vault)
	case *estate.BucketSetting:
		if o.Setting == estate.BucketPolicy {
			return "arn:" + awsfacts.PartitionName(o.Region) + ":s3:::" + o.Bucket
		}
	}
	return ""
}

// difference compares who may do what before and after, and refuses what the routes do
// not need. Keys that are enabled because somebody asked are taken as enabled before: what
// their policies allow is no difference that the plan makes.
func (c *checker) difference() error {
	before := c.base
	for i := range c.plan.Steps {
		state, ok := c.plan.Steps[i].Op.(*estate.KeyState)
		if !ok {
			continue
		}
		var err error
		if before, err = before.Apply(state); err != nil {
			return fmt.Errorf("checking the plan: %w", err)
		}
	}
	gains := access.Gains(before, c.after, access.Probes{})
	var wider []string
	c.plan.Opens = nil
	for i := range gains {
		g := &gains[i]
		if c.linkedNew(g) {
			continue
		}
		if c.expected(g) && c.ownNew(g) {
			c.note(g.Resource + " is new, and open to what its account allows, as everything of the account is")
			continue
		}
		if c.expected(g) {
			c.plan.Opens = append(c.plan.Opens, OpeningOf(g))
			continue
		}
		wider = append(wider, describe(g))
	}
	c.plan.Opens = withoutSets(c.plan.Opens)
	if len(wider) > 0 {
		return &RefusedError{Guard: WideningGuard, Text: "it opens more than the routes need", Details: wider}
	}
	return nil
}

// expected reports whether the routes need what a gain opens.
func (c *checker) expected(g *access.Gain) bool {
	if g.Incomplete || len(g.Actions) == 0 || c.plan.Kind == "revoke" {
		return false
	}
	if c.fromMade(g) || c.retires(g) {
		return true
	}
	for _, action := range g.Actions {
		if !slices.ContainsFunc(c.allowed, func(a allowance) bool { return c.opens(&a, g, action) }) {
			return false
		}
	}
	return true
}

// fromMade reports whether the gain is only that something new is there: a key or a bucket
// for its own account, a role of AWS with AWS's own policy, the role that shares for a
// trusted account.
func (c *checker) fromMade(g *access.Gain) bool {
	for i := range c.plan.Steps {
		switch o := c.plan.Steps[i].Op.(type) {
		case *estate.NewKey:
			if g.Resource == o.ARN && of(g, parsedARN(o.ARN).Account) {
				return true
			}
		case *estate.NewBucket: // as of every bucket of the account
			at := "arn:" + awsfacts.PartitionName(o.Region) + ":s3:::" + o.Bucket
			if (g.Resource == at || strings.HasPrefix(g.Resource, at+"/")) && of(g, o.Account) {
				return true
			}
		case *estate.LinkedRole:
			if g.Principal == o.ARN && c.byItself(g) {
				return true
			}
		case *estate.NewRole:
			own := of(g, parsed(o.ARN).Account) // its administrators, as of every role
			if g.Principal == o.ARN && c.byItself(g) || g.Resource == o.ARN && (own || g.Principal == "drs.amazonaws.com") {
				return true
			}
		}
	}
	return false
}

// linkedNew reports whether a gain is on a service-linked role that is made: IAM lets nobody
// but the service change or assume it, whatever policies say, so that nothing is opened. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html.
func (c *checker) linkedNew(g *access.Gain) bool {
	return !g.Incomplete && c.plan.Kind != "revoke" && slices.ContainsFunc(c.plan.Steps, func(s Step) bool {
		o, ok := s.Op.(*estate.LinkedRole)
		return ok && g.Resource == o.ARN
	})
}

// ownNew reports whether a gain is of an account on a key or bucket that is made for it.
// It is told in one sentence: there are as many gains as there are actions and people.
func (c *checker) ownNew(g *access.Gain) bool {
	return slices.ContainsFunc(c.plan.Steps, func(s Step) bool {
		switch o := s.Op.(type) {
		case *estate.NewKey:
			return g.Resource == o.ARN && of(g, parsedARN(o.ARN).Account) && !c.acts(g.Principal)
		case *estate.NewBucket:
			at := "arn:" + awsfacts.PartitionName(o.Region) + ":s3:::" + o.Bucket
			return (g.Resource == at || strings.HasPrefix(g.Resource, at+"/")) && of(g, o.Account)
		}
		return false
	})
}

// byItself reports whether a new role has what is gained by its managed policies, or may
// have it by what nobody read on something that the plan leaves alone: then it is no
// different for any other role of the account.
func (c *checker) byItself(g *access.Gain) bool {
	if onlyManaged(g) || g.Uncertain && slices.Equal(g.Actions, []string{"kms:RetireGrant"}) {
		return true
	}
	return g.Uncertain && !slices.ContainsFunc(c.plan.Steps, func(s Step) bool {
		at := s.Op.Slot() // an identity policy says nothing of who may do what to its holder
		return at.Subject == g.Resource && at.Kind != "inline-policy"
	})
}

// retires reports whether a gain is that an account may retire a grant that the plan has
// it issue, which only closes, or that nobody can say more of another than before. See
// https://docs.aws.amazon.com/kms/latest/APIReference/API_RetireGrant.html.
func (c *checker) retires(g *access.Gain) bool {
	return slices.Equal(g.Actions, []string{"kms:RetireGrant"}) && slices.ContainsFunc(c.plan.Steps, func(s Step) bool {
		o, ok := s.Op.(*estate.GrantTo)
		return ok && !o.Absent && o.Key == g.Resource && (of(g, o.Issuer) || g.Before == g.After)
	})
}

// of reports whether a gain is a principal's of an account. One that is known by its
// unique id only may be of any.
func of(g *access.Gain, account string) bool {
	return accountOf(g.Principal) == account || g.Kind == access.GainNamed && parsed(g.Principal).Kind == arn.UniqueID
}

// onlyManaged reports whether nothing but managed policies allow what is gained.
func onlyManaged(g *access.Gain) bool {
	return len(g.By) > 0 && !slices.ContainsFunc(g.By, func(e access.Evidence) bool {
		return e.Layer == access.Identity && !strings.HasPrefix(e.Document, "managed policy ")
	})
}

// opens reports whether an allowance is for what a gain opens.
func (c *checker) opens(a *allowance, g *access.Gain, action string) bool {
	if !slices.Contains(a.actions, action) || !sameResource(a, g.Resource) || !c.forWhom(a, g) {
		return false
	}
	if a.via != "" && !is(g, "kms:ViaService", a.via) {
		return false
	}
	if a.app != "" && !is(g, contextApp, a.app) {
		return false
	}
	switch a.part {
	case grantPart:
		return is(g, "kms:GrantIsForAWSResource", "true")
	case issuePart:
		return is(g, "kms:GranteePrincipal", a.grantee)
	}
	return true
}

// vaultARN is the ARN of a vault that may be told by it.
func vaultARN(account, region, vault string) string {
	if strings.HasPrefix(vault, "arn:") {
		return vault
	}
	return "arn:" + awsfacts.PartitionName(region) + ":backup:" + region + ":" + account + ":backup-vault:" + vault
}

func sameResource(a *allowance, resource string) bool {
	switch a.part {
	case writePart, readPart, prunePart:
		return strings.HasPrefix(resource, strings.TrimSuffix(a.resource, "*"))
	}
	return resource == a.resource
}

func (c *checker) forWhom(a *allowance, g *access.Gain) bool {
	account := accountOf(g.Principal)
	switch {
	case a.org != "":
		if g.Kind == access.GainNewMember {
			return true
		}
		m := maker{base: c.base}
		return account != "" && m.inOrganization(account)
	case a.account != "":
		return of(g, a.account)
	}
	return a.is(g.Principal) || sessionOf(a.principal, g.Principal)
}

// sessionOf reports whether a principal is a session of a role.
func sessionOf(role, session string) bool {
	r, s := parsed(role), parsed(session)
	return r.Kind == arn.Role && s.Kind == arn.AssumedRole && r.Account == s.Account && r.Name == s.Name
}

// is reports whether the request has to have the value.
func is(g *access.Gain, key, value string) bool {
	for name, values := range g.Context {
		if strings.EqualFold(name, key) {
			return len(values) == 1 && values[0] == value
		}
	}
	return false
}

var accountNumber = regexp.MustCompile(`\b\d{12}\b`)

// accountOf is the account of a principal or of the description of one.
func accountOf(principal string) string {
	if p := parsed(principal); p.Account != "" {
		return p.Account
	}
	return accountNumber.FindString(principal)
}

// OpeningOf is a gain in the words of people.
func OpeningOf(g *access.Gain) Opening {
	o := Opening{Principal: g.Principal, Actions: []string{}, Resource: g.Resource, Under: under(g)}
	for _, a := range g.Actions {
		if _, known := awsfacts.KMSAction(a); known || !strings.HasPrefix(a, "kms:") { // others stand for those to come
			o.Actions = append(o.Actions, a)
		}
	}
	if len(g.By) > 0 {
		o.By = strings.TrimSpace(g.By[0].Document + " " + g.By[0].Statement)
	}
	return o
}

// under is the context of a gain in words.
func under(g *access.Gain) []string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(g.Context)) {
		switch values := g.Context[key]; len(values) {
		case 0:
			list = append(list, "without "+key)
		default:
			list = append(list, key+" = "+strings.Join(values, ", "))
		}
	}
	return list
}

func describe(g *access.Gain) string {
	if g.Incomplete {
		return "not compared to the end: " + g.Why
	}
	text := fmt.Sprintf("%s may %s on %s", g.Principal, strings.Join(g.Actions, ", "), g.Resource)
	if u := under(g); len(u) > 0 {
		text += " with " + strings.Join(u, "; ")
	}
	if len(g.By) > 0 {
		text += ", by " + strings.TrimSpace(g.By[0].Document+" "+g.By[0].Statement)
	}
	if g.Uncertain {
		text += " (not certain)"
	}
	return text
}
