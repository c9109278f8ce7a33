package kms

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// shown is a principal of a grant as lists show it: the ARN while it has the
// unique id that the grant was made for, and the id once it has not.
func (s *Service) shown(principal, id string) *string {
	if principal == "" {
		return nil
	}
	p, err := arn.ParsePrincipal(principal)
	if err != nil || p.Kind == arn.AccountRoot {
		return &principal
	}
	if own, ok := infrastructure(p); ok && own == id {
		return &principal
	}
	if now, ok := s.Principals.UniqueID(p); ok && now == id {
		return &principal
	}
	return &id
}

func (s *Service) entry(g *Grant) types.GrantListEntry {
	e := types.GrantListEntry{
		KeyId: new(keyARN(g.Region, g.Account, g.KeyID)), GrantId: &g.ID, CreationDate: &g.Created,
		GranteePrincipal: s.shown(g.Grantee, g.GranteeID), RetiringPrincipal: s.shown(g.Retiring, g.RetiringID),
		IssuingAccount: new("arn:" + awsfacts.PartitionName(g.Region) + ":iam::" + g.Issuer + ":root"), Operations: g.Operations,
	}
	if g.Name != "" {
		e.Name = &g.Name
	}
	if g.GranteeService != "" {
		// ListGrants shows a service as the grantee.
		e.GranteePrincipal, e.GranteeServicePrincipal = &g.GranteeService, &g.GranteeService
	}
	if g.RetiringService != "" {
		e.RetiringPrincipal, e.RetiringServicePrincipal = &g.RetiringService, &g.RetiringService
	}
	if k := g.Constraints; k != nil {
		e.Constraints = &types.GrantConstraints{EncryptionContextEquals: k.EncryptionContextEquals, EncryptionContextSubset: k.EncryptionContextSubset}
		if k.SourceARN != "" {
			e.Constraints.SourceArn = &k.SourceARN
		}
	}
	return e
}

// ListGrants lists the grants of a key.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListGrants.html.
func (s *Service) ListGrants(ctx context.Context, in *kms.ListGrantsInput) (*kms.ListGrantsOutput, error) {
	k, err := s.found(ctx, *in.KeyId, "ListGrants")
	if err != nil {
		return nil, err
	}
	if in.GranteeServicePrincipal != nil {
		return nil, forServices("GranteeServicePrincipal")
	}
	var grantee, id string
	if in.GranteePrincipal != nil {
		if grantee, id, err = s.filter(*in.GranteePrincipal); err != nil {
			return nil, err
		}
	}
	var list []types.GrantListEntry
	for _, g := range s.grants.All(state.Key(k.row(), "")) {
		if in.GrantId != nil && g.ID != *in.GrantId || grantee != "" && (g.Grantee != grantee || g.GranteeID != id) && g.GranteeService != grantee {
			continue
		}
		list = append(list, s.entry(g))
	}
	page, next, err := paged(list, in.Marker, in.Limit, 50)
	if err != nil {
		return nil, err
	}
	return &kms.ListGrantsOutput{Grants: page, NextMarker: next, Truncated: next != nil}, nil
}

// forServices refuses a filter that AWS keeps for its services.
func forServices(filter string) error {
	return validation(filter + " can only be used by an AWS service principal.") // assumed text
}

// filter reads the principal by which ListGrants filters.
func (s *Service) filter(text string) (principal, id string, err error) {
	p, err := arn.ParsePrincipal(text)
	if err == nil && p.Kind == arn.Service {
		return text, "", nil
	}
	principal, id, err = s.principal(&gate.Call{}, "Input", text)
	if err != nil && p.Kind == arn.UniqueID {
		return "", "", refuse("InvalidArnException", "Input does not refer to a valid principal")
	}
	return principal, id, err
}

// ListRetirableGrants lists the grants that a principal of the caller's account
// may retire, on whosever keys.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListRetirableGrants.html.
func (s *Service) ListRetirableGrants(ctx context.Context, in *kms.ListRetirableGrantsInput) (*kms.ListRetirableGrantsOutput, error) {
	switch {
	case in.RetiringServicePrincipal != nil:
		return nil, forServices("RetiringServicePrincipal")
	case in.RetiringPrincipal == nil:
		return nil, validation("1 validation error detected: Value null at 'retiringPrincipal' failed to satisfy constraint: Member must not be null")
	}
	c := gate.From(ctx)
	principal, id, err := s.principal(gate.From(ctx), "RetiringPrincipal", *in.RetiringPrincipal)
	if err != nil {
		if p, perr := arn.ParsePrincipal(*in.RetiringPrincipal); perr == nil && p.Kind == arn.UniqueID {
			return nil, notFound("Retiring principal " + *in.RetiringPrincipal + " could not be found")
		}
		return nil, err
	}
	mine := false
	if p, err := arn.ParsePrincipal(principal); err == nil {
		mine = p.Account == c.Caller.Account
	}
	var list []types.GrantListEntry
	for _, g := range s.grants.All("") {
		// Of other accounts' principals nothing is told.
		if mine && g.Region == c.Region && g.Retiring == principal && g.RetiringID == id {
			list = append(list, s.entry(g))
		}
	}
	page, next, err := paged(list, in.Marker, in.Limit, 50)
	if err != nil {
		return nil, err
	}
	return &kms.ListRetirableGrantsOutput{Grants: page, NextMarker: next, Truncated: next != nil}, nil
}

// RevokeGrant ends a grant by the right of a policy.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_RevokeGrant.html.
func (s *Service) RevokeGrant(ctx context.Context, in *kms.RevokeGrantInput) (*kms.RevokeGrantOutput, error) {
	k, err := s.found(ctx, *in.KeyId, "RevokeGrant")
	if err != nil {
		return nil, err
	}
	row := state.Key(k.row(), *in.GrantId)
	if s.grants.Get(row) == nil {
		return nil, noGrant(*in.GrantId, k.arn)
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.grants.Delete(row)
	return &kms.RevokeGrantOutput{}, nil
}

func noGrant(id, keyARN string) error {
	return notFound("Grant ID " + id + " not found for key " + keyARN) // assumed text
}

// grantToRetire finds the grant that a RetireGrant means, and its key. The grants
// returned are that one only: no other says who may retire it.
func (s *Service) grantToRetire(c *gate.Call, in *kms.RetireGrantInput) ([]estate.Grant, found, error) {
	var g *Grant
	switch {
	case in.GrantToken != nil:
		if g = s.byToken(c, *in.GrantToken); g == nil {
			return nil, found{}, errToken()
		}
	case in.KeyId != nil && in.GrantId != nil:
		a, err := arn.Parse(*in.KeyId)
		if err != nil {
			return nil, found{}, notFound("Invalid arn " + *in.KeyId)
		}
		f, err := s.find(c, *in.KeyId, "RetireGrant")
		if err != nil || f.hidden {
			return nil, f, err
		}
		if g = s.grants.Get(state.Key(f.row(), *in.GrantId)); g == nil {
			if f.owner != c.Caller.Account { // who must not learn that there is such a key
				return nil, found{hidden: true, arn: f.arn, owner: f.owner}, nil
			}
			return nil, found{}, noGrant(*in.GrantId, a.String())
		}
	default:
		return nil, found{}, validation("Either GrantToken, or KeyId and GrantId, must be specified.") // assumed text
	}
	k := s.keys.Get(state.Key(g.Account, g.Region, g.KeyID)).at(c.At)
	if k == nil {
		return nil, found{}, notFound("Key '" + keyARN(g.Region, g.Account, g.KeyID) + "' does not exist")
	}
	return []estate.Grant{g.view}, found{Key: k, arn: k.arn, owner: k.Account}, nil
}

func (s *Service) byToken(c *gate.Call, token string) *Grant {
	for _, g := range s.grants.All("") {
		if g.Region == c.Region && slices.Contains(g.Tokens, token) {
			return g
		}
	}
	return nil
}

// RetireGrant ends a grant by the right of the grant itself.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_RetireGrant.html.
func (s *Service) RetireGrant(ctx context.Context, in *kms.RetireGrantInput) (*kms.RetireGrantOutput, error) {
	c := gate.From(ctx)
	g, f, err := s.grantToRetire(c, in)
	if err != nil {
		return nil, err
	}
	if err := f.inState("RetireGrant"); err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.grants.Delete(state.Key(f.row(), g[0].GrantID))
	out := &kms.RetireGrantOutput{}
	out.ResultMetadata.Set(grantRetired, g[0].GrantID)
	return out, nil
}
