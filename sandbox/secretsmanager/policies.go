package secretsmanager

import (
	"context"
	"crypto/rand"
	"math/big"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// maxPolicy is the size of the largest resource policy.
// See https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html.
const maxPolicy = 20480

// read reads a resource policy.
func read(text string) (*policy.Document, error) {
	if len(text) > maxPolicy {
		return nil, badParameter("The resource policy has more than 20480 characters.") // assumed text
	}
	d, err := gate.ReadPolicy("secret policy", text, false)
	if err != nil {
		return nil, refuse("MalformedPolicyDocumentException", "This resource policy contains invalid Json: "+err.Error()) // assumed text
	}
	for i := range d.Statements {
		if st := &d.Statements[i]; st.Principal == nil && st.NotPrincipal == nil {
			return nil, refuse("MalformedPolicyDocumentException", "This resource policy contains a statement without a principal.") // assumed text
		}
	}
	return d, nil
}

// public reports whether a policy lets everybody in. AWS asks by automated reasoning;
// here it is a statement that allows everybody without any condition.
func public(d *policy.Document) bool {
	everyone := false
	for p := range d.Principals() {
		everyone = everyone || p.Kind == arn.Everyone
	}
	if !everyone {
		return false
	}
	for i := range d.Statements {
		if st := &d.Statements[i]; st.Effect.Text == "Allow" && len(st.Conditions) == 0 {
			return true
		}
	}
	return false
}

// PutResourcePolicy gives a secret a policy.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutResourcePolicy.html.
func (s *Service) PutResourcePolicy(ctx context.Context, in *secretsmanager.PutResourcePolicyInput) (*secretsmanager.PutResourcePolicyOutput, error) {
	old, err := s.secret(gate.From(ctx), *in.SecretId, false)
	if err != nil {
		return nil, err
	}
	d, err := read(*in.ResourcePolicy)
	if err != nil {
		return nil, err
	}
	if set(in.BlockPublicPolicy) && public(d) {
		return nil, refuse("PublicPolicyException", "You can't attach a resource policy that allows broad access to the secret.") // assumed text
	}
	x := old.clone()
	x.Policy = *in.ResourcePolicy
	s.secrets.Put(x.row(), x)
	return &secretsmanager.PutResourcePolicyOutput{ARN: new(x.arn()), Name: &x.Name}, nil
}

// GetResourcePolicy tells the policy of a secret.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetResourcePolicy.html.
func (s *Service) GetResourcePolicy(ctx context.Context, in *secretsmanager.GetResourcePolicyInput) (*secretsmanager.GetResourcePolicyOutput, error) {
	x, err := s.secret(gate.From(ctx), *in.SecretId, true)
	if err != nil {
		return nil, err
	}
	return &secretsmanager.GetResourcePolicyOutput{ARN: new(x.arn()), Name: &x.Name, ResourcePolicy: wire.Optional(x.Policy)}, nil
}

// DeleteResourcePolicy takes the policy of a secret away.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteResourcePolicy.html.
func (s *Service) DeleteResourcePolicy(ctx context.Context, in *secretsmanager.DeleteResourcePolicyInput) (*secretsmanager.DeleteResourcePolicyOutput, error) {
	old, err := s.secret(gate.From(ctx), *in.SecretId, false)
	if err != nil {
		return nil, err
	}
	x := old.clone()
	x.Policy = ""
	s.secrets.Put(x.row(), x)
	return &secretsmanager.DeleteResourcePolicyOutput{ARN: new(x.arn()), Name: &x.Name}, nil
}

// ValidateResourcePolicy tells whether a policy could be put.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ValidateResourcePolicy.html.
func (s *Service) ValidateResourcePolicy(ctx context.Context, in *secretsmanager.ValidateResourcePolicyInput) (*secretsmanager.ValidateResourcePolicyOutput, error) {
	if in.SecretId != nil {
		if _, err := s.secret(gate.From(ctx), *in.SecretId, true); err != nil {
			return nil, err
		}
	}
	d, err := read(*in.ResourcePolicy)
	if err != nil {
		return nil, err
	}
	out := &secretsmanager.ValidateResourcePolicyOutput{PolicyValidationPassed: true, ValidationErrors: []types.ValidationErrorsEntry{}}
	if public(d) {
		out.PolicyValidationPassed = false
		out.ValidationErrors = append(out.ValidationErrors, types.ValidationErrorsEntry{
			CheckName: new("PublicPolicy"), ErrorMessage: new("The policy allows broad access to the secret."), // assumed texts
		})
	}
	return out, nil
}

// The characters of passwords.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html.
const (
	lower       = "abcdefghijklmnopqrstuvwxyz"
	upper       = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits      = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// GetRandomPassword makes a password.
// See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html.
func (s *Service) GetRandomPassword(_ context.Context, in *secretsmanager.GetRandomPasswordInput) (*secretsmanager.GetRandomPasswordOutput, error) {
	length := 32
	if in.PasswordLength != nil {
		length = int(*in.PasswordLength)
	}
	var kinds []string
	for _, k := range []struct {
		out   *bool
		chars string
	}{{in.ExcludeLowercase, lower}, {in.ExcludeUppercase, upper}, {in.ExcludeNumbers, digits}, {in.ExcludePunctuation, punctuation}, {new(!set(in.IncludeSpace)), " "}} {
		if set(k.out) {
			continue
		}
		kept := strings.Map(func(r rune) rune {
			if strings.ContainsRune(aws.ToString(in.ExcludeCharacters), r) {
				return -1
			}
			return r
		}, k.chars)
		if kept != "" {
			kinds = append(kinds, kept)
		}
	}
	each := in.RequireEachIncludedType == nil || *in.RequireEachIncludedType
	switch {
	case len(kinds) == 0:
		return nil, badParameter("The password cannot be empty: no characters are left for it.") // assumed text
	case length < 1 || length > 4096 || each && length < len(kinds):
		return nil, badParameter("The password length is not valid for the required character types.") // assumed text
	}
	all := strings.Join(kinds, "")
	b := make([]byte, length)
	for i := range b {
		b[i] = all[below(len(all))]
	}
	if each {
		// Each kind gets one place, the places in an order of chance.
		order := make([]int, length)
		for i := range order {
			order[i] = i
		}
		for i, kind := range kinds {
			j := i + below(length-i)
			order[i], order[j] = order[j], order[i]
			b[order[i]] = kind[below(len(kind))]
		}
	}
	return &secretsmanager.GetRandomPasswordOutput{RandomPassword: new(string(b))}, nil
}

// below is a number of chance that is smaller than n.
func below(n int) int {
	v, _ := rand.Int(rand.Reader, big.NewInt(int64(n))) // never fails since Go 1.24
	return int(v.Int64())
}
