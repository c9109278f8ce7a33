package ec2

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/arn"
)

// fields are the values that a resource has for each filter: one name may have several,
// or none.
type fields map[string][]string

// tagged adds the filters that every resource with tags has.
func (f fields) tagged(tags map[string]string) fields {
	f["tag-key"], f["tag-value"] = nil, nil
	for key, value := range tags {
		f["tag:"+key] = []string{value}
		f["tag-key"] = append(f["tag-key"], key)
		f["tag-value"] = append(f["tag-value"], value)
	}
	return f
}

// match reports whether a resource has one of the values of every filter. Values may
// have * and ?. The error names a filter that the operation does not have.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html.
func match(filters []types.Filter, f fields) (bool, error) {
	all := true
	for _, filter := range filters {
		name := aws.ToString(filter.Name)
		values, known := f[name]
		if !known && !strings.HasPrefix(name, "tag:") {
			return false, invalidValue("The filter '" + name + "' is invalid")
		}
		all = all && slices.ContainsFunc(filter.Values, func(pattern string) bool {
			return slices.ContainsFunc(values, func(v string) bool { return arn.Glob(pattern, v) })
		})
	}
	return all, nil
}
