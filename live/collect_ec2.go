package live

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
)

// readEBSDefault reads whether new volumes are encrypted, and under which key.
func (r *reader) readEBSDefault(ctx context.Context) error {
	c := ec2.NewFromConfig(r.cfg)
	on, err := c.GetEbsEncryptionByDefault(ctx, &ec2.GetEbsEncryptionByDefaultInput{})
	if err != nil {
		_, err = r.refused(err, "ec2:GetEbsEncryptionByDefault")
		return err
	}
	key, err := c.GetEbsDefaultKmsKeyId(ctx, &ec2.GetEbsDefaultKmsKeyIdInput{})
	if err != nil {
		_, err = r.refused(err, "ec2:GetEbsDefaultKmsKeyId")
		return err
	}
	d := estate.EBSDefault{Encrypt: aws.ToBool(on.EbsEncryptionByDefault), Key: r.keyNamed(aws.ToString(key.KmsKeyId))}
	r.add(func(e *estate.Estate) {
		for i := range e.Accounts {
			if a := &e.Accounts[i]; a.ID == r.account {
				if a.EBSDefaults == nil {
					a.EBSDefaults = map[string]estate.EBSDefault{}
				}
				a.EBSDefaults[r.region] = d
			}
		}
	})
	return nil
}

// keyNamed is the ARN of a key that EC2 names in one of the ways in which keys are
// named; nothing for AWS's own key, which EC2 gives by its alias.
func (r *reader) keyNamed(name string) string {
	if strings.HasPrefix(name, "arn:") && !strings.Contains(name, ":alias/") || name == "" {
		return name
	}
	alias := name[strings.LastIndexByte(name, ':')+1:]
	if alias == "alias/aws/ebs" {
		return ""
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	at := ":" + r.region + ":" + r.account + ":key/"
	for i := range r.estate.Keys {
		k := &r.estate.Keys[i]
		if _, id, ok := strings.Cut(k.ARN, at); ok && (id == name || slices.Contains(k.Aliases, alias)) {
			return k.ARN
		}
	}
	return name
}

// matters reports whether what is encrypted under a key is read: not under one that is
// AWS's, which nobody can share, and not under another than was asked for.
func (r *reader) matters(key string) bool {
	if key == "" {
		return false
	}
	if len(r.scope.Keys) > 0 {
		return slices.Contains(r.scope.Keys, key)
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	return !slices.ContainsFunc(r.estate.Keys, func(k estate.Key) bool { return k.ARN == key && k.Manager == "AWS" })
}

// readSnapshots reads the account's snapshots under customers' keys, and with whom they
// are shared.
func (r *reader) readSnapshots(ctx context.Context) error {
	c := ec2.NewFromConfig(r.cfg)
	pages := ec2.NewDescribeSnapshotsPaginator(c, &ec2.DescribeSnapshotsInput{
		OwnerIds: []string{"self"}, Filters: []types.Filter{{Name: aws.String("encrypted"), Values: []string{"true"}}}, MaxResults: aws.Int32(1000),
	})
	var list []types.Snapshot
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = r.refused(err, "ec2:DescribeSnapshots")
			return err
		}
		list = append(list, slices.DeleteFunc(out.Snapshots, func(s types.Snapshot) bool { return !r.matters(aws.ToString(s.KmsKeyId)) })...)
	}
	found := make([]estate.Resource, len(list))
	err := collectEach(ctx, r.scope.Concurrency, indexes(len(list)), func(ctx context.Context, i int) error {
		s := &list[i]
		found[i] = estate.Resource{
			Type: "ec2:Snapshot", ID: aws.ToString(s.SnapshotId), ARN: ec2ARN(r.region, "snapshot/"+aws.ToString(s.SnapshotId)), Account: r.account, Region: r.region, Key: aws.ToString(s.KmsKeyId),
			Attributes: map[string]string{"volumeSize": strconv.Itoa(int(aws.ToInt32(s.VolumeSize)))},
		}
		out, err := c.DescribeSnapshotAttribute(ctx, &ec2.DescribeSnapshotAttributeInput{SnapshotId: s.SnapshotId, Attribute: types.SnapshotAttributeNameCreateVolumePermission})
		if err != nil {
			_, err = r.refused(err, "ec2:DescribeSnapshotAttribute")
			return err
		}
		for _, p := range out.CreateVolumePermissions {
			found[i].SharedWith = append(found[i].SharedWith, either(aws.ToString(p.UserId), string(p.Group)))
		}
		slices.Sort(found[i].SharedWith)
		return nil
	})
	return r.keep(found, err)
}

// keep adds resources that were all read.
func (r *reader) keep(found []estate.Resource, err error) error {
	if err == nil {
		r.add(func(e *estate.Estate) { e.Resources = append(e.Resources, found...) })
	}
	return err
}

// indexes are 0 to n-1.
func indexes(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// either is the first text that is not empty.
func either(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// readImages reads the account's images, the snapshots they consist of, and who may
// launch them.
func (r *reader) readImages(ctx context.Context) error {
	c := ec2.NewFromConfig(r.cfg)
	pages := ec2.NewDescribeImagesPaginator(c, &ec2.DescribeImagesInput{Owners: []string{"self"}, MaxResults: aws.Int32(1000)})
	var list []types.Image
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = r.refused(err, "ec2:DescribeImages")
			return err
		}
		list = append(list, out.Images...)
	}
	found := make([]estate.Resource, len(list))
	err := collectEach(ctx, r.scope.Concurrency, indexes(len(list)), func(ctx context.Context, i int) error {
		found[i] = r.image(&list[i])
		out, err := c.DescribeImageAttribute(ctx, &ec2.DescribeImageAttributeInput{ImageId: list[i].ImageId, Attribute: types.ImageAttributeNameLaunchPermission})
		if err != nil {
			_, err = r.refused(err, "ec2:DescribeImageAttribute")
			return err
		}
		for _, p := range out.LaunchPermissions {
			found[i].SharedWith = append(found[i].SharedWith, either(aws.ToString(p.UserId), aws.ToString(p.OrganizationArn), aws.ToString(p.OrganizationalUnitArn), string(p.Group)))
		}
		slices.Sort(found[i].SharedWith)
		return nil
	})
	return r.keep(found, err)
}

// image is an image as AWS describes it. Its key is that of its first snapshot that has
// one: those were read before.
func (r *reader) image(m *types.Image) estate.Resource {
	var snapshots []string
	for _, b := range m.BlockDeviceMappings {
		if b.Ebs != nil && aws.ToString(b.Ebs.SnapshotId) != "" {
			snapshots = append(snapshots, aws.ToString(b.Ebs.SnapshotId))
		}
	}
	id := aws.ToString(m.ImageId)
	found := estate.Resource{
		Type: "ec2:Image", ID: id, ARN: ec2ARN(r.region, "image/"+id), Account: r.account, Region: r.region, Attributes: map[string]string{"snapshots": strings.Join(snapshots, ",")},
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, snapshot := range snapshots {
		for i := range r.estate.Resources {
			if s := &r.estate.Resources[i]; found.Key == "" && s.Type == "ec2:Snapshot" && s.ID == snapshot && s.Region == r.region {
				found.Key = s.Key
			}
		}
	}
	return found
}

// ec2ARN is the ARN of what belongs to no account. See
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html.
func ec2ARN(region, resource string) string {
	return arn.ARN{Partition: awsfacts.PartitionName(region), Service: "ec2", Region: region, Resource: resource}.String()
}

// readEndpoints reads the interface endpoints of AWS's services, with their policies.
// See https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html.
func (r *reader) readEndpoints(ctx context.Context) error {
	pages := ec2.NewDescribeVpcEndpointsPaginator(ec2.NewFromConfig(r.cfg), &ec2.DescribeVpcEndpointsInput{
		Filters: []types.Filter{{Name: aws.String("vpc-endpoint-type"), Values: []string{"Interface"}}}, MaxResults: aws.Int32(1000),
	})
	var found []estate.Endpoint
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = r.refused(err, "ec2:DescribeVpcEndpoints")
			return err
		}
		for i := range out.VpcEndpoints {
			v := &out.VpcEndpoints[i]
			_, service, ok := strings.Cut(aws.ToString(v.ServiceName), "."+r.region+".")
			if !ok {
				continue // somebody's own service
			}
			p := estate.Endpoint{ID: aws.ToString(v.VpcEndpointId), Account: r.account, Region: r.region, Service: service}
			if text := aws.ToString(v.PolicyDocument); text != "" {
				p.Policy = collectedDocument("policy of "+p.ID, text)
			}
			found = append(found, p)
		}
	}
	r.add(func(e *estate.Estate) { e.Endpoints = append(e.Endpoints, found...) })
	return nil
}
