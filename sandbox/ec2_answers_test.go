package sandbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// AWS's own example of a policy for one Region works.
func TestAPolicyForOneRegionOfEC2Decides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for region, want := range map[string]string{home: "", "eu-west-1": "UnauthorizedOperation"} {
		_, u := w.user(owner, "in-"+region, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"StringEquals":{"ec2:Region":"`+region+`"}}}]}`)
		c := ec2.NewFromConfig(u)
		_, read := c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
		_, made := c.CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(home + "a"), Size: new(int32(1)), TagSpecifications: []types.TagSpecification{{
			ResourceType: types.ResourceTypeVolume, Tags: []types.Tag{{Key: new("k"), Value: new("v")}},
		}}})
		for what, err := range map[string]error{"reading": read, "making": made} {
			if got, _, _ := strings.Cut(refusal(err), ":"); got != want {
				t.Errorf("%s with rights in %s answers %q, want %q", what, region, got, want)
			}
		}
	}
}

func TestOnlyARefusalOnAResourceHasAnEncodedMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	who, u := w.user(owner, "nobody", "")
	c := ec2.NewFromConfig(u)
	const start, encoded = "UnauthorizedOperation: You are not authorized to perform this operation. User: ", " Encoded authorization failure message: "
	_, err := c.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{})
	if got, want := refusal(err), start+who.arn+" is not authorized to perform: ec2:DescribeSnapshots because no identity-based policy allows the ec2:DescribeSnapshots action"; got != want {
		t.Errorf("describing answers %q, want %q", got, want)
	}
	_, err = c.DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: new("snap-0123456789abcdef0")})
	if got, want := refusal(err), start+who.arn+" is not authorized to perform: ec2:DeleteSnapshot on resource: arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0 because no identity-based policy allows the ec2:DeleteSnapshot action."+encoded; !strings.HasPrefix(got, want) {
		t.Errorf("deleting answers %q, want %q", got, want)
	}
}

func TestIDsOfSnapshotsAndVolumesAreRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	for id, want := range map[string]string{
		"0123456789abcdef0": ".NotFound: The KIND 'ID' does not exist.",
		"01234567":          ".NotFound: The KIND 'ID' does not exist.",
		"xyz":               "ID.Malformed: Invalid id: \"ID\"",
		"0123":              "ID.Malformed: Invalid id: \"ID\"",
	} {
		snapshot, volume := "snap-"+id, "vol-"+id
		_, errs := c.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{snapshot}})
		_, made := c.CreateVolume(t.Context(), &ec2.CreateVolumeInput{SnapshotId: &snapshot, AvailabilityZone: new(home + "a")})
		_, errv := c.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &volume})
		w.ends("describing "+snapshot, errs, "InvalidSnapshot"+strings.NewReplacer("KIND", "snapshot", "\"ID\"", `"`+snapshot+`"`, "'ID'", "'"+snapshot+"'").Replace(want))
		w.ends("a volume of "+snapshot, made, "InvalidSnapshot"+strings.NewReplacer("KIND", "snapshot", "\"ID\"", `"`+snapshot+`"`, "'ID'", "'"+snapshot+"'").Replace(want))
		w.ends("deleting "+volume, errv, "InvalidVolume"+strings.NewReplacer("KIND", "volume", "\"ID\"", `"`+volume+`"`, "'ID'", "'"+volume+"'").Replace(want))
	}
	_, err := c.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{""}})
	w.ends("no id", err, "InvalidParameterValue: Value () for parameter snapshotId is invalid. Parameter may not be null or empty")
	_, err = c.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{"nope"}})
	w.ends("another id", err, "InvalidParameterValue: Value (nope) for parameter snapshotId is invalid. Expected: 'snap-...'.")
}

// EC2 has no ValidationError.
func TestEC2RefusesValuesThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	image := w.image(w.root(owner), "base", "")
	_, err := ec2.NewFromConfig(w.root(owner)).DescribeImageAttribute(t.Context(), &ec2.DescribeImageAttributeInput{ImageId: &image, Attribute: "junk"})
	w.ends("an unknown attribute", err, "InvalidParameterValue: Value (junk) for parameter attribute is invalid.")
}

// What is empty is there where AWS has it, and not where it has not.
func TestEmptyListsAreAsOnAWS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	image := w.image(w.root(owner), "base", "")
	attribute := need(c.DescribeImageAttribute(t.Context(), &ec2.DescribeImageAttributeInput{ImageId: &image, Attribute: types.ImageAttributeNameLaunchPermission}))(t)
	if attribute.LaunchPermissions == nil || len(attribute.LaunchPermissions) != 0 {
		t.Errorf("an image shared with nobody has the launch permissions %v", attribute.LaunchPermissions)
	}
	snapshot := w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil)
	w.pass(2 * time.Second)
	copied := need(c.CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &snapshot}))(t)
	if copied.Tags != nil {
		t.Errorf("a copy without tags answers the tags %v", copied.Tags)
	}
}

// Recorded: EC2's front end calls KMS for a launch and for sharing, and EBS for the
// direct APIs; to conditions both are EC2.
func TestTheHistoryNamesWhoUsesKeysOfVolumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.admin(owner)
	key := w.key(owner, "")
	snapshot := w.written(c, &ebs.StartSnapshotInput{Encrypted: new(true), KmsKeyArn: &key}, nil)
	need(0, shareAs(w, c, snapshot, consumer))(t)
	need(w.run(c, w.image(w.root(owner), "base", ""), rootKey(key)))(t)
	for call, want := range map[string]string{
		"GenerateDataKey":                 `"invokedBy":"ebs.amazonaws.com"`,
		"GenerateDataKeyWithoutPlaintext": `"invokedBy":"ec2-frontend-api.amazonaws.com"`,
		"CreateGrant":                     `"userAgent":"ec2-frontend-api.amazonaws.com"`,
		"DescribeKey":                     `"invokedBy":"ec2-frontend-api.amazonaws.com"`,
	} {
		out := need(cloudtrail.NewFromConfig(w.root(owner)).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{
			LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyEventName, AttributeValue: &call}},
		}))(t)
		if len(out.Events) == 0 || !strings.Contains(*out.Events[0].CloudTrailEvent, want) {
			t.Errorf("the history of %s is %v, want %s", call, out.Events, want)
		}
	}
}
