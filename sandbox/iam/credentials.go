package iam

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// credentialsOperations are the operations on passwords, on what tells of
// credentials, and on those that the sandbox has not got, of which lists are empty.
func (s *Service) credentialsOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(reads, s.asksLastUsed, s.GetAccessKeyLastUsed),
		gate.Op(writes, onAny[iam.UpdateAccountPasswordPolicyInput]("UpdateAccountPasswordPolicy"), s.UpdateAccountPasswordPolicy),
		gate.Op(reads, onAny[iam.GetAccountPasswordPolicyInput]("GetAccountPasswordPolicy"), s.GetAccountPasswordPolicy),
		gate.Op(writes, onAny[iam.DeleteAccountPasswordPolicyInput]("DeleteAccountPasswordPolicy"), s.DeleteAccountPasswordPolicy),
		gate.Op(writes, onAny[iam.GenerateCredentialReportInput]("GenerateCredentialReport"), s.GenerateCredentialReport),
		gate.Op(reads, onAny[iam.GetCredentialReportInput]("GetCredentialReport"), s.GetCredentialReport),
		gate.Op(reads, on("ListMFADevices", func(c *gate.Call, in *iam.ListMFADevicesInput) about { return s.userAt(c, in.UserName) }), s.ListMFADevices),
		gate.Op(reads, onAny[iam.ListVirtualMFADevicesInput]("ListVirtualMFADevices"), s.ListVirtualMFADevices),
		gate.Op(reads, on("ListSSHPublicKeys", func(c *gate.Call, in *iam.ListSSHPublicKeysInput) about { return s.userAt(c, in.UserName) }), s.ListSSHPublicKeys),
		gate.Op(reads, on("ListSigningCertificates", func(c *gate.Call, in *iam.ListSigningCertificatesInput) about { return s.userAt(c, in.UserName) }), s.ListSigningCertificates),
		gate.Op(reads, on("ListServiceSpecificCredentials", func(c *gate.Call, in *iam.ListServiceSpecificCredentialsInput) about {
			return s.userAt(c, in.UserName)
		}), s.ListServiceSpecificCredentials),
	}
}

// ownKey finds an access key of the account.
func (s *Service) ownKey(c *gate.Call, id string) *AccessKey {
	if k := s.keys.Get(id); k != nil && k.Account == c.Caller.Account {
		return k
	}
	return nil
}

// asksLastUsed asks about the user whose key it is.
func (s *Service) asksLastUsed(c *gate.Call, in *iam.GetAccessKeyLastUsedInput) ([]gate.Ask, error) {
	a := about{arn: "*"}
	if k := s.ownKey(c, *in.AccessKeyId); k != nil {
		a = s.userAt(c, &k.User)
	}
	return []gate.Ask{a.ask(c, "iam:GetAccessKeyLastUsed")}, nil
}

// GetAccessKeyLastUsed tells whose a key is. When it was used is not kept: the
// answer is that for a key which was not used since IAM looks.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html.
func (s *Service) GetAccessKeyLastUsed(ctx context.Context, in *iam.GetAccessKeyLastUsedInput) (*iam.GetAccessKeyLastUsedOutput, error) {
	k := s.ownKey(gate.From(ctx), *in.AccessKeyId)
	if k == nil {
		return nil, refuse("NoSuchEntity", "The Access Key with id "+*in.AccessKeyId+" cannot be found.") // assumed text
	}
	return &iam.GetAccessKeyLastUsedOutput{UserName: &k.User, AccessKeyLastUsed: &types.AccessKeyLastUsed{Region: new("N/A"), ServiceName: new("N/A")}}, nil
}

// ListMFADevices lists no devices.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListMFADevices.html.
func (s *Service) ListMFADevices(ctx context.Context, in *iam.ListMFADevicesInput) (*iam.ListMFADevicesOutput, error) {
	return &iam.ListMFADevicesOutput{MFADevices: []types.MFADevice{}}, s.mustHave(ctx, in.UserName)
}

// mustHave refuses a user that is not there.
func (s *Service) mustHave(ctx context.Context, user *string) error {
	if c := gate.From(ctx); user != nil || self(c, nil) != "" { // else it is the root user
		_, err := s.getUser(c, user)
		return err
	}
	return nil
}

// ListVirtualMFADevices lists no devices.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListVirtualMFADevices.html.
func (s *Service) ListVirtualMFADevices(context.Context, *iam.ListVirtualMFADevicesInput) (*iam.ListVirtualMFADevicesOutput, error) {
	return &iam.ListVirtualMFADevicesOutput{VirtualMFADevices: []types.VirtualMFADevice{}}, nil
}

// ListSSHPublicKeys lists no keys.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListSSHPublicKeys.html.
func (s *Service) ListSSHPublicKeys(ctx context.Context, in *iam.ListSSHPublicKeysInput) (*iam.ListSSHPublicKeysOutput, error) {
	return &iam.ListSSHPublicKeysOutput{SSHPublicKeys: []types.SSHPublicKeyMetadata{}}, s.mustHave(ctx, in.UserName)
}

// ListSigningCertificates lists no certificates.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListSigningCertificates.html.
func (s *Service) ListSigningCertificates(ctx context.Context, in *iam.ListSigningCertificatesInput) (*iam.ListSigningCertificatesOutput, error) {
	return &iam.ListSigningCertificatesOutput{Certificates: []types.SigningCertificate{}}, s.mustHave(ctx, in.UserName)
}

// ListServiceSpecificCredentials lists no credentials.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListServiceSpecificCredentials.html.
func (s *Service) ListServiceSpecificCredentials(ctx context.Context, in *iam.ListServiceSpecificCredentialsInput) (*iam.ListServiceSpecificCredentialsOutput, error) {
	return &iam.ListServiceSpecificCredentialsOutput{ServiceSpecificCredentials: []types.ServiceSpecificCredentialMetadata{}}, s.mustHave(ctx, in.UserName)
}
