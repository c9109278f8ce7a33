package gate

import (
	"maps"
	"slices"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// RequestTags are the condition keys of the tags in a request.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-requesttag.
func RequestTags(tags map[string]string) estate.Given {
	var g estate.Given
	keys := slices.Sorted(maps.Keys(tags))
	for _, key := range keys {
		g = append(g, estate.NewEntry("aws:requesttag/"+key, policy.One(tags[key])))
	}
	if len(keys) > 0 {
		g = append(g, estate.NewEntry("aws:tagkeys", policy.Many(keys...)))
	}
	return g
}

// ResourceTags are the condition keys of the tags of a resource: aws:ResourceTag, and
// the service's own of that form, as "ec2:resourcetag".
func ResourceTags(tags map[string]string, more ...string) estate.Given {
	var g estate.Given
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		for _, name := range append([]string{"aws:resourcetag"}, more...) {
			g = append(g, estate.NewEntry(name+"/"+key, policy.One(tags[key])))
		}
	}
	return g
}
