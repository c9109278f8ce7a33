package sandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
)

// image registers an image of one snapshot, under a key unless that is empty: "default"
// is the account's default key.
func (w *world) image(as aws.Config, name, key string) string {
	w.Helper()
	in := &ebs.StartSnapshotInput{}
	switch key {
	case "":
	case "default":
		in.Encrypted = new(true)
	default:
		in.KmsKeyArn = &key
	}
	snapshot := w.written(as, in, nil)
	return *need(ec2.NewFromConfig(as).RegisterImage(w.Context(), &ec2.RegisterImageInput{
		Name: &name, Architecture: types.ArchitectureValuesX8664, VirtualizationType: new("hvm"), RootDeviceName: new("/dev/xvda"), EnaSupport: new(true),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: &snapshot}}},
	}))(w).ImageId
}

// permit shares an image of the owner.
func (w *world) permit(image string, to ...types.LaunchPermission) error {
	_, err := ec2.NewFromConfig(w.root(owner)).ModifyImageAttribute(w.Context(), &ec2.ModifyImageAttributeInput{
		ImageId: &image, LaunchPermission: &types.LaunchPermissionModifications{Add: to},
	})
	return err
}

func toAccount(id string) types.LaunchPermission { return types.LaunchPermission{UserId: &id} }

// run launches an image; change may be nil.
func (w *world) run(as aws.Config, image string, change func(*ec2.RunInstancesInput)) (types.Instance, error) {
	in := &ec2.RunInstancesInput{ImageId: &image, MinCount: new(int32(1)), MaxCount: new(int32(1)), InstanceType: types.InstanceTypeT3Nano}
	if change != nil {
		change(in)
	}
	out, err := ec2.NewFromConfig(as).RunInstances(w.Context(), in)
	if err != nil {
		return types.Instance{}, err
	}
	return out.Instances[0], nil
}

// rootKey has the root volume made under a key.
func rootKey(key string) func(*ec2.RunInstancesInput) {
	return func(in *ec2.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &types.EbsBlockDevice{Encrypted: new(true), KmsKeyId: &key}}}
	}
}

func (w *world) instance(as aws.Config, id string) types.Instance {
	w.Helper()
	return need(ec2.NewFromConfig(as).DescribeInstances(w.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}}))(w).Reservations[0].Instances[0]
}

// volumeOf is the only volume of an instance.
func (w *world) volumeOf(as aws.Config, id string) types.Volume {
	w.Helper()
	out := need(ec2.NewFromConfig(as).DescribeVolumes(w.Context(), &ec2.DescribeVolumesInput{Filters: []types.Filter{{Name: new("attachment.instance-id"), Values: []string{id}}}}))(w)
	if len(out.Volumes) != 1 {
		w.Fatalf("the instance has %d volumes", len(out.Volumes))
	}
	return out.Volumes[0]
}

// organized has both accounts in an organization, and returns its ARN and that of the
// unit in which the consumer stands.
func (w *world) organized() (organization, unit string) {
	w.Helper()
	c := organizations.NewFromConfig(w.root(owner))
	organization = *need(c.CreateOrganization(w.Context(), &organizations.CreateOrganizationInput{}))(w).Organization.Arn
	root := *need(c.ListRoots(w.Context(), &organizations.ListRootsInput{}))(w).Roots[0].Id
	u := need(c.CreateOrganizationalUnit(w.Context(), &organizations.CreateOrganizationalUnitInput{ParentId: &root, Name: new("unit")}))(w).OrganizationalUnit
	consumers := organizations.NewFromConfig(w.root(consumer))
	_, _ = consumers.ListHandshakesForAccount(w.Context(), &organizations.ListHandshakesForAccountInput{}) // the account is made on first sight
	h := need(c.InviteAccountToOrganization(w.Context(), &organizations.InviteAccountToOrganizationInput{Target: &orgtypes.HandshakeParty{Id: new(consumer), Type: orgtypes.HandshakePartyTypeAccount}}))(w).Handshake
	need(consumers.AcceptHandshake(w.Context(), &organizations.AcceptHandshakeInput{HandshakeId: h.Id}))(w)
	need(c.MoveAccount(w.Context(), &organizations.MoveAccountInput{AccountId: new(consumer), SourceParentId: &root, DestinationParentId: u.Id}))(w)
	return organization, *u.Arn
}

// What a session may do with keys decides what becomes of its launch of a shared image.
func TestALaunchOfASharedImageEndsOfTheKeyUsesThatItNeeds(t *testing.T) {
	t.Parallel()
	const invalid = "terminated Client.InvalidKMSKey.InvalidState"
	rows := []struct{ action, key, want string }{
		{"", "", "running"},
		{"ReEncryptFrom", "source", invalid},
		{"ReEncryptTo", "volume", invalid},
		{"GenerateDataKeyWithoutPlaintext", "volume", invalid},
		{"CreateGrant", "volume", invalid},
		{"Decrypt", "source", "running"},
		{"CreateGrant", "source", "running"},
		{"DescribeKey", "source", "running"},
		{"Decrypt", "volume", "running"},
		{"GenerateDataKey", "volume", "running"},
	}
	for _, shared := range []string{"account", "organization"} {
		t.Run(shared, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			to, policy := toAccount(consumer), sharedKey
			if shared == "organization" {
				organization, _ := w.organized()
				to = types.LaunchPermission{OrganizationArn: &organization}
				policy = fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"},
 {"Effect":"Allow","Principal":{"AWS":"*"},"Action":["kms:DescribeKey","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:CreateGrant"],"Resource":"*",
  "Condition":{"StringEquals":{"aws:PrincipalOrgID":%q}}}]}`, organization[strings.LastIndexByte(organization, '/')+1:])
			}
			source, own := w.key(owner, policy), w.key(consumer, "")
			image := w.image(w.root(owner), "shared", source)
			need(0, w.permit(image, to))(t)
			role := w.role(consumer, "launcher", allow("*"), "")
			for i, r := range rows {
				p := allow("*")
				if r.action != "" {
					denied := map[string]string{"volume": own, "source": source}[r.key]
					p = fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"kms:%s","Resource":%q}]}`, r.action, denied)
				}
				as := w.session(consumer, role.arn, fmt.Sprint("row", i), p)
				id := *need(w.run(as, image, rootKey(own)))(t).InstanceId
				w.pass(3 * time.Second)
				got := w.instance(as, id)
				is := string(got.State.Name)
				if got.StateReason != nil {
					is += " " + *got.StateReason.Code
				}
				if is != r.want {
					t.Errorf("%s denied on %s: the instance is %s, want %s", r.action, r.key, is, r.want)
				}
				if n := len(got.BlockDeviceMappings); r.want == "running" != (n == 1) {
					t.Errorf("%s denied on %s: the instance has %d volumes", r.action, r.key, n)
				}
			}
		})
	}
}

func TestASharedImageIsLaunchedUnderTheDefaultKeyOfWhoLaunches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.key(owner, sharedKey)
	image := w.image(w.root(owner), "shared", source)
	need(0, w.permit(image, toAccount(consumer)))(t)
	as := w.admin(consumer)
	launched := func(what, want string) {
		t.Helper()
		id := *need(w.run(as, image, nil))(t).InstanceId
		w.pass(3 * time.Second)
		if v := w.volumeOf(as, id); !*v.Encrypted || !strings.HasPrefix(*v.KmsKeyId, want) || *v.KmsKeyId == source {
			t.Errorf("%s: the volume is under %v", what, aws.ToString(v.KmsKeyId))
		}
	}
	launched("AWS's key", "arn:aws:kms:us-east-1:"+consumer+":key/")
	own := w.key(consumer, "")
	need(ec2.NewFromConfig(w.root(consumer)).ModifyEbsDefaultKmsKeyId(t.Context(), &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: &own}))(t)
	launched("a chosen key", own)
	// The owner's own launch stays under the key of its snapshot.
	id := *need(w.run(w.root(owner), image, nil))(t).InstanceId
	w.pass(3 * time.Second)
	if v := w.volumeOf(w.root(owner), id); aws.ToString(v.KmsKeyId) != source {
		t.Errorf("the owner's volume is under %v, want the snapshot's key", aws.ToString(v.KmsKeyId))
	}
}

func TestAnImageOpensItsSnapshotsForLaunchesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	image := w.image(w.root(owner), "plain", "")
	need(0, w.permit(image, toAccount(consumer)))(t)
	as := w.root(consumer)
	need(w.run(as, image, nil))(t)
	snapshot := *need(ec2.NewFromConfig(as).DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{image}}))(t).Images[0].BlockDeviceMappings[0].Ebs.SnapshotId
	_, err := ec2.NewFromConfig(as).CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new("us-east-1a"), SnapshotId: &snapshot})
	w.ends("a volume of the snapshot", err, "InvalidSnapshot.NotFound: The snapshot '"+snapshot+"' does not exist.")
	in := &ec2.CopyImageInput{Name: new("copy"), SourceImageId: &image, SourceRegion: new(home)}
	_, err = ec2.NewFromConfig(as).CopyImage(t.Context(), in)
	w.ends("a copy", err, "InvalidRequest: You do not have permission to access the storage of this ami")
	w.share(snapshot, consumer)
	need(ec2.NewFromConfig(as).CopyImage(t.Context(), in))(t)
}

func TestAnImageUnderTheDefaultKeyIsNotShared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	everybody := types.LaunchPermission{Group: types.PermissionGroupAll}
	image := w.image(w.root(owner), "default", "default")
	const text = "InvalidParameter: Snapshots encrypted with the AWS Managed CMK can’t be shared. Specify another snapshot."
	w.ends("with an account", w.permit(image, toAccount(consumer)), text)
	w.ends("with everybody", w.permit(image, everybody), text)
	custom, plain := w.image(w.root(owner), "custom", w.key(owner, "")), w.image(w.root(owner), "plain", "")
	w.ends("encrypted, with everybody", w.permit(custom, everybody), "UnsupportedOperation: Encrypted snapshots can’t be shared publicly. Specify another snapshot.")
	w.ends("encrypted, with an account", w.permit(custom, toAccount(consumer)), "")
	if got := refusal(w.permit(plain, everybody)); !strings.HasPrefix(got, "OperationNotPermitted") {
		t.Errorf("sharing with everybody, which is blocked at first: %q", got)
	}
	need(c.DisableImageBlockPublicAccess(t.Context(), &ec2.DisableImageBlockPublicAccessInput{}))(t)
	w.ends("plain, with everybody", w.permit(plain, everybody), "")
	if got := *need(c.GetImageBlockPublicAccessState(t.Context(), &ec2.GetImageBlockPublicAccessStateInput{}))(t).ImageBlockPublicAccessState; got != "unblocked" {
		t.Errorf("the state is %s", got)
	}
	if list := need(ec2.NewFromConfig(w.root("999988887777")).DescribeImages(t.Context(), &ec2.DescribeImagesInput{ExecutableUsers: []string{"all"}, Owners: []string{owner}}))(t).Images; len(list) != 1 || *list[0].ImageId != plain || !*list[0].Public {
		t.Errorf("a stranger sees %d public images of the owner", len(list))
	}
}

func TestAnImageIsSeenByThoseItIsSharedWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	organization, unit := w.organized()
	image := w.image(w.root(owner), "shared", "")
	mine := ec2.NewFromConfig(w.root(owner))
	c := ec2.NewFromConfig(w.root(consumer))
	seen := func(what string, want bool, in *ec2.DescribeImagesInput) {
		t.Helper()
		list := need(c.DescribeImages(t.Context(), in))(t).Images
		if got := slices.ContainsFunc(list, func(m types.Image) bool { return *m.ImageId == image }); got != want {
			t.Errorf("%s: seen is %v", what, got)
		}
	}
	byID := &ec2.DescribeImagesInput{ImageIds: []string{image}}
	seen("before", false, byID)
	other := strings.Replace(organization, "/o-", "/o-x", 1)
	for _, r := range []struct {
		what string
		to   types.LaunchPermission
		want bool
	}{
		{"the organization", types.LaunchPermission{OrganizationArn: &organization}, true},
		{"the unit", types.LaunchPermission{OrganizationalUnitArn: &unit}, true},
		{"another organization", types.LaunchPermission{OrganizationArn: &other}, false},
		{"the account", toAccount(consumer), true},
	} {
		need(0, w.permit(image, r.to))(t)
		seen(r.what, r.want, byID)
		need(mine.ResetImageAttribute(t.Context(), &ec2.ResetImageAttributeInput{ImageId: &image, Attribute: types.ResetImageAttributeNameLaunchPermission}))(t)
		seen("no longer "+r.what, false, byID)
	}
	_, err := w.run(w.root(consumer), image, nil)
	w.ends("a launch of what is not shared", err, "InvalidAMIID.NotFound: The image id '["+image+"]' does not exist")
	need(0, w.permit(image, toAccount(consumer), toAccount(owner)))(t)
	seen("executable by oneself", true, &ec2.DescribeImagesInput{ExecutableUsers: []string{"self"}})
	seen("executable by all", false, &ec2.DescribeImagesInput{ExecutableUsers: []string{"all"}})
	seen("own", false, &ec2.DescribeImagesInput{Owners: []string{"self"}})
	seen("the owner's", true, &ec2.DescribeImagesInput{Owners: []string{owner}})
	_, err = c.DescribeImageAttribute(t.Context(), &ec2.DescribeImageAttributeInput{ImageId: &image, Attribute: types.ImageAttributeNameLaunchPermission})
	w.ends("its permissions", err, "AuthFailure: Not authorized for image:"+image)
	if got := need(mine.DescribeImageAttribute(t.Context(), &ec2.DescribeImageAttributeInput{ImageId: &image, Attribute: types.ImageAttributeNameLaunchPermission}))(t).LaunchPermissions; len(got) != 2 {
		t.Errorf("the owner sees %d permissions", len(got))
	}
	need(mine.DisableImage(t.Context(), &ec2.DisableImageInput{ImageId: &image}))(t)
	seen("disabled", false, &ec2.DescribeImagesInput{ImageIds: []string{image}, IncludeDisabled: new(true)})
	need(mine.EnableImage(t.Context(), &ec2.EnableImageInput{ImageId: &image}))(t)
	seen("enabled again, which shares it with nobody", false, byID)
	need(0, w.permit(image, toAccount(consumer)))(t)
	need(c.CancelImageLaunchPermission(t.Context(), &ec2.CancelImageLaunchPermissionInput{ImageId: &image}))(t)
	seen("cancelled", false, byID)
}

func TestACopiedImageFailsWithItsSnapshots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.key(owner, sharedKey)
	image := w.image(w.root(owner), "shared", source)
	need(0, w.permit(image, toAccount(consumer)))(t)
	w.share(w.snapshotIn(w.root(owner), image), consumer)
	role := w.role(consumer, "copier", allow("*"), "")
	for i, region := range []string{home, "eu-west-1"} {
		abroad := ec2.NewFromConfig(w.Root(consumer, region))
		_, err := abroad.CopyImage(t.Context(), &ec2.CopyImageInput{Name: new("plain"), SourceImageId: &image, SourceRegion: new(home), Encrypted: new(false)})
		w.ends("a plain copy", err, "is encrypted. Creating an unencrypted copy from an encrypted snapshot is not supported.")
		for _, r := range []struct{ denied, want string }{{"", "available"}, {"kms:CreateGrant", "failed Given key ID is not accessible"}, {"kms:GenerateDataKeyWithoutPlaintext", "failed Given key ID is not accessible"}} {
			policy := allow("*")
			if r.denied != "" {
				policy = strings.Replace(policy, `"Statement":[`, `"Statement":[{"Effect":"Deny","Action":"`+r.denied+`","Resource":"*"},`, 1)
			}
			config := w.session(consumer, role.arn, "copy", policy)
			config.Region = region
			as := ec2.NewFromConfig(config)
			in := &ec2.CopyImageInput{Name: new(fmt.Sprint("copy", i, r.denied[min(4, len(r.denied)):])), SourceImageId: &image, SourceRegion: new(home), KmsKeyId: new(w.keyAbroad(consumer, region)), ClientToken: new(r.denied + "token")}
			id := *need(as.CopyImage(t.Context(), in))(t).ImageId
			if again := *need(as.CopyImage(t.Context(), in))(t).ImageId; again != id {
				t.Errorf("the same token made %s and %s", id, again)
			}
			state := func() string {
				m := need(as.DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{id}}))(t).Images[0]
				if m.StateReason != nil {
					return string(m.State) + " " + *m.StateReason.Message
				}
				return string(m.State)
			}
			if got := state(); got != "pending" {
				t.Errorf("%s in %s: at once it is %s", r.denied, region, got)
			}
			w.pass(4 * time.Second)
			if got := state(); got != r.want {
				t.Errorf("%s denied in %s: the copy is %s, want %s", r.denied, region, got, r.want)
			}
		}
	}
}

func (w *world) snapshotIn(as aws.Config, image string) string {
	w.Helper()
	return *need(ec2.NewFromConfig(as).DescribeImages(w.Context(), &ec2.DescribeImagesInput{ImageIds: []string{image}}))(w).Images[0].BlockDeviceMappings[0].Ebs.SnapshotId
}

func TestAnImageIsMadeOfAnInstanceAndItsSnapshotsGoWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	config := w.root(owner)
	c := ec2.NewFromConfig(config)
	id := *need(w.run(config, w.image(config, "base", ""), rootKey(key)))(t).InstanceId
	in := &ec2.CreateImageInput{InstanceId: &id, Name: new("made"), TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeImage, Tags: []types.Tag{{Key: new("of"), Value: new("it")}}}}}
	_, err := c.CreateImage(t.Context(), in)
	w.ends("of an instance that does not run yet", err, "Instance is not in state 'running' or 'stopped'.")
	w.pass(3 * time.Second)
	image := *need(c.CreateImage(t.Context(), in))(t).ImageId
	_, err = c.CreateImage(t.Context(), in)
	w.ends("of the same name", err, "InvalidAMIName.Duplicate: AMI name made is already in use by AMI "+image)
	get := func() types.Image {
		return need(c.DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{image}}))(t).Images[0]
	}
	if m := get(); m.State != types.ImageStatePending || *m.SourceInstanceId != id || len(m.Tags) != 1 {
		t.Errorf("at once the image is %s of %s with %d tags", m.State, aws.ToString(m.SourceInstanceId), len(m.Tags))
	}
	_, err = w.run(config, image, nil)
	if got := refusal(err); !strings.HasPrefix(got, "InvalidAMIID.Unavailable") {
		t.Errorf("a launch of an image that is being made: %q", got)
	}
	need(0, ec2.NewImageAvailableWaiter(c, func(o *ec2.ImageAvailableWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second }).Wait(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{image}}, time.Minute))(t)
	snapshot := w.snapshot(config, w.snapshotIn(config, image))
	if *snapshot.KmsKeyId != key || !*get().BlockDeviceMappings[0].Ebs.Encrypted {
		t.Errorf("the image's snapshot is under %s", *snapshot.KmsKeyId)
	}
	_, err = c.DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: snapshot.SnapshotId})
	w.ends("a snapshot of an image", err, "InvalidSnapshot.InUse: The snapshot "+*snapshot.SnapshotId+" is currently in use by "+image)
	out := need(c.DeregisterImage(t.Context(), &ec2.DeregisterImageInput{ImageId: &image, DeleteAssociatedSnapshots: new(true)}))(t)
	if r := out.DeleteSnapshotResults; len(r) != 1 || r[0].ReturnCode != types.SnapshotReturnCodesSuccess {
		t.Errorf("deregistering answers %v", r)
	}
	_, err = c.DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{image}})
	w.ends("afterwards", err, "InvalidAMIID.NotFound: The image id '["+image+"]' does not exist")
}

func TestImagesAreFoundByFiltersAndInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	for n := range 5 {
		w.image(w.root(owner), fmt.Sprint("image-", n), "")
	}
	var ids []string
	p := ec2.NewDescribeImagesPaginator(c, &ec2.DescribeImagesInput{Owners: []string{"self"}, MaxResults: new(int32(2))})
	pages := 0
	for p.HasMorePages() {
		pages++
		for _, m := range need(p.NextPage(t.Context()))(t).Images {
			ids = append(ids, *m.Name)
		}
	}
	if pages != 3 || len(ids) != 5 {
		t.Errorf("%d images in %d pages", len(ids), pages)
	}
	count := func(want int, in *ec2.DescribeImagesInput) {
		t.Helper()
		if got := need(c.DescribeImages(t.Context(), in))(t).Images; len(got) != want {
			t.Errorf("%d images, want %d", len(got), want)
		}
	}
	by := func(name string, values ...string) *ec2.DescribeImagesInput {
		return &ec2.DescribeImagesInput{Filters: []types.Filter{{Name: &name, Values: values}}}
	}
	count(5, by("name", "image-*"))
	count(2, by("name", "image-1", "image-2"))
	count(0, by("state", "failed"))
	count(2, by("name", "al2023-ami-2023.*-kernel-6.1-*"))
	count(3, &ec2.DescribeImagesInput{Owners: []string{"amazon"}})
	_, err := c.DescribeImages(t.Context(), by("nothing", "x"))
	w.ends("a filter that there is not", err, "InvalidParameterValue: The filter 'nothing' is invalid")
	_, err = c.DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{"ami-x"}})
	w.ends("a malformed id", err, `InvalidAMIID.Malformed: Invalid id: "ami-x"`)
}

// keyAbroad makes a key of an account in a Region.
func (w *world) keyAbroad(account, region string) string {
	w.Helper()
	return *need(w.kmsOf(w.Root(account, region)).CreateKey(w.Context(), &kms.CreateKeyInput{}))(w).KeyMetadata.Arn
}
