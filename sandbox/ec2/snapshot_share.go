package ec2

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
)

func (s *Service) shareOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksModifySnapshotAttribute, s.ModifySnapshotAttribute),
		gate.Op(gate.Writes, s.asksResetSnapshotAttribute, s.ResetSnapshotAttribute),
		gate.Op(gate.Reads, s.asksDescribeSnapshotAttribute, s.DescribeSnapshotAttribute),
	}
}

// sharing is a change of who may make volumes of a snapshot.
type sharing struct{ add, remove entries }

// entries are accounts, and whether everybody.
type entries struct {
	users []string
	all   bool
	n     int // with what stands there twice
}

func (e *entries) put(user, group string) {
	e.n++
	if group == "all" {
		e.all = true
	}
	if user != "" && !slices.Contains(e.users, user) {
		e.users = append(e.users, user)
	}
}

// sharingOf reads a request in its newer or its older form.
func sharingOf(in *ec2.ModifySnapshotAttributeInput) (m sharing) {
	if p := in.CreateVolumePermission; p != nil {
		for _, e := range p.Add {
			m.add.put(aws.ToString(e.UserId), string(e.Group))
		}
		for _, e := range p.Remove {
			m.remove.put(aws.ToString(e.UserId), string(e.Group))
		}
	}
	to := &m.add
	if in.OperationType == types.OperationTypeRemove {
		to = &m.remove
	}
	for _, user := range in.UserIds {
		to.put(user, "")
	}
	for _, group := range in.GroupNames {
		to.put("", group)
	}
	return m
}

// given are the condition keys of a change. Recorded: several recipients are one key
// with several values, one recipient a key with one.
func (m sharing) given() estate.Given {
	var g estate.Given
	several := func(name string, values []string) {
		if len(values) == 1 {
			one(&g, name, values[0])
		} else if len(values) > 1 {
			g = append(g, estate.NewEntry(name, policy.Many(values...)))
		}
	}
	several("ec2:add/userid", m.add.users)
	several("ec2:remove/userid", m.remove.users)
	if m.add.all {
		one(&g, "ec2:add/group", "all")
	}
	if m.remove.all {
		one(&g, "ec2:remove/group", "all")
	}
	one(&g, "ec2:attribute", "CreateVolumePermission")
	return g
}

func (s *Service) asksModifySnapshotAttribute(c *gate.Call, in *ec2.ModifySnapshotAttributeInput) ([]gate.Ask, error) {
	return []gate.Ask{s.askSnapshot(c, "ModifySnapshotAttribute", c.Region, aws.ToString(in.SnapshotId), sharingOf(in).given())}, nil
}

// maxSharing is how many entries a change has at most. Recorded.
const maxSharing = 500

// ModifySnapshotAttribute shares a snapshot, or ends that.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotAttribute.html.
func (s *Service) ModifySnapshotAttribute(ctx context.Context, in *ec2.ModifySnapshotAttributeInput) (*ec2.ModifySnapshotAttributeOutput, error) {
	c := gate.From(ctx)
	n, err := s.ownSnapshot(c, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if in.Attribute != "" && in.Attribute != types.SnapshotAttributeNameCreateVolumePermission {
		return nil, invalidValue("Value (" + string(in.Attribute) + ") for parameter attribute is invalid. Unknown attribute.")
	}
	m := sharingOf(in)
	if err := m.check(); err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	if err := s.mayShare(ctx, n, m); err != nil {
		return nil, err
	}
	changed := n.Clone()
	for _, user := range m.add.users {
		if !slices.Contains(changed.Shared, user) {
			changed.Shared = append(changed.Shared, user)
			if !n.Public && user != n.Account {
				s.tellShared(n, user, c.At)
			}
		}
	}
	changed.Shared = slices.DeleteFunc(changed.Shared, func(user string) bool { return slices.Contains(m.remove.users, user) })
	changed.Public = (n.Public || m.add.all) && !m.remove.all
	s.Snapshots.Put(changed)
	return &ec2.ModifySnapshotAttributeOutput{}, nil
}

// check refuses a change that no snapshot can have.
func (m sharing) check() error {
	if n := m.add.n + m.remove.n; n > maxSharing {
		return invalidValue("Modification size must not be greater than " + strconv.Itoa(maxSharing))
	} else if n == 0 {
		return refuse("MissingParameter", "The request must contain the parameter createVolumePermission") // assumed text
	}
	for _, user := range slices.Concat(m.add.users, m.remove.users) {
		if !arn.IsAccount(user) {
			return refuse("InvalidUserID.Malformed", "Invalid user ID: \""+user+"\"") // assumed text
		}
	}
	return nil
}

// mayShare refuses what may not be shared, and makes the uses of the key that sharing
// needs.
func (s *Service) mayShare(ctx context.Context, n *blocks.Snapshot, m sharing) error {
	c := gate.From(ctx)
	switch {
	case m.add.all && n.KeyARN != "":
		return notPermitted("Encrypted snapshots cannot be shared publicly.")
	case len(m.add.users) > 0 && n.Default:
		return notPermitted("Encrypted snapshots with EBS default key cannot be shared")
	case m.add.all && s.settingsOf(c).Blocked != "":
		return notPermitted("Public sharing of snapshots is blocked in this account and Region") // assumed text
	case len(m.add.users) == 0 || n.KeyARN == "":
		return nil
	}
	// Recorded: EC2 looks at the default key as the caller, whatever comes of it.
	_ = s.Agent.DB.Try(func() error {
		_, err := s.Agent.Client.Do(ctx, "kms", "DescribeKey", &kms.DescribeKeyInput{KeyId: new(defaultKey)}, gate.Forward{Service: "ec2", Told: s.Agent.Told})
		return err
	})
	_, err := s.Agent.Use(ctx, "ec2:ModifySnapshotAttribute", "share", map[string]behalf.Key{
		"snapshot": {ARN: n.KeyARN, Context: n.Context(), Blob: n.DataKey},
	})
	if refused := (*behalf.Refused)(nil); errors.As(err, &refused) {
		return notAuthorized(refused.Key, http.StatusForbidden)
	}
	return err
}

func (s *Service) asksResetSnapshotAttribute(c *gate.Call, in *ec2.ResetSnapshotAttributeInput) ([]gate.Ask, error) {
	return []gate.Ask{s.askSnapshot(c, "ResetSnapshotAttribute", c.Region, aws.ToString(in.SnapshotId), nil)}, nil
}

// ResetSnapshotAttribute shares a snapshot with nobody.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResetSnapshotAttribute.html.
func (s *Service) ResetSnapshotAttribute(ctx context.Context, in *ec2.ResetSnapshotAttributeInput) (*ec2.ResetSnapshotAttributeOutput, error) {
	n, err := s.ownSnapshot(gate.From(ctx), in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if in.Attribute != types.SnapshotAttributeNameCreateVolumePermission {
		return nil, invalidValue("Value (" + string(in.Attribute) + ") for parameter attribute is invalid. Unknown attribute.")
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	n = n.Clone()
	n.Shared, n.Public = nil, false
	s.Snapshots.Put(n)
	return &ec2.ResetSnapshotAttributeOutput{}, nil
}

func (s *Service) asksDescribeSnapshotAttribute(c *gate.Call, in *ec2.DescribeSnapshotAttributeInput) ([]gate.Ask, error) {
	return []gate.Ask{s.askSnapshot(c, "DescribeSnapshotAttribute", c.Region, aws.ToString(in.SnapshotId), nil)}, nil
}

// DescribeSnapshotAttribute tells the owner with whom a snapshot is shared.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshotAttribute.html.
func (s *Service) DescribeSnapshotAttribute(ctx context.Context, in *ec2.DescribeSnapshotAttributeInput) (*ec2.DescribeSnapshotAttributeOutput, error) {
	n, err := s.ownSnapshot(gate.From(ctx), in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	out := &ec2.DescribeSnapshotAttributeOutput{SnapshotId: &n.ID}
	switch in.Attribute {
	case types.SnapshotAttributeNameCreateVolumePermission:
		out.CreateVolumePermissions = []types.CreateVolumePermission{}
		for _, user := range n.Shared {
			out.CreateVolumePermissions = append(out.CreateVolumePermissions, types.CreateVolumePermission{UserId: &user})
		}
		if n.Public && !n.Hidden {
			out.CreateVolumePermissions = append(out.CreateVolumePermissions, types.CreateVolumePermission{Group: types.PermissionGroupAll})
		}
	case types.SnapshotAttributeNameProductCodes:
		out.ProductCodes = []types.ProductCode{}
	default:
		return nil, invalidValue("Value (" + string(in.Attribute) + ") for parameter attribute is invalid. Unknown attribute.")
	}
	return out, nil
}
