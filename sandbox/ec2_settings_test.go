package sandbox_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

func TestAnAccountHasAKeyForItsNewVolumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	is := func(want string) {
		t.Helper()
		if got := *need(c.GetEbsDefaultKmsKeyId(t.Context(), &ec2.GetEbsDefaultKmsKeyIdInput{}))(t).KmsKeyId; got != want {
			t.Errorf("the default key is %s, want %s", got, want)
		}
	}
	is("alias/aws/ebs")
	key := w.key(owner, "")
	need(c.ModifyEbsDefaultKmsKeyId(t.Context(), &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: &key}))(t)
	is(key)
	if in := ec2.NewFromConfig(w.Root(owner, "eu-west-1")); *need(in.GetEbsDefaultKmsKeyId(t.Context(), &ec2.GetEbsDefaultKmsKeyIdInput{}))(t).KmsKeyId != "alias/aws/ebs" {
		t.Error("another Region has the key too")
	}
	need(c.ResetEbsDefaultKmsKeyId(t.Context(), &ec2.ResetEbsDefaultKmsKeyIdInput{}))(t)
	is("alias/aws/ebs")
	_, err := c.ModifyEbsDefaultKmsKeyId(t.Context(), &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: new("alias/none")})
	w.ends("a key that there is not", err, "InvalidParameterValue: The specified keyId alias/none is invalid")
	_, nobody := w.user(owner, "nobody", "")
	_, err = ec2.NewFromConfig(nobody).EnableEbsEncryptionByDefault(t.Context(), &ec2.EnableEbsEncryptionByDefaultInput{})
	if got := refusal(err); got == "" {
		t.Error("somebody without rights changed the default")
	}
	_, err = c.EnableEbsEncryptionByDefault(t.Context(), &ec2.EnableEbsEncryptionByDefaultInput{DryRun: new(true)})
	w.ends("a dry run", err, "DryRunOperation: Request would have succeeded, but DryRun flag is set.")
	need(c.EnableEbsEncryptionByDefault(t.Context(), &ec2.EnableEbsEncryptionByDefaultInput{}))(t)
	if !*need(c.GetEbsEncryptionByDefault(t.Context(), &ec2.GetEbsEncryptionByDefaultInput{}))(t).EbsEncryptionByDefault {
		t.Error("encryption is not on")
	}
}
