package kms

import (
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// emit tells EventBridge what happened to a key.
// See https://docs.aws.amazon.com/kms/latest/developerguide/kms-events.html.
func (s *Service) emit(k *Key, at time.Time, what string, more map[string]any) {
	if s.Events == nil {
		return
	}
	detail := map[string]any{"key-id": k.ID}
	maps.Copy(detail, more)
	s.Events.Emit(gate.Event{
		At: at, Account: k.Account, Region: k.Region, Source: "aws.kms", DetailType: what, Resources: []string{k.arn}, Detail: detail,
	})
}

// emitRotation tells that a key got new material.
func (s *Service) emitRotation(k *Key, before string, how types.RotationType, at time.Time) {
	s.emit(k, at, "KMS CMK Rotation", map[string]any{
		"key-origin": k.Origin, "rotation-type": how, "previous-key-material-id": before, "current-key-material-id": k.LastMaterial,
	})
}
