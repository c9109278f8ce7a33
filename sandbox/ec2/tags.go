package ec2

import (
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// tagsFor are the tags that a request gives to what it makes of a type.
func tagsFor(specs []types.TagSpecification, kind types.ResourceType) map[string]string {
	var tags map[string]string
	for _, spec := range specs {
		if spec.ResourceType != kind {
			continue
		}
		for _, t := range spec.Tags {
			if tags == nil {
				tags = map[string]string{}
			}
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	return tags
}

// shownTags are tags in the order of their keys.
func shownTags(tags map[string]string) []types.Tag {
	out := make([]types.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Tag{Key: new(key), Value: new(tags[key])})
	}
	return out
}

// askTags asks for the right to tag what an operation makes.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html.
func askTags(operation, resource string, tags map[string]string) []gate.Ask {
	if len(tags) == 0 {
		return nil
	}
	g := append(gate.RequestTags(tags), estate.NewEntry("ec2:createaction", policy.One(operation)))
	return []gate.Ask{{Action: "ec2:CreateTags", Resource: resource, Context: g}}
}
