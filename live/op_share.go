package live

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/estate"
)

// The types of what is shared.
const (
	opSnapshot  = "ec2:Snapshot"
	opImage     = "ec2:Image"
	opDB        = "rds:DBSnapshot"
	opDBCluster = "rds:DBClusterSnapshot"
)

// restore is the attribute of a snapshot of RDS that says who may restore it. See
// https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBSnapshotAttribute.html.
const opRestore = "restore"

// everybody is the group, and for RDS the account, that stands for all of AWS.
const opEverybody = "all"

func (c *Cloud) currentShare(ctx context.Context, o *estate.Share) (*estate.Share, error) {
	p, err := c.at(ctx, o.Account, o.Region)
	if err != nil {
		return nil, err
	}
	var with []string
	switch o.Type {
	case opSnapshot:
		with, err = snapshotShares(ctx, p, lastPart(o.ID))
	case opImage:
		with, err = imageShares(ctx, p, lastPart(o.ID))
	case opDB:
		with, err = dbShares(ctx, p, dbName(o.ID))
	case opDBCluster:
		with, err = dbClusterShares(ctx, p, dbName(o.ID))
	default:
		err = p.invalid("sharing", "what is of the type "+o.Type+" cannot be shared")
	}
	if err != nil {
		return nil, err
	}
	return &estate.Share{Type: o.Type, ID: o.ID, Account: o.Account, Region: o.Region, With: o.With, Off: !slices.Contains(with, o.With)}, nil
}

// dbName is the identifier of a snapshot of RDS that may be told by its ARN. That of an
// automatic one has a colon of its own.
func dbName(id string) string {
	if _, name, ok := strings.Cut(id, "snapshot:"); ok && strings.HasPrefix(id, "arn:") {
		return name
	}
	return id
}

func snapshotShares(ctx context.Context, p *opPlace, id string) (with []string, err error) {
	api := ec2.NewFromConfig(p.cfg)
	out, err := opAsk(ctx, p, "ec2:DescribeSnapshotAttribute", api.DescribeSnapshotAttribute, &ec2.DescribeSnapshotAttributeInput{
		SnapshotId: &id, Attribute: ec2types.SnapshotAttributeNameCreateVolumePermission,
	})
	if err != nil {
		return nil, err
	}
	for _, v := range out.CreateVolumePermissions {
		with = append(with, aws.ToString(v.UserId), string(v.Group))
	}
	return with, nil
}

func imageShares(ctx context.Context, p *opPlace, id string) (with []string, err error) {
	api := ec2.NewFromConfig(p.cfg)
	out, err := opAsk(ctx, p, "ec2:DescribeImageAttribute", api.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{
		ImageId: &id, Attribute: ec2types.ImageAttributeNameLaunchPermission,
	})
	if err != nil {
		return nil, err
	}
	for _, v := range out.LaunchPermissions {
		with = append(with, aws.ToString(v.UserId), string(v.Group), aws.ToString(v.OrganizationArn), aws.ToString(v.OrganizationalUnitArn))
	}
	return with, nil
}

func dbShares(ctx context.Context, p *opPlace, id string) (with []string, err error) {
	api := rds.NewFromConfig(p.cfg)
	out, err := opAsk(ctx, p, "rds:DescribeDBSnapshotAttributes", api.DescribeDBSnapshotAttributes, &rds.DescribeDBSnapshotAttributesInput{DBSnapshotIdentifier: &id})
	if err != nil || out.DBSnapshotAttributesResult == nil {
		return nil, err
	}
	for _, a := range out.DBSnapshotAttributesResult.DBSnapshotAttributes {
		if aws.ToString(a.AttributeName) == opRestore {
			with = append(with, a.AttributeValues...)
		}
	}
	return with, nil
}

func dbClusterShares(ctx context.Context, p *opPlace, id string) (with []string, err error) {
	api := rds.NewFromConfig(p.cfg)
	out, err := opAsk(ctx, p, "rds:DescribeDBClusterSnapshotAttributes", api.DescribeDBClusterSnapshotAttributes, &rds.DescribeDBClusterSnapshotAttributesInput{DBClusterSnapshotIdentifier: &id})
	if err != nil || out.DBClusterSnapshotAttributesResult == nil {
		return nil, err
	}
	return clusterAccounts(out.DBClusterSnapshotAttributesResult.DBClusterSnapshotAttributes), nil
}

func clusterAccounts(list []rdstypes.DBClusterSnapshotAttribute) (with []string) {
	for _, a := range list {
		if aws.ToString(a.AttributeName) == opRestore {
			with = append(with, a.AttributeValues...)
		}
	}
	return with
}

func (c *Cloud) putShare(ctx context.Context, o *estate.Share) error {
	p, err := c.at(ctx, o.Account, o.Region)
	if err != nil {
		return err
	}
	switch o.Type {
	case opSnapshot:
		return shareSnapshotWith(ctx, p, o)
	case opImage:
		return shareImageWith(ctx, p, o)
	case opDB, opDBCluster:
		return shareDBWith(ctx, p, o)
	}
	return p.invalid("sharing", "what is of the type "+o.Type+" cannot be shared")
}

func shareSnapshotWith(ctx context.Context, p *opPlace, o *estate.Share) error {
	v := ec2types.CreateVolumePermission{UserId: &o.With}
	if o.With == opEverybody {
		v = ec2types.CreateVolumePermission{Group: ec2types.PermissionGroupAll}
	}
	m := &ec2types.CreateVolumePermissionModifications{Add: []ec2types.CreateVolumePermission{v}}
	if o.Off {
		m = &ec2types.CreateVolumePermissionModifications{Remove: []ec2types.CreateVolumePermission{v}}
	}
	api := ec2.NewFromConfig(p.cfg)
	return opTell(ctx, p, "ec2:ModifySnapshotAttribute", api.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{
		SnapshotId: new(lastPart(o.ID)), Attribute: ec2types.SnapshotAttributeNameCreateVolumePermission, CreateVolumePermission: m,
	})
}

// shareImageWith shares with an account, an organization or a unit of one: the ARN says
// which. See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/share-amis-org-ou-manage.html.
func shareImageWith(ctx context.Context, p *opPlace, o *estate.Share) error {
	var v ec2types.LaunchPermission
	switch {
	case o.With == opEverybody:
		v.Group = ec2types.PermissionGroupAll
	case strings.Contains(o.With, ":organization/"):
		v.OrganizationArn = &o.With
	case strings.Contains(o.With, ":ou/"):
		v.OrganizationalUnitArn = &o.With
	default:
		v.UserId = &o.With
	}
	m := &ec2types.LaunchPermissionModifications{Add: []ec2types.LaunchPermission{v}}
	if o.Off {
		m = &ec2types.LaunchPermissionModifications{Remove: []ec2types.LaunchPermission{v}}
	}
	api := ec2.NewFromConfig(p.cfg)
	return opTell(ctx, p, "ec2:ModifyImageAttribute", api.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: new(lastPart(o.ID)), LaunchPermission: m})
}

func shareDBWith(ctx context.Context, p *opPlace, o *estate.Share) error {
	add, remove := []string{o.With}, []string(nil)
	if o.Off {
		add, remove = remove, add
	}
	api, id := rds.NewFromConfig(p.cfg), dbName(o.ID)
	if o.Type == opDB {
		return opTell(ctx, p, "rds:ModifyDBSnapshotAttribute", api.ModifyDBSnapshotAttribute, &rds.ModifyDBSnapshotAttributeInput{
			DBSnapshotIdentifier: &id, AttributeName: new(opRestore), ValuesToAdd: add, ValuesToRemove: remove,
		})
	}
	return opTell(ctx, p, "rds:ModifyDBClusterSnapshotAttribute", api.ModifyDBClusterSnapshotAttribute, &rds.ModifyDBClusterSnapshotAttributeInput{
		DBClusterSnapshotIdentifier: &id, AttributeName: new(opRestore), ValuesToAdd: add, ValuesToRemove: remove,
	})
}
