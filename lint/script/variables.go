package script

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// variables are those that the scripts of the text set.
type variables map[string]*variable

// variable is one name. It has a value where it is set once.
type variable struct {
	sets  int
	unit  *unit
	value *syntax.Word
	hdoc  *syntax.Redirect // read from a here-document
	asked bool             // it holds what an AWS command said
	state uint8
	known value
}

const (
	fresh uint8 = iota
	busy
	ready
)

// maxValue is how long the value of a variable may be that is put in, and
// maxExpanded how much is put in altogether.
const (
	maxValue    = 64 << 10
	maxExpanded = 4 << 20
)

// collect finds where variables are set.
func (r *reader) collect() {
	for _, s := range r.scripts {
		for _, u := range s.units {
			for _, stmt := range u.stmts {
				r.collectFrom(u, stmt)
			}
		}
	}
}

func (r *reader) collectFrom(u *unit, stmt *syntax.Stmt) {
	prefix := map[*syntax.Assign]bool{}
	syntax.Walk(stmt, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Stmt:
			r.collectRead(u, n)
		case *syntax.CallExpr:
			if len(n.Args) > 0 {
				for _, a := range n.Assigns {
					prefix[a] = true
				}
			}
		case *syntax.WordIter:
			if n.Name != nil {
				r.variable(n.Name.Value).sets += 2 // one value after the other
			}
		case *syntax.Assign:
			if prefix[n] || n.Naked || n.Name == nil {
				return true
			}
			v := r.variable(n.Name.Value)
			v.sets++
			if n.Append || n.Index != nil || n.Array != nil {
				v.sets++ // its value is not this one alone
			}
			v.unit, v.value = u, n.Value
			v.asked = v.asked || n.Value != nil && asks(u, n.Value)
		}
		return true
	})
}

func (r *reader) variable(name string) *variable {
	v := r.vars[name]
	if v == nil {
		v = &variable{}
		r.vars[name] = v
	}
	return v
}

// collectRead takes up read NAME, from a here-document too.
func (r *reader) collectRead(u *unit, stmt *syntax.Stmt) {
	call, ok := stmt.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) < 2 {
		return
	}
	switch call.Args[0].Lit() {
	case "read", "mapfile", "readarray", "getopts":
	default:
		return
	}
	for _, a := range call.Args[1:] {
		name := a.Lit()
		if !syntax.ValidName(name) {
			continue
		}
		v := r.variable(name)
		v.sets++
		for _, redirect := range stmt.Redirs {
			if redirect.Hdoc != nil {
				v.unit, v.hdoc = u, redirect
			}
		}
	}
}

// asks reports whether a word is what an AWS command prints.
func asks(u *unit, w *syntax.Word) bool {
	found := false
	syntax.Walk(w, func(n syntax.Node) bool {
		if sub, ok := n.(*syntax.CmdSubst); ok {
			from, to := u.span(sub)
			found = found || strings.Contains(u.raw.text[from:min(to, from+maxShownCode)], "aws ")
			return false
		}
		return !found
	})
	return found
}

// span returns where a node begins and ends, within the text.
func (u *unit) span(n syntax.Node) (from, to int) {
	to = min(int(n.End().Offset()), len(u.raw.text))
	return min(int(n.Pos().Offset()), to), to
}

// value returns what a variable holds when it is set once, to a text.
func (r *reader) value(name string) (value, bool) {
	v := r.vars[name]
	if v == nil || v.sets != 1 || v.state == busy || v.value == nil && v.hdoc == nil {
		return value{}, false
	}
	if v.state == fresh {
		v.state = busy
		switch {
		case v.hdoc != nil:
			v.known = value{piece: r.heredoc(v.unit, v.hdoc)}
		case v.value != nil:
			v.known = r.expand(v.unit, v.value)
		}
		v.state = ready
	}
	known := v.known
	if n := len(known.text); n > maxValue || r.expanded+n > maxExpanded {
		return value{}, false
	}
	r.expanded += len(known.text)
	return known, !known.unknown || known.text != "" && known.json()
}

// collectNew takes up the variables of the script added last.
func (r *reader) collectNew() {
	s := r.scripts[len(r.scripts)-1]
	for _, u := range s.units {
		for _, stmt := range u.stmts {
			r.collectFrom(u, stmt)
		}
	}
}
