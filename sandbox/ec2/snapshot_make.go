package ec2

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// snapshotTime is how long a snapshot takes to be made or copied.
const snapshotTime = 2 * time.Second

// snapshotOf makes a snapshot of a volume for the caller. It uses no key: recorded, it
// keeps the volume's with its data key. It is called in Update.
func (s *Service) snapshotOf(ctx context.Context, v *Volume, description string, tags map[string]string) *blocks.Snapshot {
	c := gate.From(ctx)
	n := &blocks.Snapshot{
		Account: c.Caller.Account, Region: v.Region, ID: s.snapshotID(), Created: c.At, Description: description,
		VolumeID: v.ID, Size: v.Size, KeyARN: v.KeyARN, DataKey: v.DataKey, Default: s.managedKey(c, v.Region, v.KeyARN),
		Bound: v.ID, Lineage: v.ID, Layer: v.Layer, Done: c.At.Add(snapshotTime), Tags: ownTags(c, tags),
	}
	s.Snapshots.Share(n.Layer)
	s.Snapshots.Put(n)
	s.snapshotTask(n)
	return n
}

func (s *Service) snapshotID() string { return "snap-0" + s.IDs.Hex(16) }

// ownTags are a new snapshot's, which its owner sees.
func ownTags(c *gate.Call, tags map[string]string) map[string]map[string]string {
	if len(tags) == 0 {
		return nil
	}
	return map[string]map[string]string{c.Caller.Account: tags}
}

// managedKey reports whether a key is one of AWS's own.
func (s *Service) managedKey(c *gate.Call, region, keyARN string) bool {
	if keyARN == "" {
		return false
	}
	k, ok, err := s.Keys.Find(c, region, keyARN)
	return err == nil && ok && k.Managed
}

// snapshotTask has done at a snapshot's end what is to be done.
func (s *Service) snapshotTask(n *blocks.Snapshot) {
	s.Agenda.Add(state.Task{At: n.Done, Service: "ec2", Account: n.Account, Region: n.Region, What: blocks.DoneTask, Subject: n.ID})
}

// copySpec is a snapshot that is to be copied into the Region of the call.
type copySpec struct {
	SourceRegion, SourceID, Description string
	Encrypted                           *bool
	KmsKeyID                            *string
	Tags                                map[string]string
	Operation                           string // ec2:CopySnapshot or ec2:CopyImage
}

// Ends of copies that fail, as recorded.
const (
	noSource    = "Source snapshot is not found"
	openSource  = "Source snapshot is not complete"
	noKeyAccess = "Given key ID is not accessible"
)

// copySnapshot makes a copy of a snapshot for the caller. The error refuses the call; a
// copy that fails later has Failed set. It is called in Update.
func (s *Service) copySnapshot(ctx context.Context, spec copySpec) (*blocks.Snapshot, error) {
	c := gate.From(ctx)
	source := s.Snapshots.Get(spec.SourceRegion, spec.SourceID)
	if source != nil && !source.Seen(c.Caller.Account) {
		source = nil
	}
	key, err := s.copyKey(c, &spec, source)
	if err != nil {
		return nil, err
	}
	n := &blocks.Snapshot{
		Account: c.Caller.Account, Region: c.Region, ID: s.snapshotID(), Created: c.At, Description: spec.Description,
		// Recorded nowhere, documented so: a copy names a volume that there is not.
		// See https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html.
		VolumeID: "vol-ffffffff", KeyARN: key.ARN, Default: key.Managed, Done: c.At.Add(snapshotTime), Tags: ownTags(c, spec.Tags),
		Copied: toldARN(spec.SourceRegion, spec.SourceID),
	}
	switch {
	case source == nil:
		n.Failed = noSource
	case source.State(c.At) != blocks.Completed:
		n.Size, n.Failed = source.Size, openSource
	default:
		n.Size, n.Lineage, n.Layer = source.Size, source.Lineage, source.Layer
		if err := s.encryptCopy(ctx, n, source, &spec); err != nil {
			return nil, err
		}
	}
	if n.Failed != "" {
		n.Layer = ""
	}
	s.Snapshots.Share(n.Layer)
	s.Snapshots.Put(n)
	s.snapshotTask(n)
	return n, nil
}

// copyKey is under which key a copy is made, without an ARN for none. Recorded: an
// encrypted source is copied under the default key of who copies when none is named,
// never under its own.
func (s *Service) copyKey(c *gate.Call, spec *copySpec, source *blocks.Snapshot) (gate.KeyFacts, error) {
	named := spec.KmsKeyID != nil && *spec.KmsKeyID != ""
	plain := spec.Encrypted != nil && !*spec.Encrypted
	switch {
	case named && plain && !s.settingsOf(c).Encrypt && (source == nil || source.KeyARN == ""):
		return gate.KeyFacts{}, refuse("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
	case named:
		return s.usableKey(c, *spec.KmsKeyID)
	case spec.Encrypted != nil && *spec.Encrypted, s.settingsOf(c).Encrypt, source != nil && source.KeyARN != "":
		return s.usableKey(c, s.defaultKeyOf(c))
	}
	return gate.KeyFacts{}, nil
}

// encryptCopy makes the uses of keys of a copy.
func (s *Service) encryptCopy(ctx context.Context, n, source *blocks.Snapshot, spec *copySpec) error {
	if n.KeyARN == "" {
		return nil
	}
	blob, bound := s.Snapshots.DataKey(n.Account, n.Region, n.Lineage, n.KeyARN)
	n.Bound = bound
	keys := map[string]behalf.Key{"destination": {ARN: n.KeyARN, Context: n.Context(), Blob: blob}}
	if source.KeyARN != "" {
		keys["source"] = behalf.Key{ARN: source.KeyARN, Context: source.Context(), Blob: source.DataKey}
	}
	scenario := "copy"
	if spec.SourceRegion != n.Region {
		scenario = "cross-region"
	}
	m, err := s.Agent.Use(ctx, spec.Operation, scenario, keys)
	if refused := (*behalf.Refused)(nil); errors.As(err, &refused) {
		if refused.Use.Failure.Shows == "error" {
			return notAuthorized(refused.Key+" ", http.StatusForbidden)
		}
		n.Failed = noKeyAccess
		return nil
	} else if err != nil {
		return err
	}
	n.DataKey, n.Grants = m.Blobs["destination"], m.Grants
	if blob == nil {
		s.Snapshots.KeepDataKey(n)
	}
	return nil
}

// notAuthorized refuses for want of a key. Recorded of CopySnapshot with a space at the
// end and status 403.
func notAuthorized(key string, status int) error {
	return &wire.Error{Code: "AuthFailure", Message: "Not authorized to use key " + key, Status: status}
}
