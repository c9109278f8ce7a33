package live

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/cloud"
)

// images are those that the task made.
func (w *work) images(ctx context.Context) ([]types.Image, error) {
	out, err := taskEC2(w.own).DescribeImages(ctx, &ec2.DescribeImagesInput{Owners: []string{"self"}, Filters: w.byTag()})
	if err != nil {
		return nil, w.failed(err, "ec2:DescribeImages")
	}
	return slices.DeleteFunc(out.Images, func(m types.Image) bool { return m.State == types.ImageStateDeregistered }), nil
}

func lookImage(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	list, err := w.images(ctx)
	if err != nil || len(list) == 0 {
		return cloud.Progress{}, false, err
	}
	m := &list[0]
	p := cloud.Progress{ID: aws.ToString(m.ImageId), State: string(m.State), Percent: -1}
	switch m.State {
	case types.ImageStateAvailable:
		p.Done, p.Percent = true, 100
	case types.ImageStateFailed, types.ImageStateError, types.ImageStateInvalid:
		p.Failed = p.ID + " is in state " + p.State
		if r := m.StateReason; r != nil {
			p.Failed = reason(aws.ToString(r.Code), aws.ToString(r.Message))
		}
	}
	// The copies of an image's snapshots are whole in another Region, and where the key
	// changes: EC2 asks for a key of the Region, so it does between Regions.
	p.FullCopy = w.away() || w.Key != ""
	return p, true, nil
}

// copyImage needs no client token: a name is that of one image in an account's Region.
func copyImage(ctx context.Context, w *work) (cloud.Progress, error) {
	call := &ec2.CopyImageInput{
		Name: &w.Name, Description: &w.Name, SourceRegion: new(w.sourceRegion()), SourceImageId: &w.Source, KmsKeyId: optional(w.Key),
		TagSpecifications: w.tagged(types.ResourceTypeImage, types.ResourceTypeSnapshot),
	}
	if w.Key != "" {
		call.Encrypted = new(true)
	}
	out, err := taskEC2(w.actor).CopyImage(ctx, call)
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	p, found, err := lookImage(ctx, w)
	if err != nil || !found {
		p = cloud.Progress{ID: aws.ToString(out.ImageId), State: string(types.ImageStatePending), Percent: -1, FullCopy: w.away() || w.Key != ""}
	}
	return p, nil
}

// removeImages takes the images away, and then the snapshots that have the task's tag.
func removeImages(ctx context.Context, w *work) error {
	list, err := w.images(ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		_, err := taskEC2(w.own).DeregisterImage(ctx, &ec2.DeregisterImageInput{ImageId: m.ImageId})
		if err := w.gone(w.failed(err, "ec2:DeregisterImage")); err != nil {
			return err
		}
	}
	return removeSnapshots(ctx, w)
}

// launchPermission is somebody whom an image may be shared with: an account, an
// organization or a unit of one.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LaunchPermission.html.
func launchPermission(with string) types.LaunchPermission {
	switch {
	case strings.HasPrefix(with, "arn:") && strings.Contains(with, ":ou/"):
		return types.LaunchPermission{OrganizationalUnitArn: &with}
	case strings.HasPrefix(with, "arn:"):
		return types.LaunchPermission{OrganizationArn: &with}
	}
	return types.LaunchPermission{UserId: &with}
}

func lookImageShare(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	out, err := taskEC2(w.own).DescribeImageAttribute(ctx, &ec2.DescribeImageAttributeInput{ImageId: &w.Source, Attribute: types.ImageAttributeNameLaunchPermission})
	if err != nil {
		return cloud.Progress{}, false, w.failed(err, "ec2:DescribeImageAttribute")
	}
	return w.shared(func(with string) bool {
		return slices.ContainsFunc(out.LaunchPermissions, func(p types.LaunchPermission) bool {
			return with == aws.ToString(p.UserId) || with == aws.ToString(p.OrganizationArn) || with == aws.ToString(p.OrganizationalUnitArn)
		})
	})
}

func (w *work) modifyImage(ctx context.Context, as aws.Config, add bool) error {
	var list []types.LaunchPermission
	for _, with := range w.With {
		list = append(list, launchPermission(with))
	}
	change := &types.LaunchPermissionModifications{Add: list}
	if !add {
		change = &types.LaunchPermissionModifications{Remove: list}
	}
	_, err := taskEC2(as).ModifyImageAttribute(ctx, &ec2.ModifyImageAttributeInput{ImageId: &w.Source, LaunchPermission: change})
	return w.failed(err, w.Operation)
}

func shareImage(ctx context.Context, w *work) (cloud.Progress, error) {
	return w.sharing(w.modifyImage(ctx, w.actor, true))
}

func unshareImage(ctx context.Context, w *work) error { return w.modifyImage(ctx, w.own, false) }

// devices are an image's volumes as an instance of the task gets them: under the task's
// key, and gone with the instance.
func (w *work) devices(ctx context.Context) ([]types.BlockDeviceMapping, error) {
	out, err := taskEC2(w.own).DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{w.Source}})
	if err != nil {
		return nil, w.failed(err, "ec2:DescribeImages")
	}
	if len(out.Images) == 0 {
		return nil, w.invalid(fmt.Errorf("the image %s is not found", w.Source), cloud.NotFound)
	}
	m := &out.Images[0]
	var list []types.BlockDeviceMapping
	add := func(name *string) {
		e := &types.EbsBlockDevice{DeleteOnTermination: new(true), KmsKeyId: optional(w.Key)}
		if w.Key != "" {
			e.Encrypted = new(true)
		}
		list = append(list, types.BlockDeviceMapping{DeviceName: name, Ebs: e})
	}
	add(m.RootDeviceName)
	for _, b := range m.BlockDeviceMappings {
		if b.Ebs != nil && aws.ToString(b.DeviceName) != aws.ToString(m.RootDeviceName) {
			add(b.DeviceName)
		}
	}
	return list, nil
}
