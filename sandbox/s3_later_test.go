package sandbox_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// lifecycle sets the rules of a bucket.
func (w *world) lifecycle(c *s3.Client, bucket string, rules ...s3types.LifecycleRule) {
	w.Helper()
	for i := range rules {
		rules[i].Status = s3types.ExpirationStatusEnabled
		if rules[i].Filter == nil {
			rules[i].Filter = &s3types.LifecycleRuleFilter{Prefix: new("")}
		}
	}
	need(c.PutBucketLifecycleConfiguration(w.Context(), &s3.PutBucketLifecycleConfigurationInput{Bucket: &bucket, LifecycleConfiguration: &s3types.BucketLifecycleConfiguration{Rules: rules}}))(w)
}

// history are the versions of a bucket, latest first, as key, or key! for a marker.
func (w *world) history(c *s3.Client, bucket string) (list []string) {
	w.Helper()
	out := need(c.ListObjectVersions(w.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket}))(w)
	for _, v := range out.Versions {
		list = append(list, *v.Key)
	}
	for _, v := range out.DeleteMarkers {
		list = append(list, *v.Key+"!")
	}
	slices.Sort(list)
	return list
}

func TestObjectsExpireAtTheMidnightAfterTheirDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "expiring")
	w.put(c, "expiring", "old/early", "x")
	w.lifecycle(c, "expiring", s3types.LifecycleRule{ID: new("old"), Filter: &s3types.LifecycleRuleFilter{Prefix: new("old/")}, Expiration: &s3types.LifecycleExpiration{Days: new(int32(3))}})
	w.put(c, "expiring", "old/late", "x")
	w.put(c, "expiring", "new/x", "x")
	head := need(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("expiring"), Key: new("old/late")}))(t)
	end := w.Now().UTC().AddDate(0, 0, 3).Truncate(day).Add(day)
	if want := `expiry-date="` + end.Format("Mon, 02 Jan 2006 15:04:05 GMT") + `", rule-id="old"`; aws.ToString(head.Expiration) != want {
		t.Errorf("the object says %s, want %s", aws.ToString(head.Expiration), want)
	}
	w.pass(end.Sub(w.Now()) - time.Minute)
	if got := w.history(c, "expiring"); len(got) != 3 {
		t.Errorf("before the midnight: %q", got)
	}
	w.pass(2 * time.Minute)
	if got := w.history(c, "expiring"); !slices.Equal(got, []string{"new/x"}) {
		t.Errorf("after it: %q", got)
	}
	w.put(c, "expiring", "old/again", "x")
	w.pass(5 * day)
	if got := w.history(c, "expiring"); !slices.Equal(got, []string{"new/x"}) {
		t.Errorf("of what came later: %q", got)
	}
}

func TestVersionsMarkersAndUploadsEndByTheirRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.versioned(owner, "cleaned")
	w.lifecycle(c, "cleaned",
		s3types.LifecycleRule{Expiration: &s3types.LifecycleExpiration{Days: new(int32(10))}, NoncurrentVersionExpiration: &s3types.NoncurrentVersionExpiration{NoncurrentDays: new(int32(2)), NewerNoncurrentVersions: new(int32(1))}},
		s3types.LifecycleRule{AbortIncompleteMultipartUpload: &s3types.AbortIncompleteMultipartUpload{DaysAfterInitiation: new(int32(1))}},
	)
	for range 4 {
		w.put(c, "cleaned", "k", "x")
	}
	begun := need(c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: new("cleaned"), Key: new("up")}))(t)
	if begun.AbortDate == nil {
		t.Error("the upload does not say when it ends")
	}
	w.pass(2 * day)
	if list := need(c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: new("cleaned")}))(t); len(list.Uploads) != 0 {
		t.Errorf("the upload is still there: %+v", list.Uploads)
	}
	w.pass(2 * day)
	if got := w.history(c, "cleaned"); !slices.Equal(got, []string{"k", "k"}) {
		t.Errorf("the latest and one before it are to stay: %q", got)
	}
	w.pass(8 * day)
	if got := w.history(c, "cleaned"); !slices.Contains(got, "k!") {
		t.Errorf("the object is to get a marker: %q", got)
	}
	w.pass(60 * day)
	if got := w.history(c, "cleaned"); slices.Contains(got, "k!") && !slices.Contains(got, "k") {
		t.Errorf("a marker without versions is to go: %q", got)
	}
}

func TestLockedVersionsStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := s3Of(w.root(owner))
	need(c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("locks"), ObjectLockEnabledForBucket: new(true)}))(t)
	w.bucket(owner, "nolocks")
	w.put(c, "nolocks", "k", "x")
	w.ends("a bucket without", just(c.GetObjectRetention(t.Context(), &s3.GetObjectRetentionInput{Bucket: new("nolocks"), Key: new("k")})), "InvalidRequest: Bucket is missing Object Lock Configuration")
	until := w.Now().Add(10 * day)
	lock := func(key string, mode s3types.ObjectLockMode) *string {
		t.Helper()
		return need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("locks"), Key: &key, Body: strings.NewReader("x"), ObjectLockMode: mode, ObjectLockRetainUntilDate: &until}))(t).VersionId
	}
	remove := func(c *s3.Client, key string, version *string, bypass bool) error {
		in := &s3.DeleteObjectInput{Bucket: new("locks"), Key: &key, VersionId: version}
		if bypass {
			in.BypassGovernanceRetention = &bypass
		}
		return just(c.DeleteObject(t.Context(), in))
	}
	const locked = "AccessDenied: Access Denied because object protected by object lock."
	governed, complied := lock("governed", s3types.ObjectLockModeGovernance), lock("complied", s3types.ObjectLockModeCompliance)
	_, may := w.user(owner, "may", allow("s3:DeleteObjectVersion"))
	w.ends("governance", remove(c, "governed", governed, false), locked)
	w.ends("bypassing without the right", remove(s3Of(may), "governed", governed, true), "because no identity-based policy allows the s3:BypassGovernanceRetention action")
	w.ends("compliance, bypassing", remove(c, "complied", complied, true), locked)
	w.ends("a marker over it", remove(c, "complied", nil, false), "")
	sooner, later := w.Now().Add(day), w.Now().Add(20*day)
	retain := func(key string, version *string, mode s3types.ObjectLockRetentionMode, until time.Time) error {
		return just(c.PutObjectRetention(t.Context(), &s3.PutObjectRetentionInput{Bucket: new("locks"), Key: &key, VersionId: version, Retention: &s3types.ObjectLockRetention{Mode: mode, RetainUntilDate: &until}}))
	}
	w.ends("compliance made shorter", retain("complied", complied, "COMPLIANCE", sooner), locked)
	w.ends("compliance made longer", retain("complied", complied, "COMPLIANCE", later), "")
	w.ends("governance, bypassing", remove(c, "governed", governed, true), "")
	held := need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("locks"), Key: new("held"), Body: strings.NewReader("x"), ObjectLockLegalHoldStatus: "ON"}))(t).VersionId
	w.ends("a legal hold, bypassing", remove(c, "held", held, true), locked)
	need(c.PutObjectLegalHold(t.Context(), &s3.PutObjectLegalHoldInput{Bucket: new("locks"), Key: new("held"), VersionId: held, LegalHold: &s3types.ObjectLockLegalHold{Status: "OFF"}}))(t)
	w.ends("without the hold", remove(c, "held", held, false), "")
	w.pass(15 * day)
	w.ends("before the longer end", remove(c, "complied", complied, false), locked)
	w.pass(6 * day)
	w.ends("after it", remove(c, "complied", complied, false), "")
	need(c.PutObjectLockConfiguration(t.Context(), &s3.PutObjectLockConfigurationInput{Bucket: new("locks"), ObjectLockConfiguration: &s3types.ObjectLockConfiguration{ObjectLockEnabled: "Enabled", Rule: &s3types.ObjectLockRule{DefaultRetention: &s3types.DefaultRetention{Mode: "GOVERNANCE", Days: new(int32(1))}}}}))(t)
	w.put(c, "locks", "default", "x")
	if r := need(c.GetObjectRetention(t.Context(), &s3.GetObjectRetentionInput{Bucket: new("locks"), Key: new("default")}))(t).Retention; r.Mode != "GOVERNANCE" || r.RetainUntilDate.Sub(w.Now()) < 23*time.Hour {
		t.Errorf("by default: %+v", r)
	}
}

// What a client sets is what it reads back, so that one that compares has nothing to do.
func TestSettingsOfABucketComeBackAsTheyWereSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "settings")
	ctx, b := t.Context(), new("settings")
	cors := []s3types.CORSRule{{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}, MaxAgeSeconds: new(int32(5))}}
	need(c.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: b, CORSConfiguration: &s3types.CORSConfiguration{CORSRules: cors}}))(t)
	if got := need(c.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: b}))(t).CORSRules; len(got) != 1 || *got[0].MaxAgeSeconds != 5 {
		t.Errorf("CORS: %+v", got)
	}
	need(c.PutBucketWebsite(ctx, &s3.PutBucketWebsiteInput{Bucket: b, WebsiteConfiguration: &s3types.WebsiteConfiguration{IndexDocument: &s3types.IndexDocument{Suffix: new("index.html")}}}))(t)
	if got := need(c.GetBucketWebsite(ctx, &s3.GetBucketWebsiteInput{Bucket: b}))(t).IndexDocument; *got.Suffix != "index.html" {
		t.Errorf("website: %+v", got)
	}
	need(c.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: b, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{{Key: new("a"), Value: new("b")}}}}))(t)
	if got := need(c.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: b}))(t).TagSet; len(got) != 1 || *got[0].Value != "b" {
		t.Errorf("tags: %+v", got)
	}
	w.bucket(owner, "logs")
	need(c.PutBucketLogging(ctx, &s3.PutBucketLoggingInput{Bucket: b, BucketLoggingStatus: &s3types.BucketLoggingStatus{LoggingEnabled: &s3types.LoggingEnabled{TargetBucket: new("logs"), TargetPrefix: new("p/")}}}))(t)
	if got := need(c.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: b}))(t).LoggingEnabled; *got.TargetPrefix != "p/" {
		t.Errorf("logging: %+v", got)
	}
	need(c.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: b, NotificationConfiguration: &s3types.NotificationConfiguration{EventBridgeConfiguration: &s3types.EventBridgeConfiguration{}}}))(t)
	if got := need(c.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: b}))(t); got.EventBridgeConfiguration == nil {
		t.Errorf("notifications: %+v", got)
	}
	need(c.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{Bucket: b, OwnershipControls: &s3types.OwnershipControls{Rules: []s3types.OwnershipControlsRule{{ObjectOwnership: "BucketOwnerPreferred"}}}}))(t)
	if got := need(c.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: b}))(t).OwnershipControls.Rules; got[0].ObjectOwnership != "BucketOwnerPreferred" {
		t.Errorf("ownership: %+v", got)
	}
	need(c.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: b, ACL: "private"}))(t)
	if got := need(c.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: b}))(t); len(got.Grants) != 1 || got.Grants[0].Permission != "FULL_CONTROL" || *got.Owner.ID != *got.Grants[0].Grantee.ID {
		t.Errorf("ACL: %+v", got)
	}
	if got := need(c.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: b}))(t).ServerSideEncryptionConfiguration.Rules; got[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != "AES256" {
		t.Errorf("encryption: %+v", got)
	}
	if got := need(c.GetBucketRequestPayment(ctx, &s3.GetBucketRequestPaymentInput{Bucket: b}))(t).Payer; got != "BucketOwner" {
		t.Errorf("payer: %s", got)
	}
	if got := need(c.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: b}))(t).Status; got != "" {
		t.Errorf("versioning: %s", got)
	}
	if got := need(c.GetBucketAccelerateConfiguration(ctx, &s3.GetBucketAccelerateConfigurationInput{Bucket: b}))(t).Status; got != "" {
		t.Errorf("acceleration: %s", got)
	}
	if got := need(c.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: b}))(t).PublicAccessBlockConfiguration; !*got.BlockPublicAcls || !*got.RestrictPublicBuckets {
		t.Errorf("public access: %+v", got)
	}
	west := s3Of(w.Root(owner, "eu-west-1"))
	need(west.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: new("settings-west"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}))(t)
	if got := need(c.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: new("settings-west")}))(t).LocationConstraint; got != "eu-west-1" {
		t.Errorf("location: %s", got)
	}
}
