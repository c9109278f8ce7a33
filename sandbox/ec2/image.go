package ec2

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Image is an AMI as the state keeps it.
type Image struct {
	Account, Region, ID, Name string
	// Alias is the owner's, as amazon.
	Alias       string `json:",omitempty"`
	Description string `json:",omitempty"`
	Created     time.Time
	imageTraits
	Kernel, Ramdisk, SRIOV, IMDS, TPM, UEFI string
	Mappings                                []types.BlockDeviceMapping
	// Source is what it was made of: an instance, or an image of a Region.
	SourceInstance, SourceImage, SourceRegion string

	// Done is when the image is available, or, when Failed says why, has failed.
	Done   time.Time
	Failed string `json:",omitempty"`
	// Disabled is set by DisableImage.
	Disabled bool `json:",omitempty"`
	// Used is when it was last launched.
	Used time.Time `json:",omitzero"`

	// Launch are those who may launch it.
	Launch []types.LaunchPermission `json:",omitempty"`
	// Tags are by the account that set them: those of others are not seen.
	Tags map[string]map[string]string `json:",omitempty"`
}

// imageTime is how long an image takes to be made of an instance or of an image. It is
// longer than its snapshots take.
const imageTime = snapshotTime + time.Second

// ARN is the image's, as IAM knows it: without an account.
func (m *Image) ARN() string { return behalf.ARN("ec2", m.Region, "", "image/", m.ID) }

func (m *Image) row() string { return state.Key(m.Region, m.ID) }

// state is what the image is at a time.
func (m *Image) state(now time.Time) types.ImageState {
	switch {
	case now.Before(m.Done):
		return types.ImageStatePending
	case m.Failed != "":
		return types.ImageStateFailed
	case m.Disabled:
		return types.ImageStateDisabled
	}
	return types.ImageStateAvailable
}

// public reports whether everybody may launch the image.
func (m *Image) public() bool {
	return slices.ContainsFunc(m.Launch, func(p types.LaunchPermission) bool { return p.Group == types.PermissionGroupAll })
}

// clone is a copy that may be changed and put.
func (m *Image) clone() *Image {
	n := *m
	n.Launch, n.Tags, n.Mappings = slices.Clone(m.Launch), maps.Clone(m.Tags), slices.Clone(m.Mappings)
	return &n
}

// snapshots are those of which the image consists.
func (m *Image) snapshots() []string {
	var ids []string
	for _, d := range m.Mappings {
		if d.Ebs != nil && d.Ebs.SnapshotId != nil {
			ids = append(ids, *d.Ebs.SnapshotId)
		}
	}
	return ids
}

// image finds an image of the Region that the caller's account sees: its own, what is
// shared with it, and Amazon's. Disabled images of others are not seen.
func (s *Service) image(c *gate.Call, id string) *Image {
	m := s.images.Get(state.Key(c.Region, id))
	if m == nil {
		return amazonImage(c.Region, id)
	}
	if m.Account == c.Caller.Account || s.mayLaunch(m, c.Caller.Account) && !m.Disabled {
		return m
	}
	return nil
}

// mayLaunch reports whether an image is shared with an account, by itself, with
// everybody, or where the account stands.
func (s *Service) mayLaunch(m *Image, account string) bool {
	return slices.ContainsFunc(m.Launch, func(p types.LaunchPermission) bool {
		return p.Group == types.PermissionGroupAll || aws.ToString(p.UserId) == account || s.standsIn(account, &p)
	})
}

// standsIn reports whether an account is in the organization or below the unit that a
// launch permission names.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/share-amis-with-organizations-and-OUs.html.
func (s *Service) standsIn(account string, p *types.LaunchPermission) bool {
	if p.OrganizationArn == nil && p.OrganizationalUnitArn == nil {
		return false
	}
	place := s.Organizations.Standing(account).Place
	if place.Organization == "" {
		return false
	}
	if p.OrganizationArn != nil {
		return lastPart(*p.OrganizationArn) == place.Organization
	}
	unit := lastPart(*p.OrganizationalUnitArn)
	return slices.ContainsFunc(place.Paths, func(path string) bool {
		return strings.Contains(*p.OrganizationalUnitArn, "/"+place.Organization+"/") && slices.Contains(strings.Split(path, "/"), unit)
	})
}

func lastPart(arnText string) string { return arnText[strings.LastIndexByte(arnText, '/')+1:] }

// noImage refuses for an image that there is not, or that the caller does not see.
func noImage(id string) error {
	switch {
	case id == "" || !strings.HasPrefix(id, "ami-"):
		return refuse("InvalidAMIID.Malformed", "Invalid id: \""+id+"\" (expecting \"ami-...\")")
	case !wellFormed("ami-", id):
		return refuse("InvalidAMIID.Malformed", "Invalid id: \""+id+"\"")
	}
	return refuse("InvalidAMIID.NotFound", "The image id '["+id+"]' does not exist")
}

// ownImage finds an image that the caller's account owns. Recorded: of those of others
// that it sees, nothing can be read or changed.
func (s *Service) ownImage(c *gate.Call, id string) (*Image, error) {
	m := s.image(c, id)
	switch {
	case m == nil:
		return nil, noImage(id)
	case m.Account != c.Caller.Account:
		return nil, refuse("AuthFailure", "Not authorized for image:"+id)
	}
	return m, nil
}

// tellImage tells of an image's new state.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitor-ami-events.html.
func (s *Service) tellImage(m *Image, at time.Time, is string) {
	s.emit(at, m.Account, m.Region, "EC2 AMI State Change", map[string]string{
		"RequestId": s.IDs.UUID(), "ImageId": m.ID, "State": is, "ErrorMessage": m.Failed,
	}, m.ARN())
}

// imageOf is the id of an image that consists of a snapshot, empty for none.
func (s *Service) imageOf(n *blocks.Snapshot) string {
	for _, m := range s.images.All(state.Key(n.Region, "")) {
		if slices.Contains(m.snapshots(), n.ID) {
			return m.ID
		}
	}
	return ""
}
