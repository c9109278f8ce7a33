package sandbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

const zone = home + "a"

func (w *world) volume(as aws.Config, in *ec2.CreateVolumeInput) string {
	w.Helper()
	in.AvailabilityZone = new(zone)
	id := *need(ec2.NewFromConfig(as).CreateVolume(w.Context(), in))(w).VolumeId
	w.pass(2 * time.Second)
	return id
}

// volumeState is what a volume is, or how its account is told that there is none.
func (w *world) volumeState(as aws.Config, id string) string {
	w.Helper()
	out, err := ec2.NewFromConfig(as).DescribeVolumes(w.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{id}})
	if err != nil {
		return refusal(err)
	}
	return string(out.Volumes[0].State)
}

func (w *world) grants(account, key string) []string {
	w.Helper()
	var list []string
	for _, g := range need(w.kmsOf(w.root(account)).ListGrants(w.Context(), &kms.ListGrantsInput{KeyId: &key}))(w).Grants {
		list = append(list, aws.ToString(g.GranteePrincipal))
	}
	return list
}

// What a session may do with keys decides what becomes of its volume, as recorded.
func TestAVolumeIsGoneWithoutTheKeyUsesThatItNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role(consumer, "maker", allow("*"), "")
	rows := []struct {
		action, key string
		stays       bool
	}{
		{"CreateGrant", "source", true}, {"Decrypt", "source", true}, {"DescribeKey", "source", true}, {"ReEncryptFrom", "source", false},
		{"ReEncryptTo", "target", false}, {"CreateGrant", "target", false}, {"GenerateDataKeyWithoutPlaintext", "target", false}, {"Decrypt", "target", true},
	}
	for i, r := range rows {
		source, target := w.key(owner, sharedKey), w.key(consumer, "")
		id := w.written(w.root(owner), &ebs.StartSnapshotInput{KmsKeyArn: &source}, nil)
		w.share(id, consumer)
		denied := map[string]string{"source": source, "target": target}[r.key]
		policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"kms:%s","Resource":%q}]}`, r.action, denied)
		as := w.session(consumer, role.arn, fmt.Sprint("row", i), policy)
		out := need(ec2.NewFromConfig(as).CreateVolume(t.Context(), &ec2.CreateVolumeInput{
			AvailabilityZone: new(zone), SnapshotId: &id, Encrypted: new(true), KmsKeyId: &target,
		}))(t)
		if out.State != types.VolumeStateCreating || *out.KmsKeyId != target {
			t.Errorf("%s on the %s: %s under %s", r.action, r.key, out.State, *out.KmsKeyId)
		}
		w.pass(2 * time.Second)
		got, want, grants := w.volumeState(as, *out.VolumeId), "available", "[ec2.us-east-1.amazonaws.com]"
		if !r.stays {
			want, grants = "InvalidVolume.NotFound: The volume '"+*out.VolumeId+"' does not exist.", "[]"
		}
		if got != want || fmt.Sprint(w.grants(consumer, target)) != grants {
			t.Errorf("%s on the %s: %s with grants %v, want %s with %s", r.action, r.key, got, w.grants(consumer, target), want, grants)
		}
	}
}

func TestAVolumeHasTheKeyThatAWSWouldChoose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine, chosen := w.key(owner, sharedKey), w.key(consumer, "")
	plain := w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil)
	under := w.written(w.root(owner), &ebs.StartSnapshotInput{KmsKeyArn: &mine}, nil)
	w.share(under, consumer)
	w.share(plain, consumer)
	managed := func(account string) string {
		return *need(w.kmsOf(w.root(account)).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/aws/ebs")}))(t).KeyMetadata.Arn
	}
	key := func(account string, in *ec2.CreateVolumeInput) string {
		id := w.volume(w.root(account), in)
		return aws.ToString(need(ec2.NewFromConfig(w.root(account)).DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{id}}))(t).Volumes[0].KmsKeyId)
	}
	is := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	is("an empty volume", key(owner, &ec2.CreateVolumeInput{Size: new(int32(1))}), "")
	is("an empty encrypted volume", key(owner, &ec2.CreateVolumeInput{Size: new(int32(1)), Encrypted: new(true)}), managed(owner))
	is("one of an own encrypted snapshot", key(owner, &ec2.CreateVolumeInput{SnapshotId: &under}), mine)
	is("one of a shared encrypted snapshot", key(consumer, &ec2.CreateVolumeInput{SnapshotId: &under}), managed(consumer))
	is("one of a shared snapshot under a named key", key(consumer, &ec2.CreateVolumeInput{SnapshotId: &under, KmsKeyId: &chosen}), chosen)
	is("one of a shared plain snapshot", key(consumer, &ec2.CreateVolumeInput{SnapshotId: &plain}), "")
	c := ec2.NewFromConfig(w.root(consumer))
	need(c.EnableEbsEncryptionByDefault(t.Context(), &ec2.EnableEbsEncryptionByDefaultInput{}))(t)
	need(c.ModifyEbsDefaultKmsKeyId(t.Context(), &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: &chosen}))(t)
	is("a plain snapshot in an account that encrypts", key(consumer, &ec2.CreateVolumeInput{SnapshotId: &plain}), chosen)
	is("a shared encrypted snapshot in an account with a default key", key(consumer, &ec2.CreateVolumeInput{SnapshotId: &under}), chosen)
	_, err := ec2.NewFromConfig(w.root(owner)).CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(zone), Size: new(int32(1)), KmsKeyId: &mine})
	w.ends("a key without encryption", err, "InvalidParameterDependency: The parameter KmsKeyId requires the parameter Encrypted to be set.")
	lost := w.volume(w.root(owner), &ec2.CreateVolumeInput{Size: new(int32(1)), Encrypted: new(true), KmsKeyId: new("alias/none")})
	is("a volume under a key that there is not", w.volumeState(w.root(owner), lost), "InvalidVolume.NotFound: The volume '"+lost+"' does not exist.")
	_, err = ec2.NewFromConfig(w.root(consumer)).CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(zone), SnapshotId: new("snap-0123456789abcdef0")})
	w.ends("a snapshot that there is not", err, "InvalidSnapshot.NotFound: The snapshot 'snap-0123456789abcdef0' does not exist.")
}

func TestTheGrantOfAVolumeGoesWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	id := w.volume(w.root(owner), &ec2.CreateVolumeInput{Size: new(int32(1)), Encrypted: new(true), KmsKeyId: &key})
	if got := w.grants(owner, key); len(got) != 1 {
		t.Errorf("grants are %v", got)
	}
	c := ec2.NewFromConfig(w.root(owner))
	need(c.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &id}))(t)
	if got := w.volumeState(w.root(owner), id); got != "deleting" {
		t.Errorf("the volume is %s", got)
	}
	w.pass(2 * time.Second)
	if got := w.volumeState(w.root(owner), id); got != "InvalidVolume.NotFound: The volume '"+id+"' does not exist." {
		t.Errorf("the volume is %s", got)
	}
	if got := w.grants(owner, key); len(got) != 0 {
		t.Errorf("grants are %v", got)
	}
}

func TestASnapshotOfAVolumeAsksNoKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	id := w.volume(w.root(owner), &ec2.CreateVolumeInput{Size: new(int32(2)), Encrypted: new(true), KmsKeyId: &key})
	_, without := w.user(owner, "without", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"},{"Effect":"Deny","Action":"kms:*","Resource":"*"}]}`)
	c := ec2.NewFromConfig(without)
	out := need(c.CreateSnapshot(t.Context(), &ec2.CreateSnapshotInput{VolumeId: &id, Description: new("of a volume")}))(t)
	if out.State != types.SnapshotStatePending {
		t.Errorf("the snapshot is %s", out.State)
	}
	_, err := c.CreateSnapshot(t.Context(), &ec2.CreateSnapshotInput{VolumeId: &id})
	w.ends("another one at once", err, "SnapshotCreationPerVolumeRateExceeded: The maximum per volume CreateSnapshot request rate has been exceeded. Use an increasing or variable sleep interval between requests.")
	w.pass(20 * time.Second)
	n := w.snapshot(without, *out.SnapshotId)
	if n.State != types.SnapshotStateCompleted || *n.KmsKeyId != key || *n.VolumeSize != 2 || *n.Progress != "100%" {
		t.Errorf("the snapshot is %s under %s", n.State, aws.ToString(n.KmsKeyId))
	}
	need(c.CreateSnapshot(t.Context(), &ec2.CreateSnapshotInput{VolumeId: &id}))(t)
	// Its data key is the volume's, and opens by what the volume was called.
	again := w.volume(w.root(owner), &ec2.CreateVolumeInput{SnapshotId: out.SnapshotId, Encrypted: new(true), KmsKeyId: new(w.key(owner, ""))})
	if got := w.volumeState(w.root(owner), again); got != "available" {
		t.Errorf("a volume under another key is %s", got)
	}
	list := need(ebs.NewFromConfig(w.root(owner)).ListSnapshotBlocks(t.Context(), &ebs.ListSnapshotBlocksInput{SnapshotId: out.SnapshotId}))(t)
	if len(list.Blocks) != 0 || *list.VolumeSize != 2 {
		t.Errorf("an empty volume has %d blocks", len(list.Blocks))
	}
}

func TestAVolumeIsChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	id := w.volume(w.root(owner), &ec2.CreateVolumeInput{Size: new(int32(10)), VolumeType: types.VolumeTypeGp2, TagSpecifications: []types.TagSpecification{
		{ResourceType: types.ResourceTypeVolume, Tags: []types.Tag{{Key: new("Name"), Value: new("data")}}},
	}})
	out := need(c.ModifyVolume(t.Context(), &ec2.ModifyVolumeInput{VolumeId: &id, Size: new(int32(20)), VolumeType: types.VolumeTypeGp3}))(t).VolumeModification
	if out.ModificationState != types.VolumeModificationStateModifying || *out.OriginalSize != 10 || *out.TargetSize != 20 || *out.TargetIops != 3000 || *out.TargetThroughput != 125 {
		t.Errorf("the modification is %s: %d to %d", out.ModificationState, *out.OriginalSize, *out.TargetSize)
	}
	_, err := c.ModifyVolume(t.Context(), &ec2.ModifyVolumeInput{VolumeId: &id, Size: new(int32(30))})
	w.ends("changing it again at once", err, "IncorrectModificationState: The volume "+id+" is being modified: modifying")
	w.pass(5 * time.Second)
	if m := need(c.DescribeVolumesModifications(t.Context(), &ec2.DescribeVolumesModificationsInput{VolumeIds: []string{id}}))(t).VolumesModifications[0]; m.ModificationState != types.VolumeModificationStateCompleted || *m.Progress != 100 {
		t.Errorf("the modification is %s", m.ModificationState)
	}
	filters := []types.Filter{{Name: new("size"), Values: []string{"20"}}, {Name: new("volume-type"), Values: []string{"gp3"}}, {Name: new("tag:Name"), Values: []string{"da?a"}}}
	if got := need(c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{Filters: filters}))(t).Volumes; len(got) != 1 {
		t.Errorf("%d volumes are found", len(got))
	}
	_, err = c.ModifyVolume(t.Context(), &ec2.ModifyVolumeInput{VolumeId: &id, Size: new(int32(5))})
	w.ends("making it smaller", err, "InvalidParameterValue: New size cannot be smaller than existing size")
	need(c.ModifyVolumeAttribute(t.Context(), &ec2.ModifyVolumeAttributeInput{VolumeId: &id, AutoEnableIO: &types.AttributeBooleanValue{Value: new(true)}}))(t)
	if got := need(c.DescribeVolumeAttribute(t.Context(), &ec2.DescribeVolumeAttributeInput{VolumeId: &id, Attribute: types.VolumeAttributeNameAutoEnableIO}))(t); !*got.AutoEnableIO.Value {
		t.Error("AutoEnableIO stays off")
	}
	if got := need(c.DescribeVolumeStatus(t.Context(), &ec2.DescribeVolumeStatusInput{VolumeIds: []string{id}}))(t).VolumeStatuses; len(got) != 1 || got[0].VolumeStatus.Status != types.VolumeStatusInfoStatusOk {
		t.Errorf("the status is %v", got)
	}
}

func TestAVolumeIsMadeOncePerToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	in := func(size int32) *ec2.CreateVolumeInput {
		return &ec2.CreateVolumeInput{AvailabilityZone: new(zone), Size: &size, ClientToken: new("once")}
	}
	first, again := need(c.CreateVolume(t.Context(), in(1)))(t), need(c.CreateVolume(t.Context(), in(1)))(t)
	if *first.VolumeId != *again.VolumeId {
		t.Error("the same request made two volumes")
	}
	if _, err := c.CreateVolume(t.Context(), in(2)); codeOf(err) != "IdempotentParameterMismatch" {
		t.Errorf("another request: %v", err)
	}
	for what, bad := range map[string]*ec2.CreateVolumeInput{
		"InvalidZone.NotFound: The zone 'us-east-1z' does not exist.":                       {AvailabilityZone: new("us-east-1z"), Size: new(int32(1))},
		"InvalidParameterCombination: The parameter iops is not supported for gp2 volumes.": {AvailabilityZone: new(zone), Size: new(int32(1)), Iops: new(int32(100))},
		"MissingParameter: The request must contain the parameter size or snapshotId":       {AvailabilityZone: new(zone)},
		"MissingParameter: The parameter iops must be specified for io2 volumes.":           {AvailabilityZone: new(zone), Size: new(int32(8)), VolumeType: types.VolumeTypeIo2},
		"InvalidParameterValue: Tag keys starting with 'aws:' are reserved for internal use": {AvailabilityZone: new(zone), Size: new(int32(8)), TagSpecifications: []types.TagSpecification{
			{ResourceType: types.ResourceTypeVolume, Tags: []types.Tag{{Key: new("aws:x"), Value: new("y")}}},
		}},
	} {
		_, err := c.CreateVolume(t.Context(), bad)
		w.ends(what, err, what)
	}
}

func TestVolumesOfAnotherAccountOrRegionAreNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.volume(w.root(owner), &ec2.CreateVolumeInput{Size: new(int32(1))})
	for _, as := range []aws.Config{w.root(consumer), w.Root(owner, "eu-west-1")} {
		c := ec2.NewFromConfig(as)
		if got := need(c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{}))(t).Volumes; len(got) != 0 {
			t.Errorf("somebody sees %v", got)
		}
		gone := "InvalidVolume.NotFound: The volume '" + id + "' does not exist."
		_, err := c.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &id})
		w.ends("deleting", err, gone)
		_, err = c.CreateSnapshot(t.Context(), &ec2.CreateSnapshotInput{VolumeId: &id})
		w.ends("snapshotting", err, gone)
		_, err = c.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: new("k"), Value: new("v")}}})
		w.ends("tagging", err, gone)
	}
}

func TestTagsOnCreationNeedTheirOwnRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	only := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:CreateVolume","Resource":"*"},
	 {"Effect":"Allow","Action":"ec2:CreateTags","Resource":"arn:aws:ec2:us-east-1:111122223333:volume/*","Condition":{"StringEquals":{"ec2:CreateAction":"CreateVolume","aws:RequestTag/team":"a"}}}]}`
	_, as := w.user(owner, "tagger", only)
	in := func(team string) *ec2.CreateVolumeInput {
		return &ec2.CreateVolumeInput{AvailabilityZone: new(zone), Size: new(int32(1)), TagSpecifications: []types.TagSpecification{
			{ResourceType: types.ResourceTypeVolume, Tags: []types.Tag{{Key: new("team"), Value: &team}}},
		}}
	}
	need(ec2.NewFromConfig(as).CreateVolume(t.Context(), in("a")))(t)
	if _, err := ec2.NewFromConfig(as).CreateVolume(t.Context(), in("b")); codeOf(err) != "UnauthorizedOperation" {
		t.Errorf("another team: %v", err)
	}
}
