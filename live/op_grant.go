package live

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

func (c *Cloud) currentGrant(ctx context.Context, o *estate.GrantTo) (*estate.GrantTo, error) {
	list, err := c.grantsNamed(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return &estate.GrantTo{Key: o.Key, Name: o.Name, Issuer: o.Issuer, Absent: true}, nil
	}
	// AWS lets several grants have one name. The op is through when there is none but its own.
	if i := slices.IndexFunc(list, func(g namedGrant) bool { return !estate.SameOp(g.op, o) }); i >= 0 {
		return list[i].op, nil
	}
	return list[0].op, nil
}

// namedGrant is a grant that has the name of an op.
type namedGrant struct {
	id string
	op *estate.GrantTo
}

// grantsNamed lists the grants of an op's key that have the op's name. The key's
// account knows them; where there is no way in, or no right, the issuer is asked.
func (c *Cloud) grantsNamed(ctx context.Context, o *estate.GrantTo) ([]namedGrant, error) {
	var list []namedGrant
	err := c.fromKeyOrIssuer(ctx, o, func(k *kmsPlace) error {
		list = nil
		in := &kms.ListGrantsInput{KeyId: &o.Key, Limit: new(int32(100))}
		for {
			out, err := opAsk(ctx, k.opPlace, "kms:ListGrants", k.api.ListGrants, in)
			if err != nil {
				return err
			}
			for i := range out.Grants {
				if g := &out.Grants[i]; aws.ToString(g.Name) == o.Name {
					list = append(list, namedGrant{aws.ToString(g.GrantId), grantOp(o, g)})
				}
			}
			if !out.Truncated {
				return nil
			}
			in.Marker = out.NextMarker
		}
	})
	return list, err
}

// grantOp is the op that makes a grant as ListGrants shows it.
func grantOp(o *estate.GrantTo, g *types.GrantListEntry) *estate.GrantTo {
	entry := &estate.Grant{
		GrantID: aws.ToString(g.GrantId), Name: aws.ToString(g.Name), GranteePrincipal: aws.ToString(g.GranteePrincipal),
		GranteeServicePrincipal: aws.ToString(g.GranteeServicePrincipal),
	}
	for _, operation := range g.Operations {
		entry.Operations = append(entry.Operations, string(operation))
	}
	if k := g.Constraints; k != nil {
		entry.Constraints = &estate.GrantConstraints{
			EncryptionContextEquals: k.EncryptionContextEquals, EncryptionContextSubset: k.EncryptionContextSubset, SourceARN: aws.ToString(k.SourceArn),
		}
	}
	op := estate.GrantOp(o.Key, entry)
	if p, err := arn.ParsePrincipal(aws.ToString(g.IssuingAccount)); err == nil {
		op.Issuer = p.Account
	}
	if key := o.Slot().Account; op.Issuer == key && o.Issuer == "" { // what the op leaves out says the same
		op.Issuer = ""
	}
	return op
}

// fromKeyOrIssuer makes a call from the key's account, and when that is refused or
// there is no way into it, from the account that issues the grant. Of two failures the
// first is told.
func (c *Cloud) fromKeyOrIssuer(ctx context.Context, o *estate.GrantTo, call func(*kmsPlace) error) error {
	a, err := arn.Parse(o.Key)
	if err != nil {
		return &cloud.Error{Kind: cloud.Invalid, Operation: "finding the key", Err: err}
	}
	first := c.inKMS(ctx, a.Account, a.Region, call)
	if issuer := o.Slot().Account; issuer != a.Account && opShut(first) {
		if c.inKMS(ctx, issuer, a.Region, call) == nil {
			return nil
		}
	}
	return first
}

// shut reports whether a call failed because its caller is the wrong one.
func opShut(err error) bool {
	kind := cloud.KindOf(err)
	return kind == cloud.Denied || kind == cloud.Credentials
}

func (c *Cloud) inKMS(ctx context.Context, account, region string, call func(*kmsPlace) error) error {
	k, err := c.atKMS(ctx, account, region)
	if err != nil {
		return err
	}
	return call(k)
}

// putGrant makes a grant from the account of its issuer. Grants cannot be changed: one
// of the same name that says something else is revoked, after the new one was made, so
// that nobody is without when the new one is refused. When this is broken off between the
// two calls the name means two grants: currentGrant then shows the old one, and the next
// call of putGrant ends it.
func (c *Cloud) putGrant(ctx context.Context, o *estate.GrantTo) error {
	list, err := c.grantsNamed(ctx, o)
	if err != nil {
		return err
	}
	if !o.Absent && !slices.ContainsFunc(list, func(g namedGrant) bool { return estate.SameOp(g.op, o) }) {
		if err := c.createGrant(ctx, o); err != nil {
			return err
		}
	}
	for _, g := range list {
		if !o.Absent && estate.SameOp(g.op, o) {
			continue
		}
		if err := c.revoke(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// revoke ends a grant by the right of the key's account. When it has none, or there is
// no way into it, the issuer ends the grant: by a right that the key gives it, or as
// the account that made the grant, which may retire it. See
// https://docs.aws.amazon.com/kms/latest/APIReference/API_RetireGrant.html.
func (c *Cloud) revoke(ctx context.Context, g namedGrant) error {
	err := c.fromKeyOrIssuer(ctx, g.op, func(k *kmsPlace) error {
		return opTell(ctx, k.opPlace, "kms:RevokeGrant", k.api.RevokeGrant, &kms.RevokeGrantInput{KeyId: &g.op.Key, GrantId: &g.id})
	})
	if opShut(err) {
		s := g.op.Slot()
		retired := c.inKMS(ctx, s.Account, s.Region, func(k *kmsPlace) error {
			return opTell(ctx, k.opPlace, "kms:RetireGrant", k.api.RetireGrant, &kms.RetireGrantInput{KeyId: &g.op.Key, GrantId: &g.id})
		})
		if opDone(retired, cloud.NotFound) == nil {
			return nil
		}
	}
	return opDone(err, cloud.NotFound)
}

func (c *Cloud) createGrant(ctx context.Context, o *estate.GrantTo) error {
	s := o.Slot()
	k, err := c.atKMS(ctx, s.Account, s.Region)
	if err != nil {
		return err
	}
	in := &kms.CreateGrantInput{KeyId: &o.Key, Name: &o.Name}
	for _, operation := range o.Operations {
		in.Operations = append(in.Operations, types.GrantOperation(operation))
	}
	if strings.HasPrefix(o.Grantee, "arn:") || !strings.Contains(o.Grantee, ".") {
		in.GranteePrincipal = &o.Grantee
	} else {
		in.GranteeServicePrincipal = &o.Grantee
	}
	if g := o.Constraints; g != nil {
		in.Constraints = &types.GrantConstraints{EncryptionContextEquals: g.EncryptionContextEquals, EncryptionContextSubset: g.EncryptionContextSubset}
		if g.SourceARN != "" {
			in.Constraints.SourceArn = &g.SourceARN
		}
	}
	return c.memory.withTokens(o.Key, func(tokens []string) error {
		in.GrantTokens = tokens
		out, err := opAsk(ctx, k.opPlace, "kms:CreateGrant", k.api.CreateGrant, in)
		if err == nil {
			c.memory.addToken(o.Key, aws.ToString(out.GrantToken))
		}
		return err
	})
}
