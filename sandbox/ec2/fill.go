package ec2

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/usage"
)

// The types of EC2's resources in an estate.
const (
	volumeType   = "ec2:Volume"
	snapshotType = "ec2:Snapshot"
	imageType    = "ec2:Image"
)

// everybody stands in an estate among those with whom something is shared for all
// accounts.
const everybody = "all"

// dataKeySize is the length of EBS's data keys: recorded.
const dataKeySize = 64

// Kept are the types that the service takes from an estate. See behalf.Filler.
func (s *Service) Kept() map[string][]string {
	return map[string][]string{
		volumeType:   {"availabilityZone", "size", "snapshotId", "volumeType"},
		snapshotType: {"volumeSize"},
		imageType:    {"snapshots"},
	}
}

// Fill makes a volume, a snapshot or an image of an estate. See behalf.Filler.
func (s *Service) Fill(w behalf.World, r *estate.Resource) error {
	switch r.Type {
	case volumeType:
		return s.fillVolume(w, r)
	case snapshotType:
		return s.fillSnapshot(w, r)
	}
	return s.fillImage(w, r)
}

// gib is a size in an estate: 1 GiB when it says none.
func gib(text string) (int32, error) {
	if text == "" {
		return 1, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("the size %q is no number of GiB", text)
	}
	return int32(n), nil
}

// filledBlock is the one block that is written in what an estate brings: it says nothing
// of what stands there.
var filledBlock = sync.OnceValues(func() (data []byte, sum string) {
	data = []byte(strings.Repeat("keyreach sandbox", blocks.Size/16))
	return data, blocks.Sum(data)
})

// fillLayer makes a layer with the block, in the place of another.
func (s *Service) fillLayer(old string) string {
	id := "filled/" + s.IDs.Hex(32)
	s.Snapshots.NewLayer(id, "")
	block, sum := filledBlock()
	s.Snapshots.Write(id, 0, block, sum)
	s.Snapshots.Release(old)
	return id
}

func (s *Service) fillVolume(w behalf.World, r *estate.Resource) error {
	if r.ID = behalf.NameIn(r, "volume/"); r.ID == "" {
		r.ID = "vol-0" + s.IDs.Hex(16)
	}
	size, err := gib(r.Attributes["size"])
	if err != nil {
		return err
	}
	k, err := w.Keys.Named(r.Account, r.Region, r.Key, w.Now)
	if err != nil {
		return err
	}
	v := &Volume{
		Account: r.Account, Region: r.Region, ID: r.ID, Created: w.Now, Ready: w.Now, Size: size, Type: textOr(r.Attributes["volumeType"], "gp3"),
		Zone: textOr(r.Attributes["availabilityZone"], r.Region+"a"), SnapshotID: r.Attributes["snapshotId"], KeyARN: k.ARN,
	}
	if limits, ok := limitsOf(v.Type); ok {
		v.IOPS, v.Throughput = limits.iops[0], limits.throughput[0]
	}
	if k.ARN != "" {
		v.DataKey = w.Keys.Seal(k.ARN, behalf.DataKey(dataKeySize), v.context())
		for _, u := range usage.Of("ec2:CreateVolume", "empty") {
			if u.Action != "kms:CreateGrant" {
				continue
			}
			if g := w.Keys.Lend(k.ARN, usage.ViaService("ec2", r.Region), u.Grants, v.context(), w.Now); g != nil {
				v.Grants = []behalf.Grant{*g}
			}
		}
	}
	old := ""
	if was := s.volume(v.Account, v.Region, v.ID); was != nil {
		old = was.Layer
	}
	v.Layer = s.fillLayer(old)
	s.putVolume(v)
	return nil
}

func (s *Service) fillSnapshot(w behalf.World, r *estate.Resource) error {
	if r.ID = behalf.NameIn(r, "snapshot/"); r.ID == "" {
		r.ID = s.snapshotID()
	}
	size, err := gib(r.Attributes["volumeSize"])
	if err != nil {
		return err
	}
	k, err := w.Keys.Named(r.Account, r.Region, r.Key, w.Now)
	if err != nil {
		return err
	}
	n := &blocks.Snapshot{
		Account: r.Account, Region: r.Region, ID: r.ID, Created: w.Now, Done: w.Now, VolumeID: textOr(r.Attributes["volumeId"], "vol-ffffffff"),
		Description: r.Attributes["description"], Size: size, KeyARN: k.ARN, Default: k.Managed, Lineage: r.ID,
		Public: slices.Contains(r.SharedWith, everybody),
	}
	for _, account := range r.SharedWith {
		if arn.IsAccount(account) {
			n.Shared = append(n.Shared, account)
		}
	}
	if k.ARN != "" {
		n.DataKey = w.Keys.Seal(k.ARN, behalf.DataKey(dataKeySize), n.Context())
	}
	old := ""
	if was := s.Snapshots.Get(n.Region, n.ID); was != nil {
		old = was.Layer
	}
	n.Layer = s.fillLayer(old)
	s.Snapshots.Put(n)
	return nil
}

// fillImage makes an image. Snapshots of it that the sandbox does not hold are made
// under the image's key, and one if the estate names none.
func (s *Service) fillImage(w behalf.World, r *estate.Resource) error {
	if r.ID = behalf.NameIn(r, "image/"); r.ID == "" {
		r.ID = "ami-0" + s.IDs.Hex(16)
	}
	m := &Image{
		Account: r.Account, Region: r.Region, ID: r.ID, Name: textOr(r.Attributes["name"], r.ID), Description: r.Attributes["description"], Created: w.Now, Done: w.Now,
		imageTraits: imageTraits{
			Architecture: "x86_64", Virtualization: "hvm", RootDevice: "/dev/sda1", RootType: "ebs", BootMode: "uefi-preferred",
			PlatformDetails: "Linux/UNIX", UsageOperation: "RunInstances", ENA: true,
		},
		SRIOV: "simple",
	}
	ids := strings.FieldsFunc(r.Attributes["snapshots"], func(c rune) bool { return c == ',' || c == ' ' })
	if len(ids) == 0 {
		ids = []string{s.snapshotID()}
	}
	for i, id := range ids {
		if s.Snapshots.Get(r.Region, id) == nil {
			if err := s.fillSnapshot(w, &estate.Resource{Type: snapshotType, ID: id, Account: r.Account, Region: r.Region, Key: r.Key}); err != nil {
				return err
			}
		}
		m.Mappings = append(m.Mappings, types.BlockDeviceMapping{DeviceName: new("/dev/sda1"), Ebs: &types.EbsBlockDevice{
			SnapshotId: &id, VolumeSize: new(s.Snapshots.Get(r.Region, id).Size), VolumeType: types.VolumeTypeGp3, DeleteOnTermination: new(true),
		}})
		if i > 0 {
			m.Mappings[i].DeviceName = new(fmt.Sprintf("/dev/sd%c", 'a'+i))
		}
	}
	for _, who := range r.SharedWith {
		if p, ok := launcher(who); ok {
			m.Launch = append(m.Launch, p)
		}
	}
	s.images.Put(m.row(), m)
	return nil
}

// launcher is one who may launch an image: an account, everybody, an organization or a
// unit of one.
func launcher(who string) (types.LaunchPermission, bool) {
	switch {
	case arn.IsAccount(who):
		return types.LaunchPermission{UserId: &who}, true
	case who == everybody:
		return types.LaunchPermission{Group: types.PermissionGroupAll}, true
	case strings.Contains(who, ":organization/"):
		return types.LaunchPermission{OrganizationArn: &who}, true
	case strings.Contains(who, ":ou/"):
		return types.LaunchPermission{OrganizationalUnitArn: &who}, true
	}
	return types.LaunchPermission{}, false
}

// Resources are the volumes, snapshots and images of all accounts but Amazon's. See
// gate.Holder.
func (s *Service) Resources(now time.Time) []estate.Resource {
	var list []estate.Resource
	for _, v := range s.volumes.All("") {
		if v.Lost != "" || !v.Gone.IsZero() {
			continue // on the way out
		}
		r := estate.Resource{
			Type: volumeType, ID: v.ID, ARN: v.ARN(), Account: v.Account, Region: v.Region, Key: v.KeyARN,
			Attributes: map[string]string{"availabilityZone": v.Zone, "size": strconv.Itoa(int(v.Size)), "volumeType": v.Type},
		}
		if v.SnapshotID != "" {
			r.Attributes["snapshotId"] = v.SnapshotID
		}
		list = append(list, r)
	}
	for _, n := range s.Snapshots.Everywhere() {
		if n.Account == amazon || n.State(now) == blocks.Failed {
			continue
		}
		list = append(list, estate.Resource{
			Type: snapshotType, ID: n.ID, ARN: n.ARN(), Account: n.Account, Region: n.Region, Key: n.KeyARN, SharedWith: sharedWith(n),
			Attributes: map[string]string{"volumeSize": strconv.Itoa(int(n.Size))},
		})
	}
	for _, m := range s.images.All("") {
		if m.state(now) != types.ImageStateFailed {
			list = append(list, s.imageResource(m))
		}
	}
	return list
}

func sharedWith(n *blocks.Snapshot) []string {
	list := slices.Clone(n.Shared)
	if n.Public && !n.Hidden {
		list = append(list, everybody)
	}
	return list
}

// imageResource is an image as an estate has it. Its key is that of its first snapshot
// that has one.
func (s *Service) imageResource(m *Image) estate.Resource {
	ids := m.snapshots()
	r := estate.Resource{
		Type: imageType, ID: m.ID, ARN: m.ARN(), Account: m.Account, Region: m.Region, Attributes: map[string]string{"snapshots": strings.Join(ids, ",")},
	}
	for _, id := range ids {
		if n := s.Snapshots.Get(m.Region, id); n != nil && r.Key == "" {
			r.Key = n.KeyARN
		}
	}
	for _, p := range m.Launch {
		who := aws.ToString(p.UserId) + aws.ToString(p.OrganizationArn) + aws.ToString(p.OrganizationalUnitArn)
		if p.Group == types.PermissionGroupAll {
			who = everybody
		}
		r.SharedWith = append(r.SharedWith, who)
	}
	return r
}
