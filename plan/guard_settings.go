package plan

import (
	"slices"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// setting reports whether an op that is neither a policy nor a grant is one that the
// routes, or the options that somebody chose, ask for.
func (c *checker) setting(op estate.Op) bool {
	switch o := op.(type) {
	case *estate.LinkedRole:
		return !o.Absent && parsed(o.ARN).IsServiceLinked() && c.acts(o.ARN)
	case *estate.NewRole:
		return c.stagingRole(o)
	case *estate.NewKey:
		k := parsedARN(o.ARN)
		return !o.Absent && c.has(func(_ *route.Route, p *route.Party) bool { return p.Key == o.ARN }) && estate.CanonicalPolicy(o.Document) == estate.CanonicalPolicy(ownerPolicy(k.Partition, k.Account))
	case *estate.Alias:
		return c.has(func(_ *route.Route, p *route.Party) bool {
			return p.Alias == o.Name && p.Account == o.Account && p.Region == o.Region && p.Key == o.Key
		})
	case *estate.Rotation:
		return o.On && c.has(func(_ *route.Route, p *route.Party) bool { return p.Key == o.Key })
	case *estate.KeyState:
		return o.State == "Enabled" && c.o.EnableKeys && c.has(func(_ *route.Route, p *route.Party) bool { return p.Key == o.Key })
	case *estate.EBSEncryption:
		return c.o.EBSDefault && o.Encrypt && c.has(func(_ *route.Route, p *route.Party) bool {
			return p.Account == o.Account && p.Region == o.Region && p.Key == o.Key
		})
	case *estate.ReplicationEncryption:
		return o.Encryption == "CUSTOM" && c.has(func(r *route.Route, p *route.Party) bool {
			return p.Account == o.Account && p.Region == o.Region && p.Key == o.Key
		})
	case *estate.NewBucket:
		return !o.Absent && slices.Contains(c.o.Buckets, o.Bucket)
	case *estate.Share:
		return !o.Off && slices.Contains(c.o.Share, o.ID) && c.has(func(_ *route.Route, p *route.Party) bool { return p.Account == o.With })
	}
	return false
}

// has reports whether a party of the routes is such.
func (c *checker) has(such func(*route.Route, *route.Party) bool) bool {
	found := false
	for i := range c.routes {
		each(&c.routes[i], func(_ string, p *route.Party) { found = found || such(&c.routes[i], p) })
	}
	return found
}

// acts reports whether a principal acts in the routes.
func (c *checker) acts(principal string) bool {
	return slices.ContainsFunc(c.allowed, func(a allowance) bool { return a.principal == principal })
}

// stagingRole reports whether a new role is the one by which a staging account of the
// routes trusts a target of theirs, as the planner makes it.
func (c *checker) stagingRole(o *estate.NewRole) bool {
	found := stagingRole.FindStringSubmatch(o.ARN)
	p := parsed(o.ARN)
	if o.Absent || found == nil || !c.acts(o.ARN) {
		return false
	}
	return estate.CanonicalPolicy(o.Trust) == estate.CanonicalPolicy(stagingTrust(p.Account, found[1])) &&
		slices.Equal(o.Managed, []string{"arn:" + p.Partition + ":iam::aws:policy/service-role/AWSElasticDisasterRecoveryStagingAccountPolicy_v2"})
}

// bucket lets the settings through that the set-up of a bucket makes.
func (c *checker) bucket(o, was *estate.BucketSetting) error {
	fine := false
	switch o.Setting {
	case estate.BucketPolicy:
		return c.document(o.Slot(), o.Text, was.Text, "", "")
	case estate.BucketPublicAccess, estate.BucketKeyOn:
		fine = o.Text == "true"
	case estate.BucketVersioning:
		fine = o.Text == "Enabled"
	case estate.BucketEncryption:
		fine = c.has(func(_ *route.Route, p *route.Party) bool { return p.Account == o.Account && p.Key == o.Text })
	case estate.BucketLifecycle:
		fine = o.Text == lifecycle
	}
	if !fine || !slices.Contains(c.o.Buckets, o.Bucket) {
		return c.widens("nothing in the routes asks for the %s", o.Slot())
	}
	return nil
}
