package ec2

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
	"github.com/keyreach/keyreach/usage"
)

// volumeTime is how long a volume takes to be made, to go and to attach.
const volumeTime = time.Second

// volumeSpec is a volume that is to be made.
type volumeSpec struct {
	Size             int32
	Type, Zone       string
	SnapshotID       string
	Encrypted        *bool
	KmsKeyID         *string
	IOPS, Throughput *int32
	Tags             map[string]string
	// Instance is for which launch the volume is made: the grantee of its grant is then
	// the session of EC2's infrastructure that stands for the instance.
	Instance string
	// Operation and Scenario are rows of package usage. An empty scenario is chosen by
	// what the volume is made of.
	Operation, Scenario string
	MultiAttach         bool
	// ByImage is set when the snapshot is one of an image that the caller may launch:
	// it need not be shared itself.
	ByImage bool
}

// makeVolume makes a volume for the caller. The error refuses the call. Refused tells of
// a key that could not be used: the volume is there and will be gone.
// It is called in Update.
func (s *Service) makeVolume(ctx context.Context, spec volumeSpec) (v *Volume, refused *behalf.Refused, err error) {
	c := gate.From(ctx)
	snapshot, err := s.sourceOf(c, &spec)
	if err != nil {
		return nil, nil, err
	}
	v = &Volume{
		Account: c.Caller.Account, Region: c.Region, ID: "vol-0" + s.IDs.Hex(16), Created: c.At, Ready: c.At.Add(volumeTime),
		SnapshotID: spec.SnapshotID, Zone: spec.Zone, Tags: spec.Tags, MultiAttach: spec.MultiAttach,
	}
	if err := v.shape(&spec, snapshot); err != nil {
		return nil, nil, err
	}
	keyID, err := s.volumeKey(c, &spec, snapshot)
	if err != nil {
		return nil, nil, err
	}
	if snapshot != nil {
		v.Layer = snapshot.Layer
	}
	if keyID != "" {
		if refused, err = s.encrypt(ctx, v, &spec, snapshot, keyID); err != nil {
			return nil, nil, err
		}
	}
	if refused != nil {
		v.Lost = causeOf(refused.Err)
	}
	s.Snapshots.Share(v.Layer)
	s.putVolume(v)
	s.volumeTask(v, v.Ready, "volume-made")
	return v, refused, nil
}

// sourceOf is the snapshot that a volume is made of, nil for none.
func (s *Service) sourceOf(c *gate.Call, spec *volumeSpec) (*blocks.Snapshot, error) {
	id := spec.SnapshotID
	if id == "" {
		return nil, nil
	}
	if err := checkID(&id, "snap-", "snapshotId", "InvalidSnapshotID.Malformed"); err != nil {
		return nil, err
	}
	n := s.Snapshots.Get(c.Region, id)
	if n == nil || !spec.ByImage && !n.Seen(c.Caller.Account) {
		return nil, noSnapshot(id)
	}
	if is := n.State(c.At); is != blocks.Completed {
		return nil, refuse("IncorrectState", "Snapshot is in invalid state - "+is)
	}
	return n, nil
}

func noSnapshot(id string) error {
	return refuse("InvalidSnapshot.NotFound", "The snapshot '"+id+"' does not exist.")
}

// volumeKey is under which key a volume is made, empty for none.
// See https://docs.aws.amazon.com/ebs/latest/userguide/encryption-examples.html.
func (s *Service) volumeKey(c *gate.Call, spec *volumeSpec, snapshot *blocks.Snapshot) (string, error) {
	named := spec.KmsKeyID != nil && *spec.KmsKeyID != ""
	encrypted := spec.Encrypted != nil && *spec.Encrypted || s.settingsOf(c).Encrypt || snapshot != nil && snapshot.KeyARN != ""
	switch {
	case named && !encrypted:
		return "", refuse("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
	case !encrypted:
		return "", nil
	case named:
		return *spec.KmsKeyID, nil
	case snapshot != nil && snapshot.KeyARN != "" && snapshot.Account == c.Caller.Account:
		return snapshot.KeyARN, nil
	}
	return s.defaultKeyOf(c), nil
}

// encrypt makes the uses of keys of a new volume. A key that there is not shows as one
// that may not be used: AWS looks at it when the call is over.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html.
func (s *Service) encrypt(ctx context.Context, v *Volume, spec *volumeSpec, snapshot *blocks.Snapshot, keyID string) (*behalf.Refused, error) {
	c := gate.From(ctx)
	k, ok, err := s.Keys.Find(c, c.Region, keyID)
	if err != nil {
		return nil, err
	}
	v.KeyARN = cmp.Or(k.ARN, keyARN(c, keyID))
	scenario := cmp.Or(spec.Scenario, scenarioOf(spec.Operation, v, snapshot))
	rows := usage.Of(spec.Operation, scenario)
	if !ok || !k.Symmetric {
		why := &wire.Error{Code: "NotFoundException", Message: "Key '" + v.KeyARN + "' does not exist", Status: http.StatusBadRequest}
		return &behalf.Refused{Use: rows[0], Key: v.KeyARN, Err: why}, nil
	}
	volume := behalf.Key{ARN: v.KeyARN, Context: v.context()}
	if spec.Instance != "" {
		// Recorded: a launch makes two grants. That they are the same but for their
		// grantees, and stay as long, is assumed.
		volume.Grantee, volume.Also = infrastructure(v.Region, v.Account, spec.Instance), usage.ViaService("ec2", v.Region)
	}
	keys := map[string]behalf.Key{"volume": volume}
	if snapshot != nil && snapshot.KeyARN != "" && !takesOver(v, snapshot) {
		keys[partThat("kms:ReEncryptFrom", rows, "snapshot")] = behalf.Key{ARN: snapshot.KeyARN, Context: snapshot.Context(), Blob: snapshot.DataKey}
	}
	m, err := s.Agent.Use(ctx, spec.Operation, scenario, keys)
	if refused := (*behalf.Refused)(nil); errors.As(err, &refused) {
		return refused, nil
	} else if err != nil {
		return nil, err
	}
	v.DataKey, v.Grants = m.Blobs["volume"], m.Grants
	return nil, nil
}

// scenarioOf is how a volume uses keys, by what it is made of. A launch of an own image
// under another key than its snapshot's goes as one of a shared image: assumed.
func scenarioOf(operation string, v *Volume, snapshot *blocks.Snapshot) string {
	launched := operation == "ec2:RunInstances"
	switch {
	case launched && snapshot != nil && snapshot.KeyARN != "" && !takesOver(v, snapshot):
		return "shared"
	case launched:
		return "own-key"
	case snapshot == nil:
		return "empty"
	case takesOver(v, snapshot):
		return "own-snapshot"
	}
	return "from-snapshot"
}

// takesOver reports whether a volume takes over its snapshot's data key: one of an own
// snapshot under the same key does.
// See https://docs.aws.amazon.com/ebs/latest/userguide/how-ebs-encryption-works.html.
func takesOver(v *Volume, snapshot *blocks.Snapshot) bool {
	return snapshot.KeyARN == v.KeyARN && snapshot.Account == v.Account
}

// causeOf is what EBS tells of a key that could not be used: KMS's own words.
func causeOf(err error) string {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// partThat is the part of the key on which an action is required.
func partThat(action string, rows []usage.Use, plain string) string {
	for i := range rows {
		if rows[i].Action == action && rows[i].Need == usage.Required {
			return rows[i].Key
		}
	}
	return plain
}

// keyARN is how a key is shown that nobody finds.
func keyARN(c *gate.Call, id string) string {
	switch {
	case strings.HasPrefix(id, "arn:"):
		return id
	case strings.HasPrefix(id, "alias/"):
		return behalf.ARN("kms", c.Region, c.Caller.Account, id)
	}
	return behalf.ARN("kms", c.Region, c.Caller.Account, "key/", id)
}

// limits of the types of volumes: sizes in GiB, and what they do in a second.
// See https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html.
type volumeLimits struct {
	min, max   int32
	iops       [2]int32 // zero where none may be given
	throughput [2]int32
}

func limitsOf(kind string) (volumeLimits, bool) {
	switch kind {
	case "gp3":
		return volumeLimits{1, 65536, [2]int32{3000, 80000}, [2]int32{125, 2000}}, true
	case "gp2":
		return volumeLimits{min: 1, max: 16384}, true
	case "io1":
		return volumeLimits{min: 4, max: 16384, iops: [2]int32{100, 64000}}, true
	case "io2":
		return volumeLimits{min: 4, max: 65536, iops: [2]int32{100, 256000}}, true
	case "st1", "sc1":
		return volumeLimits{min: 125, max: 16384}, true
	case "standard":
		return volumeLimits{min: 1, max: 1024}, true
	}
	return volumeLimits{}, false
}

// shape gives a volume its size, type and speed. The texts of its refusals are assumed.
func (v *Volume) shape(spec *volumeSpec, snapshot *blocks.Snapshot) error {
	v.Size, v.Type = spec.Size, cmp.Or(spec.Type, "gp2")
	if err := checkZone(v.Region, v.Zone); err != nil {
		return err
	}
	limits, ok := limitsOf(v.Type)
	switch {
	case !ok:
		return invalidValue("Value (" + v.Type + ") for parameter volumeType is invalid.") // assumed text
	case v.Size == 0 && snapshot == nil:
		return refuse("MissingParameter", "The request must contain the parameter size or snapshotId")
	case v.Size == 0:
		v.Size = snapshot.Size
	case snapshot != nil && v.Size < snapshot.Size:
		return invalidValue(fmt.Sprintf("Volume of %dGiB is too small; snapshot %s has %dGiB", v.Size, snapshot.ID, snapshot.Size)) // assumed text
	}
	if snapshot != nil && spec.Size == 0 {
		v.Size = max(v.Size, limits.min)
	}
	if v.Size < limits.min || v.Size > limits.max {
		return invalidValue(fmt.Sprintf("Volume of %dGiB is invalid; a volume of type %s has %d to %dGiB", v.Size, v.Type, limits.min, limits.max)) // assumed text
	}
	return v.speed(spec.IOPS, spec.Throughput, limits)
}

// speed checks and completes what a volume does in a second.
func (v *Volume) speed(iops, throughput *int32, limits volumeLimits) error {
	dependent := func(parameter string) error {
		return refuse("InvalidParameterCombination", "The parameter "+parameter+" is not supported for "+v.Type+" volumes.") // assumed text
	}
	switch {
	case iops != nil && limits.iops[1] == 0:
		return dependent("iops")
	case throughput != nil && limits.throughput[1] == 0:
		return dependent("throughput")
	case iops == nil && slices.Contains([]string{"io1", "io2"}, v.Type):
		return refuse("MissingParameter", "The parameter iops must be specified for "+v.Type+" volumes.") // assumed text
	}
	v.IOPS, v.Throughput = limits.iops[0], limits.throughput[0]
	if v.Type == "gp2" {
		v.IOPS = min(max(3*v.Size, 100), 16000)
	}
	if iops != nil {
		v.IOPS = *iops
		if *iops < limits.iops[0] || *iops > limits.iops[1] {
			return invalidValue(fmt.Sprintf("Volume iops of %d is invalid; it is %d to %d for %s", *iops, limits.iops[0], limits.iops[1], v.Type)) // assumed text
		}
	}
	if throughput != nil {
		v.Throughput = *throughput
		if *throughput < limits.throughput[0] || *throughput > limits.throughput[1] {
			return invalidValue(fmt.Sprintf("Throughput of %d is invalid; it is %d to %d for %s", *throughput, limits.throughput[0], limits.throughput[1], v.Type)) // assumed text
		}
	}
	return nil
}

// checkZone refuses an Availability Zone that the Region does not have.
func checkZone(region, zone string) error {
	if zone == "" {
		return refuse("MissingParameter", "The request must contain the parameter zone")
	}
	if !knownZone(region, zone) {
		return refuse("InvalidZone.NotFound", "The zone '"+zone+"' does not exist.")
	}
	return nil
}
