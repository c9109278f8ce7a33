package ec2

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/blocks"
)

// amazon is the account of Amazon's Linux images.
// See https://docs.aws.amazon.com/linux/al2023/ug/ec2.html.
const amazon = "137112412989"

// amazonDay is when Amazon's images were made.
var amazonDay = time.Date(2026, time.January, 12, 0, 0, 0, 0, time.UTC)

// amazonImages are images of Amazon's in every Region, so that there is something to
// launch. Their names have the form of real ones; their ids are made up.
func amazonImages(region string) []*Image {
	list := []*Image{}
	for _, k := range [...]struct{ name, description, architecture string }{
		{"al2023-ami-2023.10.20260112.0-kernel-6.1-x86_64", "Amazon Linux 2023 AMI 2023.10.20260112.0 x86_64 HVM kernel-6.1", "x86_64"},
		{"al2023-ami-2023.10.20260112.0-kernel-6.1-arm64", "Amazon Linux 2023 AMI 2023.10.20260112.0 arm64 HVM kernel-6.1", "arm64"},
		{"amzn2-ami-kernel-5.10-hvm-2.0.20260112.0-x86_64-gp2", "Amazon Linux 2 Kernel 5.10 AMI 2.0.20260112.0 x86_64 HVM gp2", "x86_64"},
	} {
		snapshot := fixedID("snap", region, k.name)
		list = append(list, &Image{
			Account: amazon, Alias: "amazon", Region: region, ID: fixedID("ami", region, k.name), Name: k.name, Description: k.description,
			Created: amazonDay, Done: amazonDay,
			imageTraits: imageTraits{
				Architecture: k.architecture, Virtualization: "hvm", RootDevice: "/dev/xvda", RootType: "ebs", BootMode: "uefi-preferred",
				PlatformDetails: "Linux/UNIX", UsageOperation: "RunInstances", ENA: true,
			},
			SRIOV: "simple",
			Mappings: []types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &types.EbsBlockDevice{
				SnapshotId: &snapshot, VolumeSize: new(int32(8)), VolumeType: types.VolumeTypeGp3, DeleteOnTermination: new(true), Encrypted: new(false),
			}}},
			Launch: []types.LaunchPermission{{Group: types.PermissionGroupAll}},
		})
	}
	return list
}

func amazonImage(region, id string) *Image {
	for _, m := range amazonImages(region) {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// amazonSnapshots puts the snapshots of an image of Amazon's, when it is first used.
func (s *Service) amazonSnapshots(m *Image) {
	if m.Account != amazon {
		return
	}
	for _, id := range m.snapshots() {
		if s.Snapshots.Get(m.Region, id) == nil {
			s.Snapshots.Put(&blocks.Snapshot{
				Account: amazon, Region: m.Region, ID: id, Created: m.Created, Done: m.Created, Description: m.Description,
				VolumeID: "vol-ffffffff", Size: *m.Mappings[0].Ebs.VolumeSize, Public: true, Lineage: id,
			})
		}
	}
}
