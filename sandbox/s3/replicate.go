package s3

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Replication: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html.

// replicationTime is how long a replica takes to come.
const replicationTime = 2 * time.Second

func (s *Service) askPutReplication(c *gate.Call, in *s3.PutBucketReplicationInput) ([]gate.Ask, error) {
	asks, err := onBucket[s3.PutBucketReplicationInput](s, "PutReplicationConfiguration")(c, in)
	if err != nil {
		return nil, err
	}
	if in.ReplicationConfiguration == nil {
		return nil, malformed()
	}
	role := value(in.ReplicationConfiguration.Role)
	p, err := arn.ParsePrincipal(role)
	if err != nil || p.Kind != arn.Role {
		return nil, bad("InvalidArgument", "Invalid ARN: "+role)
	}
	return append(asks, gate.Ask{
		Action: "iam:PassRole", Resource: role, Target: parseARN(role), Owner: p.Account,
		Context: estate.Given{estate.NewEntry("iam:passedtoservice", policy.One("s3.amazonaws.com"))},
	}), nil
}

// PutBucketReplication says where copies of new objects go.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketReplication.html.
func (s *Service) PutBucketReplication(_ context.Context, in *s3.PutBucketReplicationInput) (*s3.PutBucketReplicationOutput, error) {
	b := *s.buckets.Get(*in.Bucket)
	config := *in.ReplicationConfiguration
	if b.Versioning != types.BucketVersioningStatusEnabled {
		return nil, bad("InvalidRequest", "Versioning must be 'Enabled' on the bucket to apply a replication configuration")
	}
	if len(config.Rules) == 0 || len(config.Rules) > 1000 {
		return nil, malformed()
	}
	config.Rules = slices.Clone(config.Rules)
	for i := range config.Rules {
		r := &config.Rules[i]
		if value(r.ID) == "" {
			r.ID = new(s.IDs.UUID())
		}
		if err := s.checkReplication(&b, r); err != nil {
			return nil, err
		}
	}
	b.Replicates = &config
	s.buckets.Put(b.Name, &b)
	return &s3.PutBucketReplicationOutput{}, nil
}

func (s *Service) checkReplication(b *Bucket, r *types.ReplicationRule) error {
	d := r.Destination
	if d == nil || r.Status == "" {
		return malformed()
	}
	to := s.destination(d)
	switch {
	case to == nil:
		return bad("InvalidRequest", "Destination bucket must exist.")
	case to.Versioning != types.BucketVersioningStatusEnabled:
		return bad("InvalidRequest", "Destination bucket must have versioning enabled.")
	case to.Name == b.Name:
		return bad("InvalidRequest", "Destination bucket cannot be the same as the source bucket.") // assumed text
	case d.Account != nil && *d.Account != to.Account:
		return bad("InvalidRequest", "The destination account is not the owner of the destination bucket.") // assumed text
	case encryptedToo(r) && (d.EncryptionConfiguration == nil || d.EncryptionConfiguration.ReplicaKmsKeyID == nil):
		return bad("InvalidRequest", "EncryptionConfiguration must be specified if SseKmsEncryptedObjects tag is present")
	case d.EncryptionConfiguration != nil && r.SourceSelectionCriteria == nil:
		return bad("InvalidRequest", "SseKmsEncryptedObjects must be specified if EncryptionConfiguration tag is present")
	}
	return nil
}

// destination is the bucket that a rule names, or nil.
func (s *Service) destination(d *types.Destination) *Bucket {
	name := value(d.Bucket)
	return s.buckets.Get(name[strings.LastIndexByte(name, ':')+1:])
}

func encryptedToo(r *types.ReplicationRule) bool {
	v := r.SourceSelectionCriteria
	return v != nil && v.SseKmsEncryptedObjects != nil && v.SseKmsEncryptedObjects.Status == types.SseKmsEncryptedObjectsStatusEnabled
}

// follows reports whether a rule is about an object. Objects under keys of KMS are left
// out unless the rule says otherwise.
func follows(r *types.ReplicationRule, o *Object) bool {
	if r.Status != types.ReplicationRuleStatusEnabled {
		return false
	}
	//lint:ignore SA1019 clients still send what rules had before they had filters
	prefix := value(r.Prefix)
	var tags []types.Tag
	if f := r.Filter; f != nil {
		prefix = value(f.Prefix)
		if f.Tag != nil {
			tags = append(tags, *f.Tag)
		}
		if f.And != nil {
			prefix, tags = value(f.And.Prefix), f.And.Tags
		}
	}
	if !strings.HasPrefix(o.Key, prefix) || !tagged(o, tags) {
		return false
	}
	if o.Marker {
		return r.DeleteMarkerReplication != nil && r.DeleteMarkerReplication.Status == types.DeleteMarkerReplicationStatusEnabled
	}
	return !o.Sealing.kms() || encryptedToo(r)
}

// rulesFor are the rules that count for an object: for each destination the one with the
// highest priority.
func (b *Bucket) rulesFor(o *Object) (list []*types.ReplicationRule) {
	best := map[string]*types.ReplicationRule{}
	var order []string
	for i := range b.Replicates.Rules {
		r := &b.Replicates.Rules[i]
		if !follows(r, o) {
			continue
		}
		to := value(r.Destination.Bucket)
		if old, ok := best[to]; !ok {
			order = append(order, to)
			best[to] = r
		} else if value32(r.Priority) > value32(old.Priority) {
			best[to] = r
		}
	}
	for _, to := range order {
		list = append(list, best[to])
	}
	return list
}

// replicate has an object that was put copied later.
func (s *Service) replicate(c *gate.Call, b *Bucket, o *Object) {
	if b.Replicates == nil || len(b.rulesFor(o)) == 0 {
		return
	}
	if !o.Marker {
		o.Replica = types.ReplicationStatusPending
	}
	s.Agenda.Add(state.Task{At: c.At.Add(replicationTime), Service: "s3", Account: b.Account, Region: b.Region, What: replicate, Subject: state.Key(o.Bucket, o.Key, o.Version)})
}

// replicated copies an object to where the rules send it, as the role that the rules
// name. What goes wrong shows as a status.
func (s *Service) replicated(ctx context.Context, subject string) error {
	parts := strings.SplitN(subject, "\x00", 3)
	b := s.buckets.Get(parts[0])
	if b == nil || b.Replicates == nil {
		return nil
	}
	o := s.object(b, parts[1], &parts[2])
	if o == nil {
		return nil
	}
	status := types.ReplicationStatusCompleted
	for _, r := range b.rulesFor(o) {
		if err := s.DB.Try(func() error { return s.copyTo(ctx, b, o, r) }); err != nil {
			status = types.ReplicationStatusFailed
		}
	}
	if o.Marker {
		return nil
	}
	done := *o
	done.Replica = status
	s.objects.Put(done.row(), &done)
	return nil
}

// copyTo makes one replica.
func (s *Service) copyTo(ctx context.Context, b *Bucket, o *Object, r *types.ReplicationRule) error {
	to := s.destination(r.Destination)
	if to == nil || to.Versioning != types.BucketVersioningStatusEnabled {
		return refuse(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	}
	as, err := s.Agent.Trusted(ctx, value(b.Replicates.Role), "s3-replication", "")
	if err != nil {
		return err
	}
	c := gate.From(as)
	c.Service = "s3"
	if err := s.mayReplicate(c, b, to, o); err != nil {
		return err
	}
	replica := *o
	replica.Bucket, replica.Account, replica.Replica, replica.Superseded = to.Name, to.Account, types.ReplicationStatusReplica, nil
	if r.Destination.StorageClass != "" {
		replica.Meta.Class = r.Destination.StorageClass
	}
	replica.Segments = nil
	if err := s.reseal(as, b, to, o, &replica, r); err != nil {
		return err
	}
	for _, seg := range o.Segments {
		if seg.File, err = s.files.link(seg.File); err != nil {
			return err
		}
		s.files.keep(seg.File)
		file := seg.File
		s.DB.OnUndo(func() { s.files.remove(file) })
		replica.Segments = append(replica.Segments, seg)
	}
	s.place(c, to, &replica)
	return nil
}

// mayReplicate asks what the role has to be allowed at both ends.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html.
func (s *Service) mayReplicate(c *gate.Call, b, to *Bucket, o *Object) error {
	if o.Marker {
		return s.Gate.Authorize(c, []gate.Ask{s.ask(c, b, "GetReplicationConfiguration", "", nil), s.ask(c, to, "ReplicateDelete", o.Key, nil)})
	}
	asks := []gate.Ask{
		s.ask(c, b, "GetReplicationConfiguration", "", nil),
		s.ask(c, b, "GetObjectVersionForReplication", o.Key, nil),
		s.ask(c, to, "ReplicateObject", o.Key, nil),
	}
	if len(o.Tags) > 0 {
		asks = append(asks, s.ask(c, b, "GetObjectVersionTagging", o.Key, nil), s.ask(c, to, "ReplicateTags", o.Key, nil))
	}
	return s.Gate.Authorize(c, asks)
}

// reseal puts the key of a replica's bytes under the key that the rule names, or, for an
// object that is under none, leaves it as it is.
func (s *Service) reseal(ctx context.Context, b, to *Bucket, o, replica *Object, r *types.ReplicationRule) error {
	if !o.Sealing.kms() {
		return nil
	}
	id := value(r.Destination.EncryptionConfiguration.ReplicaKmsKeyID)
	v := Sealing{Algorithm: types.ServerSideEncryptionAwsKms, BucketKey: yes(to.encryption().BucketKeyEnabled), KeyARN: id}
	if !strings.HasPrefix(id, "arn:") {
		v.KeyARN = behalf.ARN("kms", to.Region, b.Account, "key/"+strings.TrimPrefix(id, "key/"))
		if strings.HasPrefix(id, "alias/") {
			v.KeyARN = behalf.ARN("kms", to.Region, b.Account, id)
		}
	}
	if err := sameRegion(to, v.KeyARN); err != nil {
		return err
	}
	v.Context = map[string]string{contextName: to.objectARN(o.Key)}
	if v.BucketKey {
		v.Context[contextName] = to.arn()
	}
	secret := random(keySize)
	made, err := s.Agent.Use(ctx, "s3:ReplicateObject", "sse-kms", map[string]behalf.Key{
		"source":      {ARN: o.Sealing.KeyARN, Context: o.Sealing.Context, Blob: o.Sealing.Blob, Unnamed: true, Plain: true},
		"destination": {ARN: v.KeyARN, Context: v.Context, Text: secret},
	})
	if err != nil {
		return fromKMS(err)
	}
	key, err := unwrap(made.Plain["source"], o.Sealing.Wrapped)
	if err != nil {
		return err
	}
	v.Blob, v.KeyARN = made.Blobs["destination"], made.Keys["destination"]
	v.Wrapped, err = wrap(secret, key)
	replica.Sealing = v
	return err
}
