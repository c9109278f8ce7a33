package rds

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// copying is a request to copy a snapshot of either kind.
type copying struct {
	source, target string
	key            *string
	copyTags       *bool
	tags           []types.Tag
	in             any // as it came
}

// fromElsewhere reports whether RDS itself asks, for a copy in another Region.
func fromElsewhere(c *gate.Call) bool { return c.Forward != nil && c.Forward.Service == "rds" }

// copy copies a snapshot into the caller's account and the Region of the call. Of a
// source in another Region, the RDS of that Region is asked in the caller's name, so
// that the caller needs the right there too.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_CopySnapshot.html.
func (s *Service) copy(ctx context.Context, k *snapshotKind, r copying) (*Snapshot, error) {
	c := gate.From(ctx)
	region := c.Region
	if a, _, _, ok := split(r.source); ok {
		region = a.Region
	}
	if region != c.Region && !fromElsewhere(c) {
		if _, err := s.Agent.Client.Do(ctx, "rds", k.copies, r.in, gate.Forward{Service: "rds", Region: region}); err != nil {
			return nil, err
		}
	}
	source, err := s.snapshot(c, k, r.source)
	if err != nil {
		return nil, err
	}
	if source.status(c.At) != "available" {
		return nil, refuse(k.invalidState, "The source snapshot "+source.ID+" is not available.") // assumed text
	}
	if fromElsewhere(c) {
		return source, nil
	}
	id, err := s.place(c, k, "Target"+k.parameter, r.target)
	if err != nil {
		return nil, err
	}
	n := *source
	n.ID, n.Type, n.Shared = id, "manual", nil
	if n.Encryption, err = s.copied(ctx, k, source, r.key); err != nil {
		return nil, err
	}
	n.from(source, c)
	tags := r.tags
	if is(r.copyTags) && source.Account == c.Caller.Account {
		tags = append(slices.Clone(s.tagsOf(source.arn())), tags...)
	}
	return &n, s.keep(c, &n, tags)
}

// from says in a copy where it comes from. AWS documents that of copies from another
// account or Region; that every copy has it is what Terraform relies on, which would
// make a copy anew otherwise.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBSnapshot.html.
func (n *Snapshot) from(source *Snapshot, c *gate.Call) {
	if n.Instance != nil {
		v := *n.Instance
		v.SourceDBSnapshotIdentifier, v.SourceRegion = new(source.arn()), new(source.Region)
		v.AvailabilityZone, v.VpcId = new(c.Region+"a"), new(vpcOf(c.Caller.Account, c.Region))
		n.Instance = &v
		return
	}
	v := *n.Cluster
	v.SourceDBClusterSnapshotArn = new(source.arn())
	v.AvailabilityZones, v.VpcId = []string{c.Region + "a", c.Region + "b", c.Region + "c"}, new(vpcOf(c.Caller.Account, c.Region))
	n.Cluster = &v
}

// copied is the key of a copy, and makes the uses of keys that the copy needs. The
// copy of an encrypted snapshot is encrypted: under the same key unless another is
// named, which has to be named where the same cannot serve.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CopyDBSnapshot.html.
func (s *Service) copied(ctx context.Context, k *snapshotKind, source *Snapshot, named *string) (Encryption, error) {
	c := gate.From(ctx)
	encrypted, shared := source.Encryption.ARN != "", source.Account != c.Caller.Account
	id := aws.ToString(named)
	switch {
	case !encrypted && id == "":
		return Encryption{}, nil
	case !encrypted && k.kind == kindClusterSnapshot:
		return Encryption{}, combination("KmsKeyId is given, and the DB cluster snapshot is not encrypted.") // assumed text
	case encrypted && id == "" && source.Region != c.Region:
		return Encryption{}, invalid("Must specify new KMS key for cross region encrypted snapshot copy.")
	case encrypted && id == "" && shared:
		return Encryption{}, invalid("KmsKeyId is missing: the copy of an encrypted snapshot that another account shares needs a key of its own.") // assumed text
	case id == "":
		id = source.Encryption.ARN
	}
	scenario, others := "own", map[string]behalf.Key{}
	if encrypted && shared {
		if c.Caller.Kind == arn.AccountRoot {
			// AWS documents that the root user cannot do it; how it says so is assumed.
			// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/share-encrypted-snapshot.html.
			return Encryption{}, inaccessible(sourceKey, source.Encryption.ARN)
		}
		scenario = "shared"
		others["source"] = behalf.Key{ARN: source.Encryption.ARN, Context: contextOf(source.Resource)}
	}
	e, err := s.encrypt(ctx, "rds:"+k.copies, scenario, "destination", id, k.target, source.Resource, others)
	if err != nil {
		return Encryption{}, err
	}
	return *e, nil
}

// CopyDBSnapshot copies a snapshot of an instance: one's own or a shared one, within a
// Region or from another, and under another key if one is named.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CopyDBSnapshot.html.
func (s *Service) CopyDBSnapshot(ctx context.Context, in *rds.CopyDBSnapshotInput) (*rds.CopyDBSnapshotOutput, error) {
	r := copying{*in.SourceDBSnapshotIdentifier, *in.TargetDBSnapshotIdentifier, in.KmsKeyId, in.CopyTags, settingsOf(in).requested("snapshot"), in}
	n, err := s.copy(ctx, kindOf(kindSnapshot), r)
	if err != nil {
		return nil, err
	}
	return &rds.CopyDBSnapshotOutput{DBSnapshot: s.shownInstance(n, gate.From(ctx))}, nil
}

// CopyDBClusterSnapshot copies a snapshot of a cluster.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CopyDBClusterSnapshot.html.
func (s *Service) CopyDBClusterSnapshot(ctx context.Context, in *rds.CopyDBClusterSnapshotInput) (*rds.CopyDBClusterSnapshotOutput, error) {
	r := copying{*in.SourceDBClusterSnapshotIdentifier, *in.TargetDBClusterSnapshotIdentifier, in.KmsKeyId, in.CopyTags, in.Tags, in}
	n, err := s.copy(ctx, kindOf(kindClusterSnapshot), r)
	if err != nil {
		return nil, err
	}
	return &rds.CopyDBClusterSnapshotOutput{DBClusterSnapshot: s.shownSnapshot(n, gate.From(ctx))}, nil
}

// askCopy is what a copy asks: the right on the copy and on its source, there where
// each of them is.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_CopySnapshot.html#USER_CopySnapshot.AcrossRegions.Policy.
func (q *question) askCopy(kind, source, target string, tags []types.Tag) {
	full := fullName(q.c, kind, source)
	a, _, _, ok := split(full)
	if !ok {
		q.err = kindOf(kind).missing(source)
		return
	}
	if a.Region == q.c.Region {
		q.about(kind, source)
	}
	if fromElsewhere(q.c) {
		return
	}
	if strings.HasPrefix(target, "arn:") {
		q.err = invalid("The target of a copy is an identifier, no ARN.") // assumed text
		return
	}
	q.about(kind, target)
	q.tagged(kind, target, tags)
}
