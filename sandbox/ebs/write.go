package ebs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// use is what keys are used for.
type use struct {
	ctx                 context.Context
	operation, scenario string
	keys                map[string]behalf.Key
}

// checkStart refuses members that do not go together. Recorded.
func checkStart(in *ebs.StartSnapshotInput) error {
	parameter := types.ValidationExceptionReasonInvalidParameterValue
	switch {
	case in.ParentSnapshotId != nil && in.KmsKeyArn != nil:
		return invalid(parameter, "ParentSnapshotId and KmsKeyArn cannot be specified together")
	case in.ParentSnapshotId != nil && in.Encrypted != nil:
		return invalid(parameter, "ParentSnapshotId and Encrypt cannot be specified together")
	case in.KmsKeyArn != nil && in.Encrypted != nil && !*in.Encrypted:
		return invalid(parameter, "Encrypt cannot be false when KmsKeyArn is specified")
	}
	return nil
}

// StartSnapshot begins a snapshot that is written block by block.
// See https://docs.aws.amazon.com/ebs/latest/APIReference/API_StartSnapshot.html.
func (s *Service) StartSnapshot(ctx context.Context, in *ebs.StartSnapshotInput) (*ebs.StartSnapshotOutput, error) {
	c := gate.From(ctx)
	id, seen := s.tokens.Seen(c, in.ClientToken, in)
	if seen == gate.Other {
		// assumed text
		return nil, &wire.Error{Code: "ConflictException", Message: "The client token was used for another request", Status: http.StatusServiceUnavailable}
	}
	n := s.Snapshots.Get(c.Region, id)
	if seen == gate.New || n == nil {
		var err error
		if n, err = s.start(ctx, in); err != nil {
			return nil, err
		}
		s.tokens.Keep(c, in.ClientToken, in, n.ID)
	}
	out := &ebs.StartSnapshotOutput{
		BlockSize: new(int32(blocks.Size)), OwnerId: &n.Account, SnapshotId: &n.ID, StartTime: &n.Created, Status: types.Status(n.State(c.At)),
		Tags: in.Tags, VolumeSize: new(int64(n.Size)), SseType: types.SSETypeNone,
	}
	if n.Description != "" {
		out.Description = &n.Description
	}
	if n.Parent != "" {
		out.ParentSnapshotId = &n.Parent
	}
	if n.KeyARN != "" {
		out.KmsKeyArn, out.SseType = &n.KeyARN, types.SSETypeSseKms
	}
	return out, nil
}

// start makes the snapshot of a request.
func (s *Service) start(ctx context.Context, in *ebs.StartSnapshotInput) (*blocks.Snapshot, error) {
	c := gate.From(ctx)
	n := &blocks.Snapshot{
		Account: c.Caller.Account, Region: c.Region, ID: "snap-0" + s.IDs.Hex(16), Created: c.At, Description: aws.ToString(in.Description),
		VolumeID: "vol-ffffffff", Size: int32(aws.ToInt64(in.VolumeSize)), Parent: aws.ToString(in.ParentSnapshotId),
		Timeout: time.Duration(cmp.Or(aws.ToInt32(in.Timeout), 60)) * time.Minute,
	}
	n.Until, n.Layer, n.Lineage = c.At.Add(n.Timeout), n.Region+"/"+n.ID, n.ID
	if n.Size < 1 || aws.ToInt64(in.VolumeSize) > 65536 {
		return nil, invalid(types.ValidationExceptionReasonInvalidVolumeSize, "The volume size has to be 1 to 65536 GiB") // assumed text
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	if len(tags) > 0 {
		n.Tags = map[string]map[string]string{n.Account: tags}
	}
	below := ""
	if n.Parent == "" {
		err = s.encrypt(ctx, n, in)
	} else {
		below, err = s.inherit(ctx, n)
	}
	if err != nil {
		return nil, err
	}
	s.Snapshots.NewLayer(n.Layer, below)
	s.Snapshots.Put(n)
	return n, nil
}

// encrypt gives a snapshot without a parent its key and data key.
// See https://docs.aws.amazon.com/ebs/latest/userguide/ebsapis-using-encryption.html.
func (s *Service) encrypt(ctx context.Context, n *blocks.Snapshot, in *ebs.StartSnapshotInput) error {
	c := gate.From(ctx)
	byDefault, plain := s.Account.Default(c)
	key := aws.ToString(in.KmsKeyArn)
	if key == "" && !aws.ToBool(in.Encrypted) && !byDefault {
		return nil
	}
	k, ok, err := s.Keys.Find(c, c.Region, cmp.Or(key, plain))
	switch {
	case err != nil:
		return err
	case !ok || !k.Symmetric:
		return noKey()
	}
	n.KeyARN, n.Default = k.ARN, k.Managed
	m, err := s.use(use{ctx, "ebs:StartSnapshot", "root", map[string]behalf.Key{"snapshot": {ARN: k.ARN, Context: n.Context()}}})
	if err == nil {
		n.DataKey = m.Blobs["snapshot"]
	}
	return err
}

// inherit gives a child its parent's key, and returns the layer that it lies upon.
// Recorded: a snapshot that somebody else shares is nobody's parent.
func (s *Service) inherit(ctx context.Context, n *blocks.Snapshot) (string, error) {
	c := gate.From(ctx)
	parent := s.Snapshots.Get(c.Region, n.Parent)
	switch {
	case parent == nil || parent.Account != c.Caller.Account || parent.State(c.At) != blocks.Completed:
		return "", noSnapshot(n.Parent)
	case n.Size < parent.Size:
		return "", invalid(types.ValidationExceptionReasonInvalidVolumeSize, "The volume size is smaller than that of the parent") // assumed text
	}
	n.Lineage = parent.Lineage
	if parent.KeyARN == "" {
		return parent.Layer, nil
	}
	n.KeyARN, n.Default = parent.KeyARN, parent.Default
	m, err := s.use(use{ctx, "ebs:StartSnapshot", "child", map[string]behalf.Key{
		"parent":   {ARN: parent.KeyARN, Context: parent.Context(), Blob: parent.DataKey},
		"snapshot": {ARN: n.KeyARN, Context: n.Context()},
	}})
	if err != nil {
		return "", err
	}
	n.DataKey = m.Blobs["snapshot"]
	return parent.Layer, nil
}

// tagsOf are the tags of a request.
func tagsOf(tags []types.Tag) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range tags {
		key := aws.ToString(t.Key)
		if key == "" || strings.HasPrefix(strings.ToLower(key), "aws:") || len(tags) > 50 {
			return nil, invalid(types.ValidationExceptionReasonInvalidTag, "The tags are invalid: at most 50, and none whose key begins with aws:") // assumed text
		}
		out[key] = aws.ToString(t.Value)
	}
	return out, nil
}

// put is a block as it came, with its checksum.
type put struct {
	data []byte
	sum  string
}

// prepareBlock reads a block and works out its checksum, which takes too long to do it
// while everybody waits.
func prepareBlock(_ *gate.Call, in *ebs.PutSnapshotBlockInput) (put, error) {
	if in.BlockData == nil {
		return put{}, invalid(types.ValidationExceptionReasonInvalidBlock, "There is no block data") // assumed text
	}
	data, err := io.ReadAll(in.BlockData)
	if err != nil {
		return put{}, fmt.Errorf("reading a block: %w", err)
	}
	return put{data, blocks.Sum(data)}, nil
}

// PutSnapshotBlock writes a block.
// See https://docs.aws.amazon.com/ebs/latest/APIReference/API_PutSnapshotBlock.html.
func (s *Service) PutSnapshotBlock(ctx context.Context, in *ebs.PutSnapshotBlockInput) (*ebs.PutSnapshotBlockOutput, error) {
	c := gate.From(ctx)
	n, err := s.open(c, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	b, _ := c.Prepared.(put)
	bad := func(text string) error { return invalid(types.ValidationExceptionReasonInvalidBlock, text) }
	switch {
	case aws.ToInt32(in.DataLength) != blocks.Size || len(b.data) != blocks.Size:
		return nil, bad(fmt.Sprintf("A block has %d bytes", blocks.Size)) // assumed text
	case in.ChecksumAlgorithm != types.ChecksumAlgorithmChecksumAlgorithmSha256:
		return nil, invalid(types.ValidationExceptionReasonInvalidParameterValue, "The checksum algorithm has to be SHA256") // assumed text
	case aws.ToString(in.Checksum) != b.sum:
		return nil, bad("The checksum is not that of the block data") // assumed text
	case *in.BlockIndex < 0 || int64(*in.BlockIndex) >= int64(n.Size)<<30/blocks.Size:
		return nil, bad(fmt.Sprintf("The volume of %d GiB has no block %d", n.Size, *in.BlockIndex)) // assumed text
	}
	s.Snapshots.Write(n.Layer, *in.BlockIndex, b.data, b.sum)
	n = n.Clone()
	n.Until = c.At.Add(n.Timeout)
	s.Snapshots.Put(n)
	return &ebs.PutSnapshotBlockOutput{Checksum: &b.sum, ChecksumAlgorithm: in.ChecksumAlgorithm}, nil
}

// open finds a snapshot that the caller's account is writing.
func (s *Service) open(c *gate.Call, id *string) (*blocks.Snapshot, error) {
	n := s.Snapshots.Get(c.Region, aws.ToString(id))
	switch {
	case n == nil || n.Account != c.Caller.Account:
		return nil, noSnapshot(aws.ToString(id))
	case !n.Done.IsZero() || n.State(c.At) != blocks.Pending:
		return nil, invalid(types.ValidationExceptionReasonInvalidSnapshotId, "The snapshot '"+n.ID+"' is not being written") // assumed text
	}
	return n, nil
}

// sealTime is how long a snapshot takes to be sealed.
const sealTime = time.Second

// CompleteSnapshot seals a snapshot.
// See https://docs.aws.amazon.com/ebs/latest/APIReference/API_CompleteSnapshot.html.
func (s *Service) CompleteSnapshot(ctx context.Context, in *ebs.CompleteSnapshotInput) (*ebs.CompleteSnapshotOutput, error) {
	c := gate.From(ctx)
	n, err := s.open(c, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if written := int32(len(s.Snapshots.OwnSums(n.Layer))); aws.ToInt32(in.ChangedBlocksCount) != written {
		return nil, invalid(types.ValidationExceptionReasonInvalidParameterValue, fmt.Sprintf("%d blocks were written, not %d", written, aws.ToInt32(in.ChangedBlocksCount))) // assumed text
	}
	if in.Checksum != nil && !s.sums(n, *in.Checksum) {
		return nil, invalid(types.ValidationExceptionReasonInvalidParameterValue, "The checksum is not that of the blocks that were written") // assumed text
	}
	n = n.Clone()
	n.Done, n.Until = c.At.Add(sealTime), time.Time{}
	s.Snapshots.Put(n)
	s.Agenda.Add(state.Task{At: n.Done, Service: "ec2", Account: n.Account, Region: n.Region, What: blocks.DoneTask, Subject: n.ID})
	return &ebs.CompleteSnapshotOutput{Status: types.Status(n.State(c.At))}, nil
}

// sums reports whether a checksum is the LINEAR one of a snapshot's own blocks: of their
// checksums in order, as bytes or as text. AWS's page does not tell which.
func (s *Service) sums(n *blocks.Snapshot, checksum string) bool {
	raw, text := sha256.New(), sha256.New()
	for _, sum := range s.Snapshots.OwnSums(n.Layer) {
		b, err := base64.StdEncoding.DecodeString(sum)
		if err != nil {
			return false // none of ours
		}
		raw.Write(b)
		text.Write([]byte(sum))
	}
	return checksum == base64.StdEncoding.EncodeToString(raw.Sum(nil)) || checksum == base64.StdEncoding.EncodeToString(text.Sum(nil))
}
