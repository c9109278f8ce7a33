package input

import (
	"errors"
	"slices"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// ours reads the files that are Keyreach's own: an estate, or the routes.
func (r *reader) ours(n *source.Node) bool {
	if n.Kind != source.Map || n.Field("format_version") == nil {
		return false
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return n.Field(name) != nil })
	}
	switch {
	case has("routes"):
		r.is(RoutesFile)
		return true
	case !has("accounts", "principals", "keys", "organization", "resources") || has("terraform_version", "planned_values", "resource_changes", "values"):
		return false
	}
	r.is(EstateFile)
	if r.at != nil {
		return true // a part of a text, whose places would be wrong
	}
	m, err := rules.ReadEstate(r.file, r.data)
	if err != nil {
		r.refused(err)
		return true
	}
	r.take(m)
	r.m.Estate, r.m.Places = m.Estate, m.Places
	return true
}

// refused notes what is wrong with a file of Keyreach's own.
func (r *reader) refused(err error) {
	var many *estate.FileError
	if !errors.As(err, &many) {
		r.fail(source.Pos{}, err.Error())
		return
	}
	for i := range many.Problems {
		if p := &many.Problems[i]; len(*r.errs) < maxErrors {
			text := p.Text
			if p.Hint != "" {
				text += "; " + p.Hint
			}
			*r.errs = append(*r.errs, &Error{Position: p.Position, Text: text})
		}
	}
}
