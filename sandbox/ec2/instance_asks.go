package ec2

import (
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// askInstance asks for an action on an instance of the caller's account, there or not.
func (s *Service) askInstance(c *gate.Call, operation, id string) gate.Ask {
	resource := behalf.ARN("ec2", c.Region, c.Caller.Account, "instance/", id)
	var g estate.Given
	if i := s.instance(c.Caller.Account, c.Region, id); i != nil {
		g = i.given()
	}
	return askOn(c, operation, resource, "", "AWS::EC2::Instance", g)
}

// given are the condition keys of an instance.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html.
func (i *Instance) given() estate.Given {
	g := gate.ResourceTags(i.Tags, "ec2:resourcetag")
	one(&g, "ec2:instanceid", i.ID)
	one(&g, "ec2:instancetype", string(typeOf(i.Asked)))
	one(&g, "ec2:availabilityzone", i.Zone)
	one(&g, "ec2:ebsoptimized", strconv.FormatBool(aws.ToBool(i.Asked.EbsOptimized)))
	one(&g, "ec2:rootdevicetype", i.Image.RootType)
	one(&g, "ec2:tenancy", string(i.placement().Tenancy))
	if i.Profile != nil {
		one(&g, "ec2:instanceprofile", i.Profile.ARN)
	}
	return g
}

// onInstances is what an operation needs on each of the instances that it names.
func onInstances[I any](s *Service, operation string, ids func(*I) []string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		var asks []gate.Ask
		for _, id := range ids(in) {
			asks = append(asks, s.askInstance(c, operation, id))
		}
		if len(asks) == 0 {
			return nil, refuse("MissingParameter", "The request must contain the parameter InstanceId")
		}
		return asks, nil
	}
}

// asksRun is what a launch needs: RunInstances on all that it takes and all that it
// makes, the tags, and the role that it passes.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html#iam-example-runinstances.
func (s *Service) asksRun(c *gate.Call, in *ec2.RunInstancesInput) ([]gate.Ask, error) {
	full, err := s.merged(c, in)
	if err != nil {
		return nil, err
	}
	r := &runAsks{s: s, c: c, in: full, asked: in}
	r.template()
	r.image()
	r.instance()
	r.network()
	r.volumes()
	r.tags()
	r.role()
	return r.asks, nil
}

// runAsks gathers what a launch needs.
type runAsks struct {
	s *Service
	c *gate.Call
	// in is the request with the template, asked without.
	in, asked *ec2.RunInstancesInput
	lt        string // the template's ARN
	asks      []gate.Ask
}

// add asks for RunInstances on a resource. Inherited is set for one that stands in the
// launch template only.
func (r *runAsks) add(resource, owner, kind string, inherited bool, g estate.Given) {
	if r.lt != "" {
		one(&g, "ec2:launchtemplate", r.lt)
		one(&g, "ec2:islaunchtemplateresource", strconv.FormatBool(inherited))
	}
	r.asks = append(r.asks, askOn(r.c, "RunInstances", resource, owner, kind, g))
}

func (r *runAsks) own(kind, id string) string {
	return behalf.ARN("ec2", r.c.Region, r.c.Caller.Account, kind, "/", id)
}

func (r *runAsks) template() {
	if r.in.LaunchTemplate == nil {
		return
	}
	t, err := r.s.template(r.c, r.in.LaunchTemplate.LaunchTemplateId, nil)
	if err != nil {
		return // it was found just now
	}
	r.lt = t.arn()
	r.add(r.lt, "", "AWS::EC2::LaunchTemplate", false, gate.ResourceTags(t.Tags, "ec2:resourcetag"))
}

func (r *runAsks) image() {
	id := aws.ToString(r.in.ImageId)
	inherited := r.asked.ImageId == nil
	m := r.s.image(r.c, id)
	if m == nil {
		r.add(behalf.ARN("ec2", r.c.Region, "", "image/", id), "", "AWS::EC2::Ami", inherited, nil)
		return
	}
	r.add(m.ARN(), m.Account, "AWS::EC2::Ami", inherited, m.given(r.c.Caller.Account))
}

// given are the condition keys of an image.
func (m *Image) given(viewer string) estate.Given {
	g := gate.ResourceTags(m.Tags[viewer], "ec2:resourcetag")
	one(&g, "ec2:imageid", m.ID)
	one(&g, "ec2:imagetype", "machine")
	owner := m.Alias
	if owner == "" {
		owner = m.Account
	}
	one(&g, "ec2:owner", owner)
	one(&g, "ec2:public", strconv.FormatBool(m.public()))
	one(&g, "ec2:rootdevicetype", m.RootType)
	return g
}

func (r *runAsks) instance() {
	in := r.in
	g := gate.RequestTags(tagsFor(in.TagSpecifications, types.ResourceTypeInstance))
	one(&g, "ec2:instancetype", string(typeOf(in)))
	one(&g, "ec2:ebsoptimized", strconv.FormatBool(aws.ToBool(in.EbsOptimized)))
	one(&g, "ec2:rootdevicetype", "ebs")
	one(&g, "ec2:tenancy", tenancy(in.Placement))
	one(&g, "ec2:instancemarkettype", marketOf(in))
	if o := in.MetadataOptions; o != nil {
		one(&g, "ec2:metadatahttpendpoint", string(o.HttpEndpoint))
		one(&g, "ec2:metadatahttptokens", string(o.HttpTokens))
		if o.HttpPutResponseHopLimit != nil {
			one(&g, "ec2:metadatahttpputresponsehoplimit", strconv.Itoa(int(*o.HttpPutResponseHopLimit)))
		}
	}
	if w, err := placeOf(r.c, in); err == nil {
		one(&g, "ec2:availabilityzone", w.zone)
	}
	if p, err := r.s.profileOf(r.c, in.IamInstanceProfile); err == nil && p != nil {
		one(&g, "ec2:instanceprofile", p.ARN)
	}
	r.add(r.own("instance", "*"), "", "AWS::EC2::Instance", false, g)
}

func tenancy(p *types.Placement) string {
	if p != nil && p.Tenancy != "" {
		return string(p.Tenancy)
	}
	return string(types.TenancyDefault)
}

func marketOf(in *ec2.RunInstancesInput) string {
	if in.InstanceMarketOptions != nil && in.InstanceMarketOptions.MarketType != "" {
		return string(in.InstanceMarketOptions.MarketType)
	}
	return "on-demand"
}

func (r *runAsks) network() {
	w, err := placeOf(r.c, r.in)
	if err != nil {
		return // the operation says so
	}
	n := network{r.c.Caller.Account, r.c.Region}
	vpc := n.arn("vpc", n.vpc())
	var g estate.Given
	one(&g, "ec2:vpc", vpc)
	for _, id := range w.groups {
		r.add(n.arn("security-group", id), "", "AWS::EC2::SecurityGroup", len(r.asked.SecurityGroupIds) == 0 && len(r.in.SecurityGroupIds) > 0, append(estate.Given{estate.NewEntry("ec2:securitygroupid", policy.One(id))}, g...))
	}
	at := append(estate.Given{}, g...)
	one(&at, "ec2:availabilityzone", w.zone)
	r.add(n.arn("subnet", w.subnet), "", "AWS::EC2::Subnet", r.asked.SubnetId == nil && r.in.SubnetId != nil, append(estate.Given{estate.NewEntry("ec2:subnetid", policy.One(w.subnet))}, at...))
	at = append(at, estate.NewEntry("ec2:subnet", policy.One(n.arn("subnet", w.subnet))))
	r.add(r.own("network-interface", "*"), "", "AWS::EC2::NetworkInterface", false, append(at, gate.RequestTags(tagsFor(r.in.TagSpecifications, types.ResourceTypeNetworkInterface))...))
	if name := aws.ToString(r.in.KeyName); name != "" {
		r.add(r.own("key-pair", name), "", "AWS::EC2::KeyPair", r.asked.KeyName == nil, estate.Given{estate.NewEntry("ec2:keypairname", policy.One(name))})
	}
}

// volumes asks about each volume that a launch makes, and about the snapshots that the
// request itself names.
func (r *runAsks) volumes() {
	var under []types.BlockDeviceMapping
	if m := r.s.image(r.c, aws.ToString(r.in.ImageId)); m != nil {
		under = m.Mappings
	}
	tags := tagsFor(r.in.TagSpecifications, types.ResourceTypeVolume)
	for _, m := range mergedMappings(under, r.in.BlockDeviceMappings) {
		if m.Ebs == nil || m.NoDevice != nil {
			continue
		}
		r.add(r.own("volume", "*"), "", "AWS::EC2::Volume", false, append(r.newVolume(m.Ebs), gate.RequestTags(tags)...))
	}
	for _, m := range r.in.BlockDeviceMappings {
		if m.Ebs != nil && aws.ToString(m.Ebs.SnapshotId) != "" {
			a := r.s.askSnapshot(r.c, "RunInstances", r.c.Region, *m.Ebs.SnapshotId, nil)
			r.asks = append(r.asks, a)
		}
	}
}

// newVolume are the condition keys of a volume that a launch makes.
func (r *runAsks) newVolume(e *types.EbsBlockDevice) estate.Given {
	g := estate.Given{}
	encrypted := aws.ToBool(e.Encrypted) || r.s.settingsOf(r.c).Encrypt
	size := aws.ToInt32(e.VolumeSize)
	if id := aws.ToString(e.SnapshotId); id != "" {
		one(&g, "ec2:parentsnapshot", behalf.ARN("ec2", r.c.Region, "", "snapshot/", id))
		if n := r.s.Snapshots.Get(r.c.Region, id); n != nil {
			encrypted = encrypted || n.KeyARN != ""
			size = max(size, n.Size)
		}
	}
	one(&g, "ec2:encrypted", strconv.FormatBool(encrypted))
	one(&g, "ec2:kmskeyid", aws.ToString(e.KmsKeyId))
	one(&g, "ec2:volumesize", strconv.Itoa(int(size)))
	one(&g, "ec2:volumetype", string(e.VolumeType))
	if e.Iops != nil {
		one(&g, "ec2:volumeiops", strconv.Itoa(int(*e.Iops)))
	}
	return g
}

func (r *runAsks) tags() {
	for _, spec := range r.in.TagSpecifications {
		r.asks = append(r.asks, askTags("RunInstances", r.own(string(spec.ResourceType), "*"), tagsFor([]types.TagSpecification{spec}, spec.ResourceType))...)
	}
}

// role asks for the right to pass the role of the instance profile.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html.
func (r *runAsks) role() {
	p, err := r.s.profileOf(r.c, r.in.IamInstanceProfile)
	if err != nil || p == nil || p.Role == "" {
		return
	}
	r.asks = append(r.asks, passRole(p.Role))
}

func passRole(role string) gate.Ask {
	target, _ := arn.Parse(role) // one of the sandbox's own
	return gate.Ask{Action: "iam:PassRole", Resource: role, Target: target, Context: estate.Given{estate.NewEntry("iam:passedtoservice", policy.One("ec2.amazonaws.com"))}}
}
