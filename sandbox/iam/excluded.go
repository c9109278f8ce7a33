package iam

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
)

// excluded are the policies that a simulation leaves out.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_PolicyIdentifier.html.
type excluded []types.PolicyIdentifier

// Unions are the members of the one union that IAM's requests have.
func (s *Service) Unions() []any {
	return []any{
		&types.PolicyIdentifierMemberPolicyType{}, &types.PolicyIdentifierMemberPolicyArn{}, &types.PolicyIdentifierMemberInlinePolicyIdentifier{},
	}
}

// check refuses what can name no policy.
func (x excluded) check() error {
	for _, id := range x {
		if m, ok := id.(*types.PolicyIdentifierMemberPolicyArn); ok {
			if a, err := arn.Parse(m.Value); err != nil || strings.Count(a.Resource, "*") > 1 || strings.ContainsAny(a.Account, "*?") {
				return refuse("InvalidInput", "Invalid policy identifier: "+m.Value) // assumed text
			}
		}
	}
	return nil
}

func (x excluded) kind(t types.PolicyIdentifierPolicyType) bool {
	for _, id := range x {
		if m, ok := id.(*types.PolicyIdentifierMemberPolicyType); ok && m.Value == t {
			return true
		}
	}
	return false
}

func (x excluded) named(policyARN string) bool {
	for _, id := range x {
		if m, ok := id.(*types.PolicyIdentifierMemberPolicyArn); ok && arn.Glob(m.Value, policyARN) {
			return true
		}
	}
	return false
}

// inline reports whether the inline policy of an entity is left out.
func (x excluded) inline(t types.AttachmentType, entity, name string) bool {
	for _, id := range x {
		if m, ok := id.(*types.PolicyIdentifierMemberInlinePolicyIdentifier); ok &&
			m.Value.AttachmentType == t && *m.Value.PolicyName == name && arn.Glob(*m.Value.AttachmentName, entity) {
			return true
		}
	}
	return x.kind(types.PolicyIdentifierPolicyTypeInline)
}

// managed reports whether a managed policy is left out.
func (x excluded) managed(policyARN string) bool {
	own := types.PolicyIdentifierPolicyTypeUserManaged
	if strings.HasPrefix(policyARN, "arn:aws:iam::aws:") {
		own = types.PolicyIdentifierPolicyTypeAwsManaged
	}
	return x.kind(own) || x.named(policyARN)
}

// boundary reports whether the permissions boundary is left out.
func (x excluded) boundary(policyARN string) bool {
	return x.kind(types.PolicyIdentifierPolicyTypePermissionBoundary) || x.named(policyARN)
}

// levels are the service control policies that are not left out. When one level
// loses all, it allows nothing; when the type is left out, there are no levels.
func (x excluded) levels(scp [][]estate.Named) [][]estate.Named {
	if len(x) == 0 {
		return scp
	}
	if x.kind(types.PolicyIdentifierPolicyTypeScp) {
		return nil
	}
	var list [][]estate.Named
	for _, level := range scp {
		kept := []estate.Named{}
		for _, n := range level {
			if policyARN, _, _ := strings.Cut(n.Name, " on "); !x.named(policyARN) {
				kept = append(kept, n)
			}
		}
		list = append(list, kept)
	}
	return list
}
