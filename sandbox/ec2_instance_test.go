package sandbox_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/sandbox"
)

// is checks the state of an instance, and its reason.
func (w *world) is(as aws.Config, id, want string) types.Instance {
	w.Helper()
	i := w.instance(as, id)
	got := string(i.State.Name)
	if i.StateReason != nil {
		got += " " + *i.StateReason.Code
	}
	if got != want {
		w.Errorf("the instance is %s, want %s", got, want)
	}
	return i
}

func TestAnInstanceGoesThroughItsStatesAndLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config, key := w.root(owner), w.key(owner, "")
	c := ec2.NewFromConfig(config)
	launched := need(w.run(config, w.image(config, "base", ""), func(in *ec2.RunInstancesInput) {
		rootKey(key)(in)
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, types.BlockDeviceMapping{DeviceName: new("/dev/sdf"), Ebs: &types.EbsBlockDevice{
			VolumeSize: new(int32(1)), Encrypted: new(true), KmsKeyId: &key, DeleteOnTermination: new(false),
		}})
	}))(t)
	id := *launched.InstanceId
	if launched.State.Name != types.InstanceStateNamePending || len(launched.BlockDeviceMappings) != 0 {
		t.Errorf("at once it is %s with %d volumes", launched.State.Name, len(launched.BlockDeviceMappings))
	}
	w.is(config, id, "pending")
	w.pass(3 * time.Second)
	i := w.is(config, id, "running")
	if len(i.BlockDeviceMappings) != 2 || *i.VpcId == "" || *i.PrivateIpAddress == "" || len(i.NetworkInterfaces) != 1 {
		t.Errorf("it has %d volumes, VPC %s, address %s", len(i.BlockDeviceMappings), *i.VpcId, *i.PrivateIpAddress)
	}
	grants := need(w.kmsOf(config).ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &key}))(t).Grants
	var grantees []string // of two volumes, as recorded
	for _, g := range grants {
		grantees = append(grantees, strings.TrimPrefix(aws.ToString(g.GranteePrincipal), "arn:aws:sts::"+owner+":assumed-role/"))
	}
	slices.Sort(grantees)
	infrastructure, service := "aws:ec2-infrastructure/"+id, "ec2."+home+".amazonaws.com"
	if want := []string{infrastructure, infrastructure, service, service}; !slices.Equal(grantees, want) {
		t.Errorf("there are grants for %v, want %v", grantees, want)
	}
	_, err := c.StartInstances(t.Context(), &ec2.StartInstancesInput{InstanceIds: []string{id}})
	w.ends("starting what runs", err, "")
	stop := need(c.StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{id}}))(t).StoppingInstances[0]
	if stop.PreviousState.Name != types.InstanceStateNameRunning || stop.CurrentState.Name != types.InstanceStateNameStopping {
		t.Errorf("it went from %s to %s", stop.PreviousState.Name, stop.CurrentState.Name)
	}
	_, err = c.StartInstances(t.Context(), &ec2.StartInstancesInput{InstanceIds: []string{id}})
	w.ends("starting what is stopping", err, "IncorrectInstanceState: The instance '"+id+"' is not in a state from which it can be started.")
	w.pass(3 * time.Second)
	w.is(config, id, "stopped Client.UserInitiatedShutdown")
	need(c.StartInstances(t.Context(), &ec2.StartInstancesInput{InstanceIds: []string{id}}))(t)
	w.pass(3 * time.Second)
	w.is(config, id, "running")
	if n := len(w.grants(owner, key)); n != 6 {
		t.Errorf("%d grants after a second start, want two more", n)
	}
	need(c.RebootInstances(t.Context(), &ec2.RebootInstancesInput{InstanceIds: []string{id}}))(t)
	need(c.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}}))(t)
	w.is(config, id, "shutting-down Client.UserInitiatedShutdown")
	w.pass(3 * time.Second)
	w.is(config, id, "terminated Client.UserInitiatedShutdown")
	left := need(c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{}))(t).Volumes
	if len(left) != 1 || left[0].State != types.VolumeStateAvailable || *left[0].Size != 1 {
		t.Errorf("%d volumes are left", len(left))
	}
	if n := len(w.grants(owner, key)); n != 2 {
		t.Errorf("%d grants are left, want those of the volume that stays", n)
	}
	w.pass(time.Hour)
	_, err = c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	w.ends("an hour later", err, "InvalidInstanceID.NotFound: The instance ID '"+id+"' does not exist")
}

func TestAnInstanceThatStartsNeedsItsKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config, key := w.root(owner), w.key(owner, "")
	c := ec2.NewFromConfig(config)
	id := *need(w.run(config, w.image(config, "base", ""), rootKey(key)))(t).InstanceId
	w.pass(3 * time.Second)
	stopped := func() {
		need(c.StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{id}}))(t)
		w.pass(3 * time.Second)
	}
	stopped()
	_, user := w.user(owner, "starter", strings.Replace(allow("ec2:*", "kms:*"), `"Statement":[`, `"Statement":[{"Effect":"Deny","Action":"kms:CreateGrant","Resource":"*"},`, 1))
	need(ec2.NewFromConfig(user).StartInstances(t.Context(), &ec2.StartInstancesInput{InstanceIds: []string{id}}))(t)
	w.is(config, id, "pending")
	w.pass(3 * time.Second)
	if i := w.is(config, id, "stopped Client.InternalError"); *i.StateReason.Message != "Client.InternalError: Client error on launch" {
		t.Errorf("the reason is %s", *i.StateReason.Message)
	}
	need(w.kmsOf(config).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))(t)
	need(c.StartInstances(t.Context(), &ec2.StartInstancesInput{InstanceIds: []string{id}}))(t)
	w.pass(3 * time.Second)
	w.is(config, id, "stopped Client.InvalidKMSKey.InvalidState")
	need(w.kmsOf(config).EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &key}))(t)
	need(c.StartInstances(t.Context(), &ec2.StartInstancesInput{InstanceIds: []string{id}}))(t)
	w.pass(3 * time.Second)
	w.is(config, id, "running")
}

// A launch that a key refuses leaves neither volumes nor grants, of its other volumes
// too.
func TestALaunchThatAKeyRefusesLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config, good, bad := w.root(owner), w.key(owner, ""), w.key(owner, "")
	need(w.kmsOf(config).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &bad}))(t)
	id := *need(w.run(config, w.image(config, "base", ""), func(in *ec2.RunInstancesInput) {
		rootKey(good)(in)
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, types.BlockDeviceMapping{DeviceName: new("/dev/sdf"), Ebs: &types.EbsBlockDevice{VolumeSize: new(int32(1)), Encrypted: new(true), KmsKeyId: &bad}})
	}))(t).InstanceId
	w.pass(3 * time.Second)
	i := w.is(config, id, "terminated Client.InvalidKMSKey.InvalidState")
	if len(i.BlockDeviceMappings) != 0 || *i.StateTransitionReason != "Client.InternalError" {
		t.Errorf("it has %d volumes, and the transition is %s", len(i.BlockDeviceMappings), *i.StateTransitionReason)
	}
	if left := need(ec2.NewFromConfig(config).DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{}))(t).Volumes; len(left) != 0 {
		t.Errorf("%d volumes are left", len(left))
	}
	if n := len(w.grants(owner, good)); n != 0 {
		t.Errorf("%d grants are left", n)
	}
}

func TestALaunchIsMadeOncePerToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := w.root(owner)
	c, image := ec2.NewFromConfig(config), w.image(config, "base", "")
	in := &ec2.RunInstancesInput{ImageId: &image, MinCount: new(int32(2)), MaxCount: new(int32(3)), ClientToken: new("token")}
	first, again := need(c.RunInstances(t.Context(), in))(t), need(c.RunInstances(t.Context(), in))(t)
	if len(first.Instances) != 3 || len(again.Instances) != 3 || *first.Instances[2].InstanceId != *again.Instances[2].InstanceId || *first.ReservationId != *again.ReservationId {
		t.Errorf("the second call answers %d instances", len(again.Instances))
	}
	in.MaxCount = new(int32(4))
	_, err := c.RunInstances(t.Context(), in)
	w.ends("another request", err, "IdempotentParameterMismatch: Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
	in.ClientToken = nil
	need(c.RunInstances(t.Context(), in))(t)
	if r := need(c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}))(t).Reservations; len(r) != 2 || len(r[1].Instances) != 4 {
		t.Errorf("there are %d launches", len(r))
	}
}

func TestInstancesAreFoundByFiltersAndInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := w.root(owner)
	c, image := ec2.NewFromConfig(config), w.image(config, "base", "")
	var first string
	for n := range 7 {
		i := need(w.run(config, image, func(in *ec2.RunInstancesInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: new("n"), Value: new(fmt.Sprint(n))}}}}
			in.Placement = &types.Placement{AvailabilityZone: new(home + string("ab"[n%2]))}
		}))(t)
		if n == 0 {
			first = *i.InstanceId
		}
	}
	p := ec2.NewDescribeInstancesPaginator(c, &ec2.DescribeInstancesInput{MaxResults: new(int32(5))})
	pages, seen := 0, 0
	for p.HasMorePages() {
		pages++
		seen += len(need(p.NextPage(t.Context()))(t).Reservations)
	}
	if pages != 2 || seen != 7 {
		t.Errorf("%d launches in %d pages", seen, pages)
	}
	for _, r := range []struct {
		name, value string
		want        int
	}{
		{"tag:n", "3", 1}, {"tag-key", "n", 7}, {"availability-zone", "us-east-1b", 3}, {"instance-state-name", "pending", 7}, {"image-id", image, 7}, {"instance-type", "t2.*", 0},
	} {
		out := need(c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: &r.name, Values: []string{r.value}}}}))(t)
		if len(out.Reservations) != r.want {
			t.Errorf("%s=%s: %d, want %d", r.name, r.value, len(out.Reservations), r.want)
		}
	}
	if s := need(c.DescribeInstanceStatus(t.Context(), &ec2.DescribeInstanceStatusInput{}))(t).InstanceStatuses; len(s) != 0 {
		t.Errorf("%d instances run at once", len(s))
	}
	need(0, ec2.NewInstanceStatusOkWaiter(c, func(o *ec2.InstanceStatusOkWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second }).Wait(t.Context(), &ec2.DescribeInstanceStatusInput{InstanceIds: []string{first}}, time.Minute))(t)
	need(c.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{first, image}, Tags: []types.Tag{{Key: new("later"), Value: new("yes")}}}))(t)
	if out := need(c.DescribeTags(t.Context(), &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: new("key"), Values: []string{"later"}}}}))(t); len(out.Tags) != 2 {
		t.Errorf("%d tags", len(out.Tags))
	}
	if out := need(ec2.NewFromConfig(w.root(consumer)).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}))(t); len(out.Reservations) != 0 {
		t.Errorf("another account sees %d launches", len(out.Reservations))
	}
	_, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{"i-0123456789abcdef0", "i-0123456789abcdef1"}})
	w.ends("ids that there are not", err, "InvalidInstanceID.NotFound: The instance IDs 'i-0123456789abcdef0, i-0123456789abcdef1' do not exist")
}

func TestAnInstanceIsChangedAndProtected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := w.root(owner)
	c := ec2.NewFromConfig(config)
	data := base64.StdEncoding.EncodeToString([]byte("#!/bin/sh"))
	id := *need(w.run(config, w.image(config, "base", ""), func(in *ec2.RunInstancesInput) {
		in.DisableApiTermination, in.UserData = new(true), &data
	}))(t).InstanceId
	w.pass(3 * time.Second)
	attribute := func(name types.InstanceAttributeName) *ec2.DescribeInstanceAttributeOutput {
		t.Helper()
		return need(c.DescribeInstanceAttribute(t.Context(), &ec2.DescribeInstanceAttributeInput{InstanceId: &id, Attribute: name}))(t)
	}
	if got := attribute(types.InstanceAttributeNameUserData).UserData; *got.Value != data {
		t.Errorf("the user data is %s", *got.Value)
	}
	if got := attribute(types.InstanceAttributeNameInstanceInitiatedShutdownBehavior).InstanceInitiatedShutdownBehavior; *got.Value != "stop" {
		t.Errorf("on shutdown it is to %s", *got.Value)
	}
	_, err := c.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	w.ends("a protected instance", err, "OperationNotPermitted: The instance '"+id+"' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.")
	need(c.ModifyInstanceAttribute(t.Context(), &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiTermination: &types.AttributeBooleanValue{Value: new(false)}}))(t)
	if *attribute(types.InstanceAttributeNameDisableApiTermination).DisableApiTermination.Value {
		t.Error("it is still protected")
	}
	change := &ec2.ModifyInstanceAttributeInput{InstanceId: &id, InstanceType: &types.AttributeValue{Value: new("t3.micro")}}
	_, err = c.ModifyInstanceAttribute(t.Context(), change)
	w.ends("the type of what runs", err, "IncorrectInstanceState: The instance '"+id+"' is not in the 'stopped' state.")
	need(c.StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{id}}))(t)
	w.pass(3 * time.Second)
	need(c.ModifyInstanceAttribute(t.Context(), change))(t)
	if i := w.instance(config, id); i.InstanceType != types.InstanceTypeT3Micro {
		t.Errorf("it is a %s", i.InstanceType)
	}
	need(c.ModifyInstanceAttribute(t.Context(), &ec2.ModifyInstanceAttributeInput{InstanceId: &id, BlockDeviceMappings: []types.InstanceBlockDeviceMappingSpecification{
		{DeviceName: new("/dev/xvda"), Ebs: &types.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: new(false)}},
	}}))(t)
	need(c.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}}))(t)
	w.pass(3 * time.Second)
	if left := need(c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{}))(t).Volumes; len(left) != 1 {
		t.Errorf("%d volumes are left", len(left))
	}
}

// What a launch takes and makes is asked about, each with its condition keys.
func TestALaunchIsAskedAboutAllThatItTakesAndMakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	image := w.image(w.root(owner), "base", "")
	need(0, w.permit(image, toAccount(consumer)))(t)
	c := iam.NewFromConfig(w.root(consumer))
	role := w.role(consumer, "passed", "", "")
	need(c.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: new("profile")}))(t)
	need(c.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: new("profile"), RoleName: &role.name}))(t)
	profile := func(in *ec2.RunInstancesInput) {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: new("profile")}
	}
	tagged := func(in *ec2.RunInstancesInput) {
		in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: new("a"), Value: new("b")}}}}
	}
	denying := func(resource, condition string) string {
		return strings.Replace(allow("*"), `"Statement":[`, `"Statement":[{"Effect":"Deny","Action":"ec2:RunInstances","Resource":"`+resource+`","Condition":`+condition+`},`, 1)
	}
	launcher := w.role(consumer, "launcher", allow("*"), "")
	for i, r := range []struct {
		what, policy string
		change       func(*ec2.RunInstancesInput)
		want         string
	}{
		{"nothing denied", allow("*"), nil, ""},
		{"no right to pass the role", allow("ec2:*"), profile, "iam:PassRole"},
		{"the role to another service", strings.Replace(allow("ec2:*"), `"Statement":[`, `"Statement":[{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}},`, 1), profile, ""},
		{"images of others", denying("arn:aws:ec2:*::image/*", `{"StringNotEquals":{"ec2:Owner":"`+consumer+`"}}`), nil, "image/" + image},
		{"images of another account", denying("arn:aws:ec2:*::image/*", `{"StringNotEquals":{"aws:ResourceAccount":"`+owner+`"}}`), nil, ""},
		{"plain volumes", denying("arn:aws:ec2:*:*:volume/*", `{"Bool":{"ec2:Encrypted":"false"}}`), nil, "volume/*"},
		{"other types", denying("arn:aws:ec2:*:*:instance/*", `{"StringNotEquals":{"ec2:InstanceType":"t3.nano"}}`), nil, ""},
		{"this type", denying("arn:aws:ec2:*:*:instance/*", `{"StringEquals":{"ec2:InstanceType":"t3.nano"}}`), nil, "instance/*"},
		{"the subnet", denying("arn:aws:ec2:*:*:subnet/*", `{}`), nil, "subnet/"},
		{"network interfaces", denying("arn:aws:ec2:*:*:network-interface/*", `{}`), nil, "network-interface/*"},
		{"the group", denying("arn:aws:ec2:*:*:security-group/*", `{}`), nil, "security-group/"},
		{"tags", allow("ec2:RunInstances"), tagged, "ec2:CreateTags"},
		{"tags of a launch", strings.Replace(allow("ec2:RunInstances"), `"Statement":[`, `"Statement":[{"Effect":"Allow","Action":"ec2:CreateTags","Resource":"*","Condition":{"StringEquals":{"ec2:CreateAction":"RunInstances"}}},`, 1), tagged, ""},
	} {
		_, err := w.run(w.session(consumer, launcher.arn, fmt.Sprint("row", i), r.policy), image, r.change)
		got := refusal(err)
		if r.want == "" && got != "" || !strings.Contains(got, r.want) || r.want != "" && !strings.HasPrefix(got, "UnauthorizedOperation") {
			t.Errorf("%s: got %q, want %q", r.what, got, r.want)
		}
	}
	_, err := w.run(w.root(consumer), image, func(in *ec2.RunInstancesInput) {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: new("none")}
	})
	w.ends("a profile that there is not", err, "Invalid IAM Instance Profile Name")
	_, err = w.run(w.root(consumer), image, func(in *ec2.RunInstancesInput) { in.InstanceType = types.InstanceTypeT4gNano })
	w.ends("another architecture", err, "does not match the architecture 'x86_64' of the specified AMI.")
	_, err = w.run(w.root(consumer), image, func(in *ec2.RunInstancesInput) { in.SubnetId = new("subnet-00000000000000000") })
	w.ends("a subnet that there is not", err, "InvalidSubnetID.NotFound: The subnet ID 'subnet-00000000000000000' does not exist")
}

func TestAnAccountHasADefaultNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	vpc := need(c.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{Filters: []types.Filter{{Name: new("is-default"), Values: []string{"true"}}}}))(t).Vpcs[0]
	subnets := need(c.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: []types.Filter{{Name: new("vpc-id"), Values: []string{*vpc.VpcId}}}}))(t).Subnets
	zones := need(c.DescribeAvailabilityZones(t.Context(), &ec2.DescribeAvailabilityZonesInput{}))(t).AvailabilityZones
	if len(subnets) != len(zones) || *subnets[1].AvailabilityZone != *zones[1].ZoneName || *subnets[1].CidrBlock != "172.31.16.0/20" {
		t.Errorf("%d subnets in %d zones", len(subnets), len(zones))
	}
	group := need(c.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupNames: []string{"default"}}))(t).SecurityGroups[0]
	i := need(w.run(w.root(owner), w.image(w.root(owner), "base", ""), func(in *ec2.RunInstancesInput) {
		in.SubnetId, in.SecurityGroupIds = subnets[1].SubnetId, []string{*group.GroupId}
	}))(t)
	if *i.Placement.AvailabilityZone != *zones[1].ZoneName || *i.SubnetId != *subnets[1].SubnetId || !strings.HasPrefix(*i.PrivateIpAddress, "172.31.16.") {
		t.Errorf("the instance is in %s at %s", *i.SubnetId, *i.PrivateIpAddress)
	}
	if other := newWorld(t).vpc(owner); other != *vpc.VpcId {
		t.Errorf("in another sandbox the VPC is %s, not %s", other, *vpc.VpcId)
	}
	if _, err := c.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-1"}}); refusal(err) != "InvalidVpcID.NotFound: The vpc ID 'vpc-1' does not exist" {
		t.Errorf("a VPC that there is not: %v", err)
	}
	types := need(c.DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"t3.micro"}}))(t).InstanceTypes
	if *types[0].MemoryInfo.SizeInMiB != 1024 {
		t.Errorf("a t3.micro has %d MiB", *types[0].MemoryInfo.SizeInMiB)
	}
	if r := need(c.DescribeRegions(t.Context(), &ec2.DescribeRegionsInput{RegionNames: []string{"eu-west-1"}}))(t).Regions; len(r) != 1 {
		t.Errorf("%d Regions", len(r))
	}
}

// vpc is the id of an account's VPC.
func (w *world) vpc(account string) string {
	w.Helper()
	return *need(ec2.NewFromConfig(w.root(account)).DescribeVpcs(w.Context(), &ec2.DescribeVpcsInput{}))(w).Vpcs[0].VpcId
}

// Amazon's images are there to be launched.
func TestAnImageOfAmazonsIsLaunched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := w.root(owner)
	c := ec2.NewFromConfig(config)
	image := need(c.DescribeImages(t.Context(), &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []types.Filter{{Name: new("architecture"), Values: []string{"x86_64"}}}}))(t).Images[0]
	key := w.key(owner, "")
	for _, change := range []func(*ec2.RunInstancesInput){nil, rootKey(key)} {
		id := *need(w.run(config, *image.ImageId, change))(t).InstanceId
		w.pass(3 * time.Second)
		w.is(config, id, "running")
		if v := w.volumeOf(config, id); *v.Encrypted != (change != nil) || *v.SnapshotId == "" || *v.Size != 8 {
			t.Errorf("the volume of %d GiB is encrypted: %v", *v.Size, *v.Encrypted)
		}
	}
}

func TestInstancesImagesAndTemplatesSurviveARestart(t *testing.T) {
	t.Parallel()
	o := sandbox.Options{State: t.TempDir() + "/state"}
	w := newWorldWith(t, o)
	key := w.key(owner, "")
	c := ec2.NewFromConfig(w.root(owner))
	image := w.image(w.root(owner), "base", key)
	template := need(c.CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{LaunchTemplateName: new("template"), LaunchTemplateData: &types.RequestLaunchTemplateData{
		ImageId: &image, InstanceType: types.InstanceTypeT3Nano,
	}}))(t).LaunchTemplate.LaunchTemplateId
	in := &ec2.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)), LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: template}, ClientToken: new("token")}
	id := *need(c.RunInstances(t.Context(), in))(t).Instances[0].InstanceId
	need(0, w.Close())(t)
	w = newWorldWith(t, o)
	c = ec2.NewFromConfig(w.root(owner))
	w.pass(3 * time.Second)
	i := w.is(w.root(owner), id, "running")
	if i.InstanceType != types.InstanceTypeT3Nano || len(i.BlockDeviceMappings) != 1 {
		t.Errorf("it is a %s with %d volumes", i.InstanceType, len(i.BlockDeviceMappings))
	}
	if again := *need(c.RunInstances(t.Context(), in))(t).Instances[0].InstanceId; again != id {
		t.Errorf("the token launched %s anew", again)
	}
	in.ClientToken = nil
	if other := need(c.RunInstances(t.Context(), in))(t).Instances[0]; *other.ImageId != image {
		t.Errorf("the template launches %s", *other.ImageId)
	}
}
