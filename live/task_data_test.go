package live_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/keyreach/keyreach/cloud"
)

func (w *taskWorld) s3Of(account string) *s3.Client {
	return s3.NewFromConfig(w.root(account), func(o *s3.Options) { o.UsePathStyle = true })
}

// bucket makes a bucket with versions that lets a principal do things.
func (w *taskWorld) bucket(account, name, principal, actions string) {
	w.Helper()
	c := w.s3Of(account)
	_, err := c.CreateBucket(w.Context(), &s3.CreateBucketInput{Bucket: &name})
	w.well(err)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":[` + actions + `],"Resource":["arn:aws:s3:::` + name + `","arn:aws:s3:::` + name + `/*"]}]}`
	_, err = c.PutBucketPolicy(w.Context(), &s3.PutBucketPolicyInput{Bucket: &name, Policy: &policy})
	w.well(err)
	_, err = c.PutBucketVersioning(w.Context(), &s3.PutBucketVersioningInput{Bucket: &name, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}})
	w.well(err)
}

// versions are all versions and markers of a bucket.
func (w *taskWorld) versions(account, bucket string) (list []string) {
	w.Helper()
	out, err := w.s3Of(account).ListObjectVersions(w.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket})
	w.well(err)
	for _, v := range out.Versions {
		list = append(list, *v.Key+" "+*v.VersionId)
	}
	for _, m := range out.DeleteMarkers {
		list = append(list, "marker of "+*m.Key)
	}
	return list
}

func tasksOfS3() []cloud.Task {
	return []cloud.Task{{Operation: "s3:PutObject"}, {Operation: "s3:GetObject"}, {Operation: "s3:ReplicateObject"}}
}

func TestABackupIsWrittenOnceAndReadByTasks(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, tasksOfS3()...)
	key := w.key(taskOwner, taskHome)
	w.bucket(taskOwner, "backups", taskRole(taskConsumer, "Actor"), `"s3:PutObject","s3:GetObject"`)
	args := map[string]string{"bucket": "backups", "key": "daily/1", "body": "all of the data", "bucketAccount": taskOwner}
	write := taskIn(taskConsumer, "s3:PutObject", "kr-write", cloud.Task{Key: key, Args: args, Scenario: "sse-kms"})
	w.works(write)
	if got := w.versions(taskOwner, "backups"); len(got) != 1 {
		t.Errorf("the bucket has %v", got)
	}
	// Without the bucket's account, nobody can look, and the write is still made once.
	blind := write
	blind.Args = taskArgs(args, "bucketAccount", "")
	blind.Account, blind.Name = taskConsumer, "kr-blind"
	if _, err := w.mover.Start(t.Context(), blind); cloud.KindOf(err) != cloud.Exists {
		t.Errorf("writing over another task's object fails with %v", err)
	}
	read := taskIn(taskConsumer, "s3:GetObject", "kr-read", cloud.Task{Args: args})
	p, err := w.mover.Start(t.Context(), read)
	if err != nil || !p.Done || p.Made["bytes"] != "15" {
		t.Errorf("reading is %+v, %v", p, err)
	}
	if _, found, err := w.mover.Look(t.Context(), read); found || err != nil {
		t.Errorf("a read is found: %v", err)
	}
	for _, other := range []string{"all of the date", "all of the", "all of the data!", ""} {
		read.Args = taskArgs(args, "body", other)
		if p, err := w.mover.Start(t.Context(), read); err != nil || p.Done || p.Failed == "" {
			t.Errorf("reading other bytes than %q is %+v, %v", other, p, err)
		}
	}
	w.disable(key)
	read.Args = args
	if _, err := w.mover.Start(t.Context(), read); err == nil || !strings.Contains(err.Error(), "KMS.DisabledException") {
		t.Errorf("reading under a disabled key fails with %v", err)
	}
	for range 2 {
		if err := w.mover.Remove(t.Context(), write); err != nil {
			t.Error(err)
		}
	}
	if got := w.versions(taskOwner, "backups"); len(got) != 0 {
		t.Errorf("removing leaves %v", got)
	}
}

func TestAnObjectIsReplicatedByATask(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, tasksOfS3()...)
	key, own := w.key(taskOwner, taskHome), w.key(taskConsumer, taskHome)
	role, trust := "Replication", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	c := iam.NewFromConfig(w.root(taskOwner))
	r, err := c.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &role, AssumeRolePolicyDocument: &trust})
	w.well(err)
	_, err = c.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new("own"), PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","kms:*"],"Resource":"*"}]}`)})
	w.well(err)
	w.bucket(taskOwner, "original", taskRole(taskOwner, "Way"), `"s3:GetObject"`)
	w.bucket(taskConsumer, "replicas", *r.Role.Arn, `"s3:ReplicateObject","s3:ReplicateDelete","s3:ReplicateTags"`)
	replicate := taskIn(taskOwner, "s3:ReplicateObject", "kr-replicate", cloud.Task{Key: own, Scenario: "sse-kms", Args: map[string]string{
		"bucket": "original", "key": "data", "body": "data", "sourceKey": key, "destinationBucket": "replicas", "destinationAccount": taskConsumer,
	}})
	replicate.Actor = *r.Role.Arn
	alone := replicate
	alone.Name, alone.Args = "kr-alone", taskArgs(replicate.Args, "key", "alone")
	w.fails(alone, "no rule")

	_, err = w.s3Of(taskOwner).PutBucketReplication(t.Context(), &s3.PutBucketReplicationInput{Bucket: new("original"), ReplicationConfiguration: &s3types.ReplicationConfiguration{
		Role: r.Role.Arn, Rules: []s3types.ReplicationRule{{
			ID: new("all"), Priority: new(int32(1)), Status: s3types.ReplicationRuleStatusEnabled, Filter: &s3types.ReplicationRuleFilter{Prefix: new("")},
			DeleteMarkerReplication: &s3types.DeleteMarkerReplication{Status: s3types.DeleteMarkerReplicationStatusDisabled},
			SourceSelectionCriteria: &s3types.SourceSelectionCriteria{SseKmsEncryptedObjects: &s3types.SseKmsEncryptedObjects{Status: s3types.SseKmsEncryptedObjectsStatusEnabled}},
			Destination:             &s3types.Destination{Bucket: new("arn:aws:s3:::replicas"), EncryptionConfiguration: &s3types.EncryptionConfiguration{ReplicaKmsKeyID: &own}},
		}},
	}})
	w.well(err)
	w.works(replicate)
	if got := w.versions(taskConsumer, "replicas"); len(got) != 1 {
		t.Errorf("the replicas are %v", got)
	}
	closed := replicate
	closed.Name, closed.Args = "kr-closed", taskArgs(replicate.Args, "key", "closed")
	w.disable(own)
	w.fails(closed, "FAILED")
	for _, task := range []cloud.Task{replicate, alone, closed} {
		if err := w.mover.Remove(t.Context(), task); err != nil {
			t.Error(err)
		}
	}
	if got := append(w.versions(taskConsumer, "replicas"), w.versions(taskOwner, "original")...); len(got) != 0 {
		t.Errorf("removing leaves %v", got)
	}
}

func TestDataKeysAndSecretsAreUsedByTasks(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, cloud.Task{Operation: "secretsmanager:GetSecretValue"})
	key := w.key(taskOwner, taskAway)
	binding := map[string]string{"encryptionContext": `{"host":"web"}`}
	for _, operation := range []string{"kms:GenerateDataKey", "kms:Encrypt"} {
		sealed, err := w.mover.Start(t.Context(), taskIn(taskConsumer, operation, "kr-seal", cloud.Task{Key: key, Args: taskArgs(binding, "body", "secret")}))
		if err != nil || !sealed.Done || sealed.Made["ciphertext"] == "" || len(sealed.Made) != 1 {
			t.Fatalf("sealing by %s is %+v, %v", operation, sealed, err)
		}
		open := taskIn(taskConsumer, "kms:Decrypt", "kr-open", cloud.Task{Key: key, Args: taskArgs(binding, "ciphertext", sealed.Made["ciphertext"])})
		if p, err := w.mover.Start(t.Context(), open); err != nil || !p.Done || len(p.Made) != 0 {
			t.Errorf("opening is %+v, %v", p, err)
		}
		open.Args = map[string]string{"ciphertext": sealed.Made["ciphertext"]}
		if _, err := w.mover.Start(t.Context(), open); err == nil || !strings.Contains(err.Error(), "InvalidCiphertextException") {
			t.Errorf("opening without the context fails with %v", err)
		}
	}
	_, err := kms.NewFromConfig(w.rootIn(taskOwner, taskAway)).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key})
	w.well(err)
	if _, err := w.mover.Start(t.Context(), taskIn(taskConsumer, "kms:GenerateDataKey", "kr-seal", cloud.Task{Key: key})); cloud.KindOf(err) != cloud.State {
		t.Errorf("sealing under a disabled key fails with %v", err)
	}

	own := w.key(taskOwner, taskHome)
	c := secretsmanager.NewFromConfig(w.root(taskOwner))
	s, err := c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: new("shared"), SecretString: new("a value that nobody keeps"), KmsKeyId: &own})
	w.well(err)
	_, err = c.PutResourcePolicy(t.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: s.ARN, ResourcePolicy: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + taskRole(taskConsumer, "Actor") + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)})
	w.well(err)
	read := taskIn(taskConsumer, "secretsmanager:GetSecretValue", "kr-read", cloud.Task{Source: *s.ARN, SourceAccount: taskOwner})
	read.Region = taskAway
	p, err := w.mover.Start(t.Context(), read)
	if err != nil || !p.Done || p.Made["version"] == "" || len(p.Made) != 1 {
		t.Errorf("reading the secret is %+v, %v", p, err)
	}
	w.disable(own)
	if _, err := w.mover.Start(t.Context(), read); err == nil {
		t.Error("the secret is read under a disabled key")
	}
}
