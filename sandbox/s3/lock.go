package s3

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// Object Lock: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html.

func (b *Bucket) hasLock() bool { return b.Lock != nil }

func noLock() error {
	return bad("InvalidRequest", "Bucket is missing Object Lock Configuration")
}

// lockable checks what a request says of a lock.
func lockable(c *gate.Call, b *Bucket, in *s3.PutObjectInput) error {
	switch {
	case in.ObjectLockMode == "" && in.ObjectLockRetainUntilDate == nil && in.ObjectLockLegalHoldStatus == "":
		return nil
	case !b.hasLock():
		return noLock()
	case (in.ObjectLockMode == "") != (in.ObjectLockRetainUntilDate == nil):
		return bad("InvalidArgument", "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
	case in.ObjectLockRetainUntilDate != nil && !in.ObjectLockRetainUntilDate.After(c.At):
		return bad("InvalidArgument", "The retain until date must be in the future!")
	}
	return nil
}

// lockByDefault gives an object the retention that the bucket has for new ones.
func (b *Bucket) lockByDefault(c *gate.Call, o *Object) {
	if b.Lock == nil || b.Lock.Rule == nil || b.Lock.Rule.DefaultRetention == nil || o.Mode != "" {
		return
	}
	r := b.Lock.Rule.DefaultRetention
	until := c.At.UTC()
	switch {
	case r.Days != nil:
		until = until.AddDate(0, 0, int(*r.Days))
	case r.Years != nil:
		until = until.AddDate(int(*r.Years), 0, 0)
	}
	o.Mode, o.Until = types.ObjectLockMode(r.Mode), &until
}

// protected reports whether a version may not be deleted.
func (o *Object) protected(at time.Time, bypass bool) bool {
	kept := o.Until != nil && o.Until.After(at)
	return o.Hold == types.ObjectLockLegalHoldStatusOn || kept && (o.Mode == types.ObjectLockModeCompliance || !bypass)
}

func (o *Object) locked(c *gate.Call, bypass bool) error {
	if o.protected(c.At, bypass) {
		return refuse(http.StatusForbidden, "AccessDenied", "Access Denied because object protected by object lock.")
	}
	return nil
}

// lockedObject finds a version in a bucket that has locks.
func (s *Service) lockedObject(name, key string, version *string) (*Object, error) {
	b := s.buckets.Get(name)
	if !b.hasLock() {
		return nil, noLock()
	}
	return s.found(b, key, version)
}

func (s *Service) askPutRetention(c *gate.Call, in *s3.PutObjectRetentionInput) ([]gate.Ask, error) {
	b, err := s.bucketOf(c, in)
	if err != nil {
		return nil, err
	}
	var g given
	g.text("s3:versionid", value(in.VersionId))
	if r := in.Retention; r != nil {
		g.text("s3:object-lock-mode", string(r.Mode))
		lockKeys(&g, c, r.RetainUntilDate)
	}
	asks := []gate.Ask{s.ask(c, b, "PutObjectRetention", *in.Key, g.list)}
	if yes(in.BypassGovernanceRetention) {
		asks = append(asks, s.ask(c, b, "BypassGovernanceRetention", *in.Key, g.list))
	}
	return asks, nil
}

// PutObjectRetention sets until when a version is kept. Compliance can only be made
// longer, governance shorter with the right to bypass it.
func (s *Service) PutObjectRetention(ctx context.Context, in *s3.PutObjectRetentionInput) (*s3.PutObjectRetentionOutput, error) {
	c := gate.From(ctx)
	old, err := s.lockedObject(*in.Bucket, *in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	o := *old
	o.Mode, o.Until = "", nil
	if r := in.Retention; r != nil && (r.Mode != "" || r.RetainUntilDate != nil) {
		switch {
		case r.Mode == "" || r.RetainUntilDate == nil:
			return nil, bad("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
		case !r.RetainUntilDate.After(c.At):
			return nil, bad("InvalidArgument", "The retain until date must be in the future!")
		}
		o.Mode, o.Until = types.ObjectLockMode(r.Mode), new(r.RetainUntilDate.UTC())
	}
	weaker := o.Until == nil || old.Until != nil && o.Until.Before(*old.Until) || old.Mode == types.ObjectLockModeCompliance && o.Mode != old.Mode
	if old.Until != nil && old.Until.After(c.At) && weaker && (old.Mode == types.ObjectLockModeCompliance || !yes(in.BypassGovernanceRetention)) {
		return nil, refuse(http.StatusForbidden, "AccessDenied", "Access Denied because object protected by object lock.")
	}
	s.objects.Put(o.row(), &o)
	return &s3.PutObjectRetentionOutput{}, nil
}

func noObjectLock() error {
	return refuse(http.StatusNotFound, "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration")
}

// GetObjectRetention tells it.
func (s *Service) GetObjectRetention(_ context.Context, in *s3.GetObjectRetentionInput) (*s3.GetObjectRetentionOutput, error) {
	o, err := s.lockedObject(*in.Bucket, *in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	if o.Until == nil {
		return nil, noObjectLock()
	}
	return &s3.GetObjectRetentionOutput{Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionMode(o.Mode), RetainUntilDate: o.Until}}, nil
}

func (s *Service) askPutLegalHold(c *gate.Call, in *s3.PutObjectLegalHoldInput) ([]gate.Ask, error) {
	b, err := s.bucketOf(c, in)
	if err != nil {
		return nil, err
	}
	var g given
	g.text("s3:versionid", value(in.VersionId))
	if in.LegalHold != nil {
		g.text("s3:object-lock-legal-hold", string(in.LegalHold.Status))
	}
	return []gate.Ask{s.ask(c, b, "PutObjectLegalHold", *in.Key, g.list)}, nil
}

// PutObjectLegalHold holds a version, or lets it go.
func (s *Service) PutObjectLegalHold(_ context.Context, in *s3.PutObjectLegalHoldInput) (*s3.PutObjectLegalHoldOutput, error) {
	old, err := s.lockedObject(*in.Bucket, *in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	if in.LegalHold == nil || in.LegalHold.Status == "" {
		return nil, bad("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	o := *old
	o.Hold = in.LegalHold.Status
	s.objects.Put(o.row(), &o)
	return &s3.PutObjectLegalHoldOutput{}, nil
}

// GetObjectLegalHold tells it, of a version that was held or let go before.
func (s *Service) GetObjectLegalHold(_ context.Context, in *s3.GetObjectLegalHoldInput) (*s3.GetObjectLegalHoldOutput, error) {
	o, err := s.lockedObject(*in.Bucket, *in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	if o.Hold == "" {
		return nil, noObjectLock()
	}
	return &s3.GetObjectLegalHoldOutput{LegalHold: &types.ObjectLockLegalHold{Status: o.Hold}}, nil
}
