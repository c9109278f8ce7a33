package kms

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// lastUsage remembers, since the start of the sandbox, how each key was used
// last.
type lastUsage struct{ keys sync.Map } // row key → *atomic.Pointer[used]

type used struct {
	operation string
	at        time.Time
	request   string
}

// note keeps that a call used a key.
func (s *Service) note(c *gate.Call, k *Key) {
	last, ok := s.last.keys.Load(k.row())
	if !ok {
		last, _ = s.last.keys.LoadOrStore(k.row(), &atomic.Pointer[used]{})
	}
	last.(*atomic.Pointer[used]).Store(&used{operation: c.Operation, at: c.At, request: c.ID})
}

// GetKeyLastUsage tells how a key was used last.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html.
func (s *Service) GetKeyLastUsage(ctx context.Context, in *kms.GetKeyLastUsageInput) (*kms.GetKeyLastUsageOutput, error) {
	k, err := s.found(ctx, *in.KeyId, "GetKeyLastUsage")
	if err != nil {
		return nil, err
	}
	out := &kms.GetKeyLastUsageOutput{KeyId: &k.arn, KeyCreationDate: &k.Created, TrackingStartDate: &s.started}
	if v, ok := s.last.keys.Load(k.row()); ok {
		u := v.(*atomic.Pointer[used]).Load()
		out.KeyLastUsage = &types.KeyLastUsageData{
			Operation: types.KeyLastUsageTrackingOperation(u.operation), Timestamp: &u.at, KmsRequestId: &u.request,
		}
	}
	return out, nil
}
