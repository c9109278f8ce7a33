package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	ebstypes "github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

func blockOf(letter string) []byte { return bytes.Repeat([]byte(letter), blocks.Size) }

// putBlock writes a block.
func putBlock(ctx context.Context, c *ebs.Client, id string, index int32, data []byte) error {
	_, err := c.PutSnapshotBlock(ctx, &ebs.PutSnapshotBlockInput{
		SnapshotId: &id, BlockIndex: &index, BlockData: bytes.NewReader(data), DataLength: new(int32(len(data))),
		Checksum: new(blocks.Sum(data)), ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256,
	})
	return err
}

// written makes a snapshot that holds blocks, by the direct APIs.
func (w *world) written(config aws.Config, in *ebs.StartSnapshotInput, held map[int32]string) string {
	w.Helper()
	c := ebs.NewFromConfig(config)
	if in.VolumeSize == nil {
		in.VolumeSize = new(int64(1))
	}
	id := *need(c.StartSnapshot(w.Context(), in))(w).SnapshotId
	for index, letter := range held {
		need(0, putBlock(w.Context(), c, id, index, blockOf(letter)))(w)
	}
	need(c.CompleteSnapshot(w.Context(), &ebs.CompleteSnapshotInput{SnapshotId: &id, ChangedBlocksCount: new(int32(len(held)))}))(w)
	w.pass(3 * time.Second)
	return id
}

// outcome is what the tests say of an answer of the direct APIs: ok, V and N as AWS's
// recorded table has them, or the whole refusal.
func outcome(err error) string {
	var v *ebstypes.ValidationException
	var n *ebstypes.ResourceNotFoundException
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &v) && v.Reason == ebstypes.ValidationExceptionReasonInvalidDependencyRequest && strings.Contains(v.ErrorMessage(), "kms:"):
		return "V"
	case errors.As(err, &n) && n.Reason == ebstypes.ResourceNotFoundExceptionReasonDependencyResourceNotFound && n.ErrorMessage() == "KMS key not found":
		return "N"
	}
	return refusal(err)
}

const allKMS = `"kms:DescribeKey","kms:Decrypt","kms:GenerateDataKey","kms:GenerateDataKeyWithoutPlaintext","kms:ReEncryptFrom","kms:ReEncryptTo","kms:CreateGrant"`

// The table that was recorded: what the KMS rights of a session let it do.
func TestDirectSnapshotsNeedTheKeyAsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role(owner, "writer", allow("*"), "")
	key := w.key(owner, "")
	parent := w.written(w.root(owner), &ebs.StartSnapshotInput{KmsKeyArn: &key}, map[int32]string{3: "a"})
	block := *need(ebs.NewFromConfig(w.root(owner)).ListSnapshotBlocks(t.Context(), &ebs.ListSnapshotBlocksInput{SnapshotId: &parent}))(t).Blocks[0].BlockToken
	some := func(actions, condition string) string {
		return fmt.Sprintf(`{"Effect":"Allow","Action":[%s],"Resource":"*"%s}`, actions, condition)
	}
	without := func(action string) string {
		return some(allKMS, "") + fmt.Sprintf(`,{"Effect":"Deny","Action":"kms:%s","Resource":"*"}`, action)
	}
	via := func(service string) string {
		return some(allKMS, fmt.Sprintf(`,"Condition":{"StringEquals":{"kms:ViaService":"%s.us-east-1.amazonaws.com"}}`, service))
	}
	context := func(value string) string {
		return some(allKMS, fmt.Sprintf(`,"Condition":{"StringLike":{"kms:EncryptionContext:aws:ebs:id":%q}}`, value))
	}
	rows := []struct{ name, rights, start, list, get, child string }{
		{"none", some(`"kms:ListKeys"`, ""), "V", "N", "N", "V"},
		{"all", some(allKMS, ""), "ok", "ok", "ok", "ok"},
		{"no-generate", without("GenerateDataKey"), "V", "ok", "ok", "ok"},
		{"no-generate-without", without("GenerateDataKeyWithoutPlaintext"), "ok", "ok", "ok", "ok"},
		{"no-describe", without("DescribeKey"), "ok", "N", "N", "ok"},
		{"no-grant", without("CreateGrant"), "ok", "ok", "ok", "ok"},
		{"no-decrypt", without("Decrypt"), "ok", "ok", "N", "N"},
		{"generate-only", some(`"kms:GenerateDataKey"`, ""), "ok", "N", "N", "V"},
		{"decrypt-only", some(`"kms:Decrypt"`, ""), "V", "N", "N", "V"},
		{"via-ec2", via("ec2"), "ok", "ok", "ok", "ok"},
		{"via-ebs", via("ebs"), "V", "N", "N", "V"},
		{"context", context("snap-*"), "ok", "N", "N", "ok"},
		{"context-wrong", context("vol-*"), "V", "N", "N", "V"},
	}
	for _, r := range rows {
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ebs:*","Resource":"*"},` + r.rights + `]}`
		c := ebs.NewFromConfig(w.session(owner, role.arn, r.name, policy))
		_, start := c.StartSnapshot(t.Context(), &ebs.StartSnapshotInput{VolumeSize: new(int64(1)), KmsKeyArn: &key})
		_, list := c.ListSnapshotBlocks(t.Context(), &ebs.ListSnapshotBlocksInput{SnapshotId: &parent})
		_, get := c.GetSnapshotBlock(t.Context(), &ebs.GetSnapshotBlockInput{SnapshotId: &parent, BlockIndex: new(int32(3)), BlockToken: &block})
		_, child := c.StartSnapshot(t.Context(), &ebs.StartSnapshotInput{VolumeSize: new(int64(1)), ParentSnapshotId: &parent})
		got := fmt.Sprint(outcome(start), " ", outcome(list), " ", outcome(get), " ", outcome(child))
		if want := fmt.Sprint(r.start, " ", r.list, " ", r.get, " ", r.child); got != want {
			t.Errorf("%s: start, list, get, child: %s, want %s", r.name, got, want)
		}
	}
}

func TestABlockUnderADisabledKeyIsListedAndNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{KmsKeyArn: &key}, map[int32]string{0: "a"})
	need(w.kmsOf(w.root(owner)).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))(t)
	c := ebs.NewFromConfig(w.root(owner))
	list := need(c.ListSnapshotBlocks(t.Context(), &ebs.ListSnapshotBlocksInput{SnapshotId: &id}))(t)
	_, err := c.GetSnapshotBlock(t.Context(), &ebs.GetSnapshotBlockInput{SnapshotId: &id, BlockIndex: new(int32(0)), BlockToken: list.Blocks[0].BlockToken})
	if got := outcome(err); got != "V" {
		t.Errorf("reading: %s", got)
	}
	_, err = c.StartSnapshot(t.Context(), &ebs.StartSnapshotInput{VolumeSize: new(int64(1)), KmsKeyArn: &key})
	if got := outcome(err); got != "V" {
		t.Errorf("starting: %s", got)
	}
	_, err = c.StartSnapshot(t.Context(), &ebs.StartSnapshotInput{VolumeSize: new(int64(1)), KmsKeyArn: new(key[:len(key)-4] + "0000")})
	if got := outcome(err); got != "N" {
		t.Errorf("starting under a key that there is not: %s", got)
	}
}

func TestWhatASnapshotHoldsIsReadBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ebs.NewFromConfig(w.root(owner))
	first := w.written(w.root(owner), &ebs.StartSnapshotInput{}, map[int32]string{1: "a", 5: "b", 9: "c"})
	second := w.written(w.root(owner), &ebs.StartSnapshotInput{ParentSnapshotId: &first}, map[int32]string{5: "B", 7: "d"})
	list := need(c.ListSnapshotBlocks(t.Context(), &ebs.ListSnapshotBlocksInput{SnapshotId: &second}))(t)
	var got []string
	for _, b := range list.Blocks {
		out := need(c.GetSnapshotBlock(t.Context(), &ebs.GetSnapshotBlockInput{SnapshotId: &second, BlockIndex: b.BlockIndex, BlockToken: b.BlockToken}))(t)
		data := need(io.ReadAll(out.BlockData))(t)
		if blocks.Sum(data) != *out.Checksum || len(data) != int(*out.DataLength) {
			t.Errorf("block %d: %d bytes with checksum %s", *b.BlockIndex, len(data), *out.Checksum)
		}
		got = append(got, fmt.Sprint(*b.BlockIndex, string(data[:1])))
	}
	if fmt.Sprint(got) != "[1a 5B 7d 9c]" || *list.VolumeSize != 1 || *list.BlockSize != blocks.Size {
		t.Errorf("the child holds %v of %d GiB", got, *list.VolumeSize)
	}
	changed := need(c.ListChangedBlocks(t.Context(), &ebs.ListChangedBlocksInput{FirstSnapshotId: &first, SecondSnapshotId: &second}))(t)
	got = nil
	for _, b := range changed.ChangedBlocks {
		got = append(got, fmt.Sprint(*b.BlockIndex, b.FirstBlockToken != nil, b.SecondBlockToken != nil))
	}
	if fmt.Sprint(got) != "[5 true true 7 false true]" {
		t.Errorf("changed are %v", got)
	}
	// The parent goes, and the child keeps what it holds.
	need(ec2.NewFromConfig(w.root(owner)).DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: &first}))(t)
	out := need(c.GetSnapshotBlock(t.Context(), &ebs.GetSnapshotBlockInput{SnapshotId: &second, BlockIndex: new(int32(1)), BlockToken: list.Blocks[0].BlockToken}))(t)
	if data := need(io.ReadAll(out.BlockData))(t); string(data[:1]) != "a" {
		t.Errorf("block 1 holds %q", data[:1])
	}
	other := w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil)
	_, err := c.ListChangedBlocks(t.Context(), &ebs.ListChangedBlocksInput{FirstSnapshotId: &other, SecondSnapshotId: &second})
	w.ends("snapshots of two volumes", err, "ValidationException: The snapshots are not of the same volume")
	_, err = c.GetSnapshotBlock(t.Context(), &ebs.GetSnapshotBlockInput{SnapshotId: &second, BlockIndex: new(int32(5)), BlockToken: list.Blocks[0].BlockToken})
	w.ends("a token of another block", err, "ValidationException: The block token is invalid")
	w.pass(8 * day)
	_, err = c.GetSnapshotBlock(t.Context(), &ebs.GetSnapshotBlockInput{SnapshotId: &second, BlockIndex: new(int32(1)), BlockToken: list.Blocks[0].BlockToken})
	w.ends("a token that is too old", err, "ValidationException: The block token is invalid")
}

func TestBlocksAreListedInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	held := map[int32]string{}
	for i := range int32(5) {
		held[i*3] = "a"
	}
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{}, held)
	var got []int32
	pages := ebs.NewListSnapshotBlocksPaginator(ebs.NewFromConfig(w.root(owner)), &ebs.ListSnapshotBlocksInput{SnapshotId: &id, StartingBlockIndex: new(int32(2))})
	for pages.HasMorePages() {
		for _, b := range need(pages.NextPage(t.Context()))(t).Blocks {
			got = append(got, *b.BlockIndex)
		}
	}
	if fmt.Sprint(got) != "[3 6 9 12]" {
		t.Errorf("blocks from 2 on are %v", got)
	}
	_, err := ebs.NewFromConfig(w.root(owner)).ListSnapshotBlocks(t.Context(), &ebs.ListSnapshotBlocksInput{SnapshotId: &id, NextToken: new("nonsense")})
	w.ends("a token of nobody", err, "ValidationException: The page token is invalid")
}

func TestAWrittenSnapshotIsCheckedBeforeItIsSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ebs.NewFromConfig(w.root(owner))
	id := *need(c.StartSnapshot(t.Context(), &ebs.StartSnapshotInput{VolumeSize: new(int64(1)), Timeout: new(int32(10))}))(t).SnapshotId
	put := func(data []byte, sum string, index, length int32) error {
		_, err := c.PutSnapshotBlock(t.Context(), &ebs.PutSnapshotBlockInput{
			SnapshotId: &id, BlockIndex: &index, BlockData: bytes.NewReader(data), DataLength: &length, Checksum: &sum,
			ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256,
		})
		return err
	}
	full := blockOf("x")
	w.ends("a wrong checksum", put(full, blocks.Sum([]byte("y")), 0, blocks.Size), "ValidationException: The checksum is not that of the block data")
	w.ends("a short block", put(full[:100], blocks.Sum(full[:100]), 0, 100), "ValidationException: A block has 524288 bytes")
	w.ends("a block behind the end", put(full, blocks.Sum(full), 2048, blocks.Size), "ValidationException: The volume of 1 GiB has no block 2048")
	w.ends("a block", put(full, blocks.Sum(full), 2047, blocks.Size), "")
	_, err := c.CompleteSnapshot(t.Context(), &ebs.CompleteSnapshotInput{SnapshotId: &id, ChangedBlocksCount: new(int32(2))})
	w.ends("another number of blocks", err, "ValidationException: 1 blocks were written, not 2")
	_, err = c.ListSnapshotBlocks(t.Context(), &ebs.ListSnapshotBlocksInput{SnapshotId: &id})
	w.ends("reading what is being written", err, "ResourceNotFoundException: The snapshot '"+id+"' does not exist.")
	w.pass(11 * time.Minute)
	got := need(ec2.NewFromConfig(w.root(owner)).DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}}))(t).Snapshots[0]
	if got.State != types.SnapshotStateError {
		t.Errorf("a snapshot that nobody wrote for longer than its timeout is %s", got.State)
	}
	w.ends("writing after the timeout", put(full, blocks.Sum(full), 1, blocks.Size), "ValidationException: The snapshot '"+id+"' is not being written")
}

func TestASnapshotIsStartedOncePerToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ebs.NewFromConfig(w.root(owner))
	start := func(size int64) (string, error) {
		out, err := c.StartSnapshot(t.Context(), &ebs.StartSnapshotInput{VolumeSize: &size, ClientToken: new("again")}, func(o *ebs.Options) { o.RetryMaxAttempts = 1 })
		if err != nil {
			return "", err
		}
		return *out.SnapshotId, nil
	}
	first := need(start(1))(t)
	if again := need(start(1))(t); again != first {
		t.Errorf("the same request made %s and %s", first, again)
	}
	_, err := start(2)
	w.ends("another request", err, "ConflictException: The client token was used for another request")
}

func TestASharedSnapshotIsReadByItsRecipientAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const third = "777788889999"
	mine, theirs := ec2.NewFromConfig(w.root(owner)), ebs.NewFromConfig(w.root(consumer))
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{}, map[int32]string{2: "s"})
	token := need(ebs.NewFromConfig(w.root(owner)).ListSnapshotBlocks(t.Context(), &ebs.ListSnapshotBlocksInput{SnapshotId: &id}))(t).Blocks[0].BlockToken
	read := func(c *ebs.Client) error {
		_, err := c.GetSnapshotBlock(t.Context(), &ebs.GetSnapshotBlockInput{SnapshotId: &id, BlockIndex: new(int32(2)), BlockToken: token})
		return err
	}
	gone := "ResourceNotFoundException: The snapshot '" + id + "' does not exist."
	w.ends("before", read(theirs), gone)
	w.share(id, consumer)
	w.ends("shared, with the owner's token", read(theirs), "")
	w.ends("a third account", read(ebs.NewFromConfig(w.root(third))), gone)
	_, err := theirs.StartSnapshot(t.Context(), &ebs.StartSnapshotInput{VolumeSize: new(int64(1)), ParentSnapshotId: &id})
	w.ends("as a parent", err, gone)
	need(mine.ResetSnapshotAttribute(t.Context(), &ec2.ResetSnapshotAttributeInput{SnapshotId: &id, Attribute: types.SnapshotAttributeNameCreateVolumePermission}))(t)
	w.ends("no longer shared", read(theirs), gone)
	w.share(id, consumer)
	w.ends("shared again, with the same token", read(theirs), "")
	need(mine.ModifySnapshotAttribute(t.Context(), &ec2.ModifySnapshotAttributeInput{
		SnapshotId: &id, CreateVolumePermission: &types.CreateVolumePermissionModifications{Add: []types.CreateVolumePermission{{Group: types.PermissionGroupAll}}},
	}))(t)
	w.ends("public, and shared", read(theirs), "ValidationException: Public snapshots are not supported")
	w.ends("public, its owner", read(ebs.NewFromConfig(w.root(owner))), "")
}

func TestStartingASnapshotIsAskedAboutAsNull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, nobody := w.user(owner, "nobody", "")
	_, err := ebs.NewFromConfig(nobody).StartSnapshot(t.Context(), &ebs.StartSnapshotInput{VolumeSize: new(int64(1))})
	w.ends("somebody without rights", err, "AccessDeniedException: User: "+u.arn+" is not authorized to perform: ebs:StartSnapshot on resource: arn:aws:ec2:us-east-1::snapshot/null because no identity-based policy allows the ebs:StartSnapshot action")
	withAccount := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ebs:*","Resource":"arn:aws:ec2:us-east-1:111122223333:snapshot/*"}]}`
	_, wrong := w.user(owner, "wrong", withAccount)
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil)
	_, err = ebs.NewFromConfig(wrong).ListSnapshotBlocks(t.Context(), &ebs.ListSnapshotBlocksInput{SnapshotId: &id})
	w.ends("an ARN with the account", err, "on resource: arn:aws:ec2:us-east-1::snapshot/"+id+" because no identity-based policy allows the ebs:ListSnapshotBlocks action")
}

func TestSnapshotsAndWhatTheyHoldSurviveARestart(t *testing.T) {
	t.Parallel()
	o := sandbox.Options{State: t.TempDir() + "/state"}
	w := &world{TB: t, Server: sandboxtest.Start(t, o), admins: map[string]aws.Config{}}
	key := w.key(owner, "")
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{KmsKeyArn: &key}, map[int32]string{4: "k"})
	out := need(ec2.NewFromConfig(w.root(owner)).CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &id}))(t)
	need(0, w.Close())(t)
	w = &world{TB: t, Server: sandboxtest.Start(t, o), admins: map[string]aws.Config{}}
	w.pass(5 * time.Second)
	c := ebs.NewFromConfig(w.root(owner))
	for _, n := range []string{id, *out.SnapshotId} {
		list := need(c.ListSnapshotBlocks(t.Context(), &ebs.ListSnapshotBlocksInput{SnapshotId: &n}))(t)
		got := need(c.GetSnapshotBlock(t.Context(), &ebs.GetSnapshotBlockInput{SnapshotId: &n, BlockIndex: new(int32(4)), BlockToken: list.Blocks[0].BlockToken}))(t)
		if data := need(io.ReadAll(got.BlockData))(t); !bytes.Equal(data, blockOf("k")) {
			t.Errorf("%s holds %q…", n, data[:3])
		}
	}
}
