package sandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

func secretsOf(c aws.Config) *secretsmanager.Client { return secretsmanager.NewFromConfig(c) }

// hidden is a value that must be seen nowhere but in the answers that ask for it.
const hidden = "correct-horse-battery-staple"

// secret makes a secret with a value and returns its ARN.
func (w *world) secret(c aws.Config, name string, key *string) string {
	w.Helper()
	return *need(secretsOf(c).CreateSecret(w.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: new(hidden), KmsKeyId: key}))(w).ARN
}

// read reads a secret; "" with the error of a refusal.
func (w *world) readSecret(c aws.Config, id string) (string, error) {
	out, err := secretsOf(c).GetSecretValue(w.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id})
	if err != nil {
		return "", err
	}
	return *out.SecretString, nil
}

// keyPolicy lets the owner administer, and somebody do what is named.
func keyPolicy(who string, actions ...string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:*","Resource":"*"},
	{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":["%s"],"Resource":"*"}]}`, owner, who, strings.Join(actions, `","`))
}

func resourcePolicy(who string, actions ...string) *string {
	return new(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":["%s"],"Resource":"*"}]}`, who, strings.Join(actions, `","`)))
}

func TestASecretIsReadInAnotherAccountWhenSecretAndKeyLetItIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine, theirs := w.root(owner), w.admin(consumer)
	const shut = "because no resource-based policy allows the secretsmanager:GetSecretValue action"
	key := w.key(owner, "")
	id := w.secret(mine, "shared", &key)
	_, err := w.readSecret(theirs, id)
	w.ends("no policy of the secret", err, shut)
	need(secretsOf(mine).PutResourcePolicy(t.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: &id, ResourcePolicy: resourcePolicy(consumer, "secretsmanager:GetSecretValue")}))(t)
	_, err = w.readSecret(theirs, id)
	w.ends("the key is shut", err, "AccessDeniedException: Access to KMS is not allowed")
	need(w.kmsOf(mine).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: new(keyPolicy(consumer, "kms:Decrypt"))}))(t)
	got, err := w.readSecret(theirs, id)
	if got != hidden {
		t.Errorf("read %q, %v", got, err)
	}
	_, limited := w.user(consumer, "no-kms", allow("secretsmanager:GetSecretValue"))
	_, err = w.readSecret(limited, id)
	w.ends("a user who may not use the key", err, "Access to KMS is not allowed")
	_, err = w.readSecret(theirs, "shared")
	w.ends("by its name, which is one of the caller's", err, "ResourceNotFoundException: Secrets Manager can't find the specified secret.")
	_, err = secretsOf(theirs).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id})
	w.ends("another action", err, "because no resource-based policy allows the secretsmanager:DescribeSecret action")
}

func TestASecretUnderTheDefaultKeyIsReadInItsAccountOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.root(owner)
	id := w.secret(mine, "plain", nil)
	need(secretsOf(mine).PutResourcePolicy(t.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: &id, ResourcePolicy: resourcePolicy(consumer, "secretsmanager:*")}))(t)
	_, err := w.readSecret(w.admin(consumer), id)
	w.ends("another account", err, "AccessDeniedException: Access to KMS is not allowed")
	_, err = secretsOf(w.admin(consumer)).PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &id, SecretString: new("x")})
	w.ends("putting from another account", err, "AccessDeniedException: Access to KMS is not allowed")
	_, user := w.user(owner, "reader", allow("secretsmanager:GetSecretValue"))
	if got, err := w.readSecret(user, "plain"); got != hidden {
		t.Errorf("a user without rights of KMS reads %q, %v", got, err)
	}
	_, user = w.user(owner, "denied", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
	{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:SecretARN":"`+id+`","kms:ViaService":"secretsmanager.us-east-1.amazonaws.com"}}}]}`)
	_, err = w.readSecret(user, "plain")
	w.ends("a user whom the context denies", err, "Access to KMS is not allowed")
	described := need(secretsOf(mine).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: new("plain")}))(t)
	if described.KmsKeyId != nil || *described.ARN != id {
		t.Errorf("described %+v", described)
	}
}

func TestMakingASecretUsesTheKeyAsTheCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	for _, tt := range []struct {
		name, policy, want string
	}{
		{"all", allow("secretsmanager:*", "kms:*"), ""},
		{"both", allow("secretsmanager:*", "kms:GenerateDataKey", "kms:Decrypt"), ""},
		{"no-decrypt", allow("secretsmanager:*", "kms:GenerateDataKey"), "Access to KMS is not allowed"},
		{"no-data-key", allow("secretsmanager:*", "kms:Decrypt"), "Access to KMS is not allowed"},
		{"not-here", allow("kms:*"), "because no identity-based policy allows the secretsmanager:CreateSecret action"},
	} {
		_, c := w.user(owner, tt.name, tt.policy)
		_, err := secretsOf(c).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: new("of-" + tt.name), SecretString: new(hidden), KmsKeyId: &key})
		w.ends(tt.name, err, tt.want)
	}
	mine := w.root(owner)
	need(w.kmsOf(mine).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))(t)
	_, err := secretsOf(mine).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: new("late"), SecretString: new(hidden), KmsKeyId: &key})
	if got := refusal(err); !strings.HasPrefix(got, "EncryptionFailure: Secrets Manager can't encrypt the secret value: "+key+" is disabled.") {
		t.Errorf("a disabled key: %q", got)
	}
	_, err = w.readSecret(mine, "of-all")
	if got := refusal(err); !strings.HasPrefix(got, "DecryptionFailure: ") {
		t.Errorf("reading under a disabled key: %q", got)
	}
	if list := need(secretsOf(mine).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}))(t).SecretList; len(list) != 2 {
		t.Errorf("there are %d secrets, want the 2 that could be made", len(list))
	}
}

func TestVersionsGoFromCurrentToPrevious(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, ctx := secretsOf(w.root(owner)), t.Context()
	token := func(n int) *string { return new(fmt.Sprintf("00000000-0000-0000-0000-%012d", n)) }
	made := need(s.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: new("x"), SecretString: new("one"), ClientRequestToken: token(1)}))(t)
	again := need(s.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: new("x"), SecretString: new("one"), ClientRequestToken: token(1)}))(t)
	if *again.ARN != *made.ARN || *made.VersionId != *token(1) {
		t.Errorf("made %+v, then %+v", made, again)
	}
	_, err := s.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: new("x"), SecretString: new("other"), ClientRequestToken: token(1)})
	w.ends("the name again", err, "ResourceExistsException: The operation failed because the secret x already exists.")
	need(s.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: new("x"), SecretString: new("two"), ClientRequestToken: token(2)}))(t)
	_, err = s.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: new("x"), SecretString: new("not two"), ClientRequestToken: token(2)})
	if !strings.HasPrefix(refusal(err), "ResourceExistsException") {
		t.Errorf("the token with another value: %v", err)
	}
	need(s.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: new("x"), SecretBinary: []byte{1, 2}, ClientRequestToken: token(3), VersionStages: []string{"TEST"}}))(t)
	get := func(in *secretsmanager.GetSecretValueInput) string {
		in.SecretId = new("x")
		out, err := s.GetSecretValue(ctx, in)
		if err != nil {
			return refusal(err)
		}
		return aws.ToString(out.SecretString) + string(out.SecretBinary)
	}
	for _, tt := range []struct {
		in   *secretsmanager.GetSecretValueInput
		want string
	}{
		{&secretsmanager.GetSecretValueInput{}, "two"},
		{&secretsmanager.GetSecretValueInput{VersionStage: new("AWSPREVIOUS")}, "one"},
		{&secretsmanager.GetSecretValueInput{VersionStage: new("TEST")}, "\x01\x02"},
		{&secretsmanager.GetSecretValueInput{VersionId: token(1)}, "one"},
		{&secretsmanager.GetSecretValueInput{VersionStage: new("NO")}, "ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: NO"},
		{&secretsmanager.GetSecretValueInput{VersionId: token(1), VersionStage: new("TEST")}, "InvalidRequestException: You provided a VersionStage that is not associated to the provided VersionId."},
	} {
		if got := get(tt.in); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.in, got, tt.want)
		}
	}
	_, err = s.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{SecretId: new("x"), VersionStage: new("AWSCURRENT"), MoveToVersionId: token(1)})
	if !strings.HasPrefix(refusal(err), "InvalidParameterException: RemoveFromVersionId has to be ") {
		t.Errorf("moving without from: %v", err)
	}
	need(s.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{SecretId: new("x"), VersionStage: new("AWSCURRENT"), MoveToVersionId: token(1), RemoveFromVersionId: token(2)}))(t)
	stages := need(s.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: new("x")}))(t).VersionIdsToStages
	if !slices.Equal(stages[*token(1)], []string{"AWSCURRENT"}) || !slices.Equal(stages[*token(2)], []string{"AWSPREVIOUS"}) {
		t.Errorf("the stages are %v", stages)
	}
	need(s.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: new("x"), SecretString: new("four"), Description: new("d"), ClientRequestToken: token(4)}))(t)
	some := need(s.ListSecretVersionIds(ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: new("x"), MaxResults: new(int32(1))}))(t)
	all := need(s.ListSecretVersionIds(ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: new("x"), IncludeDeprecated: new(true)}))(t)
	if get(&secretsmanager.GetSecretValueInput{}) != "four" || len(some.Versions) != 1 || some.NextToken == nil || len(all.Versions) != 4 {
		t.Errorf("listed %d and %d versions", len(some.Versions), len(all.Versions))
	}
}

func TestANewKeyCountsForTheVersionsWithLabels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.root(owner)
	one, two := w.key(owner, ""), w.key(owner, "")
	w.secret(mine, "x", &one)
	need(secretsOf(mine).UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: new("x"), KmsKeyId: &two}))(t)
	need(w.kmsOf(mine).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &one}))(t)
	if got, err := w.readSecret(mine, "x"); got != hidden {
		t.Errorf("read %q, %v", got, err)
	}
	need(secretsOf(mine).UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: new("x"), KmsKeyId: &one}))(t)
	if got, err := w.readSecret(mine, "x"); got != hidden {
		t.Errorf("a key that cannot be used took the value away: %q, %v", got, err)
	}
}

func TestADeletedSecretEndsAfterItsWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.root(owner)
	s, ctx := secretsOf(mine), t.Context()
	w.secret(mine, "x", nil)
	_, err := s.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: new("x"), RecoveryWindowInDays: new(int64(6))})
	w.ends("six days", err, "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	need(s.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: new("x"), RecoveryWindowInDays: new(int64(7))}))(t)
	_, err = w.readSecret(mine, "x")
	w.ends("marked", err, "InvalidRequestException: You can't perform this operation on the secret because it was marked for deletion.")
	need(s.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: new("x")}))(t)
	w.pass(8 * day)
	if got, err := w.readSecret(mine, "x"); got != hidden {
		t.Errorf("a restored secret: %q, %v", got, err)
	}
	need(s.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: new("x")}))(t)
	if list := need(s.ListSecrets(ctx, &secretsmanager.ListSecretsInput{}))(t).SecretList; len(list) != 0 {
		t.Errorf("listed %v", list)
	}
	_, err = s.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: new("x")})
	w.ends("the name", err, "You can't create this secret because a secret with this name is already scheduled for deletion.")
	w.pass(31 * day)
	_, err = w.readSecret(mine, "x")
	w.ends("gone", err, "Secrets Manager can't find the specified secret.")
	w.secret(mine, "x", nil)
	need(s.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: new("x"), ForceDeleteWithoutRecovery: new(true)}))(t)
	w.secret(mine, "x", nil)
}

func TestSecretsAreFilteredPagedAndReadInBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.root(owner)
	s, ctx := secretsOf(mine), t.Context()
	for i, name := range []string{"app/a", "app/b", "other"} {
		need(s.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: new(name), Tags: []smtypes.Tag{{Key: new("n"), Value: new(fmt.Sprint(i))}}}))(t)
		w.pass(time.Second)
	}
	filter := []smtypes.Filter{{Key: smtypes.FilterNameStringTypeName, Values: []string{"app/"}}}
	page := need(s.ListSecrets(ctx, &secretsmanager.ListSecretsInput{Filters: filter, MaxResults: new(int32(1))}))(t)
	rest := need(s.ListSecrets(ctx, &secretsmanager.ListSecretsInput{Filters: filter, NextToken: page.NextToken}))(t)
	if *page.SecretList[0].Name != "app/b" || len(rest.SecretList) != 1 || *rest.SecretList[0].Name != "app/a" {
		t.Errorf("listed %v, then %v", page.SecretList, rest.SecretList)
	}
	_, limited := w.user(owner, "limited", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:BatchGetSecretValue","Resource":"*"},
	{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"secretsmanager:ResourceTag/n":"0"}}}]}`)
	out := need(secretsOf(limited).BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"app/a", "app/b"}}))(t)
	if len(out.SecretValues) != 1 || *out.SecretValues[0].SecretString != "app/a" || len(out.Errors) != 1 || *out.Errors[0].ErrorCode != "AccessDeniedException" {
		t.Errorf("read %v, refused %v", out.SecretValues, out.Errors)
	}
	need(s.UntagResource(ctx, &secretsmanager.UntagResourceInput{SecretId: new("app/a"), TagKeys: []string{"n"}}))(t)
	if tags := need(s.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: new("app/a")}))(t).Tags; len(tags) != 0 {
		t.Errorf("the tags are %v", tags)
	}
	password := *need(s.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{PasswordLength: new(int64(4)), ExcludeCharacters: new("a")}))(t).RandomPassword
	if len(password) != 4 || strings.Contains(password, "a") || !strings.ContainsAny(password, "0123456789") {
		t.Errorf("the password is %q", password)
	}
}

func TestCloudTrailHasNoSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.root(owner)
	s, ctx := secretsOf(mine), t.Context()
	w.secret(mine, "x", nil)
	need(s.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: new("x"), SecretString: new(hidden + "2")}))(t)
	need(s.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: new("x"), SecretString: new(hidden + "3")}))(t)
	if _, err := w.readSecret(mine, "x"); err != nil {
		t.Fatal(err)
	}
	need(s.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"x"}}))(t)
	password := *need(s.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{}))(t).RandomPassword
	records := w.records(owner)
	if strings.Contains(records, hidden) || strings.Contains(records, password) {
		t.Errorf("CloudTrail has %s", records)
	}
	for line := range strings.Lines(records) {
		if strings.Contains(line, `"eventName":"GetSecretValue"`) && !strings.Contains(line, `"responseElements":null`) || strings.Contains(line, `"eventName":"Decrypt"`) && !strings.Contains(line, `"SecretVersionId"`) {
			t.Errorf("recorded %s", line)
		}
	}
	if !strings.Contains(records, `"eventName":"GetSecretValue"`) || !strings.Contains(records, `"invokedBy":"secretsmanager.amazonaws.com"`) {
		t.Errorf("CloudTrail lacks records: %s", records)
	}
}
