package script

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/keyreach/keyreach/lint/rules"
)

// walker goes over the statements of one script.
type walker struct {
	r      *reader
	s      *script
	u      *unit
	number int
}

// where is what a statement stands in.
type where struct {
	guarded bool
	into    string // the variable that takes what is printed
}

func (r *reader) walk(s *script, number int) {
	for _, u := range s.units {
		w := walker{r: r, s: s, u: u, number: number}
		w.stmts(u.stmts, where{})
	}
}

func (w *walker) stmts(stmts []*syntax.Stmt, in where) {
	for _, s := range stmts {
		w.stmt(s, in)
	}
}

// stmt reads a statement and returns the words of its command, which the other
// end of a pipe is told.
func (w *walker) stmt(s *syntax.Stmt, in where) *rules.Pipe {
	if s == nil {
		return nil
	}
	in.guarded = in.guarded || s.Negated
	for _, redirect := range s.Redirs {
		if redirect.Word != nil {
			w.substitutions(redirect.Word, in)
		}
		if redirect.Hdoc != nil {
			w.substitutions(redirect.Hdoc, in)
		}
	}
	switch c := s.Cmd.(type) {
	case nil:
	case *syntax.CallExpr:
		return w.call(s, c, in)
	case *syntax.BinaryCmd:
		return w.binary(c, in)
	case *syntax.DeclClause:
		for _, a := range c.Args {
			w.assign(a, in)
		}
	case *syntax.TimeClause:
		return w.stmt(c.Stmt, in)
	case *syntax.CoprocClause:
		return w.stmt(c.Stmt, in)
	case *syntax.Block:
		w.stmts(c.Stmts, in)
	case *syntax.Subshell:
		w.stmts(c.Stmts, in)
	case *syntax.FuncDecl:
		w.stmt(c.Body, where{})
	case *syntax.IfClause:
		w.ifClause(c, in)
	case *syntax.WhileClause:
		looks := w.looks(c.Cond)
		w.stmts(c.Cond, where{guarded: true})
		w.stmts(c.Do, where{guarded: in.guarded || looks})
	case *syntax.ForClause:
		if each, ok := c.Loop.(*syntax.WordIter); ok && each.Name != nil {
			w.substitutions(c.Loop, where{guarded: in.guarded, into: each.Name.Value})
		} else {
			w.substitutions(c.Loop, in)
		}
		w.stmts(c.Do, where{guarded: in.guarded})
	case *syntax.CaseClause:
		w.substitutions(c.Word, in)
		for _, item := range c.Items {
			w.stmts(item.Stmts, where{guarded: in.guarded})
		}
	default: // tests, arithmetic
		w.substitutions(c, in)
	}
	return nil
}

// ifClause reads a condition and its branches. What stands in a branch is done
// in view of what is there when the condition looks at that.
func (w *walker) ifClause(c *syntax.IfClause, in where) {
	looks := in.guarded
	for ; c != nil; c = c.Else {
		looks = looks || w.looks(c.Cond)
		w.stmts(c.Cond, where{guarded: true})
		w.stmts(c.Then, where{guarded: looks})
	}
}

// binary reads pipes and lists. Pipes are told to both ends.
func (w *walker) binary(c *syntax.BinaryCmd, in where) *rules.Pipe {
	if c.Op != syntax.OrStmt && c.Op != syntax.AndStmt {
		w.pipe(c, in)
		return nil
	}
	// The list leans to the left: its first command stands deepest.
	var list []*syntax.BinaryCmd
	first := c.X
	for list = append(list, c); ; {
		inner, ok := first.Cmd.(*syntax.BinaryCmd)
		if !ok || inner.Op != syntax.OrStmt && inner.Op != syntax.AndStmt {
			break
		}
		list, first = append(list, inner), inner.X
	}
	slices.Reverse(list)
	stmts := []*syntax.Stmt{first}
	for _, b := range list {
		stmts = append(stmts, b.Y)
	}
	looks := in.guarded
	for i, s := range stmts {
		// What fails before || is no end, and what stands after it is done only then.
		or := i < len(list) && list[i].Op == syntax.OrStmt || i > 0 && list[i-1].Op == syntax.OrStmt
		w.stmt(s, where{guarded: looks || or, into: in.into})
		looks = looks || i < len(list) && w.looks([]*syntax.Stmt{s})
	}
	return nil
}

func (w *walker) pipe(c *syntax.BinaryCmd, in where) {
	var stmts []*syntax.Stmt
	var flatten func(s *syntax.Stmt)
	flatten = func(s *syntax.Stmt) {
		if b, ok := s.Cmd.(*syntax.BinaryCmd); ok && (b.Op == syntax.Pipe || b.Op == syntax.PipeAll) {
			flatten(b.X)
			flatten(b.Y)
			return
		}
		stmts = append(stmts, s)
	}
	flatten(c.X)
	flatten(c.Y)
	if in.into == "" {
		in.into = readInLoop(stmts[len(stmts)-1])
	}
	ends := make([]*rules.Pipe, len(stmts))
	for i, s := range stmts {
		ends[i] = w.stmt(s, where{guarded: in.guarded, into: in.into})
		if ends[i] == nil {
			ends[i] = &rules.Pipe{}
		}
	}
	// One chain forwards and one backwards: the same end has another Next in each.
	var back *rules.Pipe
	for _, e := range ends {
		if e.Command != nil {
			e.Command.Stdin = back
		}
		back = &rules.Pipe{Words: e.Words, Command: e.Command, Next: back}
	}
	var on *rules.Pipe
	for i := len(ends) - 1; i >= 0; i-- {
		if ends[i].Command != nil {
			ends[i].Command.Pipe = on
		}
		on = &rules.Pipe{Words: ends[i].Words, Command: ends[i].Command, Next: on}
	}
	w.pipedFile(stmts, ends[len(ends)-1])
}

// readInLoop returns the variable that a loop reads its lines into, or "".
func readInLoop(s *syntax.Stmt) string {
	loop, ok := s.Cmd.(*syntax.WhileClause)
	if !ok || len(loop.Cond) != 1 {
		return ""
	}
	call, ok := loop.Cond[0].Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) < 2 || call.Args[0].Lit() != "read" {
		return ""
	}
	return call.Args[len(call.Args)-1].Lit()
}

// maxLooks bounds the work of looking into conditions, which may stand inside
// one another.
const maxLooks = 2_000_000

// looks reports whether a condition looks at what is there: by an AWS command,
// at the output of one, at whether a variable or file is empty, or at whether
// the last command failed.
func (w *walker) looks(cond []*syntax.Stmt) bool {
	found := false
	for _, s := range cond {
		syntax.Walk(s, func(n syntax.Node) bool {
			if w.r.looked++; w.r.looked > maxLooks {
				return false
			}
			switch n := n.(type) {
			case *syntax.Lit:
				switch n.Value {
				case "aws", "-z", "-n", "-s", "-f", "-e":
					found = true
				}
			case *syntax.UnaryTest:
				switch n.Op {
				case syntax.TsEmpStr, syntax.TsNempStr, syntax.TsNoEmpty, syntax.TsRegFile, syntax.TsExists:
					found = true
				}
			case *syntax.ParamExp:
				if n.Param != nil {
					v := w.r.vars[n.Param.Value]
					found = found || n.Param.Value == "?" || v != nil && v.asked
				}
			}
			return !found
		})
	}
	return found
}

// substitutions reads the commands in words.
func (w *walker) substitutions(n syntax.Node, in where) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst:
			w.stmts(n.Stmts, where{guarded: in.guarded, into: in.into})
			return false
		case *syntax.ProcSubst:
			w.stmts(n.Stmts, where{guarded: in.guarded})
			return false
		}
		return true
	})
}

// assign reads the commands in the value of a variable, and the policy that it
// may be.
func (w *walker) assign(a *syntax.Assign, in where) {
	name := ""
	if a.Name != nil {
		name = a.Name.Value
	}
	w.substitutions(a, where{guarded: in.guarded, into: name})
	if a.Value == nil {
		return
	}
	if v := w.r.expand(w.u, a.Value); v.json() && strings.Contains(v.text, `"Statement"`) {
		w.r.part(v.piece, "", "json", w.s.headings, v.at)
	}
}

// call reads a simple command.
func (w *walker) call(s *syntax.Stmt, c *syntax.CallExpr, in where) *rules.Pipe {
	for _, a := range c.Assigns {
		w.assign(a, in)
	}
	values := make([]value, 0, len(c.Args))
	for _, a := range c.Args {
		w.substitutions(a, where{guarded: in.guarded})
		values = append(values, w.r.expand(w.u, a))
	}
	end := &rules.Pipe{Words: make([]rules.Word, len(values))}
	for i := range values {
		end.Words[i] = w.r.word(&values[i])
	}
	command, origins := w.r.command(values, end.Words, w.s.strict)
	if command != nil {
		command.Script, command.Guarded = w.number, in.guarded
		at := values[find(end.Words)].at
		w.r.starts[command] = at
		command.Headings, command.Comment = w.s.headings, w.r.above(w.r.line(at))
		command.Out, command.Into = w.out(s), in.into
		end.Command = command
		w.r.out.Commands = append(w.r.out.Commands, command)
		w.r.use(&w.s.block, command, values, origins)
	}
	w.files(s, values, command)
	if command == nil {
		w.written(s, values)
	}
	return end
}

// out returns the file that the standard output of a statement is written to.
func (w *walker) out(s *syntax.Stmt) string {
	for i := len(s.Redirs) - 1; i >= 0; i-- {
		redirect := s.Redirs[i]
		switch redirect.Op {
		case syntax.RdrOut, syntax.AppOut, syntax.RdrClob, syntax.AppClob, syntax.RdrAll, syntax.AppAll:
			if redirect.Word != nil && (redirect.N == nil || redirect.N.Value == "1") {
				v := w.r.expand(w.u, redirect.Word)
				return strings.TrimSpace(v.text)
			}
		}
	}
	return ""
}
