package awsfacts_test

import (
	"slices"
	"testing"

	"github.com/keyreach/keyreach/awsfacts"
)

// docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html and
// docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func TestLookupConditionKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		want        string
		kind        string
		multivalued bool
	}{
		{"kms:ViaService", "kms:ViaService", "String", false},
		{"KMS:VIASERVICE", "kms:ViaService", "String", false},
		{"kms:GrantIsForAWSResource", "kms:GrantIsForAWSResource", "Bool", false},
		{"kms:BypassPolicyLockoutSafetyCheck", "kms:BypassPolicyLockoutSafetyCheck", "Bool", false},
		{"kms:MultiRegion", "kms:MultiRegion", "Bool", false},
		{"kms:ReEncryptOnSameKey", "kms:ReEncryptOnSameKey", "Bool", false},
		{"kms:ResourceAliases", "kms:ResourceAliases", "String", true},
		{"kms:GrantOperations", "kms:GrantOperations", "String", true},
		{"kms:EncryptionContextKeys", "kms:EncryptionContextKeys", "String", true},
		{"kms:RotationPeriodInDays", "kms:RotationPeriodInDays", "Numeric", false},
		{"kms:ValidTo", "kms:ValidTo", "Date", false},
		{"kms:GrantConstraintSourceArn", "kms:GrantConstraintSourceArn", "ARN", false},
		{"kms:EncryptionContext:aws:ebs:id", "kms:EncryptionContext:${EncryptionContextKey}", "String", false},
		{"kms:encryptioncontext:Department", "kms:EncryptionContext:${EncryptionContextKey}", "String", false},
		{"kms:EncryptionContext:a/b", "kms:EncryptionContext:${EncryptionContextKey}", "String", false},
		{"kms:recipientattestation:pcr0", "kms:RecipientAttestation:PCR0", "String", false},
		{"aws:TagKeys", "aws:TagKeys", "String", true},
		{"aws:PrincipalOrgID", "aws:PrincipalOrgID", "String", false},
		{"aws:principalorgpaths", "aws:PrincipalOrgPaths", "String", true},
		{"aws:CalledVia", "aws:CalledVia", "String", true},
		{"aws:PrincipalArn", "aws:PrincipalArn", "ARN", false},
		{"aws:SourceIp", "aws:SourceIp", "IPAddress", false},
		{"aws:PrincipalIsAWSService", "aws:PrincipalIsAWSService", "Bool", false},
		{"aws:MultiFactorAuthAge", "aws:MultiFactorAuthAge", "Numeric", false},
		{"aws:TokenIssueTime", "aws:TokenIssueTime", "Date", false},
		{"aws:PrincipalTag/team", "aws:PrincipalTag/${TagKey}", "String", false},
		{"aws:ResourceTag/a/b:c", "aws:ResourceTag/${TagKey}", "String", false},
		{"AWS:requesttag/Team", "aws:RequestTag/${TagKey}", "String", false},
		{"aws:RequestTag/${TagKey}", "aws:RequestTag/${TagKey}", "String", false},
		{"sts:TransitiveTagKeys", "sts:TransitiveTagKeys", "String", true},
		{"backup:CopyTargets", "backup:CopyTargets", "ARN", true},
	}
	for _, tt := range tests {
		want := awsfacts.ConditionKey{Name: tt.want, Type: tt.kind, Multivalued: tt.multivalued}
		if got, ok := awsfacts.LookupConditionKey(tt.name); !ok || got != want {
			t.Errorf("LookupConditionKey(%q) = %+v, %t, want %+v", tt.name, got, ok, want)
		}
	}
}

func TestUnknownConditionKeys(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"kms:ViaServices", "kms:EncryptionContext", "kms:EncryptionContext:", "kms:RecipientAttestation:PCR99",
		"aws:PrincipalTag", "aws:PrincipalTag/", "aws:NoSuchKey", "s3:prefix", "ViaService", "/", ":", "a:", "a:b:", "",
	} {
		if key, ok := awsfacts.LookupConditionKey(name); ok {
			t.Errorf("LookupConditionKey(%q) = %+v", name, key)
		}
	}
}

// docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html, and the action
// table of the Service Authorization Reference.
func TestCarries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, action, key string
		carries, known    bool
	}{
		{"a forwarded call says via which service", "kms:Decrypt", "kms:ViaService", true, true},
		{"letter case does not count", "KMS:decrypt", "KMS:viaservice", true, true},
		{"only grant calls say that they are for an AWS resource", "kms:CreateGrant", "kms:GrantIsForAWSResource", true, true},
		{"so do ListGrants", "kms:ListGrants", "kms:GrantIsForAWSResource", true, true},
		{"and RevokeGrant", "kms:RevokeGrant", "kms:GrantIsForAWSResource", true, true},
		{"Decrypt is no grant call", "kms:Decrypt", "kms:GrantIsForAWSResource", false, true},
		{"Decrypt has an encryption context", "kms:Decrypt", "kms:EncryptionContext:aws:ebs:id", true, true},
		{"each half of ReEncrypt has one", "kms:ReEncryptFrom", "kms:EncryptionContext:aws:ebs:id", true, true},
		{"CreateGrant has the one of its constraint", "kms:CreateGrant", "kms:EncryptionContext:x", true, true},
		{"DescribeKey has none", "kms:DescribeKey", "kms:EncryptionContext:aws:ebs:id", false, true},
		{"nor its keys", "kms:DescribeKey", "kms:EncryptionContextKeys", false, true},
		{"Sign has none", "kms:Sign", "kms:EncryptionContext:x", false, true},
		{"an enclave attests itself to Decrypt", "kms:Decrypt", "kms:RecipientAttestation:PCR0", true, true},
		{"but not to Encrypt", "kms:Encrypt", "kms:RecipientAttestation:PCR0", false, true},
		{"what describes the key goes with every action on a key", "kms:Decrypt", "kms:KeySpec", true, true},
		{"aliases too", "kms:PutKeyPolicy", "kms:ResourceAliases", true, true},
		{"and tags", "kms:ScheduleKeyDeletion", "aws:ResourceTag/team", true, true},
		{"even with an action that lists no key", "kms:SynchronizeMultiRegionKey", "kms:KeyOrigin", true, true},
		{"but not with an action on no key", "kms:ListAliases", "kms:ResourceAliases", false, true},
		{"nor with GenerateRandom", "kms:GenerateRandom", "aws:ResourceTag/team", false, true},
		{"CreateKey says what it is to create", "kms:CreateKey", "kms:KeySpec", true, true},
		{"tags are requested when tagging", "kms:TagResource", "aws:RequestTag/team", true, true},
		{"and not when decrypting", "kms:Decrypt", "aws:RequestTag/team", false, true},
		{"nor are their keys", "kms:Decrypt", "aws:TagKeys", false, true},
		{"PutKeyPolicy can bypass the lockout check", "kms:PutKeyPolicy", "kms:BypassPolicyLockoutSafetyCheck", true, true},
		{"GetKeyPolicy cannot", "kms:GetKeyPolicy", "kms:BypassPolicyLockoutSafetyCheck", false, true},
		{"a global key goes with every action", "kms:Decrypt", "aws:PrincipalOrgID", true, true},
		{"a global family as well", "kms:ListKeys", "aws:PrincipalTag/team", true, true},
		{"an action of another service is not known", "s3:GetObject", "kms:ViaService", false, false},
		{"nor is an action that does not exist", "kms:ReEncrypt", "kms:ViaService", false, false},
		{"nor a key that does not exist", "kms:Decrypt", "kms:NoSuchKey", false, false},
		{"nor a key of another service", "kms:Decrypt", "s3:RequestObjectTagKeys", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if carries, known := awsfacts.Carries(tt.action, tt.key); carries != tt.carries || known != tt.known {
				t.Errorf("Carries(%q, %q) = %t, %t, want %t, %t", tt.action, tt.key, carries, known, tt.carries, tt.known)
			}
		})
	}
}

func TestOperationsWithAnEncryptionContextCarryItsConditionKey(t *testing.T) {
	t.Parallel()
	for _, op := range awsfacts.KMSOperations() {
		if op.Name == "RetireGrant" {
			continue // AWS lists the key with the action, though the request has no context.
		}
		for _, action := range op.Actions {
			if carries, known := awsfacts.Carries(action, "kms:EncryptionContext:x"); !known || carries != op.EncryptionContext {
				t.Errorf("%s: carries %t (known %t), operation has a context: %t", action, carries, known, op.EncryptionContext)
			}
		}
	}
}

func TestKeyConditionKeys(t *testing.T) {
	t.Parallel()
	want := []string{
		"aws:ResourceTag/${TagKey}", "kms:KeyOrigin", "kms:KeySpec", "kms:KeyUsage",
		"kms:MultiRegion", "kms:MultiRegionKeyType", "kms:ResourceAliases",
	}
	got := awsfacts.KeyConditionKeys()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got[0] = "changed"
	if slices.Contains(awsfacts.KeyConditionKeys(), "changed") {
		t.Error("a change of the copy reached the table")
	}
}
