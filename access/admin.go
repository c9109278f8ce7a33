package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
)

// enough is the number of principals that together count as durable where the
// account does not: one that is deleted leaves another.
const enough = 2

// Admins says who may change a resource's policy, and whether somebody will be
// able to for good.
type Admins struct {
	Resource string `json:"resource"`
	// Action is what an administrator has to be allowed: kms:PutKeyPolicy,
	// s3:PutBucketPolicy, backup:PutBackupVaultAccessPolicy or
	// iam:UpdateAssumeRolePolicy.
	Action string `json:"action"`
	// Root is set when the root user of the owning account may, which is what a
	// statement that names the account gives.
	Root bool `json:"root"`
	// Principals are the users and roles of the estate that may, directly and
	// whatever the context, sorted. Service-linked roles and those of IAM Identity
	// Center are not among them: neither is ours to keep.
	Principals []string `json:"principals"`
	// Durable is set when the account's root user may, or two principals.
	Durable bool `json:"durable"`
	// Why says what the answer rests on, or why there is no durable administrator.
	Why string `json:"why"`
}

// Administrators tells who may change the policy of a key, bucket, backup vault
// or role of the estate, and whether that is durable.
//
// For a key it decides kms:PutKeyPolicy as a direct call, for the account's root
// user and for every user and role of the owning account. What rests on
// anything that is not known (a condition, an unreadable policy) does not count,
// and a control policy that denies counts as it stands. A key that forbids the
// operation in its state is one that nobody administers. AWS's own check of a
// new policy, that the caller may change it again, is weaker: the caller may be
// a session. See
// https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html.
//
// The root user is decided as such: it needs no policy of its own, so a key
// policy that names the account is enough, unless the key policy or a service
// control policy denies it. That somebody can sign in as the root user is
// assumed. Sessions, federated users and services never count.
//
// For a bucket the root user of the owner may always put and delete the policy,
// whatever the policy denies; only control policies (and endpoint policies, which
// one can go around) stop it. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketPolicy.html.
//
// A trust policy cannot lock out: who may change it (iam:UpdateAssumeRolePolicy)
// is a matter of identity policies, and the trust policy has no say. A vault's
// access policy can: a Deny for everyone binds the root user too.
func Administrators(e *estate.Estate, resourceARN string) Admins {
	a := Admins{Resource: resourceARN, Principals: []string{}}
	o, why := officeOf(e, resourceARN)
	if why != "" {
		a.Action, a.Why = o.action, why
		return a
	}
	a.Action = o.action
	doubt := ""
	rootARN := "arn:" + o.partition + ":iam::" + o.account + ":root"
	rootEffect := o.root(e, rootARN)
	a.Root = rootEffect == Allow
	if rootEffect == Unknown {
		doubt = "whether the account's root user may is not known"
	}
	open := 0
	for i := range e.Principals {
		p := &e.Principals[i]
		if !o.lasting(p) {
			continue
		}
		switch o.decide(e, p.ARN) {
		case Allow:
			a.Principals = append(a.Principals, p.ARN)
		case Unknown:
			open++
		}
	}
	slices.Sort(a.Principals)
	a.Durable = a.Root || len(a.Principals) >= enough
	a.Why = a.why(doubt, open)
	return a
}

// why says what the answer rests on.
func (a *Admins) why(doubt string, open int) string {
	switch {
	case a.Root:
		return "the account's root user may " + a.Action + ", and with it whoever the account lets"
	case a.Durable:
		return fmt.Sprintf("%d users and roles may %s", len(a.Principals), a.Action)
	}
	text := "nobody may " + a.Action + " directly and whatever the context"
	if len(a.Principals) == 1 {
		text = "only " + a.Principals[0] + " may " + a.Action + ", and it takes two to be sure that one is left"
	}
	if doubt == "" {
		doubt = "the account's root user may not"
	}
	text += "; " + doubt
	if open > 0 {
		text += fmt.Sprintf("; of %d users and roles it is not known: conditions that cannot be known do not count", open)
	}
	return text
}

// office is the right to change a policy.
type office struct {
	resource, action   string
	account, partition string
	// own is set for resources whose policy the estate keeps as an attribute.
	own    bool
	policy *estate.Named
	// rootAlways is set where AWS lets the owner's root user past the resource's
	// own policy.
	rootAlways bool
}

// officeOf finds the resource. The second result says why nothing can be said.
func officeOf(e *estate.Estate, resourceARN string) (office, string) {
	target, err := arn.Parse(resourceARN)
	if err != nil {
		return office{}, err.Error()
	}
	o := office{resource: resourceARN, account: target.Account, partition: target.Partition}
	switch {
	case target.IsKMSKey():
		o.action = "kms:PutKeyPolicy"
		k := e.Key(resourceARN)
		if k == nil {
			return o, "the estate does not hold " + resourceARN
		}
		if k.Manager == "AWS" {
			return o, "the policy of a key that AWS manages is AWS's and cannot be changed"
		}
		return o, ""
	case target.Service == "iam" && target.Type() == "role":
		o.action = "iam:UpdateAssumeRolePolicy"
		if e.Principal(resourceARN) == nil {
			return o, "the estate does not hold " + resourceARN
		}
		// The trust policy is no party to a change of itself.
		o.own = true
		return o, ""
	case target.Service == "s3":
		o.action, o.rootAlways = "s3:PutBucketPolicy", true
	case target.Service == "backup":
		o.action = "backup:PutBackupVaultAccessPolicy"
	default:
		return o, "of " + resourceARN + " no policy is known that could lock out"
	}
	i := slices.IndexFunc(e.Resources, func(r estate.Resource) bool { return r.ARN == resourceARN })
	if i < 0 {
		return o, "the estate does not hold " + resourceARN
	}
	o.own, o.account = true, e.Resources[i].Account
	if d := policyOf(&e.Resources[i]); d != nil {
		o.policy = &estate.Named{Name: "policy of " + resourceARN, Document: d}
	}
	return o, ""
}

// lasting reports whether a principal is one that stays, in the owning account:
// no service-linked role, and no role that IAM Identity Center makes and takes
// away. A policy can be put from the owning account only.
// See https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html.
func (o *office) lasting(p *estate.Principal) bool {
	parsed, ok := principalOf(p.ARN)
	return ok && parsed.Account == o.account && !parsed.IsServiceLinked() &&
		!strings.HasPrefix(parsed.Path, "/aws-reserved/sso.amazonaws.com/")
}

// root decides for the root user of the owning account.
func (o *office) root(e *estate.Estate, rootARN string) Effect {
	if !o.rootAlways {
		return o.decide(e, rootARN)
	}
	past := *o
	past.policy = nil
	return past.decide(e, rootARN)
}

// decide decides a direct call. What a session could bring along (tags, a
// source identity) and what the request would tell is not known, so whatever
// depends on it comes out Unknown.
func (o *office) decide(e *estate.Estate, principal string) Effect {
	r, err := estate.NewRequest(principal, o.action, o.resource)
	if err != nil {
		return Unknown
	}
	r.ResourceAccount = o.account
	c := e.Bind(r)
	if o.own {
		c.Resource, c.ResourceUnread = o.policy, ""
	}
	if e.Principal(principal) == nil && c.Request.Caller.Kind != arn.AccountRoot {
		return Unknown
	}
	effect := Decide(&c)
	if _, usable := Usable(&c); effect == Allow && !usable {
		return ImplicitDeny
	}
	return effect
}
