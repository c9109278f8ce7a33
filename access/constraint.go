package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// constrain judges the grant's constraint on the request's encryption context.
// The name of a pair compares without regard to letter case, its value with.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantConstraints.html.
func (rep *GrantReport) constrain(c *estate.Case) {
	k := rep.Grant.Constraints
	if k == nil {
		return
	}
	rep.pairs(k.EncryptionContextSubset, c)
	if len(k.EncryptionContextEquals) > 0 {
		rep.pairs(k.EncryptionContextEquals, c)
		if n := len(c.Request.Context.EncryptionContext()); rep.Applies == policy.True && n != len(k.EncryptionContextEquals) {
			rep.refuse(fmt.Sprintf("the encryption context has %d pairs and has to be exactly the %d of EncryptionContextEquals", n, len(k.EncryptionContextEquals)))
		}
	}
	if k.SourceARN != "" {
		rep.sourceARN(k.SourceARN, c)
	}
}

// pairs asks that each pair is in the request's encryption context.
func (rep *GrantReport) pairs(want map[string]string, c *estate.Case) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		key := "kms:EncryptionContext:" + name
		v := c.Lookup(strings.ToLower(key))
		switch {
		case v.Presence == policy.NotKnown:
			rep.miss(key)
		case v.Presence == policy.Absent:
			rep.refuse(fmt.Sprintf("the constraint asks for %s = %q, and the encryption context has no such pair", name, want[name]))
		case v.One != want[name]:
			rep.refuse(fmt.Sprintf("the constraint asks for %s = %q, and the encryption context has %q", name, want[name], v.One))
		}
	}
}

func (rep *GrantReport) sourceARN(want string, c *estate.Case) {
	v := c.Lookup("aws:sourcearn")
	switch {
	case v.Presence == policy.NotKnown:
		rep.miss("aws:SourceArn")
	case v.One != want:
		rep.refuse(fmt.Sprintf("the constraint asks for SourceArn %s", want))
	}
}

func (rep *GrantReport) refuse(why string) { rep.Applies, rep.Why = policy.False, why }

func (rep *GrantReport) miss(key string) {
	rep.Missing = append(rep.Missing, key)
	if rep.Applies == policy.True {
		rep.Applies, rep.Why = policy.Unknown, "it depends on "+key
	}
}

// child judges a CreateGrant that rests on the right to CreateGrant in this
// grant: the new grant may have no more operations and no looser a constraint.
// See https://docs.aws.amazon.com/kms/latest/developerguide/create-grant-overview.html.
func (rep *GrantReport) child(c *estate.Case) {
	ops := c.Lookup("kms:grantoperations")
	if ops.Presence != policy.Present {
		rep.miss("kms:GrantOperations")
		return
	}
	names := ops.Many
	if !ops.Multi {
		names = []string{ops.One}
	}
	for _, op := range names {
		if !covers(rep.Grant, "kms:"+op) {
			rep.refuse("a grant made under it may not include " + op)
			return
		}
	}
	rep.stricter(c)
}

// stricter asks that the new grant's constraint, which the request carries as
// its encryption context, is at least as narrow.
func (rep *GrantReport) stricter(c *estate.Case) {
	k := rep.Grant.Constraints
	if k == nil || len(k.EncryptionContextSubset)+len(k.EncryptionContextEquals) == 0 {
		return
	}
	typ := c.Lookup("kms:grantconstrainttype")
	switch {
	case typ.Presence == policy.NotKnown:
		rep.miss("kms:GrantConstraintType")
		return
	case typ.Presence == policy.Absent:
		rep.refuse("a grant made under it needs a constraint at least as strict")
		return
	case len(k.EncryptionContextEquals) > 0 && typ.One != "EncryptionContextEquals":
		rep.refuse("a grant made under it needs the constraint EncryptionContextEquals")
		return
	}
	rep.constrain(c)
}
