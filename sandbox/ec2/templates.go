package ec2

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func (s *Service) templateOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksCreateLaunchTemplate, s.CreateLaunchTemplate),
		gate.Op(gate.Writes, onTemplate(s, "CreateLaunchTemplateVersion", func(in *ec2.CreateLaunchTemplateVersionInput) (id, name *string) {
			return in.LaunchTemplateId, in.LaunchTemplateName
		}), s.CreateLaunchTemplateVersion),
		gate.Op(gate.Writes, onTemplate(s, "ModifyLaunchTemplate", func(in *ec2.ModifyLaunchTemplateInput) (id, name *string) {
			return in.LaunchTemplateId, in.LaunchTemplateName
		}), s.ModifyLaunchTemplate),
		gate.Op(gate.Writes, onTemplate(s, "DeleteLaunchTemplate", func(in *ec2.DeleteLaunchTemplateInput) (id, name *string) {
			return in.LaunchTemplateId, in.LaunchTemplateName
		}), s.DeleteLaunchTemplate),
		gate.Op(gate.Writes, onTemplate(s, "DeleteLaunchTemplateVersions", func(in *ec2.DeleteLaunchTemplateVersionsInput) (id, name *string) {
			return in.LaunchTemplateId, in.LaunchTemplateName
		}), s.DeleteLaunchTemplateVersions),
		gate.Op(gate.Reads, onAll[ec2.DescribeLaunchTemplatesInput]("DescribeLaunchTemplates"), s.DescribeLaunchTemplates),
		gate.Op(gate.Reads, onAll[ec2.DescribeLaunchTemplateVersionsInput]("DescribeLaunchTemplateVersions"), s.DescribeLaunchTemplateVersions),
		gate.Op(gate.Reads, onInstances(s, "GetLaunchTemplateData", func(in *ec2.GetLaunchTemplateDataInput) []string { return []string{aws.ToString(in.InstanceId)} }), s.GetLaunchTemplateData),
	}
}

func (s *Service) asksCreateLaunchTemplate(c *gate.Call, in *ec2.CreateLaunchTemplateInput) ([]gate.Ask, error) {
	tags := tagsFor(in.TagSpecifications, types.ResourceTypeLaunchTemplate)
	resource := behalf.ARN("ec2", c.Region, c.Caller.Account, "launch-template/*")
	asks := []gate.Ask{askOn(c, "CreateLaunchTemplate", resource, "", "AWS::EC2::LaunchTemplate", gate.RequestTags(tags))}
	return append(asks, askTags("CreateLaunchTemplate", resource, tags)...), nil
}

// onTemplate is what an operation needs on the launch template that it names.
func onTemplate[I any](s *Service, operation string, named func(*I) (id, name *string)) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		id, name := named(in)
		resource := behalf.ARN("ec2", c.Region, c.Caller.Account, "launch-template/", textOr(aws.ToString(id), "*"))
		var g estate.Given
		if t, err := s.template(c, id, name); err == nil {
			resource, g = t.arn(), gate.ResourceTags(t.Tags, "ec2:resourcetag")
		}
		return []gate.Ask{askOn(c, operation, resource, "", "AWS::EC2::LaunchTemplate", g)}, nil
	}
}

func (t *Template) shown() *types.LaunchTemplate {
	return &types.LaunchTemplate{
		LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, CreateTime: &t.Created, CreatedBy: &t.By,
		DefaultVersionNumber: &t.Default, LatestVersionNumber: &t.Latest, Tags: shownTags(t.Tags),
	}
}

func (v *TemplateVersion) shown(t *Template) *types.LaunchTemplateVersion {
	data := &types.ResponseLaunchTemplateData{}
	translate(v.Data, data)
	return &types.LaunchTemplateVersion{
		LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, VersionNumber: &v.Number, CreateTime: &v.Created, CreatedBy: &v.By,
		DefaultVersion: new(v.Number == t.Default), VersionDescription: v.Description, LaunchTemplateData: data,
	}
}

var templateName = regexp.MustCompile(`^[a-zA-Z0-9().\-/_]{3,128}$`)

// CreateLaunchTemplate makes a launch template with its first version.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html.
func (s *Service) CreateLaunchTemplate(ctx context.Context, in *ec2.CreateLaunchTemplateInput) (*ec2.CreateLaunchTemplateOutput, error) {
	c := gate.From(ctx)
	if id, outcome := s.tokens.Seen(c, in.ClientToken, in); outcome == gate.Other {
		return nil, otherToken()
	} else if t := s.templates.Get(state.Key(c.Caller.Account, c.Region, id)); outcome == gate.Same && t != nil {
		return &ec2.CreateLaunchTemplateOutput{LaunchTemplate: t.shown()}, nil
	}
	if !templateName.MatchString(*in.LaunchTemplateName) {
		return nil, refuse("InvalidLaunchTemplateName.MalformedException", "Launch template names must be between 3 and 128 characters and contain letters, numbers, and the following characters: - ( ) . / _") // assumed text
	}
	if s.templateNamed(c, *in.LaunchTemplateName) != nil {
		return nil, refuse("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
	}
	tags, err := newTags(in.TagSpecifications, types.ResourceTypeLaunchTemplate)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	t := &Template{
		Account: c.Caller.Account, Region: c.Region, ID: "lt-0" + s.IDs.Hex(16), Name: *in.LaunchTemplateName, Created: c.At, By: c.Caller.Text,
		Default: 1, Latest: 1, Tags: tags,
	}
	s.templates.Put(t.row(), t)
	s.versions.Put(t.versionRow(1), &TemplateVersion{Number: 1, Created: c.At, By: t.By, Description: in.VersionDescription, Data: in.LaunchTemplateData})
	s.tokens.Keep(c, in.ClientToken, in, t.ID)
	return &ec2.CreateLaunchTemplateOutput{LaunchTemplate: t.shown()}, nil
}

// CreateLaunchTemplateVersion adds a version. What it does not say it takes from the
// source version, when one is named.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplateVersion.html.
func (s *Service) CreateLaunchTemplateVersion(ctx context.Context, in *ec2.CreateLaunchTemplateVersionInput) (*ec2.CreateLaunchTemplateVersionOutput, error) {
	c := gate.From(ctx)
	t, err := s.template(c, in.LaunchTemplateId, in.LaunchTemplateName)
	if err != nil {
		return nil, err
	}
	if id, outcome := s.tokens.Seen(c, in.ClientToken, in); outcome == gate.Other {
		return nil, otherToken()
	} else if v, err := s.version(t, &id); outcome == gate.Same && err == nil {
		return &ec2.CreateLaunchTemplateVersionOutput{LaunchTemplateVersion: v.shown(t)}, nil
	}
	data := in.LaunchTemplateData
	if in.SourceVersion != nil {
		source, err := s.version(t, in.SourceVersion)
		if err != nil {
			return nil, err
		}
		data = over(source.Data, data)
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	next := *t
	next.Latest++
	v := &TemplateVersion{Number: next.Latest, Created: c.At, By: c.Caller.Text, Description: in.VersionDescription, Data: data}
	s.templates.Put(next.row(), &next)
	s.versions.Put(next.versionRow(v.Number), v)
	s.tokens.Keep(c, in.ClientToken, in, strconv.FormatInt(v.Number, 10))
	return &ec2.CreateLaunchTemplateVersionOutput{LaunchTemplateVersion: v.shown(&next)}, nil
}

// over is a version's data with what stands over it.
func over(under, data *types.RequestLaunchTemplateData) *types.RequestLaunchTemplateData {
	n := *under
	lay(&n, data)
	return &n
}

// ModifyLaunchTemplate chooses the default version.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyLaunchTemplate.html.
func (s *Service) ModifyLaunchTemplate(ctx context.Context, in *ec2.ModifyLaunchTemplateInput) (*ec2.ModifyLaunchTemplateOutput, error) {
	c := gate.From(ctx)
	t, err := s.template(c, in.LaunchTemplateId, in.LaunchTemplateName)
	if err != nil {
		return nil, err
	}
	switch _, seen := s.tokens.Seen(c, in.ClientToken, in); seen {
	case gate.Other:
		return nil, otherToken()
	case gate.Same:
		return &ec2.ModifyLaunchTemplateOutput{LaunchTemplate: t.shown()}, nil
	}
	next := *t
	if in.DefaultVersion != nil {
		v, err := s.version(t, in.DefaultVersion)
		if err != nil {
			return nil, err
		}
		next.Default = v.Number
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.templates.Put(next.row(), &next)
	s.tokens.Keep(c, in.ClientToken, in, next.ID)
	return &ec2.ModifyLaunchTemplateOutput{LaunchTemplate: next.shown()}, nil
}

// DeleteLaunchTemplate deletes a launch template with all its versions.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteLaunchTemplate.html.
func (s *Service) DeleteLaunchTemplate(ctx context.Context, in *ec2.DeleteLaunchTemplateInput) (*ec2.DeleteLaunchTemplateOutput, error) {
	c := gate.From(ctx)
	t, err := s.template(c, in.LaunchTemplateId, in.LaunchTemplateName)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	for key := range s.versions.All(t.row() + "\x00") {
		s.versions.Delete(key)
	}
	s.templates.Delete(t.row())
	return &ec2.DeleteLaunchTemplateOutput{LaunchTemplate: t.shown()}, nil
}

// DeleteLaunchTemplateVersions deletes versions but the default one.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteLaunchTemplateVersions.html.
func (s *Service) DeleteLaunchTemplateVersions(ctx context.Context, in *ec2.DeleteLaunchTemplateVersionsInput) (*ec2.DeleteLaunchTemplateVersionsOutput, error) {
	t, err := s.template(gate.From(ctx), in.LaunchTemplateId, in.LaunchTemplateName)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	out := &ec2.DeleteLaunchTemplateVersionsOutput{}
	for _, named := range in.Versions {
		n, _ := strconv.ParseInt(named, 10, 64)
		fail := func(code types.LaunchTemplateErrorCode, why string) {
			out.UnsuccessfullyDeletedLaunchTemplateVersions = append(out.UnsuccessfullyDeletedLaunchTemplateVersions, types.DeleteLaunchTemplateVersionsResponseErrorItem{
				LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, VersionNumber: &n, ResponseError: &types.ResponseError{Code: code, Message: &why},
			})
		}
		switch _, err := s.version(t, &named); {
		case err != nil:
			fail(types.LaunchTemplateErrorCodeLaunchTemplateVersionDoesNotExist, fmt.Sprintf("The specified launch template version %s does not exist.", named)) // assumed text
		case n == t.Default:
			fail(types.LaunchTemplateErrorCodeUnexpectedError, "The default version cannot be deleted.") // assumed text
		default:
			s.versions.Delete(t.versionRow(n))
			out.SuccessfullyDeletedLaunchTemplateVersions = append(out.SuccessfullyDeletedLaunchTemplateVersions, types.DeleteLaunchTemplateVersionsResponseSuccessItem{
				LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, VersionNumber: &n,
			})
		}
	}
	return out, nil
}

// DescribeLaunchTemplates lists launch templates.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLaunchTemplates.html.
func (s *Service) DescribeLaunchTemplates(ctx context.Context, in *ec2.DescribeLaunchTemplatesInput) (*ec2.DescribeLaunchTemplatesOutput, error) {
	c := gate.From(ctx)
	for _, id := range in.LaunchTemplateIds {
		if _, err := s.template(c, &id, nil); err != nil {
			return nil, err
		}
	}
	for _, name := range in.LaunchTemplateNames {
		if _, err := s.template(c, nil, &name); err != nil {
			return nil, err
		}
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	list := []types.LaunchTemplate{}
	for _, t := range s.templates.All(state.Key(c.Caller.Account, c.Region, "")) {
		if len(in.LaunchTemplateIds) > 0 && !slices.Contains(in.LaunchTemplateIds, t.ID) || len(in.LaunchTemplateNames) > 0 && !slices.Contains(in.LaunchTemplateNames, t.Name) {
			continue
		}
		f := fields{"launch-template-name": {t.Name}, "create-time": {t.Created.Format("2006-01-02T15:04:05.000Z")}}
		ok, err := match(in.Filters, f.tagged(t.Tags))
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, *t.shown())
		}
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 1)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeLaunchTemplatesOutput{LaunchTemplates: page, NextToken: next}, nil
}

// DescribeLaunchTemplateVersions lists versions: those of one template, or the default
// or latest ones of all.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLaunchTemplateVersions.html.
func (s *Service) DescribeLaunchTemplateVersions(ctx context.Context, in *ec2.DescribeLaunchTemplateVersionsInput) (*ec2.DescribeLaunchTemplateVersionsOutput, error) {
	c := gate.From(ctx)
	var of []*Template
	if in.LaunchTemplateId != nil || in.LaunchTemplateName != nil {
		t, err := s.template(c, in.LaunchTemplateId, in.LaunchTemplateName)
		if err != nil {
			return nil, err
		}
		of = append(of, t)
	} else if len(in.Versions) == 0 {
		return nil, refuse("MissingParameter", "Either a launch template ID or a launch template name must be specified in the request.")
	} else {
		for _, t := range s.templates.All(state.Key(c.Caller.Account, c.Region, "")) {
			of = append(of, t)
		}
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	list := []types.LaunchTemplateVersion{}
	for _, t := range of {
		versions, err := s.versionsOf(t, in)
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			shown := v.shown(t)
			ok, err := match(in.Filters, versionFields(shown))
			if err != nil {
				return nil, err
			}
			if ok {
				list = append(list, *shown)
			}
		}
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 1)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeLaunchTemplateVersionsOutput{LaunchTemplateVersions: page, NextToken: next}, nil
}

// versionsOf are the versions of a template that a request asks for, the newest first.
func (s *Service) versionsOf(t *Template, in *ec2.DescribeLaunchTemplateVersionsInput) (list []*TemplateVersion, err error) {
	for _, named := range in.Versions {
		v, err := s.version(t, &named)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	if len(in.Versions) == 0 {
		low, high := int64(0), t.Latest
		if in.MinVersion != nil {
			low, _ = strconv.ParseInt(*in.MinVersion, 10, 64)
		}
		if in.MaxVersion != nil {
			high, _ = strconv.ParseInt(*in.MaxVersion, 10, 64)
		}
		for _, v := range s.versions.All(t.row() + "\x00") {
			if v.Number >= low && v.Number <= high {
				list = append(list, v)
			}
		}
	}
	slices.SortFunc(list, func(a, b *TemplateVersion) int { return int(b.Number - a.Number) })
	return list, nil
}

func versionFields(v *types.LaunchTemplateVersion) fields {
	d := v.LaunchTemplateData
	f := fields{
		"create-time": {v.CreateTime.Format("2006-01-02T15:04:05.000Z")}, "is-default-version": {strconv.FormatBool(*v.DefaultVersion)},
		"image-id": {aws.ToString(d.ImageId)}, "instance-type": {string(d.InstanceType)}, "kernel-id": {aws.ToString(d.KernelId)},
		"ram-disk-id": {aws.ToString(d.RamDiskId)}, "ebs-optimized": {strconv.FormatBool(aws.ToBool(d.EbsOptimized))}, "iam-instance-profile": nil,
	}
	if p := d.IamInstanceProfile; p != nil {
		f["iam-instance-profile"] = []string{strings.TrimSpace(aws.ToString(p.Arn) + aws.ToString(p.Name))}
	}
	return f
}

// GetLaunchTemplateData makes of an instance the data of a launch template.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetLaunchTemplateData.html.
func (s *Service) GetLaunchTemplateData(ctx context.Context, in *ec2.GetLaunchTemplateDataInput) (*ec2.GetLaunchTemplateDataOutput, error) {
	list, err := s.found(gate.From(ctx), []string{aws.ToString(in.InstanceId)})
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	i := list[0]
	data := &types.ResponseLaunchTemplateData{}
	translate(i.Asked, data)
	data.InstanceType, data.InstanceInitiatedShutdownBehavior, data.BlockDeviceMappings = typeOf(i.Asked), types.ShutdownBehavior(shutdownOf(i.Asked)), nil
	for _, d := range s.devicesOf(i) {
		b := types.LaunchTemplateBlockDeviceMapping{}
		translate(d.mapping(), &b)
		b.Ebs.SnapshotId, b.Ebs.Encrypted, b.Ebs.KmsKeyId = wire.Optional(d.volume.SnapshotID), new(d.volume.KeyARN != ""), wire.Optional(d.volume.KeyARN)
		data.BlockDeviceMappings = append(data.BlockDeviceMappings, b)
	}
	return &ec2.GetLaunchTemplateDataOutput{LaunchTemplateData: data}, nil
}
