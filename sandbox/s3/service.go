// Package s3 is Amazon S3 in a sandbox: buckets with their policies and settings, and
// versioned objects whose bytes stand in files, encrypted under keys of KMS as S3
// encrypts them. Bodies go from connection to file and back in pieces; no object is in
// memory.
package s3

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Config is what S3 needs from the sandbox.
type Config struct {
	DB    *state.DB
	Clock *state.Clock
	IDs   *state.IDs
	Gate  *gate.Gate
	Agent *behalf.Agent
	// Agenda has done later what S3 does by itself.
	Agenda *state.Agenda
	// Events takes what happens to objects; nil for nobody.
	Events gate.Events
	// Dir is where the bytes of objects are kept; empty for a directory that goes when
	// the sandbox ends.
	Dir string
}

// Service is S3.
type Service struct {
	Config
	buckets *state.Table[Bucket]   // name
	objects *state.Table[Object]   // bucket, key, order
	uploads *state.Table[Upload]   // bucket, key, id
	parts   *state.Table[Part]     // bucket, key, upload, number
	expires *state.Table[schedule] // bucket
	files   *store
	keys    bucketKeys
}

// New returns S3 on a sandbox's state.
func New(c Config) *Service {
	s := &Service{Config: c, files: newStore(c.Dir, c.IDs)}
	s.buckets = state.NewTable(c.DB, "s3.buckets", (*Bucket).ready)
	s.objects = state.NewTable[Object](c.DB, "s3.objects", nil)
	s.uploads = state.NewTable[Upload](c.DB, "s3.uploads", nil)
	s.parts = state.NewTable[Part](c.DB, "s3.parts", nil)
	s.expires = state.NewTable[schedule](c.DB, "s3.lifecycle", nil)
	return s
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "s3" }

// Close deletes the bytes of objects that are not to be kept.
func (s *Service) Close() error { return s.files.close() }

// Sweep deletes files that belong to no object: of uploads that were cut off, and of
// buckets that a reset took away.
func (s *Service) Sweep() {
	used := map[string]bool{}
	_ = s.DB.View(func() error { // it cannot fail
		for _, o := range s.objects.All("") {
			for i := range o.Segments {
				used[o.Segments[i].File] = true
			}
		}
		for _, p := range s.parts.All("") {
			used[p.Segment.File] = true
		}
		return nil
	})
	s.keys.clear()
	s.files.sweep(used)
}

// drop deletes files of what is deleted, once the update is kept.
func (s *Service) drop(segments ...Segment) {
	s.DB.OnKept(func() {
		for i := range segments {
			s.files.remove(segments[i].File)
		}
	})
}

// canonical is the canonical user id of an account, which is as long as AWS's.
func canonical(account string) string {
	sum := sha256.Sum256([]byte("canonical user of " + account))
	return hexOf(sum[:])
}

func owner(account string) *types.Owner { return &types.Owner{ID: new(canonical(account))} }

// versions are those of a key, the latest first.
func (s *Service) versions(bucket, key string) []*Object {
	var list []*Object
	for _, o := range s.objects.All(state.Key(bucket, key, "")) {
		list = append(list, o)
	}
	return list
}

// bucketKeys are the bucket-level keys that S3 holds for a while.
type bucketKeys struct {
	mu    sync.Mutex
	known map[string]bucketKey
}

type bucketKey struct {
	blob, plain []byte
	keyARN      string
	until       time.Time
}

func (k *bucketKeys) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known = nil
}

func (k *bucketKeys) get(name string, now time.Time) (bucketKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, ok := k.known[name]
	return b, ok && now.Before(b.until)
}

// maxBucketKeys is how many bucket-level keys are held.
const maxBucketKeys = 1024

func (k *bucketKeys) put(name string, b bucketKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxBucketKeys {
		k.known = map[string]bucketKey{}
	}
	k.known[name] = b
}

// own returns a context for calls that are made with the state locked for writing.
func own(c *gate.Call) context.Context {
	writing := *c
	writing.Writing = true
	return gate.With(context.Background(), &writing)
}
