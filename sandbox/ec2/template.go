package ec2

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Template is a launch template as the state keeps it.
type Template struct {
	Account, Region, ID, Name string
	Created                   time.Time
	By                        string // the ARN of who made it
	Default, Latest           int64
	Tags                      map[string]string `json:",omitempty"`
}

func (t *Template) row() string { return state.Key(t.Account, t.Region, t.ID) }

func (t *Template) arn() string {
	return behalf.ARN("ec2", t.Region, t.Account, "launch-template/", t.ID)
}

// TemplateVersion is a version of a launch template.
type TemplateVersion struct {
	Number      int64
	Created     time.Time
	By          string
	Description *string `json:",omitempty"`
	Data        *types.RequestLaunchTemplateData
}

// versionRow orders versions by their number.
func (t *Template) versionRow(number int64) string {
	return state.Key(t.Account, t.Region, t.ID, fmt.Sprintf("%020d", number))
}

// template finds a launch template of the caller's account by its id or its name.
func (s *Service) template(c *gate.Call, id, name *string) (*Template, error) {
	if id != nil {
		if t := s.templates.Get(state.Key(c.Caller.Account, c.Region, *id)); t != nil {
			return t, nil
		}
		if !strings.HasPrefix(*id, "lt-") {
			return nil, refuse("InvalidLaunchTemplateId.Malformed", "The specified launch template ID '"+*id+"' is malformed") // assumed text
		}
		return nil, refuse("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID "+*id+", does not exist.")
	}
	if name == nil {
		return nil, refuse("MissingParameter", "Either a launch template ID or a launch template name must be specified in the request.")
	}
	if t := s.templateNamed(c, *name); t != nil {
		return t, nil
	}
	return nil, refuse("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name "+*name+", does not exist.")
}

func (s *Service) templateNamed(c *gate.Call, name string) *Template {
	for _, t := range s.templates.All(state.Key(c.Caller.Account, c.Region, "")) {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// number resolves how a request names a version.
func (t *Template) number(version *string) (int64, error) {
	switch v := aws.ToString(version); v {
	case "", "$Default":
		return t.Default, nil
	case "$Latest":
		return t.Latest, nil
	default:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 1 {
			return 0, refuse("InvalidLaunchTemplateId.VersionNotFound", "Could not find the specified version "+v+" for the launch template with ID "+t.ID+".")
		}
		return n, nil
	}
}

func (s *Service) version(t *Template, version *string) (*TemplateVersion, error) {
	n, err := t.number(version)
	if err != nil {
		return nil, err
	}
	if v := s.versions.Get(t.versionRow(n)); v != nil {
		return v, nil
	}
	return nil, refuse("InvalidLaunchTemplateId.VersionNotFound", fmt.Sprintf("Could not find the specified version %d for the launch template with ID %s.", n, t.ID))
}

// effective is the request with what the version of a launch template that it names
// adds. A parameter of the request stands in place of the template's; devices are
// merged by their names and tags by their keys (assumed).
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-launch-templates.html.
func (s *Service) effective(ctx context.Context, in *ec2.RunInstancesInput) (*ec2.RunInstancesInput, error) {
	return s.merged(gate.From(ctx), in)
}

func (s *Service) merged(c *gate.Call, in *ec2.RunInstancesInput) (*ec2.RunInstancesInput, error) {
	if in.LaunchTemplate == nil {
		return in, nil
	}
	t, err := s.template(c, in.LaunchTemplate.LaunchTemplateId, in.LaunchTemplate.LaunchTemplateName)
	if err != nil {
		return nil, err
	}
	v, err := s.version(t, in.LaunchTemplate.Version)
	if err != nil {
		return nil, err
	}
	out := &ec2.RunInstancesInput{}
	translate(v.Data, out)
	mappings, tags := out.BlockDeviceMappings, out.TagSpecifications
	lay(out, in)
	out.BlockDeviceMappings = mergedMappings(mappings, in.BlockDeviceMappings)
	out.TagSpecifications = mergedTags(tags, in.TagSpecifications)
	out.LaunchTemplate = &types.LaunchTemplateSpecification{LaunchTemplateId: &t.ID, Version: new(strconv.FormatInt(v.Number, 10))}
	return out, nil
}

// translate writes what one of the SDK's types holds into another that has members of
// the same names: those of launch templates have, and differ in nothing else.
func translate(from, to any) {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		panic("ec2: types of launch templates differ: " + err.Error())
	}
}

// lay copies the members that are set from one of the SDK's types to another of the
// same.
func lay[T any](to, from *T) {
	t, f := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	for i := range f.NumField() {
		if v := f.Field(i); t.Field(i).CanSet() && !v.IsZero() && (v.Kind() != reflect.Slice || v.Len() > 0) {
			t.Field(i).Set(v)
		}
	}
}

// mergedMappings are the devices of an image or a template with those that stand over
// them, by their names: a device may be changed in part, or taken away.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html.
func mergedMappings(under, over []types.BlockDeviceMapping) []types.BlockDeviceMapping {
	list := slices.Clone(under)
	for _, m := range over {
		at := slices.IndexFunc(list, func(u types.BlockDeviceMapping) bool { return aws.ToString(u.DeviceName) == aws.ToString(m.DeviceName) })
		switch {
		case at < 0:
			list = append(list, m)
		case m.NoDevice != nil || m.VirtualName != nil || list[at].Ebs == nil || m.Ebs == nil:
			list[at] = m
		default:
			ebs := *list[at].Ebs
			lay(&ebs, m.Ebs)
			list[at].Ebs = &ebs
		}
	}
	return list
}

// mergedTags are the tags of both, those of the second before those of the first.
func mergedTags(under, over []types.TagSpecification) []types.TagSpecification {
	list := slices.Clone(over)
	for _, u := range under {
		at := slices.IndexFunc(list, func(o types.TagSpecification) bool { return o.ResourceType == u.ResourceType })
		if at < 0 {
			list = append(list, u)
			continue
		}
		list[at].Tags = slices.Clone(list[at].Tags)
		for _, t := range u.Tags {
			if !slices.ContainsFunc(list[at].Tags, func(o types.Tag) bool { return aws.ToString(o.Key) == aws.ToString(t.Key) }) {
				list[at].Tags = append(list[at].Tags, t)
			}
		}
	}
	return list
}
