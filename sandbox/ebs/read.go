package ebs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// look makes the uses of the key that reading an encrypted snapshot needs.
func (s *Service) look(ctx context.Context, operation string, n *blocks.Snapshot) error {
	if n.KeyARN == "" {
		return nil
	}
	if !gate.From(ctx).Writing {
		return gate.ErrUpdate // KMS notes when a key is used
	}
	_, err := s.use(use{ctx, operation, "", map[string]behalf.Key{"snapshot": {ARN: n.KeyARN, Context: n.Context(), Blob: n.DataKey}}})
	return err
}

// ListSnapshotBlocks lists the blocks of a snapshot.
// See https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListSnapshotBlocks.html.
func (s *Service) ListSnapshotBlocks(ctx context.Context, in *ebs.ListSnapshotBlocksInput) (*ebs.ListSnapshotBlocksOutput, error) {
	c := gate.From(ctx)
	n, err := s.readable(c, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if err := s.look(ctx, "ebs:ListSnapshotBlocks", n); err != nil {
		return nil, err
	}
	page, next, err := pageOf(blocks.Indexes(s.Snapshots.Sums(n.Layer)), in.StartingBlockIndex, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	expires := c.At.Add(valid)
	out := &ebs.ListSnapshotBlocksOutput{BlockSize: new(int32(blocks.Size)), ExpiryTime: &expires, NextToken: next, VolumeSize: new(int64(n.Size)), Blocks: []types.Block{}}
	for _, index := range page {
		out.Blocks = append(out.Blocks, types.Block{BlockIndex: &index, BlockToken: new(token(n, index, expires))})
	}
	return out, nil
}

// pageOf cuts a page from a list of indexes, of at least 100 where there are so many.
// See https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-faq.html.
func pageOf(list []int32, from *int32, marker *string, limit *int32) ([]int32, *string, error) {
	if from != nil {
		list = slices.DeleteFunc(list, func(index int32) bool { return index < *from })
	}
	if limit != nil {
		limit = new(min(max(*limit, 100), 10000))
	}
	page, next, ok := gate.Page(list, marker, limit, 10000)
	if !ok {
		return nil, nil, invalid(types.ValidationExceptionReasonInvalidPageToken, "The page token is invalid") // assumed text
	}
	return page, next, nil
}

// token names a block until a time, whoever has it: it gives no right.
func token(n *blocks.Snapshot, index int32, expires time.Time) string {
	text := n.ID + ":" + strconv.Itoa(int(index)) + ":" + strconv.FormatInt(expires.Unix(), 10)
	sum := sha256.Sum256([]byte(n.Region + ":" + text))
	return base64.StdEncoding.EncodeToString(append([]byte(text+":"), sum[:12]...))
}

// names reports whether a token names a block.
func names(text string, n *blocks.Snapshot, index int32, now time.Time) bool {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	parts := strings.SplitN(string(raw), ":", 4)
	if len(parts) != 4 {
		return false
	}
	expires, err := strconv.ParseInt(parts[2], 10, 64)
	return err == nil && text == token(n, index, time.Unix(expires, 0)) && now.Before(time.Unix(expires, 0))
}

// GetSnapshotBlock reads a block.
// See https://docs.aws.amazon.com/ebs/latest/APIReference/API_GetSnapshotBlock.html.
func (s *Service) GetSnapshotBlock(ctx context.Context, in *ebs.GetSnapshotBlockInput) (*ebs.GetSnapshotBlockOutput, error) {
	c := gate.From(ctx)
	n, err := s.readable(c, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if err := s.look(ctx, "ebs:GetSnapshotBlock", n); err != nil {
		return nil, err
	}
	index := aws.ToInt32(in.BlockIndex)
	data, sum, ok := s.Snapshots.Read(n.Layer, index)
	if !ok || !names(aws.ToString(in.BlockToken), n, index, c.At) {
		return nil, invalid(types.ValidationExceptionReasonInvalidBlockToken, "The block token is invalid") // assumed text
	}
	return &ebs.GetSnapshotBlockOutput{
		BlockData: io.NopCloser(bytes.NewReader(data)), Checksum: &sum, ChecksumAlgorithm: types.ChecksumAlgorithmChecksumAlgorithmSha256, DataLength: new(int32(len(data))),
	}, nil
}

// ListChangedBlocks lists in what two snapshots of one lineage differ.
// See https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListChangedBlocks.html.
func (s *Service) ListChangedBlocks(ctx context.Context, in *ebs.ListChangedBlocksInput) (*ebs.ListChangedBlocksOutput, error) {
	c := gate.From(ctx)
	second, err := s.readable(c, in.SecondSnapshotId)
	if err != nil {
		return nil, err
	}
	first, before := second, map[int32]string{}
	if in.FirstSnapshotId != nil {
		if first, err = s.readable(c, in.FirstSnapshotId); err != nil {
			return nil, err
		}
		if first.Lineage != second.Lineage {
			return nil, invalid(types.ValidationExceptionReasonUnrelatedSnapshots, "The snapshots are not of the same volume") // assumed text
		}
		if err := s.look(ctx, "ebs:ListChangedBlocks", first); err != nil {
			return nil, err
		}
		before = s.Snapshots.Sums(first.Layer)
	}
	if err := s.look(ctx, "ebs:ListChangedBlocks", second); err != nil {
		return nil, err
	}
	after := s.Snapshots.Sums(second.Layer)
	page, next, err := pageOf(differing(before, after), in.StartingBlockIndex, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	expires := c.At.Add(valid)
	out := &ebs.ListChangedBlocksOutput{BlockSize: new(int32(blocks.Size)), ExpiryTime: &expires, NextToken: next, VolumeSize: new(int64(second.Size)), ChangedBlocks: []types.ChangedBlock{}}
	for _, index := range page {
		b := types.ChangedBlock{BlockIndex: &index}
		if before[index] != "" {
			b.FirstBlockToken = new(token(first, index, expires))
		}
		if after[index] != "" {
			b.SecondBlockToken = new(token(second, index, expires))
		}
		out.ChangedBlocks = append(out.ChangedBlocks, b)
	}
	return out, nil
}

// differing are the indexes at which two snapshots hold something else.
func differing(before, after map[int32]string) []int32 {
	both := map[int32]string{}
	for index, sum := range before {
		if after[index] != sum {
			both[index] = sum
		}
	}
	for index, sum := range after {
		if before[index] != sum {
			both[index] = sum
		}
	}
	return blocks.Indexes(both)
}
