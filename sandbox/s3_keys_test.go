package sandbox_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox"
)

// byDefault has a bucket encrypt under a key.
func (w *world) byDefault(c *s3.Client, bucket, key string, bucketKey bool) {
	w.Helper()
	need(c.PutBucketEncryption(w.Context(), &s3.PutBucketEncryptionInput{Bucket: &bucket, ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{Rules: []s3types.ServerSideEncryptionRule{{
		ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &key}, BucketKeyEnabled: &bucketKey,
	}}}}))(w)
}

// Who may put and read objects has to be allowed the key as well, through S3 and with the
// object, or with a bucket key the bucket, as encryption context.
func TestAnObjectUnderAKeyNeedsTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	c := w.bucket(owner, "keyed")
	policy := func(actions, condition string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Allow","Action":[%s],"Resource":%q,"Condition":{"StringEquals":{%s}}}]}`, actions, key, condition)
	}
	const both, viaS3 = `"kms:GenerateDataKey","kms:Decrypt"`, `"kms:ViaService":"s3.us-east-1.amazonaws.com"`
	const noGenerate = " because no identity-based policy allows the kms:GenerateDataKey action"
	const noDecrypt = " because no identity-based policy allows the kms:Decrypt action"
	for i, x := range []struct {
		name, policy       string
		bucketKey          bool
		put, get, multiple string // how the refusals end
	}{
		{"both through S3", policy(both, viaS3), false, "", "", ""},
		{"both through another service", policy(both, `"kms:ViaService":"ec2.us-east-1.amazonaws.com"`), false, noGenerate, noDecrypt, noGenerate},
		{"making only", policy(`"kms:GenerateDataKey"`, viaS3), false, "", noDecrypt, noDecrypt},
		{"opening only", policy(`"kms:Decrypt"`, viaS3), false, noGenerate, "", noGenerate},
		{"the object as context", policy(both, `"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::keyed/o"`), false, "", "", ""},
		{"the bucket as context", policy(both, `"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::keyed"`), false, noGenerate, noDecrypt, noGenerate},
		{"the bucket as context of a bucket key", policy(both, `"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::keyed"`), true, "", "", ""},
		{"the object as context of a bucket key", policy(both, `"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::keyed/o"`), true, noGenerate, noDecrypt, noGenerate},
	} {
		_, config := w.user(owner, fmt.Sprint("user", i), x.policy)
		mine := s3Of(config)
		w.byDefault(c, "keyed", key, x.bucketKey)
		w.put(c, "keyed", "o", "secret")
		_, err := mine.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("keyed"), Key: new("o"), Body: strings.NewReader("secret")})
		w.ends(x.name+", put", err, x.put)
		got := w.get(mine, "keyed", "o")
		if x.get == "" && got != "secret" || !strings.HasSuffix(got, x.get) {
			t.Errorf("%s, get: %q, want %q", x.name, got, x.get)
		}
		w.ends(x.name+", in parts", inParts(w, mine, "keyed", "o"), x.multiple)
		if _, err := mine.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("keyed"), Key: new("o")}); err != nil {
			t.Errorf("%s: HeadObject: %v", x.name, err)
		}
		_, err = mine.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("keyed"), Key: new("o"), ChecksumMode: s3types.ChecksumModeEnabled})
		if refused := err != nil; refused != (x.get != "") {
			t.Errorf("%s: HeadObject with the checksum: %v", x.name, err)
		}
	}
}

// inParts puts an object in one part and says what went wrong first.
func inParts(w *world, c *s3.Client, bucket, key string) error {
	u, err := c.CreateMultipartUpload(w.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	p, err := c.UploadPart(w.Context(), &s3.UploadPartInput{Bucket: &bucket, Key: &key, UploadId: u.UploadId, PartNumber: new(int32(1)), Body: strings.NewReader("part")})
	if err != nil {
		return err
	}
	return just(c.CompleteMultipartUpload(w.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &bucket, Key: &key, UploadId: u.UploadId, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: []s3types.CompletedPart{{PartNumber: new(int32(1)), ETag: p.ETag}}},
	}))
}

func TestAKeyThatCannotBeUsedIsSaidInKMSsWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.kmsOf(w.root(owner))
	c := w.bucket(owner, "states")
	put := func(id string) error {
		return just(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("states"), Key: new("o"), Body: strings.NewReader("x"), ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &id}))
	}
	disabled, pending, mac := w.key(owner, ""), w.key(owner, ""), *need(k.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"}))(t).KeyMetadata.Arn
	w.ends("an enabled key", put(disabled), "")
	need(k.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &disabled}))(t)
	need(k.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &pending}))(t)
	for what, x := range map[string]struct{ key, want string }{
		"a disabled key":               {disabled, "KMS.DisabledException: " + disabled + " is disabled."},
		"a key about to go":            {pending, "KMS.KMSInvalidStateException: " + pending + " is pending deletion."},
		"an alias of nothing":          {"alias/none", "KMS.NotFoundException: Alias arn:aws:kms:us-east-1:" + owner + ":alias/none is not found."},
		"a key in another Region":      {strings.Replace(disabled, "us-east-1", "eu-west-1", 1), "KMS.NotFoundException: Invalid arn eu-west-1"},
		"a key for something else":     {mac, "KMS.InvalidKeyUsageException: " + mac + " key usage is GENERATE_VERIFY_MAC which is not valid for GenerateDataKey."},
		"a key of another account":     {w.key(consumer, ""), "AccessDenied: User: arn:aws:iam::" + owner + ":root is not authorized to perform: kms:GenerateDataKey on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"},
		"the alias of another account": {"arn:aws:kms:us-east-1:" + consumer + ":alias/none", "AccessDenied: User: arn:aws:iam::" + owner + ":root is not authorized to perform: kms:GenerateDataKey on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"},
	} {
		if got := refusal(put(x.key)); got != x.want {
			t.Errorf("%s: %q\nwant %q", what, got, x.want)
		}
	}
	if got, want := w.get(c, "states", "o"), "KMS.DisabledException: "+disabled+" is disabled."; got != want {
		t.Errorf("reading: %q\nwant %q", got, want)
	}
	need(k.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &disabled}))(t)
	if got := w.get(c, "states", "o"); got != "x" {
		t.Errorf("enabled again: %q", got)
	}
}

// Across accounts the bucket's policy, the key's policy and both identities have to allow,
// and a key of S3's own is of no use.
func TestAnotherAccountReadsWithTheKeyAndTheBucketPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "shared")
	root := `"arn:aws:iam::` + consumer + `:root"`
	open := w.key(owner, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+owner+`:root"},"Action":"kms:*","Resource":"*"},{"Effect":"Allow","Principal":{"AWS":`+root+`},"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"}]}`)
	closed := w.key(owner, "")
	put := func(key, id string) {
		t.Helper()
		need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("shared"), Key: &key, Body: strings.NewReader("shared"), ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &id}))(t)
	}
	put("open", open)
	put("closed", closed)
	put("default", "alias/aws/s3")
	theirs := s3Of(w.root(consumer))
	if got := w.get(theirs, "shared", "open"); got != "AccessDenied: Access Denied" {
		t.Errorf("without a bucket policy: %q", got)
	}
	w.policy(c, "shared", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":`+root+`},"Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::shared/*"}]}`)
	if got := w.get(theirs, "shared", "open"); got != "shared" {
		t.Errorf("with one: %q", got)
	}
	for _, key := range []string{"closed", "default"} {
		if got := w.get(theirs, "shared", key); !strings.HasPrefix(got, "AccessDenied: User: arn:aws:iam::"+consumer+":root is not authorized to perform: kms:Decrypt on ") {
			t.Errorf("%s: %q", key, got)
		}
	}
	if got := w.get(theirs, "shared", "none"); got != "AccessDenied: Access Denied" {
		t.Errorf("a key that is not there, for who may not list: %q", got)
	}
	// An alias in a request is the requester's.
	theirKey := w.key(consumer, "")
	need(w.kmsOf(w.root(consumer)).CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: new("alias/app"), TargetKeyId: &theirKey}))(t)
	out := need(theirs.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("shared"), Key: new("theirs"), Body: strings.NewReader("x"), ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: new("alias/app")}))(t)
	if *out.SSEKMSKeyId != theirKey {
		t.Errorf("the alias leads to %s", *out.SSEKMSKeyId)
	}
	if got := w.get(c, "shared", "theirs"); !strings.Contains(got, "kms:Decrypt") {
		t.Errorf("the owner of the bucket reads what the requester encrypted: %q", got)
	}
}

// policy sets a bucket policy.
func (w *world) policy(c *s3.Client, bucket, text string) {
	w.Helper()
	need(c.PutBucketPolicy(w.Context(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &text}))(w)
}

// keyCalls are the calls of KMS for a key that S3 forwarded, as CloudTrail tells.
func (w *world) keyCalls(key string) (list []string) {
	w.Helper()
	out := need(cloudtrail.NewFromConfig(w.root(owner)).LookupEvents(w.Context(), &cloudtrail.LookupEventsInput{MaxResults: new(int32(50))}))(w)
	for _, e := range out.Events {
		if strings.Contains(*e.CloudTrailEvent, key) && strings.Contains(*e.CloudTrailEvent, `"invokedBy":"s3.amazonaws.com"`) {
			list = append(list, *e.EventName)
		}
	}
	return list
}

func TestABucketKeyIsFetchedOnceForEachRequester(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	c := w.bucket(owner, "bucketkey")
	w.byDefault(c, "bucketkey", key, true)
	for i := range 3 {
		w.put(c, "bucketkey", fmt.Sprint("o", i), "x")
	}
	if calls := w.keyCalls(key); len(calls) != 1 {
		t.Errorf("three objects took %q", calls)
	}
	if got := w.get(c, "bucketkey", "o0") + w.get(c, "bucketkey", "o2"); got != "xx" {
		t.Errorf("read: %q", got)
	}
	if calls := w.keyCalls(key); len(calls) != 2 {
		t.Errorf("reading two of them made it %q", calls)
	}
	_, other := w.user(owner, "other", allow("s3:*"))
	if got := w.get(s3Of(other), "bucketkey", "o0"); !strings.Contains(got, "kms:Decrypt") {
		t.Errorf("somebody else, without the key, reads %q", got)
	}
	need(w.kmsOf(w.root(owner)).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))(t)
	w.pass(2 * time.Minute)
	if got := w.get(c, "bucketkey", "o0"); !strings.HasPrefix(got, "KMS.DisabledException") {
		t.Errorf("when the bucket key is too old, under a disabled key: %q", got)
	}
}

func TestReadsAndWritesOfObjectsAreNotInTheHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "history")
	w.put(c, "history", "k", "x")
	w.get(c, "history", "k")
	var names []string
	for _, e := range need(cloudtrail.NewFromConfig(w.root(owner)).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{}))(t).Events {
		names = append(names, *e.EventName)
	}
	if got := strings.Join(names, " "); got != "CreateBucket" {
		t.Errorf("the history has %s", got)
	}
}

// Replicas are made by a role, with the keys of both sides; what fails shows as a status.
func TestReplicasAreMadeByARoleWithItsKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from, to := w.key(owner, ""), ""
	west := w.Root(owner, "eu-west-1")
	to = *need(kms.NewFromConfig(west).CreateKey(t.Context(), &kms.CreateKeyInput{}))(t).KeyMetadata.Arn
	c, d := w.versioned(owner, "origin"), s3Of(west)
	need(d.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("replicas"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}))(t)
	need(d.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: new("replicas"), VersioningConfiguration: &s3types.VersioningConfiguration{Status: "Enabled"}}))(t)
	w.byDefault(c, "origin", from, false)
	i := iam.NewFromConfig(w.root(owner))
	role := need(i.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: new("replication"), AssumeRolePolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)}))(t).Role
	rights := func(key string) {
		t.Helper()
		text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetReplicationConfiguration","s3:ListBucket","s3:GetObjectVersionForReplication","s3:GetObjectVersionTagging","s3:ReplicateObject","s3:ReplicateDelete","s3:ReplicateTags"],"Resource":"*"},
			{"Effect":"Allow","Action":"kms:Decrypt","Resource":"` + from + `","Condition":{"StringLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::origin/*"}}},{"Effect":"Allow","Action":"kms:Encrypt","Resource":"` + key + `"}]}`
		need(i.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: role.RoleName, PolicyName: new("own"), PolicyDocument: &text}))(t)
	}
	need(c.PutBucketReplication(t.Context(), &s3.PutBucketReplicationInput{Bucket: new("origin"), ReplicationConfiguration: &s3types.ReplicationConfiguration{Role: role.Arn, Rules: []s3types.ReplicationRule{{
		Status: s3types.ReplicationRuleStatusEnabled, Priority: new(int32(1)), Filter: &s3types.ReplicationRuleFilter{Prefix: new("")}, DeleteMarkerReplication: &s3types.DeleteMarkerReplication{Status: "Enabled"},
		SourceSelectionCriteria: &s3types.SourceSelectionCriteria{SseKmsEncryptedObjects: &s3types.SseKmsEncryptedObjects{Status: "Enabled"}},
		Destination:             &s3types.Destination{Bucket: new("arn:aws:s3:::replicas"), EncryptionConfiguration: &s3types.EncryptionConfiguration{ReplicaKmsKeyID: &to}},
	}}}}))(t)
	status := func(c *s3.Client, bucket, key string) s3types.ReplicationStatus {
		t.Helper()
		return need(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key}))(t).ReplicationStatus
	}
	_, err := c.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: new("origin"), VersioningConfiguration: &s3types.VersioningConfiguration{Status: "Suspended"}})
	w.ends("suspending", err, "first delete the replication configuration.")
	rights("*")
	version := w.put(c, "origin", "good", "replicated")
	if got := status(c, "origin", "good"); got != s3types.ReplicationStatusPending {
		t.Errorf("at once: %q", got)
	}
	w.pass(time.Minute)
	if got := status(c, "origin", "good"); got != s3types.ReplicationStatusCompleted {
		t.Errorf("later: %q", got)
	}
	replica := need(d.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("replicas"), Key: new("good")}))(t)
	if replica.ReplicationStatus != s3types.ReplicationStatusReplica || aws.ToString(replica.SSEKMSKeyId) != to || *replica.VersionId != version {
		t.Errorf("the replica is %s under %s, version %s of %s", replica.ReplicationStatus, aws.ToString(replica.SSEKMSKeyId), *replica.VersionId, version)
	}
	if got := w.get(d, "replicas", "good"); got != "replicated" {
		t.Errorf("the replica is %q", got)
	}
	rights(from)
	w.put(c, "origin", "bad", "x")
	w.pass(time.Minute)
	if got := status(c, "origin", "bad"); got != s3types.ReplicationStatusFailed {
		t.Errorf("without the right to encrypt: %q", got)
	}
	need(c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: new("origin"), Key: new("good")}))(t)
	w.pass(time.Minute)
	if got := w.get(d, "replicas", "good"); got != "NoSuchKey: The specified key does not exist." {
		t.Errorf("after the delete marker: %q", got)
	}
}

// A copy opens the source for who copies, and makes a data key for what it becomes.
func TestACopyNeedsTheKeysOfBothSides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from, to := w.key(owner, ""), w.key(owner, "")
	c := w.bucket(owner, "both-sides")
	w.byDefault(c, "both-sides", from, false)
	w.put(c, "both-sides", "source", strings.Repeat("copied", 1_000_000))
	w.byDefault(c, "both-sides", to, false)
	rights := func(source, destination string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Allow","Action":[` + source + `],"Resource":"` + from + `"},{"Effect":"Allow","Action":[` + destination + `],"Resource":"` + to + `"}]}`
	}
	for i, x := range []struct{ name, source, destination, copied, part string }{
		{"all", `"kms:Decrypt"`, `"kms:GenerateDataKey","kms:Decrypt"`, "", ""},
		{"no opening of the source", `"kms:DescribeKey"`, `"kms:GenerateDataKey","kms:Decrypt"`, "because no identity-based policy allows the kms:Decrypt action", "because no identity-based policy allows the kms:Decrypt action"},
		{"no key for the copy", `"kms:Decrypt"`, `"kms:Decrypt"`, "because no identity-based policy allows the kms:GenerateDataKey action", ""},
		{"no opening of the upload", `"kms:Decrypt"`, `"kms:GenerateDataKey"`, "", "because no identity-based policy allows the kms:Decrypt action"},
	} {
		_, config := w.user(owner, fmt.Sprint("copier", i), rights(x.source, x.destination))
		mine := s3Of(config)
		w.ends(x.name+", copied", just(mine.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: new("both-sides"), Key: new("copy"), CopySource: new("both-sides/source")})), x.copied)
		u := need(c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: new("both-sides"), Key: new("parts")}))(t).UploadId
		w.ends(x.name+", as a part", just(mine.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{Bucket: new("both-sides"), Key: new("parts"), UploadId: u, PartNumber: new(int32(1)), CopySource: new("both-sides/source")})), x.part)
	}
	if got := w.get(c, "both-sides", "copy"); got != strings.Repeat("copied", 1_000_000) {
		t.Errorf("the copy has %d bytes", len(got))
	}
}

// Whoever reads the files of an object under a key finds nothing of it there.
func TestTheFilesOfAnObjectUnderAKeyAreEncrypted(t *testing.T) {
	t.Parallel()
	state := t.TempDir() + "/state.db"
	w := newWorldWith(t, sandbox.Options{State: state})
	c := w.bucket(owner, "on-disk")
	secret := strings.Repeat("a secret ", 1000)
	need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("on-disk"), Key: new("k"), Body: strings.NewReader(secret), ServerSideEncryption: s3types.ServerSideEncryptionAwsKms}))(t)
	for _, e := range need(os.ReadDir(state + ".objects"))(t) {
		text := need(os.ReadFile(filepath.Join(state+".objects", e.Name())))(t)
		if strings.Contains(string(text), "secret") || len(text) != len(secret) {
			t.Errorf("%s holds %.50q", e.Name(), text)
		}
		if info := need(e.Info())(t); info.Mode().Perm() != 0o600 {
			t.Errorf("%s is open to %v", e.Name(), info.Mode())
		}
	}
}
