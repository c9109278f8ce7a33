package ec2

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
)

func (s *Service) networkOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Reads, onAll[ec2.DescribeVpcsInput]("DescribeVpcs"), s.DescribeVpcs),
		gate.Op(gate.Reads, onAll[ec2.DescribeVpcAttributeInput]("DescribeVpcAttribute"), s.DescribeVpcAttribute),
		gate.Op(gate.Reads, onAll[ec2.DescribeSubnetsInput]("DescribeSubnets"), s.DescribeSubnets),
		gate.Op(gate.Reads, onAll[ec2.DescribeSecurityGroupsInput]("DescribeSecurityGroups"), s.DescribeSecurityGroups),
		gate.Op(gate.Reads, onAll[ec2.DescribeAvailabilityZonesInput]("DescribeAvailabilityZones"), s.DescribeAvailabilityZones),
		gate.Op(gate.Reads, onAll[ec2.DescribeRegionsInput]("DescribeRegions"), s.DescribeRegions),
		gate.Op(gate.Reads, onAll[ec2.DescribeInstanceTypesInput]("DescribeInstanceTypes"), s.DescribeInstanceTypes),
		gate.Op(gate.Reads, onAll[ec2.DescribeAccountAttributesInput]("DescribeAccountAttributes"), s.DescribeAccountAttributes),
	}
}

func networkOf(c *gate.Call) network { return network{c.Caller.Account, c.Region} }

// chosen are the elements of a fixed list that a request asks for by ids and filters.
func chosen[T any](list []T, ids []string, filters []types.Filter, id func(*T) string, f func(*T) fields, none func([]string) error) ([]T, error) {
	var unknown []string
	for _, want := range ids {
		if !slices.ContainsFunc(list, func(e T) bool { return id(&e) == want }) {
			unknown = append(unknown, want)
		}
	}
	if len(unknown) > 0 {
		return nil, none(unknown)
	}
	out := []T{}
	for i := range list {
		if len(ids) > 0 && !slices.Contains(ids, id(&list[i])) {
			continue
		}
		ok, err := match(filters, f(&list[i]))
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, list[i])
		}
	}
	return out, nil
}

// cidr is the addresses of a default VPC.
// See https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html.
const cidr = "172.31.0.0/16"

// DescribeVpcs lists the account's VPC.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcs.html.
func (s *Service) DescribeVpcs(ctx context.Context, in *ec2.DescribeVpcsInput) (*ec2.DescribeVpcsOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	n := networkOf(gate.From(ctx))
	options := fixedID("dopt", n.account, n.region)
	all := []types.Vpc{{
		VpcId: new(n.vpc()), OwnerId: &n.account, CidrBlock: new(cidr), IsDefault: new(true), State: types.VpcStateAvailable, InstanceTenancy: types.TenancyDefault,
		DhcpOptionsId: &options,
		CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{{
			AssociationId: new(fixedID("vpc-cidr-assoc", n.account, n.region)), CidrBlock: new(cidr), CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated},
		}},
	}}
	list, err := chosen(all, in.VpcIds, in.Filters, func(v *types.Vpc) string { return *v.VpcId }, func(*types.Vpc) fields {
		f := fields{
			"vpc-id": {n.vpc()}, "owner-id": {n.account}, "cidr": {cidr}, "cidr-block-association.cidr-block": {cidr}, "dhcp-options-id": {options},
			"is-default": {"true"}, "isDefault": {"true"}, "state": {"available"}, "cidr-block-association.state": {"associated"}, "instance-tenancy": {"default"},
		}
		return f.tagged(nil)
	}, func(ids []string) error { return missing("InvalidVpcID.NotFound", "The vpc ID", ids) })
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeVpcsOutput{Vpcs: page, NextToken: next}, nil
}

// DescribeVpcAttribute tells an attribute of the account's VPC, as default VPCs have it.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcAttribute.html.
func (s *Service) DescribeVpcAttribute(ctx context.Context, in *ec2.DescribeVpcAttributeInput) (*ec2.DescribeVpcAttributeOutput, error) {
	if n := networkOf(gate.From(ctx)); *in.VpcId != n.vpc() {
		return nil, missing("InvalidVpcID.NotFound", "The vpc ID", []string{*in.VpcId})
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	out := &ec2.DescribeVpcAttributeOutput{VpcId: in.VpcId}
	flag := func(is bool) *types.AttributeBooleanValue { return &types.AttributeBooleanValue{Value: &is} }
	switch in.Attribute {
	case types.VpcAttributeNameEnableDnsSupport:
		out.EnableDnsSupport = flag(true)
	case types.VpcAttributeNameEnableDnsHostnames:
		out.EnableDnsHostnames = flag(true)
	case types.VpcAttributeNameEnableNetworkAddressUsageMetrics:
		out.EnableNetworkAddressUsageMetrics = flag(false)
	default:
		return nil, invalidValue("Value (" + string(in.Attribute) + ") for parameter attribute is invalid. Unknown attribute.")
	}
	return out, nil
}

// DescribeSubnets lists the subnets of the account's VPC.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSubnets.html.
func (s *Service) DescribeSubnets(ctx context.Context, in *ec2.DescribeSubnetsInput) (*ec2.DescribeSubnetsOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	n := networkOf(gate.From(ctx))
	all := []types.Subnet{}
	for _, zone := range zones(n.region) {
		id := n.subnet(zone)
		all = append(all, types.Subnet{
			SubnetId: &id, SubnetArn: new(n.arn("subnet", id)), VpcId: new(n.vpc()), OwnerId: &n.account, AvailabilityZone: &zone, AvailabilityZoneId: new(zoneID(n.region, zone)),
			CidrBlock: new(n.block(zone) + "0/20"), AvailableIpAddressCount: new(int32(4091)), DefaultForAz: new(true), State: types.SubnetStateAvailable,
			MapPublicIpOnLaunch: new(false), AssignIpv6AddressOnCreation: new(false), EnableDns64: new(false), Ipv6Native: new(false),
			MapCustomerOwnedIpOnLaunch: new(false), Ipv6CidrBlockAssociationSet: []types.SubnetIpv6CidrBlockAssociation{},
			PrivateDnsNameOptionsOnLaunch: &types.PrivateDnsNameOptionsOnLaunch{HostnameType: types.HostnameTypeIpName, EnableResourceNameDnsARecord: new(false), EnableResourceNameDnsAAAARecord: new(false)},
		})
	}
	list, err := chosen(all, in.SubnetIds, in.Filters, func(v *types.Subnet) string { return *v.SubnetId }, func(v *types.Subnet) fields {
		f := fields{
			"subnet-id": {*v.SubnetId}, "subnet-arn": {*v.SubnetArn}, "vpc-id": {*v.VpcId}, "owner-id": {n.account}, "availability-zone": {*v.AvailabilityZone},
			"availabilityZone": {*v.AvailabilityZone}, "availability-zone-id": {*v.AvailabilityZoneId}, "cidr-block": {*v.CidrBlock}, "cidr": {*v.CidrBlock}, "cidrBlock": {*v.CidrBlock},
			"default-for-az": {"true"}, "defaultForAz": {"true"}, "state": {"available"}, "map-public-ip-on-launch": {"false"}, "available-ip-address-count": {"4091"},
			"ipv6-native": {"false"}, "outpost-arn": nil,
		}
		return f.tagged(nil)
	}, func(ids []string) error { return missing("InvalidSubnetID.NotFound", "The subnet ID", ids) })
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeSubnetsOutput{Subnets: page, NextToken: next}, nil
}

// DescribeSecurityGroups lists the default group of the account's VPC.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroups.html.
func (s *Service) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput) (*ec2.DescribeSecurityGroupsOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	n := networkOf(gate.From(ctx))
	const description = "default VPC security group"
	all := []types.SecurityGroup{{
		GroupId: new(n.group()), GroupName: new("default"), Description: new(description), OwnerId: &n.account, VpcId: new(n.vpc()), SecurityGroupArn: new(n.arn("security-group", n.group())),
		IpPermissions:       []types.IpPermission{{IpProtocol: new("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: new(n.group()), UserId: &n.account}}}},
		IpPermissionsEgress: []types.IpPermission{{IpProtocol: new("-1"), IpRanges: []types.IpRange{{CidrIp: new("0.0.0.0/0")}}}},
	}}
	for _, name := range in.GroupNames {
		if name != "default" {
			return nil, refuse("InvalidGroup.NotFound", "The security group '"+name+"' does not exist in default VPC '"+n.vpc()+"'")
		}
	}
	list, err := chosen(all, in.GroupIds, in.Filters, func(v *types.SecurityGroup) string { return *v.GroupId }, func(*types.SecurityGroup) fields {
		f := fields{
			"group-id": {n.group()}, "group-name": {"default"}, "description": {description}, "owner-id": {n.account}, "vpc-id": {n.vpc()},
			"ip-permission.protocol": {"-1"}, "egress.ip-permission.protocol": {"-1"}, "egress.ip-permission.cidr": {"0.0.0.0/0"}, "ip-permission.group-id": {n.group()},
		}
		return f.tagged(nil)
	}, func(ids []string) error { return missing("InvalidGroup.NotFound", "The security group", ids) })
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: page, NextToken: next}, nil
}

// DescribeAvailabilityZones lists the zones of the Region.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html.
func (s *Service) DescribeAvailabilityZones(ctx context.Context, in *ec2.DescribeAvailabilityZonesInput) (*ec2.DescribeAvailabilityZonesOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	region := gate.From(ctx).Region
	all := []types.AvailabilityZone{}
	for _, zone := range zones(region) {
		if len(in.ZoneIds) > 0 && !slices.Contains(in.ZoneIds, zoneID(region, zone)) {
			continue
		}
		all = append(all, types.AvailabilityZone{
			ZoneName: &zone, ZoneId: new(zoneID(region, zone)), RegionName: &region, State: types.AvailabilityZoneStateAvailable, ZoneType: new("availability-zone"),
			OptInStatus: types.AvailabilityZoneOptInStatusOptInNotRequired, GroupName: new(region + "-zg-1"), NetworkBorderGroup: &region, Messages: []types.AvailabilityZoneMessage{},
		})
	}
	list, err := chosen(all, in.ZoneNames, in.Filters, func(z *types.AvailabilityZone) string { return *z.ZoneName }, func(z *types.AvailabilityZone) fields {
		return fields{
			"zone-name": {*z.ZoneName}, "zone-id": {*z.ZoneId}, "region-name": {region}, "state": {"available"}, "zone-state": {"available"}, "zone-type": {"availability-zone"},
			"opt-in-status": {"opt-in-not-required"}, "group-name": {*z.GroupName}, "network-border-group": {region}, "message": nil, "parent-zone-id": nil, "parent-zone-name": nil,
		}
	}, func(ids []string) error { return invalidValue("Invalid availability zone: [" + ids[0] + "]") })
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeAvailabilityZonesOutput{AvailabilityZones: list}, nil
}

// DescribeRegions lists the Regions of the partition, all of which are on.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html.
func (s *Service) DescribeRegions(ctx context.Context, in *ec2.DescribeRegionsInput) (*ec2.DescribeRegionsOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	all := []types.Region{}
	partition, _ := awsfacts.PartitionOf(gate.From(ctx).Region)
	for _, region := range partition.Regions {
		all = append(all, types.Region{RegionName: &region, Endpoint: new("ec2." + region + ".amazonaws.com"), OptInStatus: new("opt-in-not-required")})
	}
	list, err := chosen(all, in.RegionNames, in.Filters, func(r *types.Region) string { return *r.RegionName }, func(r *types.Region) fields {
		return fields{"region-name": {*r.RegionName}, "endpoint": {*r.Endpoint}, "opt-in-status": {"opt-in-not-required"}}
	}, func(ids []string) error { return invalidValue("Invalid region name: " + ids[0]) }) // assumed text
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeRegionsOutput{Regions: list}, nil
}

// DescribeInstanceTypes describes the types of instances that the sandbox knows.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html.
func (s *Service) DescribeInstanceTypes(ctx context.Context, in *ec2.DescribeInstanceTypesInput) (*ec2.DescribeInstanceTypesOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	var names []string
	for _, name := range in.InstanceTypes {
		names = append(names, string(name))
	}
	list, err := chosen(machines(), names, in.Filters, func(m *machine) string { return m.name }, (*machine).fields, func(ids []string) error {
		return refuse("InvalidInstanceType", "The following supplied instance types do not exist: ["+strings.Join(ids, ", ")+"]")
	})
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeInstanceTypesOutput{InstanceTypes: []types.InstanceTypeInfo{}, NextToken: next}
	for _, m := range page {
		out.InstanceTypes = append(out.InstanceTypes, m.shown())
	}
	return out, nil
}

// accountAttributes are those of an account: assumed.
func accountAttributes(n network) map[string]string {
	return map[string]string{
		"supported-platforms": "VPC", "default-vpc": n.vpc(), "max-instances": "20", "vpc-max-security-groups-per-interface": "5", "max-elastic-ips": "5", "vpc-max-elastic-ips": "5",
	}
}

// DescribeAccountAttributes tells what an account has.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAccountAttributes.html.
func (s *Service) DescribeAccountAttributes(ctx context.Context, in *ec2.DescribeAccountAttributesInput) (*ec2.DescribeAccountAttributesOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	values := accountAttributes(networkOf(gate.From(ctx)))
	out := &ec2.DescribeAccountAttributesOutput{AccountAttributes: []types.AccountAttribute{}}
	for _, name := range []string{"supported-platforms", "vpc-max-security-groups-per-interface", "max-elastic-ips", "max-instances", "vpc-max-elastic-ips", "default-vpc"} {
		if len(in.AttributeNames) > 0 && !slices.Contains(in.AttributeNames, types.AccountAttributeName(name)) {
			continue
		}
		out.AccountAttributes = append(out.AccountAttributes, types.AccountAttribute{AttributeName: new(name), AttributeValues: []types.AccountAttributeValue{{AttributeValue: new(values[name])}}})
	}
	return out, nil
}

func (m *machine) fields() fields {
	return fields{
		"instance-type": {m.name}, "processor-info.supported-architecture": {m.architecture}, "burstable-performance-supported": {strconv.FormatBool(m.burst)},
		"vcpu-info.default-vcpus": {strconv.Itoa(int(m.cpus))}, "memory-info.size-in-mib": {strconv.FormatInt(m.memory, 10)}, "current-generation": {strconv.FormatBool(m.name != "t2.micro")},
		"bare-metal": {"false"}, "hypervisor": {m.hypervisor()}, "supported-root-device-type": {"ebs"}, "supported-usage-class": {"on-demand", "spot"},
		"supported-virtualization-type": {"hvm"}, "free-tier-eligible": {strconv.FormatBool(m.free())}, "ebs-info.encryption-support": {"supported"}, "instance-storage-supported": {"false"},
	}
}

func (m *machine) free() bool { return m.name == "t2.micro" || m.name == "t3.micro" }

func (m *machine) hypervisor() string {
	if strings.HasPrefix(m.name, "t2") {
		return "xen"
	}
	return "nitro"
}

// shown is a type as DescribeInstanceTypes tells it.
func (m *machine) shown() types.InstanceTypeInfo {
	modes := []types.BootModeType{types.BootModeTypeUefi}
	if m.architecture == "x86_64" {
		modes = append([]types.BootModeType{types.BootModeTypeLegacyBios}, modes...)
	}
	return types.InstanceTypeInfo{
		InstanceType: types.InstanceType(m.name), CurrentGeneration: new(m.name != "t2.micro"), FreeTierEligible: new(m.free()), BareMetal: new(false),
		Hypervisor: types.InstanceTypeHypervisor(m.hypervisor()), BurstablePerformanceSupported: &m.burst, DedicatedHostsSupported: new(false), HibernationSupported: new(false),
		AutoRecoverySupported: new(true), InstanceStorageSupported: new(false), SupportedBootModes: modes, SupportedRootDeviceTypes: []types.RootDeviceType{types.RootDeviceTypeEbs},
		SupportedUsageClasses: []types.UsageClassType{types.UsageClassTypeOnDemand, types.UsageClassTypeSpot}, SupportedVirtualizationTypes: []types.VirtualizationType{types.VirtualizationTypeHvm},
		MemoryInfo:           &types.MemoryInfo{SizeInMiB: &m.memory},
		VCpuInfo:             &types.VCpuInfo{DefaultVCpus: &m.cpus, DefaultCores: new(m.cpus / m.threads), DefaultThreadsPerCore: &m.threads},
		ProcessorInfo:        &types.ProcessorInfo{SupportedArchitectures: []types.ArchitectureType{types.ArchitectureType(m.architecture)}, SustainedClockSpeedInGhz: aws.Float64(m.clock)},
		EbsInfo:              &types.EbsInfo{EncryptionSupport: types.EbsEncryptionSupportSupported, EbsOptimizedSupport: types.EbsOptimizedSupportDefault, NvmeSupport: types.EbsNvmeSupportRequired},
		NetworkInfo:          &types.NetworkInfo{NetworkPerformance: &m.network, Ipv6Supported: new(true), EnaSupport: types.EnaSupportRequired, MaximumNetworkCards: new(int32(1)), DefaultNetworkCardIndex: new(int32(0)), MaximumNetworkInterfaces: new(int32(3)), Ipv4AddressesPerInterface: new(int32(10)), EncryptionInTransitSupported: new(false)},
		PlacementGroupInfo:   &types.PlacementGroupInfo{SupportedStrategies: []types.PlacementGroupStrategy{types.PlacementGroupStrategyPartition, types.PlacementGroupStrategySpread}},
		NitroEnclavesSupport: types.NitroEnclavesSupportUnsupported, NitroTpmSupport: types.NitroTpmSupportUnsupported,
	}
}
