package drs

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// plainLaunch are the launch settings of a new template.
// See https://docs.aws.amazon.com/drs/latest/userguide/default-drs-launch-settings.html.
func plainLaunch() launchTemplate {
	return launchTemplate{
		CopyPrivateIp: new(false), CopyTags: new(false), LaunchDisposition: types.LaunchDispositionStarted, LaunchIntoSourceInstance: new(false),
		Licensing: &types.Licensing{OsByol: new(false)}, PostLaunchEnabled: new(false), TargetInstanceTypeRightSizingMethod: types.TargetInstanceTypeRightSizingMethodBasic,
	}
}

// CreateLaunchConfigurationTemplate makes the launch settings with which servers begin.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_CreateLaunchConfigurationTemplate.html.
func (s *Service) CreateLaunchConfigurationTemplate(ctx context.Context, in *drs.CreateLaunchConfigurationTemplateInput) (*drs.CreateLaunchConfigurationTemplateOutput, error) {
	c := gate.From(ctx)
	if len(rows(c, s.launches)) > 0 {
		return nil, refuse("ServiceQuotaExceededException", "An account has one launch configuration template in a Region.") // assumed text
	}
	t := plainLaunch()
	t.LaunchConfigurationTemplateID, t.Tags = new("lct-"+s.IDs.Hex(17)), map[string]string{}
	overlay(&t, in)
	t.Arn = new(resourceARN(c, launchKind, *t.LaunchConfigurationTemplateID))
	s.launches.Put(state.Key(c.Caller.Account, c.Region, *t.LaunchConfigurationTemplateID), &t)
	return &drs.CreateLaunchConfigurationTemplateOutput{LaunchConfigurationTemplate: &t}, nil
}

func (s *Service) launchTemplate(c *gate.Call, id string) (*launchTemplate, error) {
	if t := s.launches.Get(state.Key(c.Caller.Account, c.Region, id)); t != nil {
		return t, nil
	}
	return nil, notFound("LaunchConfigurationTemplate", id)
}

// UpdateLaunchConfigurationTemplate changes a template.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_UpdateLaunchConfigurationTemplate.html.
func (s *Service) UpdateLaunchConfigurationTemplate(ctx context.Context, in *drs.UpdateLaunchConfigurationTemplateInput) (*drs.UpdateLaunchConfigurationTemplateOutput, error) {
	c := gate.From(ctx)
	old, err := s.launchTemplate(c, *in.LaunchConfigurationTemplateID)
	if err != nil {
		return nil, err
	}
	t := *old
	overlay(&t, in)
	s.launches.Put(state.Key(c.Caller.Account, c.Region, *t.LaunchConfigurationTemplateID), &t)
	return &drs.UpdateLaunchConfigurationTemplateOutput{LaunchConfigurationTemplate: &t}, nil
}

// DeleteLaunchConfigurationTemplate ends a template.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DeleteLaunchConfigurationTemplate.html.
func (s *Service) DeleteLaunchConfigurationTemplate(ctx context.Context, in *drs.DeleteLaunchConfigurationTemplateInput) (*drs.DeleteLaunchConfigurationTemplateOutput, error) {
	c := gate.From(ctx)
	if _, err := s.launchTemplate(c, *in.LaunchConfigurationTemplateID); err != nil {
		return nil, err
	}
	s.launches.Delete(state.Key(c.Caller.Account, c.Region, *in.LaunchConfigurationTemplateID))
	return &drs.DeleteLaunchConfigurationTemplateOutput{}, nil
}

// DescribeLaunchConfigurationTemplates lists templates.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DescribeLaunchConfigurationTemplates.html.
func (s *Service) DescribeLaunchConfigurationTemplates(ctx context.Context, in *drs.DescribeLaunchConfigurationTemplatesInput) (*drs.DescribeLaunchConfigurationTemplatesOutput, error) {
	c := gate.From(ctx)
	list := []launchTemplate{}
	for _, t := range rows(c, s.launches) {
		if named(in.LaunchConfigurationTemplateIDs, *t.LaunchConfigurationTemplateID) {
			list = append(list, *t)
		}
	}
	for _, id := range in.LaunchConfigurationTemplateIDs {
		if _, err := s.launchTemplate(c, id); err != nil {
			return nil, err
		}
	}
	out := &drs.DescribeLaunchConfigurationTemplatesOutput{}
	var err error
	out.Items, out.NextToken, err = page(list, in.NextToken, in.MaxResults)
	return out, err
}

// beginLaunch are the launch settings with which a server begins.
func (s *Service) beginLaunch(c *gate.Call, server, hostname string) drs.GetLaunchConfigurationOutput {
	out := drs.GetLaunchConfigurationOutput{SourceServerID: &server, Name: &hostname}
	t := plainLaunch()
	if list := rows(c, s.launches); len(list) > 0 {
		t = *list[0]
	}
	overlay(&out, &t)
	return out
}

// GetLaunchConfiguration tells a server's launch settings.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_GetLaunchConfiguration.html.
func (s *Service) GetLaunchConfiguration(ctx context.Context, in *drs.GetLaunchConfigurationInput) (*drs.GetLaunchConfigurationOutput, error) {
	v, err := s.server(gate.From(ctx), *in.SourceServerID)
	if err != nil {
		return nil, err
	}
	return new(v.Launch), nil
}

// UpdateLaunchConfiguration changes a server's launch settings.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_UpdateLaunchConfiguration.html.
func (s *Service) UpdateLaunchConfiguration(ctx context.Context, in *drs.UpdateLaunchConfigurationInput) (*drs.UpdateLaunchConfigurationOutput, error) {
	old, err := s.server(gate.From(ctx), *in.SourceServerID)
	if err != nil {
		return nil, err
	}
	v := *old
	overlay(&v.Launch, in)
	s.putServer(&v)
	return new(drs.UpdateLaunchConfigurationOutput(v.Launch)), nil
}
