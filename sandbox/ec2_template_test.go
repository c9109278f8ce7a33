package sandbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestALaunchTemplateIsLaunchedInTheVersionThatIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config, key := w.root(owner), w.key(owner, "")
	c, image := ec2.NewFromConfig(config), w.image(config, "base", "")
	in := &ec2.CreateLaunchTemplateInput{LaunchTemplateName: new("template"), ClientToken: new("token"), LaunchTemplateData: &types.RequestLaunchTemplateData{
		ImageId: &image, InstanceType: types.InstanceTypeT3Nano,
		BlockDeviceMappings: []types.LaunchTemplateBlockDeviceMappingRequest{{DeviceName: new("/dev/xvda"), Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{Encrypted: new(true), KmsKeyId: &key, VolumeSize: new(int32(9))}}},
		TagSpecifications:   []types.LaunchTemplateTagSpecificationRequest{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: new("of"), Value: new("template")}, {Key: new("kept"), Value: new("yes")}}}},
	}}
	made := need(c.CreateLaunchTemplate(t.Context(), in))(t).LaunchTemplate
	if again := need(c.CreateLaunchTemplate(t.Context(), in))(t).LaunchTemplate; *again.LaunchTemplateId != *made.LaunchTemplateId {
		t.Error("the same token made two")
	}
	in.ClientToken = nil
	_, err := c.CreateLaunchTemplate(t.Context(), in)
	w.ends("the same name", err, "InvalidLaunchTemplateName.AlreadyExistsException: Launch template name already in use.")
	v := need(c.CreateLaunchTemplateVersion(t.Context(), &ec2.CreateLaunchTemplateVersionInput{
		LaunchTemplateId: made.LaunchTemplateId, SourceVersion: new("1"), LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: types.InstanceTypeT3Micro},
	}))(t).LaunchTemplateVersion
	if *v.VersionNumber != 2 || *v.LaunchTemplateData.ImageId != image || *v.DefaultVersion {
		t.Errorf("the second version is %d of %s", *v.VersionNumber, *v.LaunchTemplateData.ImageId)
	}
	launch := func(version string, change func(*ec2.RunInstancesInput)) types.Instance {
		t.Helper()
		in := &ec2.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)), LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateName: new("template"), Version: &version}}
		if change != nil {
			change(in)
		}
		return need(c.RunInstances(t.Context(), in))(t).Instances[0]
	}
	for version, want := range map[string]types.InstanceType{"$Default": types.InstanceTypeT3Nano, "$Latest": types.InstanceTypeT3Micro, "1": types.InstanceTypeT3Nano} {
		if i := launch(version, nil); i.InstanceType != want || *i.ImageId != image {
			t.Errorf("version %s launches %s of %s", version, i.InstanceType, *i.ImageId)
		}
	}
	i := launch("1", func(in *ec2.RunInstancesInput) {
		in.InstanceType = types.InstanceTypeT3Small
		in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: new("of"), Value: new("request")}}}}
	})
	tags := map[string]string{}
	for _, tag := range i.Tags {
		tags[*tag.Key] = *tag.Value
	}
	if i.InstanceType != types.InstanceTypeT3Small || tags["of"] != "request" || tags["kept"] != "yes" || tags["aws:ec2launchtemplate:version"] != "1" {
		t.Errorf("the request over the template: %s with %v", i.InstanceType, tags)
	}
	w.pass(3 * time.Second)
	if v := w.volumeOf(config, *i.InstanceId); *v.KmsKeyId != key || *v.Size != 9 {
		t.Errorf("the volume has %d GiB under %s", *v.Size, *v.KmsKeyId)
	}
	need(c.ModifyLaunchTemplate(t.Context(), &ec2.ModifyLaunchTemplateInput{LaunchTemplateId: made.LaunchTemplateId, DefaultVersion: new("2")}))(t)
	deleted := need(c.DeleteLaunchTemplateVersions(t.Context(), &ec2.DeleteLaunchTemplateVersionsInput{LaunchTemplateId: made.LaunchTemplateId, Versions: []string{"1", "2", "7"}}))(t)
	if len(deleted.SuccessfullyDeletedLaunchTemplateVersions) != 1 || len(deleted.UnsuccessfullyDeletedLaunchTemplateVersions) != 2 {
		t.Errorf("%d versions were deleted", len(deleted.SuccessfullyDeletedLaunchTemplateVersions))
	}
	need(c.DeleteLaunchTemplate(t.Context(), &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: new("template")}))(t)
	_, err = c.DescribeLaunchTemplates(t.Context(), &ec2.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{*made.LaunchTemplateId}})
	w.ends("afterwards", err, "InvalidLaunchTemplateId.NotFound: The specified launch template, with template ID "+*made.LaunchTemplateId+", does not exist.")
}

func TestVersionsOfALaunchTemplateAreListedInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	data := &types.RequestLaunchTemplateData{InstanceType: types.InstanceTypeT3Nano}
	for _, name := range []string{"one", "two", "three"} {
		need(c.CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{LaunchTemplateName: &name, LaunchTemplateData: data}))(t)
	}
	for range 4 {
		need(c.CreateLaunchTemplateVersion(t.Context(), &ec2.CreateLaunchTemplateVersionInput{LaunchTemplateName: new("one"), LaunchTemplateData: data}))(t)
	}
	numbers := ""
	p := ec2.NewDescribeLaunchTemplateVersionsPaginator(c, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: new("one"), MaxResults: new(int32(2))})
	for p.HasMorePages() {
		numbers += "|"
		for _, v := range need(p.NextPage(t.Context()))(t).LaunchTemplateVersions {
			numbers += fmt.Sprint(*v.VersionNumber)
		}
	}
	if numbers != "|54|32|1" {
		t.Errorf("the versions come as %s", numbers)
	}
	if all := need(c.DescribeLaunchTemplateVersions(t.Context(), &ec2.DescribeLaunchTemplateVersionsInput{Versions: []string{"$Latest"}}))(t).LaunchTemplateVersions; len(all) != 3 {
		t.Errorf("%d latest versions", len(all))
	}
	list := need(c.DescribeLaunchTemplates(t.Context(), &ec2.DescribeLaunchTemplatesInput{Filters: []types.Filter{{Name: new("launch-template-name"), Values: []string{"t*"}}}}))(t).LaunchTemplates
	if len(list) != 2 {
		t.Errorf("%d templates", len(list))
	}
	_, err := c.DescribeLaunchTemplateVersions(t.Context(), &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: new("one"), Versions: []string{"9"}})
	if got := refusal(err); !strings.HasPrefix(got, "InvalidLaunchTemplateId.VersionNotFound: Could not find the specified version 9") {
		t.Errorf("a version that there is not: %s", got)
	}
}

// A policy may let somebody launch from a template only, and only what it says.
func TestALaunchMayBeBoundToATemplate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := w.root(owner)
	c, image := ec2.NewFromConfig(config), w.image(config, "base", "")
	id := *need(c.CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{LaunchTemplateName: new("template"), LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: &image, InstanceType: types.InstanceTypeT3Nano}}))(t).LaunchTemplate.LaunchTemplateId
	lt := "arn:aws:ec2:us-east-1:" + owner + ":launch-template/" + id
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:RunInstances","Resource":"*","Condition":{"ArnLike":{"ec2:LaunchTemplate":"` + lt + `"}}},
 {"Effect":"Deny","Action":"ec2:RunInstances","Resource":"arn:aws:ec2:*::image/*","Condition":{"Bool":{"ec2:IsLaunchTemplateResource":"false"}}}]}`
	_, user := w.user(owner, "bound", policy)
	_, err := w.run(user, image, nil)
	if got := refusal(err); !strings.HasPrefix(got, "UnauthorizedOperation") {
		t.Errorf("without the template: %q", got)
	}
	in := &ec2.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)), LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: &id}}
	need(ec2.NewFromConfig(user).RunInstances(t.Context(), in))(t)
	in.ImageId = &image
	_, err = ec2.NewFromConfig(user).RunInstances(t.Context(), in)
	if got := refusal(err); !strings.HasPrefix(got, "UnauthorizedOperation") || !strings.Contains(got, "with an explicit deny") {
		t.Errorf("with an image of its own: %q", got)
	}
}
