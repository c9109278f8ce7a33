package rds

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// wanted are the values that filters ask for, by name.
type wanted map[string][]string

// wants reads filters; a name that the operation does not have is refused.
func wants(filters []types.Filter, names ...string) (wanted, error) {
	w := wanted{}
	for _, f := range filters {
		if !slices.Contains(names, aws.ToString(f.Name)) {
			return nil, invalid("Unrecognized filter name: " + aws.ToString(f.Name))
		}
		w[*f.Name] = append(w[*f.Name], f.Values...)
	}
	return w, nil
}

// has reports whether one of the values is among those asked for, if any are.
func (w wanted) has(name string, values ...string) bool {
	list, asked := w[name]
	if !asked {
		return true
	}
	return slices.ContainsFunc(list, func(v string) bool {
		return slices.ContainsFunc(values, func(have string) bool { return have != "" && strings.EqualFold(v, have) })
	})
}
