package iam

import (
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func refuse(code, text string) error { return wire.Refuse(code, text) }

func noSuch(kind, name string) error {
	return refuse("NoSuchEntity", "The "+kind+" with name "+name+" cannot be found.")
}

// noPolicy refuses a managed policy that is not there. Of AWS's own the sandbox has
// some only, which who wonders is told.
func noPolicy(policyARN string) error {
	e := &wire.Error{Code: "NoSuchEntity", Message: "Policy " + policyARN + " does not exist or is not attachable.", Status: http.StatusNotFound}
	if p, err := arn.Parse(policyARN); err == nil && p.Account == "aws" {
		e.Why = "The sandbox has not all policies of AWS's own: ListPolicies with the scope AWS lists those that it has. An estate can bring others."
	}
	return e
}

func exists(kind, name string) error {
	return refuse("EntityAlreadyExists", kind+" with name "+name+" already exists.")
}

func conflict(text string) error { return refuse("DeleteConflict", text) }

func malformed(text string) error { return refuse("MalformedPolicyDocument", text) }

// protected refuses to change a service-linked role.
func (r *Role) protected() error {
	if r.Service == "" {
		return nil
	}
	return refuse("UnmodifiableEntity", "Cannot perform the operation on the protected role '"+r.Name+"' - this role is only modifiable by AWS")
}

// paged cuts a page from a list.
func paged[T any](list []T, marker *string, limit *int32) ([]T, *string, error) {
	page, next, ok := gate.Page(list, marker, limit, 100)
	if !ok {
		return nil, nil, refuse("ValidationError", "Invalid Marker.")
	}
	return page, next, nil
}

// second is a time as IAM keeps and shows it.
func second(t time.Time) time.Time { return t.Truncate(time.Second) }

// path completes a path.
func pathOf(s *string) string {
	if s == nil || *s == "" {
		return "/"
	}
	return *s
}

func under(path string, prefix *string) bool {
	return prefix == nil || strings.HasPrefix(path, *prefix)
}

// maxTags is the number of tags that a user, role or policy may have.
const maxTags = 50

// addTags adds tags to those there are. Keys are the same whatever their letter
// case.
func addTags(old []Tag, added []types.Tag) ([]Tag, error) {
	tags := append([]Tag{}, old...)
	seen := map[string]bool{}
	for _, t := range added {
		key := strings.ToLower(*t.Key)
		switch {
		case strings.HasPrefix(key, "aws:"):
			return nil, refuse("InvalidInput", "Tag keys that begin with aws: are reserved.") // assumed text
		case seen[key]:
			return nil, refuse("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[key] = true
		at := -1
		for i := range tags {
			if strings.EqualFold(tags[i].Key, key) {
				at = i
			}
		}
		if at < 0 {
			tags = append(tags, Tag{*t.Key, *t.Value})
			continue
		}
		tags[at] = Tag{*t.Key, *t.Value}
	}
	if len(tags) > maxTags {
		return nil, refuse("LimitExceeded", "A resource may have 50 tags at most.") // assumed text
	}
	return tags, nil
}

func removeTags(old []Tag, keys []string) []Tag {
	var tags []Tag
	for _, t := range old {
		gone := false
		for _, k := range keys {
			gone = gone || strings.EqualFold(k, t.Key)
		}
		if !gone {
			tags = append(tags, t)
		}
	}
	return tags
}

func shownTags(tags []Tag) []types.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := make([]types.Tag, len(tags))
	for i := range tags {
		out[i] = types.Tag{Key: &tags[i].Key, Value: &tags[i].Value}
	}
	return out
}
