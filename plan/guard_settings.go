package plan

import (
	"bytes"
	"slices"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// setting reports whether an op that is neither a policy nor a grant is one that the
// routes, or the options that somebody chose, ask for.
func (c *checker) setting(op estate.Op) bool {
	switch o := op.(type) {
	case *estate.LinkedRole:
		known, ok := awsfacts.ServiceLinkedRoleFor(o.ARN)
		return !o.Absent && ok && o.Service == known.Service && parsed(o.ARN).IsServiceLinked() && c.acts(o.ARN)
	case *estate.NewRole:
		return c.stagingRole(o)
	case *estate.KeyState:
		return o.State == "Enabled" && c.o.EnableKeys && c.has(func(_ *route.Route, p *route.Party) bool { return p.Key == o.Key })
	case *estate.ReplicationEncryption:
		return o.Encryption == "CUSTOM" && o.Type == "drs:ReplicationConfigurationTemplate" && c.has(func(r *route.Route, p *route.Party) bool {
			return p.Account == o.Account && p.Region == o.Region && p.Key == o.Key
		})
	case *estate.NewKey:
		// A replica that is there already was made by an earlier run of the plan.
		k := c.base.Key(o.ARN)
		return c.founds(op) || !o.Absent && k != nil && k.PrimaryKey != "" && k.PrimaryKey == o.Primary && k.State != "PendingDeletion"
	case *estate.Alias, *estate.Rotation, *estate.NewBucket, *estate.EBSEncryption, *estate.Share:
		return c.founds(op)
	}
	return false
}

// founds reports whether the routes, and what was chosen beside, ask for an op before
// anything is proven: the planner is asked anew, for each route by itself, since what two
// ask for is made for the first that is planned.
func (c *checker) founds(op estate.Op) bool {
	want, err := estate.MarshalOp(op)
	if err != nil {
		return false
	}
	for i := range len(c.routes) + 1 {
		some := c.routes // together, since they share the settings of a bucket
		if i > 0 {
			some = c.routes[i-1 : i]
		}
		m := newMaker(some, c.base, c.o)
		m.foundations()
		for _, w := range slices.Concat(m.first, m.last) {
			if have, err := estate.MarshalOp(w.op); err == nil && bytes.Equal(have, want) {
				return true
			}
		}
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
	if o.Setting == estate.BucketPolicy {
		return c.document(o.Slot(), o.Text, was.Text, "", "")
	}
	if !c.founds(o) {
		return c.widens("nothing in the routes asks for the %s", o.Slot())
	}
	return nil
}
