package s3

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Lifecycle: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html.
// What a rule takes away goes at the midnight (UTC) after its days are over; AWS does it
// some time after that. Transitions to other storage classes are kept and not made.

// schedule is when the lifecycle of a bucket is looked at next.
type schedule struct{ At time.Time }

// keeping are the settings that say how long objects are kept, and where copies go.
func (s *Service) keeping() []gate.Operation {
	return []gate.Operation{
		tell(s, "GetLifecycleConfiguration", func(b *Bucket, _ *s3.GetBucketLifecycleConfigurationInput, out *s3.GetBucketLifecycleConfigurationOutput) error {
			if b.Lifecycle == nil {
				return b.unset("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
			}
			out.Rules, out.TransitionDefaultMinimumObjectSize = b.Lifecycle.Rules, b.MinimumFor
			return nil
		}),
		set[s3.PutBucketLifecycleConfigurationInput, s3.PutBucketLifecycleConfigurationOutput](s, "PutLifecycleConfiguration", s.putLifecycle),
		set[s3.DeleteBucketLifecycleInput, s3.DeleteBucketLifecycleOutput](s, "PutLifecycleConfiguration", func(_ *gate.Call, b *Bucket, _ *s3.DeleteBucketLifecycleInput) error {
			b.Lifecycle = nil
			return nil
		}),
		tell(s, "GetReplicationConfiguration", func(b *Bucket, _ *s3.GetBucketReplicationInput, out *s3.GetBucketReplicationOutput) error {
			if b.Replicates == nil {
				return b.unset("ReplicationConfigurationNotFoundError", "The replication configuration was not found")
			}
			out.ReplicationConfiguration = b.Replicates
			return nil
		}),
		gate.Op(gate.Writes, s.askPutReplication, s.PutBucketReplication),
		set[s3.DeleteBucketReplicationInput, s3.DeleteBucketReplicationOutput](s, "PutReplicationConfiguration", func(_ *gate.Call, b *Bucket, _ *s3.DeleteBucketReplicationInput) error {
			b.Replicates = nil
			return nil
		}),
		tell(s, "GetBucketObjectLockConfiguration", func(b *Bucket, _ *s3.GetObjectLockConfigurationInput, out *s3.GetObjectLockConfigurationOutput) error {
			if b.Lock == nil {
				return b.unset("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
			}
			out.ObjectLockConfiguration = b.Lock
			return nil
		}),
		set[s3.PutObjectLockConfigurationInput, s3.PutObjectLockConfigurationOutput](s, "PutBucketObjectLockConfiguration", putLock),
	}
}

func putLock(_ *gate.Call, b *Bucket, in *s3.PutObjectLockConfigurationInput) error {
	if b.Versioning != types.BucketVersioningStatusEnabled {
		return refuse(http.StatusConflict, "InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
	}
	l := in.ObjectLockConfiguration
	if l == nil || l.ObjectLockEnabled != types.ObjectLockEnabledEnabled {
		return malformed()
	}
	if r := l.Rule; r != nil {
		d := r.DefaultRetention
		if d == nil || d.Mode == "" || (d.Days == nil) == (d.Years == nil) {
			return malformed()
		}
		if d.Days != nil && *d.Days < 1 || d.Years != nil && *d.Years < 1 {
			return bad("InvalidArgument", "Default retention period must be a positive integer value.")
		}
	}
	b.Lock = l
	return nil
}

// putLifecycle stores the rules and looks when they take effect.
func (s *Service) putLifecycle(c *gate.Call, b *Bucket, in *s3.PutBucketLifecycleConfigurationInput) error {
	if in.LifecycleConfiguration == nil || len(in.LifecycleConfiguration.Rules) == 0 {
		return malformed()
	}
	if len(in.LifecycleConfiguration.Rules) > 1000 {
		return bad("InvalidRequest", "The number of lifecycle rules must not exceed 1000.") // assumed text
	}
	config := *in.LifecycleConfiguration
	config.Rules = append([]types.LifecycleRule{}, config.Rules...)
	seen := map[string]bool{}
	for i := range config.Rules {
		r := &config.Rules[i]
		if value(r.ID) == "" {
			r.ID = new(s.IDs.UUID())
		}
		if seen[*r.ID] {
			return bad("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
		}
		seen[*r.ID] = true
		if err := checkRule(r); err != nil {
			return err
		}
	}
	b.Lifecycle, b.MinimumFor = &config, in.TransitionDefaultMinimumObjectSize
	if b.MinimumFor == "" {
		b.MinimumFor = types.TransitionDefaultMinimumObjectSizeAllStorageClasses128k
	}
	s.expires.Delete(b.Name)
	s.plan(b, s.earliest(b))
	return nil
}

func checkRule(r *types.LifecycleRule) error {
	e := r.Expiration
	switch {
	case r.Status == "" || (r.Filter == nil) == (oldPrefix(r) == nil):
		return malformed()
	case e == nil && r.NoncurrentVersionExpiration == nil && r.AbortIncompleteMultipartUpload == nil && len(r.Transitions)+len(r.NoncurrentVersionTransitions) == 0:
		return bad("InvalidRequest", "At least one action needs to be specified in a rule.")
	case e != nil && e.Days != nil && *e.Days < 1:
		return bad("InvalidArgument", "'Days' for Expiration action must be a positive integer")
	case e != nil && e.Date != nil && !e.Date.Equal(e.Date.Truncate(24*time.Hour)):
		return bad("InvalidArgument", "'Date' must be at midnight GMT")
	}
	return nil
}

// oldPrefix is what rules had before they had filters.
func oldPrefix(r *types.LifecycleRule) *string {
	//lint:ignore SA1019 clients still send it
	return r.Prefix
}

// covers reports whether a rule is about an object.
func covers(r *types.LifecycleRule, o *Object) bool {
	if r.Status != types.ExpirationStatusEnabled {
		return false
	}
	if r.Filter == nil {
		return strings.HasPrefix(o.Key, value(oldPrefix(r)))
	}
	f := r.Filter
	prefix, more, less := f.Prefix, f.ObjectSizeGreaterThan, f.ObjectSizeLessThan
	var tags []types.Tag
	if f.Tag != nil {
		tags = append(tags, *f.Tag)
	}
	if a := f.And; a != nil {
		prefix, more, less, tags = a.Prefix, a.ObjectSizeGreaterThan, a.ObjectSizeLessThan, a.Tags
	}
	return strings.HasPrefix(o.Key, value(prefix)) && (more == nil || o.Size > *more) && (less == nil || o.Size < *less) && tagged(o, tags)
}

func tagged(o *Object, tags []types.Tag) bool {
	for i := range tags {
		if v, ok := o.Tags[value(tags[i].Key)]; !ok || v != value(tags[i].Value) {
			return false
		}
	}
	return true
}

// midnight is the midnight after some days are over.
func midnight(from time.Time, days int32) time.Time {
	at := from.UTC().AddDate(0, 0, int(days))
	day := at.Truncate(24 * time.Hour)
	if at.After(day) {
		day = day.Add(24 * time.Hour)
	}
	return day
}

// fate is when a rule takes a version away; zero when it never does. Place is which of the
// key's versions it is, the latest first, of so many.
func fate(r *types.LifecycleRule, o *Object, place, count int) time.Time {
	if !covers(r, o) {
		return time.Time{}
	}
	e := r.Expiration
	if place == 0 {
		switch {
		case e == nil:
		case o.Marker && count == 1 && (yes(e.ExpiredObjectDeleteMarker) || e.Days != nil):
			days := int32(0)
			if e.Days != nil {
				days = *e.Days
			}
			return midnight(o.Modified, days)
		case o.Marker:
		case e.Date != nil:
			return e.Date.UTC()
		case e.Days != nil:
			return midnight(o.Modified, *e.Days)
		}
		return time.Time{}
	}
	n := r.NoncurrentVersionExpiration
	if n == nil || n.NoncurrentDays == nil || o.Superseded == nil || n.NewerNoncurrentVersions != nil && place-1 < int(*n.NewerNoncurrentVersions) {
		return time.Time{}
	}
	return midnight(*o.Superseded, *n.NoncurrentDays)
}

// end is when the first rule takes a version away, and which.
func (b *Bucket) end(o *Object, place, count int) (at time.Time, rule *types.LifecycleRule) {
	if b.Lifecycle == nil {
		return at, nil
	}
	for i := range b.Lifecycle.Rules {
		r := &b.Lifecycle.Rules[i]
		if t := fate(r, o, place, count); !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at, rule = t, r
		}
	}
	return at, rule
}

// expiration is the header that tells when an object goes.
func (s *Service) expiration(b *Bucket, o *Object) *string {
	if o.Superseded != nil || o.Marker {
		return nil
	}
	at, r := b.end(o, 0, 1)
	if r == nil {
		return nil
	}
	return new(fmt.Sprintf(`expiry-date="%s", rule-id="%s"`, at.Format(http.TimeFormat), *r.ID))
}

// abortOf is when an upload ends without an object, and by which rule.
func (b *Bucket) abortOf(u *Upload) (*time.Time, *string) {
	if b.Lifecycle == nil {
		return nil, nil
	}
	for i := range b.Lifecycle.Rules {
		r := &b.Lifecycle.Rules[i]
		if a := r.AbortIncompleteMultipartUpload; a != nil && a.DaysAfterInitiation != nil && covers(r, &Object{Key: u.Key}) {
			return new(midnight(u.Begun, *a.DaysAfterInitiation)), r.ID
		}
	}
	return nil, nil
}

// watch plans what rules do to the versions of a key.
func (s *Service) watch(b *Bucket, key string) {
	if b.Lifecycle == nil {
		return
	}
	list := s.versions(b.Name, key)
	for i, o := range list {
		at, _ := b.end(o, i, len(list))
		s.plan(b, at)
	}
}

func (s *Service) watchUpload(b *Bucket, u *Upload) {
	if at, _ := b.abortOf(u); at != nil {
		s.plan(b, *at)
	}
}

// plan has the lifecycle of a bucket looked at at a time, unless it is before that.
func (s *Service) plan(b *Bucket, at time.Time) {
	now := s.Clock.Now()
	if at.IsZero() {
		return
	}
	if at.Before(now) {
		at = now
	}
	if planned := s.expires.Get(b.Name); planned != nil && !planned.At.After(at) && planned.At.After(now) {
		return
	}
	s.expires.Put(b.Name, &schedule{at})
	s.Agenda.Add(state.Task{At: at, Service: "s3", Account: b.Account, Region: b.Region, What: expire, Subject: b.Name})
}

// The things that S3 does later.
const (
	expire    = "ExpireObjects"
	replicate = "ReplicateObject"
)

// Due does what is due.
func (s *Service) Due(ctx context.Context, t state.Task) error {
	if t.What == replicate {
		return s.replicated(ctx, t.Subject)
	}
	b := s.buckets.Get(t.Subject)
	if b == nil || b.Lifecycle == nil {
		return nil
	}
	if planned := s.expires.Get(b.Name); planned != nil && planned.At.Equal(t.At) {
		s.expires.Delete(b.Name)
	}
	s.expireAll(gate.From(ctx), b)
	next := s.earliest(b)
	if !next.IsZero() && !next.After(t.At) {
		next = t.At.Add(24 * time.Hour) // of what could not be taken away
	}
	s.plan(b, next)
	return nil
}

// keysOf visits the keys of a bucket with all their versions.
func (s *Service) keysOf(b *Bucket, visit func(list []*Object)) {
	var list []*Object
	for _, o := range s.objects.All(state.Key(b.Name, "")) {
		if len(list) > 0 && list[0].Key != o.Key {
			visit(list)
			list = nil
		}
		list = append(list, o)
	}
	if len(list) > 0 {
		visit(list)
	}
}

// earliest is when a rule does something next; zero for never.
func (s *Service) earliest(b *Bucket) (first time.Time) {
	note := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	s.keysOf(b, func(list []*Object) {
		for i, o := range list {
			if at, _ := b.end(o, i, len(list)); !o.protected(at, false) || i == 0 {
				note(at)
			} else if o.Until != nil && o.Hold != types.ObjectLockLegalHoldStatusOn {
				note(midnight(*o.Until, 0))
			}
		}
	})
	for _, u := range s.inOrder(b, "") {
		if at, _ := b.abortOf(u); at != nil {
			note(*at)
		}
	}
	return first
}

// expireAll takes away what is due by now. Object Lock keeps versions, not the object from
// getting a delete marker.
func (s *Service) expireAll(c *gate.Call, b *Bucket) {
	due := func(at time.Time) bool { return !at.IsZero() && !at.After(c.At) }
	s.keysOf(b, func(list []*Object) {
		for i := len(list) - 1; i >= 0; i-- {
			o := list[i]
			at, _ := b.end(o, i, len(list))
			switch {
			case !due(at):
			case i > 0 || o.Marker || b.Versioning == "":
				if !o.protected(c.At, false) {
					s.erase(o)
					s.removed(c, b, o)
				}
			default:
				_, _ = s.delete(c, b, o.Key, nil, false) // a null version that is locked stays
			}
		}
	})
	for _, u := range s.inOrder(b, "") {
		if at, _ := b.abortOf(u); at != nil && due(*at) {
			s.forget(u)
		}
	}
}
