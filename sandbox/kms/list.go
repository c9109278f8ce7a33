package kms

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// paged cuts a page from a list.
func paged[T any](list []T, marker *string, limit *int32, plain int) ([]T, *string, error) {
	page, next, ok := gate.Page(list, marker, limit, plain)
	if !ok {
		return nil, nil, refuse("InvalidMarkerException", "Could not deserialize marker '"+*marker+"'")
	}
	return page, next, nil
}

// ListKeys lists the keys of an account and Region.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeys.html.
func (s *Service) ListKeys(ctx context.Context, in *kms.ListKeysInput) (*kms.ListKeysOutput, error) {
	c := gate.From(ctx)
	var list []types.KeyListEntry
	for _, k := range s.keys.All(state.Key(c.Caller.Account, c.Region, "")) {
		if k = k.at(c.At); k != nil {
			list = append(list, types.KeyListEntry{KeyId: &k.ID, KeyArn: &k.arn})
		}
	}
	page, next, err := paged(list, in.Marker, in.Limit, 100)
	if err != nil {
		return nil, err
	}
	return &kms.ListKeysOutput{Keys: page, NextMarker: next, Truncated: next != nil}, nil
}
