package iam

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// GetContextKeysForCustomPolicy lists the context keys that policies speak of.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetContextKeysForCustomPolicy.html.
func (s *Service) GetContextKeysForCustomPolicy(_ context.Context, in *iam.GetContextKeysForCustomPolicyInput) (*iam.GetContextKeysForCustomPolicyOutput, error) {
	list, err := extra(nil, in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return &iam.GetContextKeysForCustomPolicyOutput{ContextKeyNames: contextKeys(list)}, nil
}

// GetContextKeysForPrincipalPolicy lists those of which a user, with its groups, a
// group or a role has policies.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetContextKeysForPrincipalPolicy.html.
func (s *Service) GetContextKeysForPrincipalPolicy(ctx context.Context, in *iam.GetContextKeysForPrincipalPolicyInput) (*iam.GetContextKeysForPrincipalPolicyOutput, error) {
	id, _, err := s.sourceOf(account(ctx), *in.PolicySourceArn, nil)
	if err != nil {
		return nil, err
	}
	list, err := extra(id.Policies, in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return &iam.GetContextKeysForPrincipalPolicyOutput{ContextKeyNames: contextKeys(list)}, nil
}

// keyNames gathers names, each once whatever its letter case.
type keyNames []string

func (k *keyNames) add(name string) {
	if !slices.ContainsFunc(*k, func(n string) bool { return strings.EqualFold(n, name) }) {
		*k = append(*k, name)
	}
}

// contextKeys are the condition keys and variables of policies, in the order in
// which they stand.
func contextKeys(list []estate.Named) []string {
	names := keyNames{}
	for _, n := range list {
		d := n.Document.Source
		if d == nil {
			continue
		}
		variables := d.Version != nil && d.Version.Text == policy.Version2012
		for i := range d.Statements {
			names.statement(&d.Statements[i], variables)
		}
	}
	return names
}

func (k *keyNames) statement(s *policy.Statement, variables bool) {
	values := func(l *policy.List) {
		if l != nil && variables {
			k.variables(l)
		}
	}
	values(s.Resource)
	values(s.NotResource)
	for i := range s.Conditions {
		for j := range s.Conditions[i].Keys {
			key := &s.Conditions[i].Keys[j]
			k.add(key.Name)
			values(&key.Values)
		}
	}
}

// variable is a policy variable, perhaps with a default. ${*}, ${?} and ${$} stand
// for the character itself.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html.
var variable = regexp.MustCompile(`\$\{\s*([^{},*?$\s][^{},]*?)\s*(?:,[^}]*)?\}`)

func (k *keyNames) variables(l *policy.List) {
	for i := range l.Values {
		for _, m := range variable.FindAllStringSubmatch(l.Values[i].Text, -1) {
			k.add(m[1])
		}
	}
}

func (s *Service) asksContextKeys(c *gate.Call, in *iam.GetContextKeysForPrincipalPolicyInput) ([]gate.Ask, error) {
	return asksSource(c, *in.PolicySourceArn, "iam:GetContextKeysForPrincipalPolicy")
}
