package kms

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// defaultPolicy is the policy of a key for which the caller gave none.
// See https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html.
func defaultPolicy(region, account string) string {
	return fmt.Sprintf(`{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:%s:iam::%s:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`, awsfacts.PartitionName(region), account)
}

// setPolicy gives a key a policy after the checks that AWS makes: the form, the
// size, the principals, and that the caller could change it again.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html.
func (s *Service) setPolicy(c *gate.Call, k *Key, given *string, bypass bool) error {
	k.Policy, k.PrincipalIDs = defaultPolicy(k.Region, k.Account), nil
	if given == nil {
		k.ready()
		return nil
	}
	if len(*given) > awsfacts.Limits().KeyPolicyBytes {
		return refuse("LimitExceededException", fmt.Sprintf("The key policy has %d bytes, and %d are allowed.", len(*given), awsfacts.Limits().KeyPolicyBytes)) // assumed text
	}
	d, err := gate.ReadPolicy("key policy", *given, true)
	if err != nil {
		return noPolicy(err.Error())
	}
	for i := range d.Statements {
		if st := &d.Statements[i]; st.Principal == nil && st.NotPrincipal == nil {
			return noPolicy(fmt.Sprintf("statement %d names no Principal", i+1)) // assumed
		}
	}
	ids, err := s.principals(d)
	if err != nil {
		return err
	}
	k.Policy, k.PrincipalIDs = *given, ids
	k.ready()
	if bypass {
		return nil
	}
	ask := gate.Ask{Action: "kms:PutKeyPolicy", Resource: k.arn, Target: k.target, Owner: k.Account, Policy: k.policy, Key: k.view}
	if !s.Gate.Would(c, &ask) {
		return malformedPolicy("The new key policy will not allow you to update the key policy in the future.")
	}
	return nil
}

// noPolicy refuses what is no policy at all. KMS says no more
// (https://github.com/aws/aws-sdk-ruby/issues/1784); the reason is told by the
// decision of the call.
func noPolicy(why string) error {
	return &wire.Error{Code: "MalformedPolicyDocumentException", Why: why}
}

func malformedPolicy(text string) error {
	return refuse("MalformedPolicyDocumentException", text)
}

// principals checks that everybody whom a policy names exists, and returns the
// unique ids behind the ARNs. Accounts are taken as they come: the sandbox cannot
// know which exist.
func (s *Service) principals(d *policy.Document) (map[string]string, error) {
	ids := map[string]string{}
	for p := range d.Principals() {
		switch p.Kind {
		case arn.Everyone, arn.AccountRoot, arn.Service:
			continue
		case arn.User, arn.Role, arn.AssumedRole, arn.FederatedUser:
			id, ok := s.Principals.UniqueID(p)
			if !ok {
				return nil, invalidPrincipals()
			}
			ids[p.Text] = id
		case arn.UniqueID:
			// What GetKeyPolicy shows for somebody who is gone is not taken back.
			if _, ok := s.Principals.ARN(p.Text); !ok {
				return nil, invalidPrincipals()
			}
		case arn.Invalid:
			return nil, invalidPrincipals()
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return ids, nil
}

func invalidPrincipals() error {
	return malformedPolicy("Policy contains a statement with one or more invalid principals.")
}

// PutKeyPolicy replaces the key policy.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html.
func (s *Service) PutKeyPolicy(ctx context.Context, in *kms.PutKeyPolicyInput) (*kms.PutKeyPolicyOutput, error) {
	k, err := s.change(ctx, *in.KeyId, "PutKeyPolicy")
	if err != nil {
		return nil, err
	}
	if err := onlyDefault(in.PolicyName); err != nil {
		return nil, err
	}
	if err := s.setPolicy(gate.From(ctx), k, in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	s.put(k)
	return &kms.PutKeyPolicyOutput{}, nil
}

// onlyDefault refuses a policy name other than the only one there is.
func onlyDefault(name *string) error {
	if name == nil || *name == "default" {
		return nil
	}
	return notFound("No such policy exists")
}

// GetKeyPolicy returns the key policy. A principal that was deleted since is told
// by its unique id.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyPolicy.html.
func (s *Service) GetKeyPolicy(ctx context.Context, in *kms.GetKeyPolicyInput) (*kms.GetKeyPolicyOutput, error) {
	k, err := s.found(ctx, *in.KeyId, "GetKeyPolicy")
	if err != nil {
		return nil, err
	}
	if err := onlyDefault(in.PolicyName); err != nil {
		return nil, err
	}
	return &kms.GetKeyPolicyOutput{Policy: new(s.policyText(k)), PolicyName: new("default")}, nil
}

func (s *Service) policyText(k *Key) string {
	out := k.Policy
	for name, id := range k.PrincipalIDs {
		if now, ok := s.Principals.ARN(id); !ok || now != name {
			out = strings.ReplaceAll(out, `"`+name+`"`, `"`+id+`"`)
		}
	}
	return out
}

// ListKeyPolicies lists the one policy.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeyPolicies.html.
func (s *Service) ListKeyPolicies(ctx context.Context, in *kms.ListKeyPoliciesInput) (*kms.ListKeyPoliciesOutput, error) {
	if _, err := s.found(ctx, *in.KeyId, "ListKeyPolicies"); err != nil {
		return nil, err
	}
	return &kms.ListKeyPoliciesOutput{PolicyNames: []string{"default"}}, nil
}
