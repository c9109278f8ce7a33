package lint

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint/input"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/route"
)

// declared looks at a file of routes: what keeps it from being read, and, with
// an estate, what is wrong on the way of each route.
func declared(f *File, o *Options) []rules.Found {
	if filepath.Base(f.Name) != route.FileName {
		return nil
	}
	routes, err := route.Load(f.Name, f.Data)
	if err != nil {
		return problems(f.Name, err)
	}
	e := o.Estate
	if e == nil {
		if e, err = estate.LoadFile(routes.EstatePath()); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return problems(routes.EstatePath(), err)
		}
	}
	at := o.At
	if at.IsZero() {
		at = time.Now().UTC()
	}
	var found []rules.Found
	for i := range routes.Routes {
		p, err := route.Prove(&routes.Routes[i], e, at)
		if err != nil {
			found = append(found, problems(f.Name, err)...)
			continue
		}
		p.Find(&routes.Routes[i], e)
		for _, x := range p.Findings {
			if x.Position.File == "" {
				x.Position = routes.Routes[i].Position
			}
			found = append(found, rules.Found{Finding: x})
		}
	}
	return found
}

// problems turns what keeps a file from being read into findings.
func problems(name string, err error) []rules.Found {
	var file *estate.FileError
	if !errors.As(err, &file) {
		return []rules.Found{unreadable(name, &input.Error{Text: err.Error()}, finding.Error)}
	}
	var found []rules.Found
	for _, p := range file.Problems {
		found = append(found, rules.Found{Finding: finding.Finding{
			Rule: Unreadable, Severity: finding.Error, Position: p.Position, Text: p.Text, Fix: p.Hint,
		}})
	}
	return found
}
