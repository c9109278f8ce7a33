package drs

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

type (
	replicationTemplate = types.ReplicationConfigurationTemplate
	launchTemplate      = types.LaunchConfigurationTemplate
	replication         = drs.GetReplicationConfigurationOutput
)

func (s *Service) settingOperations() []gate.Operation {
	return []gate.Operation{
		op(s, gate.Writes, creating("CreateReplicationConfigurationTemplate", templateKind, func(in *drs.CreateReplicationConfigurationTemplateInput) map[string]string { return in.Tags }), s.CreateReplicationConfigurationTemplate),
		op(s, gate.Writes, on(s, "UpdateReplicationConfigurationTemplate", templateKind, func(in *drs.UpdateReplicationConfigurationTemplateInput) *string {
			return in.ReplicationConfigurationTemplateID
		}), s.UpdateReplicationConfigurationTemplate),
		op(s, gate.Writes, on(s, "DeleteReplicationConfigurationTemplate", templateKind, func(in *drs.DeleteReplicationConfigurationTemplateInput) *string {
			return in.ReplicationConfigurationTemplateID
		}), s.DeleteReplicationConfigurationTemplate),
		op(s, gate.Reads, onAll[drs.DescribeReplicationConfigurationTemplatesInput]("DescribeReplicationConfigurationTemplates"), s.DescribeReplicationConfigurationTemplates),
		op(s, gate.Reads, on(s, "GetReplicationConfiguration", serverKind, func(in *drs.GetReplicationConfigurationInput) *string { return in.SourceServerID }), s.GetReplicationConfiguration),
		op(s, gate.Writes, on(s, "UpdateReplicationConfiguration", serverKind, func(in *drs.UpdateReplicationConfigurationInput) *string { return in.SourceServerID }), s.UpdateReplicationConfiguration),
		op(s, gate.Writes, creating("CreateLaunchConfigurationTemplate", launchKind, func(in *drs.CreateLaunchConfigurationTemplateInput) map[string]string { return in.Tags }), s.CreateLaunchConfigurationTemplate),
		op(s, gate.Writes, on(s, "UpdateLaunchConfigurationTemplate", launchKind, func(in *drs.UpdateLaunchConfigurationTemplateInput) *string {
			return in.LaunchConfigurationTemplateID
		}), s.UpdateLaunchConfigurationTemplate),
		op(s, gate.Writes, on(s, "DeleteLaunchConfigurationTemplate", launchKind, func(in *drs.DeleteLaunchConfigurationTemplateInput) *string {
			return in.LaunchConfigurationTemplateID
		}), s.DeleteLaunchConfigurationTemplate),
		op(s, gate.Reads, onAll[drs.DescribeLaunchConfigurationTemplatesInput]("DescribeLaunchConfigurationTemplates"), s.DescribeLaunchConfigurationTemplates),
		op(s, gate.Reads, on(s, "GetLaunchConfiguration", serverKind, func(in *drs.GetLaunchConfigurationInput) *string { return in.SourceServerID }), s.GetLaunchConfiguration),
		op(s, gate.Writes, on(s, "UpdateLaunchConfiguration", serverKind, func(in *drs.UpdateLaunchConfigurationInput) *string { return in.SourceServerID }), s.UpdateLaunchConfiguration),
	}
}

// overlay sets in a struct what another one has under the same names and types: what a
// request gives, in what is stored. Members that the request leaves out stay; a number
// that is no pointer is left out when it is 0.
func overlay(to, from any) {
	dst, src := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	for i := range src.NumField() {
		f := src.Type().Field(i)
		if !f.IsExported() || src.Field(i).IsZero() {
			continue
		}
		if at := dst.FieldByName(f.Name); at.IsValid() && at.Type() == f.Type {
			at.Set(src.Field(i))
		}
	}
}

// encryption checks the settings that name a key: CUSTOM goes with the ARN of a key of
// the Region, the others with none. Whether the key is there is seen when it is used:
// AWS documents that of a launch ("The EBS encryption key could not be found in this
// account"), and of the settings it is assumed.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_ReplicationConfigurationTemplate.html.
func encryption(c *gate.Call, kind types.ReplicationConfigurationEbsEncryption, key **string) error {
	if kind != types.ReplicationConfigurationEbsEncryptionCustom {
		*key = nil
		return nil
	}
	if *key == nil || **key == "" {
		return invalid("ebsEncryptionKeyArn is required when ebsEncryption is CUSTOM.")
	}
	a, err := arn.Parse(**key)
	switch {
	case err != nil || a.Service != "kms" || !strings.HasPrefix(a.Resource, "key/"):
		return invalid("ebsEncryptionKeyArn " + **key + " is not the ARN of a KMS key.")
	case a.Region != c.Region:
		return invalid("ebsEncryptionKeyArn " + **key + " is the ARN of a key of another Region than " + c.Region + ".")
	}
	return nil
}

// CreateReplicationConfigurationTemplate makes the settings with which servers begin.
// An account has one.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_CreateReplicationConfigurationTemplate.html.
func (s *Service) CreateReplicationConfigurationTemplate(ctx context.Context, in *drs.CreateReplicationConfigurationTemplateInput) (*drs.CreateReplicationConfigurationTemplateOutput, error) {
	c := gate.From(ctx)
	if len(rows(c, s.templates)) > 0 {
		// assumed text; the quota of one is AWS's: docs.aws.amazon.com/general/latest/gr/drs.html
		return nil, refuse("ServiceQuotaExceededException", "An account has one replication configuration template in a Region.")
	}
	t := plainTemplate("rct-" + s.IDs.Hex(17))
	overlay(t, in)
	t.Arn = new(resourceARN(c, templateKind, *t.ReplicationConfigurationTemplateID))
	if err := encryption(c, t.EbsEncryption, &t.EbsEncryptionKeyArn); err != nil {
		return nil, err
	}
	s.templates.Put(state.Key(c.Caller.Account, c.Region, *t.ReplicationConfigurationTemplateID), t)
	out := &drs.CreateReplicationConfigurationTemplateOutput{}
	overlay(out, t)
	return out, nil
}

// plainTemplate is what a template has that says nothing of it.
func plainTemplate(id string) *replicationTemplate {
	return &replicationTemplate{
		ReplicationConfigurationTemplateID: &id, AutoReplicateNewDisks: new(false), InternetProtocol: types.InternetProtocolIpv4,
		AssociateDefaultSecurityGroup: new(true), CreatePublicIP: new(false), UseDedicatedReplicationServer: new(false),
		DataPlaneRouting: types.ReplicationConfigurationDataPlaneRoutingPrivateIp, DefaultLargeStagingDiskType: types.ReplicationConfigurationDefaultLargeStagingDiskTypeGp3,
		ReplicationServerInstanceType: new("t3.small"), ReplicationServersSecurityGroupsIDs: []string{}, StagingAreaTags: map[string]string{}, Tags: map[string]string{},
	}
}

func (s *Service) template(c *gate.Call, id string) (*replicationTemplate, error) {
	if t := s.templates.Get(state.Key(c.Caller.Account, c.Region, id)); t != nil {
		return t, nil
	}
	return nil, notFound("ReplicationConfigurationTemplate", id)
}

// UpdateReplicationConfigurationTemplate changes the settings with which new servers
// begin; those that are there keep theirs.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_UpdateReplicationConfigurationTemplate.html.
func (s *Service) UpdateReplicationConfigurationTemplate(ctx context.Context, in *drs.UpdateReplicationConfigurationTemplateInput) (*drs.UpdateReplicationConfigurationTemplateOutput, error) {
	c := gate.From(ctx)
	old, err := s.template(c, *in.ReplicationConfigurationTemplateID)
	if err != nil {
		return nil, err
	}
	t := *old
	overlay(&t, in)
	t.Arn = old.Arn
	if err := encryption(c, t.EbsEncryption, &t.EbsEncryptionKeyArn); err != nil {
		return nil, err
	}
	s.templates.Put(state.Key(c.Caller.Account, c.Region, *t.ReplicationConfigurationTemplateID), &t)
	out := &drs.UpdateReplicationConfigurationTemplateOutput{}
	overlay(out, &t)
	return out, nil
}

// DeleteReplicationConfigurationTemplate ends a template.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DeleteReplicationConfigurationTemplate.html.
func (s *Service) DeleteReplicationConfigurationTemplate(ctx context.Context, in *drs.DeleteReplicationConfigurationTemplateInput) (*drs.DeleteReplicationConfigurationTemplateOutput, error) {
	c := gate.From(ctx)
	if _, err := s.template(c, *in.ReplicationConfigurationTemplateID); err != nil {
		return nil, err
	}
	s.templates.Delete(state.Key(c.Caller.Account, c.Region, *in.ReplicationConfigurationTemplateID))
	return &drs.DeleteReplicationConfigurationTemplateOutput{}, nil
}

// DescribeReplicationConfigurationTemplates lists templates.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DescribeReplicationConfigurationTemplates.html.
func (s *Service) DescribeReplicationConfigurationTemplates(ctx context.Context, in *drs.DescribeReplicationConfigurationTemplatesInput) (*drs.DescribeReplicationConfigurationTemplatesOutput, error) {
	c := gate.From(ctx)
	list := []replicationTemplate{}
	for _, t := range rows(c, s.templates) {
		if named(in.ReplicationConfigurationTemplateIDs, *t.ReplicationConfigurationTemplateID) {
			list = append(list, *t)
		}
	}
	for _, id := range in.ReplicationConfigurationTemplateIDs {
		if _, err := s.template(c, id); err != nil {
			return nil, err
		}
	}
	out := &drs.DescribeReplicationConfigurationTemplatesOutput{}
	var err error
	out.Items, out.NextToken, err = page(list, in.NextToken, in.MaxResults)
	return out, err
}

// named reports whether an id is one of those asked for; none asks for all.
func named(ids []string, id string) bool { return len(ids) == 0 || slices.Contains(ids, id) }

// page cuts a page.
func page[T any](list []T, token *string, limit *int32) ([]T, *string, error) {
	if token != nil && *token == "" {
		token = nil
	}
	items, next, ok := gate.Page(list, token, limit, 1000)
	if !ok {
		return nil, nil, invalid("The nextToken is not valid.")
	}
	return items, next, nil
}

// begin are the settings with which a server begins. DRS has no template until somebody
// makes one; that a server then begins with the default key is assumed.
func (s *Service) begin(c *gate.Call, server string, disks []staged) replication {
	r := replication{
		SourceServerID: &server, Name: new(""), EbsEncryption: types.ReplicationConfigurationEbsEncryptionDefault,
		AssociateDefaultSecurityGroup: new(true), AutoReplicateNewDisks: new(false), CreatePublicIP: new(false), UseDedicatedReplicationServer: new(false),
		DataPlaneRouting: types.ReplicationConfigurationDataPlaneRoutingPrivateIp, DefaultLargeStagingDiskType: types.ReplicationConfigurationDefaultLargeStagingDiskTypeGp3,
		InternetProtocol: types.InternetProtocolIpv4, ReplicationServerInstanceType: new("t3.small"), ReplicationServersSecurityGroupsIDs: []string{},
		StagingAreaSubnetId: new(""), StagingAreaTags: map[string]string{}, PitPolicy: plainPolicy(),
	}
	if list := rows(c, s.templates); len(list) > 0 {
		overlay(&r, list[0])
	}
	for i, d := range disks {
		r.ReplicatedDisks = append(r.ReplicatedDisks, types.ReplicationConfigurationReplicatedDisk{
			DeviceName: &d.Device, IsBootDisk: new(i == 0), StagingDiskType: types.ReplicationConfigurationReplicatedDiskStagingDiskTypeAuto,
			OptimizedStagingDiskType: types.ReplicationConfigurationReplicatedDiskStagingDiskTypeGp3,
		})
	}
	return r
}

// plainPolicy is how often points in time are taken, and how long they are kept, unless
// somebody says otherwise: each ten minutes for an hour, hourly for a day, daily for a
// week.
// See https://docs.aws.amazon.com/drs/latest/userguide/point-in-time-policy.html.
func plainPolicy() []types.PITPolicyRule {
	return []types.PITPolicyRule{
		{Enabled: new(true), Interval: aws.Int32(10), RetentionDuration: aws.Int32(60), Units: types.PITPolicyRuleUnitsMinute, RuleID: 1},
		{Enabled: new(true), Interval: aws.Int32(1), RetentionDuration: aws.Int32(24), Units: types.PITPolicyRuleUnitsHour, RuleID: 2},
		{Enabled: new(true), Interval: aws.Int32(1), RetentionDuration: aws.Int32(7), Units: types.PITPolicyRuleUnitsDay, RuleID: 3},
	}
}

// GetReplicationConfiguration tells a server's settings.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_GetReplicationConfiguration.html.
func (s *Service) GetReplicationConfiguration(ctx context.Context, in *drs.GetReplicationConfigurationInput) (*drs.GetReplicationConfigurationOutput, error) {
	v, err := s.server(gate.From(ctx), *in.SourceServerID)
	if err != nil {
		return nil, err
	}
	return new(v.Replication), nil
}

// UpdateReplicationConfiguration changes a server's settings. Another encryption has the
// server replicate anew.
// See https://docs.aws.amazon.com/drs/latest/userguide/individual-replication-settings.html.
func (s *Service) UpdateReplicationConfiguration(ctx context.Context, in *drs.UpdateReplicationConfigurationInput) (*drs.UpdateReplicationConfigurationOutput, error) {
	c := gate.From(ctx)
	old, err := s.server(c, *in.SourceServerID)
	if err != nil {
		return nil, err
	}
	v := *old
	overlay(&v.Replication, in)
	if err := encryption(c, v.Replication.EbsEncryption, &v.Replication.EbsEncryptionKeyArn); err != nil {
		return nil, err
	}
	anew := v.Replication.EbsEncryption != old.Replication.EbsEncryption || aws.ToString(v.Replication.EbsEncryptionKeyArn) != aws.ToString(old.Replication.EbsEncryptionKeyArn)
	if anew && v.Staging == nil && v.replicates() {
		s.restart(ctx, &v)
	}
	s.putServer(&v)
	return new(drs.UpdateReplicationConfigurationOutput(v.Replication)), nil
}
