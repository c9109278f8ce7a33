package sandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// scalingRole is the service-linked role of Auto Scaling in an account.
func scalingRole(account string) string { return linkedRole(account, "autoscaling", "AutoScaling") }

func linkedRole(account, service, name string) string {
	return "arn:aws:iam::" + account + ":role/aws-service-role/" + service + ".amazonaws.com/AWSServiceRoleFor" + name
}

// keyNotUsable is how an activity tells of a key that the role could not use, as users
// report it.
const keyNotUsable = "Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state"

// image makes an image of an encrypted snapshot; an empty key makes it plain.
func (w *world) scalingImage(account, key string) string {
	w.Helper()
	c := ec2.NewFromConfig(w.admin(account))
	in := &ec2.CreateVolumeInput{AvailabilityZone: new(home + "a"), Size: new(int32(1))}
	if key != "" {
		in.Encrypted, in.KmsKeyId = new(true), &key
	}
	v := need(c.CreateVolume(w.Context(), in))(w)
	w.pass(5 * time.Second)
	n := need(c.CreateSnapshot(w.Context(), &ec2.CreateSnapshotInput{VolumeId: v.VolumeId}))(w)
	w.pass(5 * time.Second)
	name := "image-of-" + *n.SnapshotId
	m := need(c.RegisterImage(w.Context(), &ec2.RegisterImageInput{
		Name: &name, RootDeviceName: new("/dev/xvda"), Architecture: ec2types.ArchitectureValuesX8664, VirtualizationType: new("hvm"),
		BlockDeviceMappings: []ec2types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &ec2types.EbsBlockDevice{SnapshotId: n.SnapshotId}}},
	}))(w)
	w.pass(5 * time.Second)
	return *m.ImageId
}

// share lets another account launch an image.
func (w *world) shareImage(account, image, with string) {
	w.Helper()
	need(ec2.NewFromConfig(w.admin(account)).ModifyImageAttribute(w.Context(), &ec2.ModifyImageAttributeInput{
		ImageId: &image, LaunchPermission: &ec2types.LaunchPermissionModifications{Add: []ec2types.LaunchPermission{{UserId: &with}}},
	}))(w)
}

// template makes a launch template; a key is that of the root volume, empty for none.
func (w *world) scalingTemplate(account, name, image, key string) string {
	w.Helper()
	data := &ec2types.RequestLaunchTemplateData{ImageId: &image, InstanceType: ec2types.InstanceTypeT3Micro}
	if key != "" {
		data.BlockDeviceMappings = []ec2types.LaunchTemplateBlockDeviceMappingRequest{{
			DeviceName: new("/dev/xvda"), Ebs: &ec2types.LaunchTemplateEbsBlockDeviceRequest{Encrypted: new(true), KmsKeyId: &key},
		}}
	}
	t := need(ec2.NewFromConfig(w.admin(account)).CreateLaunchTemplate(w.Context(), &ec2.CreateLaunchTemplateInput{LaunchTemplateName: &name, LaunchTemplateData: data}))(w)
	return *t.LaunchTemplate.LaunchTemplateId
}

// fleetOf makes a group of so many instances.
func (w *world) scalingGroup(c *autoscaling.Client, name, template string, desired int32) error {
	_, err := c.CreateAutoScalingGroup(w.Context(), &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: &name, MinSize: new(int32(0)), MaxSize: new(int32(5)), DesiredCapacity: &desired, AvailabilityZones: []string{home + "a", home + "b"},
		LaunchTemplate: &astypes.LaunchTemplateSpecification{LaunchTemplateId: &template, Version: new("$Latest")},
	})
	return err
}

// look describes a group.
func (w *world) look(c *autoscaling.Client, name string) astypes.AutoScalingGroup {
	w.Helper()
	out := need(c.DescribeAutoScalingGroups(w.Context(), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}}))(w)
	if len(out.AutoScalingGroups) != 1 {
		w.Fatalf("there are %d groups %s", len(out.AutoScalingGroups), name)
	}
	return out.AutoScalingGroups[0]
}

func (w *world) inService(c *autoscaling.Client, name string) (ids []string) {
	w.Helper()
	for _, i := range w.look(c, name).Instances {
		if i.LifecycleState == astypes.LifecycleStateInService {
			ids = append(ids, *i.InstanceId)
		}
	}
	return ids
}

// did are a group's activities, the latest first.
func (w *world) did(c *autoscaling.Client, name string) []astypes.Activity {
	w.Helper()
	return need(c.DescribeScalingActivities(w.Context(), &autoscaling.DescribeScalingActivitiesInput{AutoScalingGroupName: &name, IncludeDeletedGroups: new(true)}))(w).Activities
}

// launched checks how the last launch of a group of one instance came out: in service, or
// with the text of a key that could not be used.
func (w *world) launched(c *autoscaling.Client, name string, well bool) {
	w.Helper()
	last := w.did(c, name)[0]
	code, text := string(last.StatusCode), aws.ToString(last.StatusMessage)
	switch {
	case well && (code != "Successful" || len(w.inService(c, name)) != 1):
		w.Errorf("the launch was %s %q, want it in service", code, text)
	case !well && (code != "Cancelled" || text != keyNotUsable):
		w.Errorf("the launch was %s %q, want Cancelled %q", code, text, keyNotUsable)
	case !well && !strings.HasSuffix(*last.Description, ".  Status Reason: "+keyNotUsable):
		w.Errorf("the description is %q", *last.Description)
	}
}

// foreignImage is what the recipe of AWS for an image of another account begins with: a
// key of its owner's, an image under it, shared, and a launch template of the consumer's.
type foreignImage struct{ key, image, template string }

func (w *world) foreignImage(policy []string, volumeKey bool) foreignImage {
	w.Helper()
	key := w.key(owner, keyPolicyOf(owner, policy...))
	f := foreignImage{key: key, image: w.scalingImage(owner, key)}
	w.shareImage(owner, f.image, consumer)
	volume := ""
	if volumeKey {
		volume = key
	}
	f.template = w.scalingTemplate(consumer, "shared", f.image, volume)
	return f
}

// keyPolicyOf is a key policy that gives the key to its account, and more.
func keyPolicyOf(account string, more ...string) string {
	own := fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:*","Resource":"*"}`, account)
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(append([]string{own}, more...), ",") + `]}`
}

// lets is a statement of a key policy.
func lets(principal string, actions ...string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":["%s"],"Resource":"*"}`, principal, strings.Join(actions, `","`))
}

// The two statements of AWS's recipe for another account.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html.
func recipe() []string {
	other := "arn:aws:iam::" + consumer + ":root"
	return []string{lets(other, "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"), lets(other, "kms:CreateGrant")}
}

func recipeGrant(key string) *kms.CreateGrantInput {
	return &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: new(scalingRole(consumer)), Operations: []kmstypes.GrantOperation{
		"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "DescribeKey", "CreateGrant",
	}}
}

// The recipe that AWS documents for a group with an image of another account under a
// customer managed key works as it is written.
func TestAGroupLaunchesAnotherAccountsImageWithAGrantFromItsOwnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.foreignImage(recipe(), true)
	c := autoscaling.NewFromConfig(w.admin(consumer))
	if err := w.scalingGroup(c, "web", f.template, 1); err != nil { // makes the role
		t.Fatal(err)
	}
	w.pass(10 * time.Second)
	w.launched(c, "web", false)
	_, operator := w.user(consumer, "operator", fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:CreateGrant","Resource":%q}]}`, f.key))
	w.grant(operator, recipeGrant(f.key))
	w.pass(2 * time.Minute)
	w.launched(c, "web", true)
	i := w.inService(c, "web")[0]
	out := need(ec2.NewFromConfig(w.admin(consumer)).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{i}}))(t).Reservations[0].Instances[0]
	if !slices.ContainsFunc(out.Tags, func(g ec2types.Tag) bool { return *g.Key == "aws:autoscaling:groupName" && *g.Value == "web" }) {
		t.Errorf("the instance is tagged %v", out.Tags)
	}
	v := need(ec2.NewFromConfig(w.admin(consumer)).DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{*out.BlockDeviceMappings[0].Ebs.VolumeId}}))(t).Volumes[0]
	if *v.KmsKeyId != f.key {
		t.Errorf("the volume is under %s, want %s", *v.KmsKeyId, f.key)
	}
}

// What each part of the recipe is for: without it, the launch or the grant fails.
func TestEachPermissionOfTheRecipeIsNeededOrNot(t *testing.T) {
	t.Parallel()
	// The operations of the grant that a launch needs, with the volume under the same key.
	// Decrypt is among them, as the grant that EC2 makes by it may not allow more than it.
	needed := []kmstypes.GrantOperation{"ReEncryptFrom", "ReEncryptTo", "GenerateDataKeyWithoutPlaintext", "CreateGrant", "Decrypt"}
	for _, out := range recipeGrant("").Operations {
		t.Run("grant without "+string(out), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f := w.foreignImage(recipe(), true)
			need(iam.NewFromConfig(w.admin(consumer)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("autoscaling.amazonaws.com")}))(t)
			g := recipeGrant(f.key)
			g.Operations = slices.DeleteFunc(g.Operations, func(op kmstypes.GrantOperation) bool { return op == out })
			w.grant(w.admin(consumer), g)
			c := autoscaling.NewFromConfig(w.admin(consumer))
			if err := w.scalingGroup(c, "web", f.template, 1); err != nil {
				t.Fatal(err)
			}
			w.pass(10 * time.Second)
			w.launched(c, "web", !slices.Contains(needed, out))
		})
	}
	t.Run("the key policy without CreateGrant", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		key := w.key(owner, keyPolicyOf(owner, recipe()[0]))
		need(iam.NewFromConfig(w.admin(consumer)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("autoscaling.amazonaws.com")}))(t)
		_, err := w.kmsOf(w.admin(consumer)).CreateGrant(t.Context(), recipeGrant(key))
		w.ends("a grant", err, "or a resource-based policy explicitly denies access")
	})
	t.Run("the operator without CreateGrant", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		key := w.key(owner, keyPolicyOf(owner, recipe()...))
		need(iam.NewFromConfig(w.admin(consumer)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("autoscaling.amazonaws.com")}))(t)
		_, operator := w.user(consumer, "operator", allow("kms:DescribeKey"))
		_, err := w.kmsOf(operator).CreateGrant(t.Context(), recipeGrant(key))
		w.ends("a grant", err, "because no identity-based policy allows the kms:CreateGrant action")
	})
	t.Run("the grant comes from the owner's account", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		f := w.foreignImage(recipe(), true)
		need(iam.NewFromConfig(w.admin(consumer)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("autoscaling.amazonaws.com")}))(t)
		w.grant(w.admin(owner), recipeGrant(f.key))
		c := autoscaling.NewFromConfig(w.admin(consumer))
		if err := w.scalingGroup(c, "web", f.template, 1); err != nil {
			t.Fatal(err)
		}
		w.pass(10 * time.Second)
		w.launched(c, "web", false)
	})
	t.Run("the key policy names the role and there is no grant", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		need(iam.NewFromConfig(w.admin(consumer)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("autoscaling.amazonaws.com")}))(t)
		f := w.foreignImage([]string{lets(scalingRole(consumer), "kms:*")}, true)
		c := autoscaling.NewFromConfig(w.admin(consumer))
		if err := w.scalingGroup(c, "web", f.template, 1); err != nil {
			t.Fatal(err)
		}
		w.pass(10 * time.Second)
		w.launched(c, "web", false)
	})
	t.Run("the volume goes under the consumer's default key", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		f := w.foreignImage(recipe(), false)
		need(iam.NewFromConfig(w.admin(consumer)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("autoscaling.amazonaws.com")}))(t)
		g := recipeGrant(f.key)
		g.Operations = []kmstypes.GrantOperation{"ReEncryptFrom"}
		w.grant(w.admin(consumer), g)
		c := autoscaling.NewFromConfig(w.admin(consumer))
		if err := w.scalingGroup(c, "web", f.template, 1); err != nil {
			t.Fatal(err)
		}
		w.pass(10 * time.Second)
		w.launched(c, "web", true)
	})
}

// Inside one account the key policy names the role: it needs nothing else, and a group
// without it launches nothing.
func TestAGroupUsesAKeyOfItsAccountWhenTheKeyPolicyNamesItsRole(t *testing.T) {
	t.Parallel()
	role := scalingRole(owner)
	use := lets(role, "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey")
	grants := strings.Replace(lets(role, "kms:CreateGrant"), `"Resource"`, `"Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}},"Resource"`, 1)
	for _, test := range []struct {
		name   string
		policy []string
		well   bool
	}{
		{"both statements", []string{use, grants}, true},
		{"the use alone", []string{use}, false},
		{"grants alone", []string{grants}, false},
		{"neither", nil, false},
		{"through EC2, for everybody of the account", []string{fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":%q,"kms:ViaService":"ec2.us-east-1.amazonaws.com"}}}`, owner)}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			need(iam.NewFromConfig(w.admin(owner)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("autoscaling.amazonaws.com")}))(t)
			key := w.key(owner, keyPolicyOf(owner, test.policy...))
			c := autoscaling.NewFromConfig(w.admin(owner))
			if err := w.scalingGroup(c, "web", w.scalingTemplate(owner, "own", w.scalingImage(owner, key), ""), 1); err != nil {
				t.Fatal(err)
			}
			w.pass(10 * time.Second)
			w.launched(c, "web", test.well)
		})
	}
}

func TestTheRoleOfAutoScalingIsMadeOnFirstUseByWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	template := w.scalingTemplate(owner, "plain", w.scalingImage(owner, ""), "")
	who, plain := w.user(owner, "deployer", allow("autoscaling:*", "ec2:*"))
	err := w.scalingGroup(autoscaling.NewFromConfig(plain), "web", template, 0)
	if got, want := refusal(err), "AccessDenied: The default Service-Linked Role for Auto Scaling could not be created. com.amazonaws.services.identitymanagement.model.AmazonIdentityManagementException: User: "+who.arn+
		" is not authorized to perform: iam:CreateServiceLinkedRole on resource: "+scalingRole(owner)+" because no identity-based policy allows the iam:CreateServiceLinkedRole action"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	_, may := w.user(owner, "first", allow("autoscaling:*", "ec2:*", "iam:CreateServiceLinkedRole"))
	if err := w.scalingGroup(autoscaling.NewFromConfig(may), "web", template, 0); err != nil {
		t.Fatal(err)
	}
	need(iam.NewFromConfig(w.admin(owner)).GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("AWSServiceRoleForAutoScaling")}))(t)
	if err := w.scalingGroup(autoscaling.NewFromConfig(plain), "more", template, 0); err != nil {
		t.Errorf("once the role is there: %v", err)
	}
	if got := *w.look(autoscaling.NewFromConfig(plain), "web").ServiceLinkedRoleARN; got != scalingRole(owner) {
		t.Errorf("the group's role is %s", got)
	}
}

// A role with a suffix acts for the groups that name it, and its name counts in key
// policies. Who names it has to be allowed to pass it.
func TestARoleWithASuffixActsForTheGroupThatNamesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := need(iam.NewFromConfig(w.admin(owner)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("autoscaling.amazonaws.com"), CustomSuffix: new("keys")}))(t)
	role := *made.Role.Arn
	key := w.key(owner, keyPolicyOf(owner, lets(role, "kms:*")))
	template := w.scalingTemplate(owner, "own", w.scalingImage(owner, key), "")
	group := func(c aws.Config, name string) error {
		_, err := autoscaling.NewFromConfig(c).CreateAutoScalingGroup(t.Context(), &autoscaling.CreateAutoScalingGroupInput{
			AutoScalingGroupName: &name, MinSize: new(int32(1)), MaxSize: new(int32(1)), AvailabilityZones: []string{home + "a"}, ServiceLinkedRoleARN: &role,
			LaunchTemplate: &astypes.LaunchTemplateSpecification{LaunchTemplateName: new("own")},
		})
		return err
	}
	_, plain := w.user(owner, "deployer", allow("autoscaling:*", "ec2:*"))
	w.ends("who may not pass it", group(plain, "web"), "because no identity-based policy allows the iam:PassRole action")
	if err := group(w.admin(owner), "web"); err != nil {
		t.Fatal(err)
	}
	c := autoscaling.NewFromConfig(w.admin(owner))
	if err := w.scalingGroup(c, "plain", template, 1); err != nil {
		t.Fatal(err)
	}
	w.pass(10 * time.Second)
	w.launched(c, "web", true)
	w.launched(c, "plain", false)
}

// A template can be used for a group by who may launch it.
func TestWhoMakesAGroupHasToBeAllowedToLaunch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	template := w.scalingTemplate(owner, "plain", w.scalingImage(owner, ""), "")
	_, c := w.user(owner, "deployer", allow("autoscaling:*", "iam:CreateServiceLinkedRole"))
	err := w.scalingGroup(autoscaling.NewFromConfig(c), "web", template, 0)
	if got, want := refusal(err), "AccessDenied: You are not authorized to use launch template: "+template; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	err = w.scalingGroup(autoscaling.NewFromConfig(w.admin(owner)), "web", w.scalingTemplate(owner, "none", "ami-00000000000000000", ""), 0)
	if got, want := refusal(err), "ValidationError: You must use a valid fully-formed launch template. The image id '[ami-00000000000000000]' does not exist"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A launch that EC2 refuses at once fails with EC2's text, and is tried again later and
// later, for a day.
func TestAGroupTriesAgainForADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	image := w.scalingImage(owner, "")
	c := autoscaling.NewFromConfig(w.admin(owner))
	if err := w.scalingGroup(c, "web", w.scalingTemplate(owner, "plain", image, ""), 0); err != nil {
		t.Fatal(err)
	}
	need(ec2.NewFromConfig(w.admin(owner)).DeregisterImage(t.Context(), &ec2.DeregisterImageInput{ImageId: &image}))(t)
	need(c.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: new("web"), DesiredCapacity: new(int32(2))}))(t)
	w.pass(3 * time.Second)
	first := w.did(c, "web")
	text := "The image id '[" + image + "]' does not exist. Launching EC2 instance failed."
	if len(first) != 1 || first[0].StatusCode != astypes.ScalingActivityStatusCodeFailed || *first[0].StatusMessage != text || *first[0].Description != "Launching a new EC2 instance.  Status Reason: "+text {
		t.Fatalf("the activities are %s", jsonText(first))
	}
	w.pass(70 * time.Second)
	if n := len(w.did(c, "web")); n != 2 {
		t.Errorf("after a minute there are %d tries, want 2", n)
	}
	w.pass(3 * day)
	n := len(w.did(c, "web"))
	if n < 20 || n > 40 || len(w.look(c, "web").SuspendedProcesses) != 1 {
		t.Errorf("after three days there are %d tries and %v is suspended", n, w.look(c, "web").SuspendedProcesses)
	}
	w.pass(365 * day)
	if after := len(need(c.DescribeScalingActivities(t.Context(), &autoscaling.DescribeScalingActivitiesInput{AutoScalingGroupName: new("web")}))(t).Activities); after != 0 {
		t.Errorf("a year later %d activities are shown", after)
	}
}

func TestAGroupGrowsShrinksAndReplaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := autoscaling.NewFromConfig(w.admin(owner))
	if err := w.scalingGroup(c, "web", w.scalingTemplate(owner, "plain", w.scalingImage(owner, ""), ""), 2); err != nil {
		t.Fatal(err)
	}
	w.pass(1500 * time.Millisecond)
	if got := w.look(c, "web").Instances; len(got) != 2 || got[0].LifecycleState != astypes.LifecycleStatePending {
		t.Fatalf("at first the instances are %s", jsonText(got))
	}
	w.pass(10 * time.Second)
	ids := w.inService(c, "web")
	if len(ids) != 2 {
		t.Fatalf("in service are %v", ids)
	}
	if zones := w.look(c, "web").Instances; *zones[0].AvailabilityZone == *zones[1].AvailabilityZone {
		t.Errorf("both instances are in %s", *zones[0].AvailabilityZone)
	}
	if a := w.did(c, "web")[0]; !strings.Contains(*a.Cause, "a user request created an AutoScalingGroup changing the desired capacity from 0 to 2.  At ") || a.StatusCode != "Successful" || *a.Progress != 100 {
		t.Errorf("the activity is %s", jsonText(a))
	}
	w.pass(time.Second)
	need(c.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: new("web"), DesiredCapacity: new(int32(3))}))(t)
	w.pass(10 * time.Second)
	if ids = w.inService(c, "web"); len(ids) != 3 {
		t.Fatalf("in service are %v", ids)
	}
	e := ec2.NewFromConfig(w.admin(owner))
	need(e.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: ids[:1]}))(t)
	w.pass(365 * day)
	if now := w.inService(c, "web"); len(now) != 3 || slices.Contains(now, ids[0]) {
		t.Errorf("after one was terminated there are %v, before %v", now, ids)
	}
	gone := w.inService(c, "web")[0]
	out := need(c.TerminateInstanceInAutoScalingGroup(t.Context(), &autoscaling.TerminateInstanceInAutoScalingGroupInput{InstanceId: &gone, ShouldDecrementDesiredCapacity: new(true)}))(t)
	if *out.Activity.Description != "Terminating EC2 instance: "+gone || out.Activity.StatusCode != "InProgress" {
		t.Errorf("the activity is %s", jsonText(out.Activity))
	}
	w.pass(20 * time.Second)
	if g := w.look(c, "web"); *g.DesiredCapacity != 2 || len(g.Instances) != 2 {
		t.Errorf("the group has %d of %d instances", len(g.Instances), *g.DesiredCapacity)
	}
	_, err := c.DeleteAutoScalingGroup(t.Context(), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: new("web")})
	w.ends("a group with instances", err, "ResourceInUse: You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.")
	need(c.DeleteAutoScalingGroup(t.Context(), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: new("web"), ForceDelete: new(true)}))(t)
	if s := w.look(c, "web").Status; aws.ToString(s) != "Delete in progress" {
		t.Errorf("the status is %v", s)
	}
	w.pass(20 * time.Second)
	if left := need(c.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{}))(t).AutoScalingGroups; len(left) != 0 {
		t.Errorf("the group is still there: %s", jsonText(left))
	}
	if a := w.did(c, "web"); len(a) == 0 || aws.ToString(a[0].AutoScalingGroupState) != "Deleted" {
		t.Errorf("the activities of a deleted group are %s", jsonText(a))
	}
	for _, r := range need(e.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}))(t).Reservations {
		if r.Instances[0].State.Name != ec2types.InstanceStateNameTerminated {
			t.Errorf("an instance of the group is %s", r.Instances[0].State.Name)
		}
	}
}
