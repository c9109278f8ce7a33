package kms

import (
	"context"
	"encoding/base64"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// paged cuts a page from a list. The marker is the place where the next page
// begins.
func paged[T any](list []T, marker *string, limit *int32, plain int) (page []T, next *string, err error) {
	from := 0
	if marker != nil {
		text, err := base64.RawURLEncoding.DecodeString(*marker)
		if err == nil {
			from, err = strconv.Atoi(string(text))
		}
		if err != nil || from < 0 {
			return nil, nil, refuse("InvalidMarkerException", "Could not deserialize marker '"+*marker+"'")
		}
	}
	if limit != nil {
		plain = int(*limit)
	}
	from = min(from, len(list))
	to := min(from+plain, len(list))
	page = append([]T{}, list[from:to]...)
	if to < len(list) {
		next = new(base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to))))
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
