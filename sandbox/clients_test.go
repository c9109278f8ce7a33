package sandbox_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/backup"
	backuptypes "github.com/aws/aws-sdk-go-v2/service/backup/types"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestTheAliasOfAnUnusedManagedKeyIsListedWithoutAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.kmsOf(w.root(owner)), t.Context()
	ebs := func() types.AliasListEntry {
		for p := kms.NewListAliasesPaginator(c, &kms.ListAliasesInput{Limit: new(int32(2))}); p.HasMorePages(); {
			list := need(p.NextPage(ctx))(t).Aliases
			if i := slices.IndexFunc(list, func(a types.AliasListEntry) bool { return *a.AliasName == "alias/aws/ebs" }); i >= 0 {
				return list[i]
			}
		}
		t.Fatal("alias/aws/ebs is not listed")
		return types.AliasListEntry{}
	}
	if a := ebs(); a.TargetKeyId != nil || *a.AliasArn != "arn:aws:kms:us-east-1:"+owner+":alias/aws/ebs" {
		t.Errorf("before its use: %s has the key %v", *a.AliasArn, a.TargetKeyId)
	}
	key := need(c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: new("alias/aws/ebs")}))(t).KeyMetadata
	if a := ebs(); a.TargetKeyId == nil || *a.TargetKeyId != *key.KeyId {
		t.Errorf("after its use: the key is %v, want %s", a.TargetKeyId, *key.KeyId)
	}
}

func TestTypesOfResourcesWithSpacesAreBackedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := backup.NewFromConfig(w.root(owner)), t.Context()
	all := need(c.DescribeRegionSettings(ctx, &backup.DescribeRegionSettingsInput{}))(t).ResourceTypeOptInPreference
	all["Storage Gateway"] = false
	need(c.UpdateRegionSettings(ctx, &backup.UpdateRegionSettingsInput{ResourceTypeOptInPreference: all}))(t)
	if need(c.DescribeRegionSettings(ctx, &backup.DescribeRegionSettingsInput{}))(t).ResourceTypeOptInPreference["Storage Gateway"] {
		t.Error("Storage Gateway is still backed up")
	}
}

func TestTheSourceOfACopyMayHaveItsSlashEncoded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "encoded")
	w.put(c, "encoded", "a b", "text")
	for _, from := range []string{"encoded%2Fa+b", "%2Fencoded%2Fa%20b", "/encoded/a%20b"} {
		_, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: new("encoded"), Key: new("copy"), CopySource: &from})
		if from == "encoded%2Fa+b" {
			w.ends(from, err, "NoSuchKey: The specified key does not exist.")
			continue
		}
		w.ends(from, err, "")
	}
	_, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: new("encoded"), Key: new("copy"), CopySource: new("encoded")})
	w.ends("no key", err, "InvalidArgument: Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
}

func TestALegalHoldIsToldOnceItWasSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := s3Of(w.root(owner)), t.Context()
	b, k := new("holds"), new("k")
	need(c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b, ObjectLockEnabledForBucket: new(true)}))(t)
	status := func() string {
		return string(need(c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: k}))(t).ObjectLockLegalHoldStatus)
	}
	w.put(c, *b, *k, "x")
	_, err := c.GetObjectLegalHold(ctx, &s3.GetObjectLegalHoldInput{Bucket: b, Key: k})
	w.ends("never held", err, "NoSuchObjectLockConfiguration: The specified object does not have a ObjectLock configuration")
	if got := status(); got != "" {
		t.Errorf("never held: %q", got)
	}
	for _, want := range []s3types.ObjectLockLegalHoldStatus{"ON", "OFF"} {
		need(c.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{Bucket: b, Key: k, LegalHold: &s3types.ObjectLockLegalHold{Status: want}}))(t)
		if got := status(); got != string(want) {
			t.Errorf("set %s: got %q", want, got)
		}
	}
	need(c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: k, ObjectLockLegalHoldStatus: "OFF"}))(t)
	if got := status(); got != "OFF" {
		t.Errorf("put as not held: %q", got)
	}
}

func TestTagsOfBackupComeInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := backup.NewFromConfig(w.root(owner)), t.Context()
	tags := map[string]string{"a": "1", "b": "2", "c": "3"}
	arn := need(c.CreateBackupVault(ctx, &backup.CreateBackupVaultInput{BackupVaultName: new("tagged"), BackupVaultTags: tags}))(t).BackupVaultArn
	got, pages := map[string]string{}, 0
	for p := backup.NewListTagsPaginator(c, &backup.ListTagsInput{ResourceArn: arn, MaxResults: new(int32(2))}); p.HasMorePages(); pages++ {
		maps.Copy(got, need(p.NextPage(ctx))(t).Tags)
	}
	if pages != 2 || !maps.Equal(got, tags) {
		t.Errorf("%d pages with %v, want 2 with %v", pages, got, tags)
	}
}

func TestAnImageWithAnEmptyLocationIsOfSnapshots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	as := w.root(owner)
	snapshot := w.written(as, &ebs.StartSnapshotInput{}, nil)
	need(ec2.NewFromConfig(as).RegisterImage(t.Context(), &ec2.RegisterImageInput{
		Name: new("empty"), ImageLocation: new(""), RootDeviceName: new("/dev/xvda"),
		BlockDeviceMappings: []ec2types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &ec2types.EbsBlockDevice{SnapshotId: &snapshot}}},
	}))(t)
}

func TestARepeatedTokenMakesNothingTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	as, ctx := w.root(owner), t.Context()
	c := ec2.NewFromConfig(as)
	const mismatch = "IdempotentParameterMismatch: The client token you have provided is associated with a resource that already exists but the request parameters are different."

	spot := &ec2.RequestSpotInstancesInput{
		ClientToken: new("spot"), InstanceCount: new(int32(2)), LaunchSpecification: &ec2types.RequestSpotLaunchSpecification{ImageId: new(w.image(as, "spot", ""))},
	}
	first, again := need(c.RequestSpotInstances(ctx, spot))(t).SpotInstanceRequests, need(c.RequestSpotInstances(ctx, spot))(t).SpotInstanceRequests
	all := need(c.DescribeSpotInstanceRequests(ctx, &ec2.DescribeSpotInstanceRequestsInput{}))(t).SpotInstanceRequests
	if len(first) != 2 || len(again) != 2 || len(all) != 2 || *first[0].SpotInstanceRequestId != *again[0].SpotInstanceRequestId {
		t.Errorf("Spot requests: %d, then %d, %d in all, want the same 2", len(first), len(again), len(all))
	}
	spot.InstanceCount = new(int32(1))
	w.ends("other Spot requests", just(c.RequestSpotInstances(ctx, spot)), mismatch)

	data := &ec2types.RequestLaunchTemplateData{InstanceType: "t3.micro"}
	template := need(c.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: new("chosen"), LaunchTemplateData: data}))(t).LaunchTemplate.LaunchTemplateId
	need(c.CreateLaunchTemplateVersion(ctx, &ec2.CreateLaunchTemplateVersionInput{LaunchTemplateId: template, LaunchTemplateData: data}))(t)
	choose := &ec2.ModifyLaunchTemplateInput{ClientToken: new("choose"), LaunchTemplateId: template, DefaultVersion: new("2")}
	need(c.ModifyLaunchTemplate(ctx, choose))(t)
	need(c.ModifyLaunchTemplate(ctx, choose))(t)
	choose.DefaultVersion = new("1")
	w.ends("another version", just(c.ModifyLaunchTemplate(ctx, choose)), mismatch)

	b := backup.NewFromConfig(as)
	need(b.CreateBackupVault(ctx, &backup.CreateBackupVaultInput{BackupVaultName: new("vault")}))(t)
	plan := func(name string) string {
		return *need(b.CreateBackupPlan(ctx, &backup.CreateBackupPlanInput{CreatorRequestId: new("plan"), BackupPlan: &backuptypes.BackupPlanInput{
			BackupPlanName: &name, Rules: []backuptypes.BackupRuleInput{{RuleName: new("r"), TargetBackupVaultName: new("vault")}},
		}}))(t).BackupPlanId
	}
	if one, two := plan("one"), plan("two"); one != two {
		t.Errorf("the same CreatorRequestId made the plans %s and %s", one, two)
	}
}

func TestInstancesAreMonitoredAndFoundByIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	as, ctx := w.root(owner), t.Context()
	c := ec2.NewFromConfig(as)
	ran := need(c.RunInstances(ctx, &ec2.RunInstancesInput{ImageId: new(w.image(as, "watched", "")), MinCount: new(int32(1)), MaxCount: new(int32(1))}))(t)
	ids := []string{*ran.Instances[0].InstanceId}
	need(0, w.Advance(time.Minute))(t)
	found := func(name, value string) int {
		filter := []ec2types.Filter{{Name: &name, Values: []string{value}}}
		return len(need(c.DescribeInstances(ctx, &ec2.DescribeInstancesInput{Filters: filter}))(t).Reservations)
	}
	if n := found("monitoring-state", "disabled"); n != 1 {
		t.Errorf("not monitored at first: %d", n)
	}
	if got := need(c.MonitorInstances(ctx, &ec2.MonitorInstancesInput{InstanceIds: ids}))(t).InstanceMonitorings[0]; got.Monitoring.State != "pending" || *got.InstanceId != ids[0] {
		t.Errorf("MonitorInstances answers %s of %s", got.Monitoring.State, *got.InstanceId)
	}
	if n := found("monitoring-state", "enabled"); n != 1 {
		t.Errorf("monitored: %d", n)
	}
	need(c.UnmonitorInstances(ctx, &ec2.UnmonitorInstancesInput{InstanceIds: ids}))(t)
	for name, value := range map[string]string{
		"monitoring-state": "disabled", "private-dns-name": "ip-*", "platform-details": "Linux/UNIX", "network-interface.status": "in-use",
		"block-device-mapping.attach-time": "20*", "hibernation-options.configured": "false", "metadata-options.state": "applied",
	} {
		if n := found(name, value); n != 1 {
			t.Errorf("%s=%s: found %d", name, value, n)
		}
	}
	passed := []ec2types.Filter{{Name: new("instance-status.reachability"), Values: []string{"passed"}}}
	if n := len(need(c.DescribeInstanceStatus(ctx, &ec2.DescribeInstanceStatusInput{Filters: passed}))(t).InstanceStatuses); n != 1 {
		t.Errorf("reachable: %d", n)
	}
}

func TestSpotRequestsAndFleetsAreTaggedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	as, ctx := w.root(owner), t.Context()
	c := ec2.NewFromConfig(as)
	image := w.image(as, "tagged", "")
	spot := need(c.RequestSpotInstances(ctx, &ec2.RequestSpotInstancesInput{LaunchSpecification: &ec2types.RequestSpotLaunchSpecification{ImageId: &image}}))(t).SpotInstanceRequests[0].SpotInstanceRequestId
	template := need(c.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: new("of-fleet"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: &image}}))(t).LaunchTemplate.LaunchTemplateId
	fleet := need(c.CreateFleet(ctx, &ec2.CreateFleetInput{
		Type:                        ec2types.FleetTypeInstant,
		TargetCapacitySpecification: &ec2types.TargetCapacitySpecificationRequest{TotalTargetCapacity: new(int32(1)), DefaultTargetCapacityType: ec2types.DefaultTargetCapacityTypeOnDemand},
		LaunchTemplateConfigs: []ec2types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &ec2types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateId: template, Version: new("1")},
		}},
	}))(t).FleetId
	ids := []string{*spot, *fleet}
	need(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: []ec2types.Tag{{Key: new("k"), Value: new("v")}}}))(t)
	for _, id := range ids {
		if n := len(need(c.DescribeTags(ctx, &ec2.DescribeTagsInput{Filters: []ec2types.Filter{{Name: new("resource-id"), Values: []string{id}}}}))(t).Tags); n != 1 {
			t.Errorf("%s has %d tags", id, n)
		}
	}
	shown := need(c.DescribeFleets(ctx, &ec2.DescribeFleetsInput{FleetIds: []string{*fleet}}))(t).Fleets[0]
	asked := need(c.DescribeSpotInstanceRequests(ctx, &ec2.DescribeSpotInstanceRequestsInput{SpotInstanceRequestIds: []string{*spot}}))(t).SpotInstanceRequests[0]
	if len(shown.Tags) != 1 || len(asked.Tags) != 1 {
		t.Errorf("shown with %v and %v", shown.Tags, asked.Tags)
	}
}
