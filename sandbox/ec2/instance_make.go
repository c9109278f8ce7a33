package ec2

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/usage"
)

// launchSpec is a launch: of RunInstances, of a fleet or of a spot request.
type launchSpec struct {
	// In is the request with all that a launch template adds; see effective. As many
	// instances are launched as MaxCount says.
	In *ec2.RunInstancesInput
	// Requester is who launches for the caller, empty for the caller itself.
	Requester string
	// Lifecycle is "spot" or empty, SpotRequest the id of the request.
	Lifecycle, SpotRequest string
	// Tags are beside those that In has for instances, as aws:ec2:fleet-id.
	Tags map[string]string
}

// setup is what all instances of a launch have in common.
type setup struct {
	launchSpec
	image       *Image
	where       where
	profile     *Profile
	reservation string
	mappings    []types.BlockDeviceMapping
}

// launch starts instances for the caller. Instances whose keys refuse are launched
// too, and end by themselves: recorded. It is called in Update, and when it fails the
// caller takes back what it changed (state.DB's Try).
func (s *Service) launch(ctx context.Context, spec launchSpec) ([]*Instance, error) {
	c := gate.From(ctx)
	l, err := s.setUp(c, spec)
	if err != nil {
		return nil, err
	}
	s.amazonSnapshots(l.image)
	list := []*Instance{}
	for n := range aws.ToInt32(spec.In.MaxCount) {
		i, err := s.launchOne(ctx, l, n)
		if err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	if l.image.Account == c.Caller.Account {
		m := l.image.clone()
		m.Used = c.At
		s.images.Put(m.row(), m)
	}
	return list, nil
}

// setUp checks a launch and works out what its instances have in common.
func (s *Service) setUp(c *gate.Call, spec launchSpec) (*setup, error) {
	in := spec.In
	l := &setup{launchSpec: spec, reservation: "r-0" + s.IDs.Hex(16)}
	if in.ImageId == nil {
		return nil, refuse("MissingParameter", "The request must contain the parameter ImageId")
	}
	if l.image = s.image(c, *in.ImageId); l.image == nil {
		return nil, noImage(*in.ImageId)
	}
	if is := l.image.state(c.At); is != types.ImageStateAvailable {
		return nil, refuse("InvalidAMIID.Unavailable", "The image id '["+l.image.ID+"]' is "+string(is)) // assumed text
	}
	if err := l.sized(); err != nil {
		return nil, err
	}
	var err error
	if l.where, err = placeOf(c, in); err != nil {
		return nil, err
	}
	if l.profile, err = s.profileOf(c, in.IamInstanceProfile); err != nil {
		return nil, err
	}
	l.mappings = mergedMappings(l.image.Mappings, in.BlockDeviceMappings)
	return l, nil
}

// placeOf is where a launch goes.
func placeOf(c *gate.Call, in *ec2.RunInstancesInput) (where, error) {
	subnet, groups := in.SubnetId, append(append([]string{}, in.SecurityGroupIds...), in.SecurityGroups...)
	if len(in.NetworkInterfaces) > 0 {
		first := in.NetworkInterfaces[0]
		if subnet == nil {
			subnet = first.SubnetId
		}
		groups = append(groups, first.Groups...)
	}
	var zone *string
	if in.Placement != nil && aws.ToString(in.Placement.AvailabilityZone) != "" {
		zone = in.Placement.AvailabilityZone
	}
	return network{c.Caller.Account, c.Region}.placed(subnet, zone, groups)
}

var instanceType = regexp.MustCompile(`^[a-z][a-z0-9-]*\.[a-z0-9-]+$`)

// plainType is the type of an instance when none is named.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html.
const plainType = types.InstanceTypeM1Small

func typeOf(in *ec2.RunInstancesInput) types.InstanceType { return cmp.Or(in.InstanceType, plainType) }

// sized checks the number and the type of instances.
func (l *setup) sized() error {
	least, most := aws.ToInt32(l.In.MinCount), aws.ToInt32(l.In.MaxCount)
	switch kind := typeOf(l.In); {
	case least < 1 || most < 1:
		return invalidValue(fmt.Sprintf("Value (%d) for parameter minCount is invalid. It must be at least 1.", least)) // assumed text
	case least > most:
		return refuse("InvalidParameterCombination", "MinCount must not be greater than MaxCount") // assumed text
	case most > 1000:
		return refuse("InstanceLimitExceeded", "The sandbox launches at most 1000 instances at once") // assumed text
	case !instanceType.MatchString(string(kind)):
		return invalidValue("Invalid value '" + string(kind) + "' for InstanceType.")
	default:
		if known := knownType(string(kind)); known != nil && known.architecture != l.image.Architecture {
			return invalidValue("The architecture '" + known.architecture + "' of the specified instance type does not match the architecture '" + l.image.Architecture + "' of the specified AMI.")
		}
	}
	return nil
}

// Profiles tells which instance profiles there are.
type Profiles interface {
	// InstanceProfile returns the ARN and id of an instance profile of an account and
	// the ARN of its role, empty when it has none.
	InstanceProfile(account, name string) (profileARN, id, role string, ok bool)
}

// profileOf finds the instance profile of a launch, nil for none. Terraform's provider
// knows the refusal by its end.
func (s *Service) profileOf(c *gate.Call, p *types.IamInstanceProfileSpecification) (*Profile, error) {
	if p == nil || p.Arn == nil && p.Name == nil {
		return nil, nil
	}
	kind, value, name := "iamInstanceProfile.name", aws.ToString(p.Name), aws.ToString(p.Name)
	if p.Arn != nil {
		kind, value, name = "iamInstanceProfile.arn", *p.Arn, lastPart(*p.Arn)
	}
	arnText, id, role, ok := s.Profiles.InstanceProfile(c.Caller.Account, name)
	if !ok || p.Arn != nil && *p.Arn != arnText {
		ending := "Name"
		if p.Arn != nil {
			ending = "ARN"
		}
		return nil, invalidValue("Value (" + value + ") for parameter " + kind + " is invalid. Invalid IAM Instance Profile " + ending)
	}
	return &Profile{ARN: arnText, ID: id, Role: role}, nil
}

// launchOne launches one instance.
func (s *Service) launchOne(ctx context.Context, l *setup, index int32) (*Instance, error) {
	c := gate.From(ctx)
	i := &Instance{
		Account: c.Caller.Account, Region: c.Region, ID: "i-0" + s.IDs.Hex(16), Reservation: l.reservation, Requester: l.Requester,
		Index: index, Launched: c.At, Asked: l.In, Image: l.image.imageTraits, Zone: l.where.zone, Subnet: l.where.subnet, Groups: l.where.groups,
		Profile: l.profile, Lifecycle: l.Lifecycle, SpotRequest: l.SpotRequest, SourceDestCheck: true, Interface: "eni-0" + s.IDs.Hex(16),
		Tags: l.tags(),
	}
	i.Address = s.address(i, l.In.PrivateIpAddress)
	refused, err := s.makeVolumes(ctx, l, i)
	if err != nil {
		return nil, err
	}
	if refused == nil {
		return s.plan(c.At, i, Step{At: c.At, State: pending}, Step{At: c.At.Add(stepTime), State: running}), nil
	}
	end := refusal(&refused.Use.Failure)
	dying, dead := end, end
	dying.At, dying.State = c.At.Add(refusedTime), shuttingDown
	dead.At, dead.State = c.At.Add(stepTime), terminated
	return s.plan(c.At, i, Step{At: c.At, State: pending}, dying, dead), nil
}

// keyState is the reason of an instance that ends because a key could not be used.
// Recorded, as is Client.InternalError for the transition.
const keyState = "Client.InvalidKMSKey.InvalidState"

// refusal is how it shows that a key could not be used.
func refusal(f *usage.Failure) Step {
	code := cmp.Or(f.Code, keyState)
	return Step{Code: code, Message: code + ": The KMS key provided is in an incorrect state", Transition: "Client.InternalError"}
}

// tags are those of the instances. Those with aws: name the template.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/launch-instances-from-launch-template.html.
func (l *setup) tags() map[string]string {
	tags := maps.Clone(tagsFor(l.In.TagSpecifications, types.ResourceTypeInstance))
	if tags == nil {
		tags = map[string]string{}
	}
	if t := l.In.LaunchTemplate; t != nil {
		tags["aws:ec2launchtemplate:id"], tags["aws:ec2launchtemplate:version"] = aws.ToString(t.LaunchTemplateId), aws.ToString(t.Version)
	}
	maps.Copy(tags, l.Tags)
	return tags
}

// makeVolumes makes the volumes of an instance. When a key refuses, the volumes that
// come after it are not made.
func (s *Service) makeVolumes(ctx context.Context, l *setup, i *Instance) (*behalf.Refused, error) {
	c := gate.From(ctx)
	for _, m := range l.mappings {
		if m.Ebs == nil || m.NoDevice != nil {
			continue
		}
		v, refused, err := s.makeVolume(ctx, l.volume(i, m.Ebs))
		if err != nil || refused != nil {
			return refused, err
		}
		s.launchAttach(v, i, aws.ToString(m.DeviceName), aws.ToBool(m.Ebs.DeleteOnTermination), c.At)
	}
	return nil, nil
}

// launchAttach attaches a volume to an instance that is launched.
func (s *Service) launchAttach(v *Volume, i *Instance, device string, ends bool, now time.Time) {
	v = v.clone()
	v.Attached = append(v.Attached, Attachment{Instance: i.ID, Device: device, At: now, Ready: now.Add(volumeTime), DeleteOnTermination: ends})
	s.putVolume(v)
}

// volume is the volume that a mapping asks for.
func (l *setup) volume(i *Instance, e *types.EbsBlockDevice) volumeSpec {
	return volumeSpec{
		Size: aws.ToInt32(e.VolumeSize), Type: string(e.VolumeType), Zone: i.Zone, SnapshotID: aws.ToString(e.SnapshotId), Encrypted: e.Encrypted,
		KmsKeyID: e.KmsKeyId, IOPS: e.Iops, Throughput: e.Throughput, Tags: tagsFor(l.In.TagSpecifications, types.ResourceTypeVolume),
		Instance: i.ID, Operation: "ec2:RunInstances", ByImage: slices.Contains(l.image.snapshots(), aws.ToString(e.SnapshotId)),
	}
}

// address is the private address of a new instance: the one asked for, or the next of
// its subnet.
func (s *Service) address(i *Instance, asked *string) string {
	if asked != nil && *asked != "" {
		return *asked
	}
	block := network{i.Account, i.Region}.block(i.Zone)
	used := map[string]bool{}
	for _, other := range s.instances.All(state.Key(i.Account, i.Region, "")) {
		used[other.Address] = true
	}
	for n := 4; ; n++ { // the first four are AWS's
		if a := addressAt(block, n); !used[a] {
			return a
		}
	}
}
