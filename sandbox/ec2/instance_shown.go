package ec2

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// devices are the attachments of the volumes of an account in a Region, by instance and
// in the order of their devices.
func (s *Service) devices(c *gate.Call) map[string][]device {
	all := map[string][]device{}
	for _, v := range s.volumes.All(state.Key(c.Caller.Account, c.Region, "")) {
		for _, a := range v.Attached {
			all[a.Instance] = append(all[a.Instance], device{a, v})
		}
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b device) int { return strings.Compare(a.Device, b.Device) })
	}
	return all
}

// device is a volume as one that is attached.
type device struct {
	Attachment
	volume *Volume
}

func (d *device) status(now time.Time) types.AttachmentStatus {
	switch {
	case !d.Gone.IsZero():
		return types.AttachmentStatusDetaching
	case now.Before(d.Ready):
		return types.AttachmentStatusAttaching
	}
	return types.AttachmentStatusAttached
}

func shownDevices(devices []device, now time.Time) []types.InstanceBlockDeviceMapping {
	list := []types.InstanceBlockDeviceMapping{}
	for i := range devices {
		d := &devices[i]
		list = append(list, types.InstanceBlockDeviceMapping{DeviceName: &d.Device, Ebs: &types.EbsInstanceBlockDevice{
			VolumeId: &d.volume.ID, AttachTime: &d.At, DeleteOnTermination: &d.DeleteOnTermination, Status: d.status(now),
		}})
	}
	return list
}

// shown is an instance as DescribeInstances tells it.
func (i *Instance) shown(now time.Time, devices []device) types.Instance {
	step := i.at(now)
	in := i.Asked
	out := types.Instance{
		InstanceId: &i.ID, AmiLaunchIndex: &i.Index, ImageId: in.ImageId, InstanceType: typeOf(in), KeyName: in.KeyName, LaunchTime: new(i.Launched.Truncate(time.Second)),
		ClientToken: new(aws.ToString(in.ClientToken)), State: shownState(step.State), StateTransitionReason: new(step.Transition),
		Architecture: types.ArchitectureValues(i.Image.Architecture), VirtualizationType: types.VirtualizationType(i.Image.Virtualization),
		RootDeviceName: &i.Image.RootDevice, RootDeviceType: types.DeviceType(i.Image.RootType), Hypervisor: types.HypervisorTypeXen,
		EnaSupport: &i.Image.ENA, BootMode: types.BootModeValues(i.Image.BootMode), Platform: types.PlatformValues(i.Image.Platform),
		PlatformDetails: &i.Image.PlatformDetails, UsageOperation: &i.Image.UsageOperation, UsageOperationUpdateTime: &i.Launched,
		EbsOptimized: new(aws.ToBool(in.EbsOptimized)), Monitoring: shownMonitoring(in.Monitoring), Placement: i.placement(),
		BlockDeviceMappings: shownDevices(devices, now), Tags: shownTags(i.Tags), ProductCodes: []types.ProductCode{},
		SecurityGroups: i.groups(), InstanceLifecycle: types.InstanceLifecycleType(i.Lifecycle), SourceDestCheck: &i.SourceDestCheck,
		CapacityReservationSpecification: i.reservationPreference(), EnclaveOptions: &types.EnclaveOptions{}, HibernationOptions: &types.HibernationOptions{Configured: new(false)},
		MaintenanceOptions: &types.InstanceMaintenanceOptions{AutoRecovery: types.InstanceAutoRecoveryStateDefault},
		MetadataOptions:    i.metadata(), CurrentInstanceBootMode: currentBoot(i.Image.BootMode),
		NetworkInterfaces: []types.InstanceNetworkInterface{}, PublicDnsName: new(""), PrivateDnsName: new(""),
	}
	if i.SpotRequest != "" {
		out.SpotInstanceRequestId = &i.SpotRequest
	}
	if step.Code != "" {
		out.StateReason = &types.StateReason{Code: &step.Code, Message: &step.Message}
	}
	if i.Profile != nil {
		out.IamInstanceProfile = &types.IamInstanceProfile{Arn: &i.Profile.ARN, Id: &i.Profile.ID}
	}
	i.showOptions(&out)
	if step.State != terminated {
		i.showNetwork(&out)
	}
	return out
}

func (i *Instance) showOptions(out *types.Instance) {
	in := i.Asked
	if in.CpuOptions != nil {
		out.CpuOptions = &types.CpuOptions{CoreCount: in.CpuOptions.CoreCount, ThreadsPerCore: in.CpuOptions.ThreadsPerCore, AmdSevSnp: in.CpuOptions.AmdSevSnp}
	} else if m := knownType(string(typeOf(in))); m != nil {
		out.CpuOptions = &types.CpuOptions{CoreCount: new(m.cpus / m.threads), ThreadsPerCore: &m.threads}
	}
	out.EnclaveOptions.Enabled = new(in.EnclaveOptions != nil && aws.ToBool(in.EnclaveOptions.Enabled))
	if in.HibernationOptions != nil {
		out.HibernationOptions.Configured = new(aws.ToBool(in.HibernationOptions.Configured))
	}
	if in.MaintenanceOptions != nil && in.MaintenanceOptions.AutoRecovery != "" {
		out.MaintenanceOptions.AutoRecovery = in.MaintenanceOptions.AutoRecovery
	}
	out.PrivateDnsNameOptions = &types.PrivateDnsNameOptionsResponse{HostnameType: types.HostnameTypeIpName, EnableResourceNameDnsARecord: new(false), EnableResourceNameDnsAAAARecord: new(false)}
	if o := in.PrivateDnsNameOptions; o != nil {
		translate(o, out.PrivateDnsNameOptions)
	}
}

func shownState(name string) *types.InstanceState {
	return &types.InstanceState{Code: new(stateCode(name)), Name: types.InstanceStateName(name)}
}

func shownMonitoring(m *types.RunInstancesMonitoringEnabled) *types.Monitoring {
	if m != nil && aws.ToBool(m.Enabled) {
		return &types.Monitoring{State: types.MonitoringStateEnabled}
	}
	return &types.Monitoring{State: types.MonitoringStateDisabled}
}

func currentBoot(mode string) types.InstanceBootModeValues {
	if strings.HasPrefix(mode, "uefi") {
		return types.InstanceBootModeValuesUefi
	}
	return types.InstanceBootModeValuesLegacyBios
}

func (i *Instance) placement() *types.Placement {
	p := types.Placement{}
	if i.Asked.Placement != nil {
		p = *i.Asked.Placement
	}
	p.AvailabilityZone, p.AvailabilityZoneId = &i.Zone, new(zoneID(i.Region, i.Zone))
	p.Tenancy = cmp.Or(p.Tenancy, types.TenancyDefault)
	p.GroupName = new(aws.ToString(p.GroupName))
	return &p
}

func (i *Instance) groups() []types.GroupIdentifier {
	list := []types.GroupIdentifier{}
	for _, id := range i.Groups {
		list = append(list, types.GroupIdentifier{GroupId: new(id), GroupName: new("default")})
	}
	return list
}

func (i *Instance) reservationPreference() *types.CapacityReservationSpecificationResponse {
	r := &types.CapacityReservationSpecificationResponse{CapacityReservationPreference: types.CapacityReservationPreferenceOpen}
	if asked := i.Asked.CapacityReservationSpecification; asked != nil && asked.CapacityReservationPreference != "" {
		r.CapacityReservationPreference = asked.CapacityReservationPreference
	}
	return r
}

// metadata are the options of the metadata service, by AWS's defaults.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceMetadataOptionsRequest.html.
func (i *Instance) metadata() *types.InstanceMetadataOptionsResponse {
	m := &types.InstanceMetadataOptionsResponse{
		State: types.InstanceMetadataOptionsStateApplied, HttpEndpoint: types.InstanceMetadataEndpointStateEnabled, HttpTokens: types.HttpTokensStateOptional,
		HttpPutResponseHopLimit: new(int32(1)), HttpProtocolIpv6: types.InstanceMetadataProtocolStateDisabled, InstanceMetadataTags: types.InstanceMetadataTagsStateDisabled,
	}
	if i.Image.Watch == "v2.0" {
		m.HttpTokens, m.HttpPutResponseHopLimit = types.HttpTokensStateRequired, new(int32(2))
	}
	asked := i.Asked.MetadataOptions
	if asked == nil {
		return m
	}
	m.HttpEndpoint = cmp.Or(asked.HttpEndpoint, m.HttpEndpoint)
	m.HttpTokens = cmp.Or(asked.HttpTokens, m.HttpTokens)
	m.HttpProtocolIpv6 = cmp.Or(asked.HttpProtocolIpv6, m.HttpProtocolIpv6)
	m.InstanceMetadataTags = cmp.Or(asked.InstanceMetadataTags, m.InstanceMetadataTags)
	m.HttpPutResponseHopLimit = cmp.Or(asked.HttpPutResponseHopLimit, m.HttpPutResponseHopLimit)
	return m
}

// showNetwork tells of the network of an instance that has one: private addresses only.
func (i *Instance) showNetwork(out *types.Instance) {
	n := network{i.Account, i.Region}
	name := "ip-" + strings.ReplaceAll(i.Address, ".", "-") + domain(i.Region)
	out.PrivateIpAddress, out.PrivateDnsName, out.SubnetId, out.VpcId = &i.Address, &name, &i.Subnet, new(n.vpc())
	out.NetworkInterfaces = []types.InstanceNetworkInterface{{
		NetworkInterfaceId: &i.Interface, OwnerId: &i.Account, SubnetId: &i.Subnet, VpcId: new(n.vpc()), PrivateIpAddress: &i.Address, PrivateDnsName: &name,
		MacAddress: new(macOf(i.Interface)), Status: types.NetworkInterfaceStatusInUse, SourceDestCheck: &i.SourceDestCheck, Groups: i.groups(),
		InterfaceType: new("interface"), Description: new(""), Ipv6Addresses: []types.InstanceIpv6Address{},
		Attachment: &types.InstanceNetworkInterfaceAttachment{
			AttachmentId: new(strings.Replace(i.Interface, "eni-", "eni-attach-", 1)), AttachTime: &i.Launched, DeleteOnTermination: new(true),
			DeviceIndex: new(int32(0)), NetworkCardIndex: new(int32(0)), Status: types.AttachmentStatusAttached,
		},
		PrivateIpAddresses: []types.InstancePrivateIpAddress{{Primary: new(true), PrivateIpAddress: &i.Address, PrivateDnsName: &name}},
	}}
}

// domain is the end of the private names of a Region.
func domain(region string) string {
	if region == "us-east-1" {
		return ".ec2.internal"
	}
	return "." + region + ".compute.internal"
}

// macOf is the hardware address of a network interface.
func macOf(id string) string {
	digits := "02" + id[len(id)-10:]
	var parts []string
	for n := 0; n < len(digits); n += 2 {
		parts = append(parts, digits[n:n+2])
	}
	return strings.Join(parts, ":")
}
