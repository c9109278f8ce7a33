package iam

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// PasswordPolicy is what an account asks of the passwords of its users; the
// sandbox keeps no passwords.
type PasswordPolicy struct {
	MinLength                      int32
	Symbols, Numbers, Upper, Lower bool   `json:",omitempty"`
	ChangeOwn                      bool   `json:",omitempty"`
	HardExpiry                     *bool  `json:",omitempty"`
	MaxAge, Reuse                  *int32 `json:",omitempty"`
}

// plainLength is the least length of a password unless told otherwise.
const plainLength = 6

// UpdateAccountPasswordPolicy replaces the policy: what is left out gets its
// default.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html.
func (s *Service) UpdateAccountPasswordPolicy(ctx context.Context, in *iam.UpdateAccountPasswordPolicyInput) (*iam.UpdateAccountPasswordPolicyOutput, error) {
	p := &PasswordPolicy{
		MinLength: plainLength, Symbols: in.RequireSymbols, Numbers: in.RequireNumbers, Upper: in.RequireUppercaseCharacters, Lower: in.RequireLowercaseCharacters,
		ChangeOwn: in.AllowUsersToChangePassword, HardExpiry: in.HardExpiry, MaxAge: in.MaxPasswordAge, Reuse: in.PasswordReusePrevention,
	}
	if in.MinimumPasswordLength != nil {
		p.MinLength = *in.MinimumPasswordLength
	}
	s.passwords.Put(account(ctx), p)
	return &iam.UpdateAccountPasswordPolicyOutput{}, nil
}

func (s *Service) passwordPolicy(account string) (*PasswordPolicy, error) {
	if p := s.passwords.Get(account); p != nil {
		return p, nil
	}
	return nil, refuse("NoSuchEntity", "The Password Policy with domain name "+account+" cannot be found.") // reported
}

// GetAccountPasswordPolicy returns the policy.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountPasswordPolicy.html.
func (s *Service) GetAccountPasswordPolicy(ctx context.Context, _ *iam.GetAccountPasswordPolicyInput) (*iam.GetAccountPasswordPolicyOutput, error) {
	p, err := s.passwordPolicy(account(ctx))
	if err != nil {
		return nil, err
	}
	return &iam.GetAccountPasswordPolicyOutput{PasswordPolicy: &types.PasswordPolicy{
		MinimumPasswordLength: &p.MinLength, RequireSymbols: p.Symbols, RequireNumbers: p.Numbers, RequireUppercaseCharacters: p.Upper, RequireLowercaseCharacters: p.Lower,
		AllowUsersToChangePassword: p.ChangeOwn, HardExpiry: p.HardExpiry, MaxPasswordAge: p.MaxAge, PasswordReusePrevention: p.Reuse,
		ExpirePasswords: p.MaxAge != nil && *p.MaxAge > 0,
	}}, nil
}

// DeleteAccountPasswordPolicy takes the policy away.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccountPasswordPolicy.html.
func (s *Service) DeleteAccountPasswordPolicy(ctx context.Context, _ *iam.DeleteAccountPasswordPolicyInput) (*iam.DeleteAccountPasswordPolicyOutput, error) {
	if _, err := s.passwordPolicy(account(ctx)); err != nil {
		return nil, err
	}
	s.passwords.Delete(account(ctx))
	return &iam.DeleteAccountPasswordPolicyOutput{}, nil
}
