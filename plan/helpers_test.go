package plan_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
)

// noon is when the tests are.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// example reads an example's routes and estate.
func example(t *testing.T, name string) ([]route.Route, *estate.Estate) {
	t.Helper()
	return exampleFor(t, name)
}

// exampleFor reads an example also for what is no test: a fuzz target, a benchmark.
func exampleFor(t testing.TB, name string) ([]route.Route, *estate.Estate) {
	t.Helper()
	f, err := route.LoadFile(filepath.Join("..", "examples", name, route.FileName))
	if err != nil {
		t.Fatal(err)
	}
	e, err := estate.LoadFile(f.EstatePath())
	if err != nil {
		t.Fatal(err)
	}
	return f.Routes, e
}

// examples are the names of all examples.
func examples(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("../examples/*/" + route.FileName)
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for i := range dirs {
		dirs[i] = filepath.Base(filepath.Dir(dirs[i]))
	}
	return dirs
}

// planned makes a plan.
func planned(t *testing.T, routes []route.Route, e *estate.Estate, o plan.Options) *plan.Plan {
	t.Helper()
	o.At = noon
	p, err := plan.Make(routes, e, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// performed is the estate with the plan's ops.
func performed(t *testing.T, p *plan.Plan, e *estate.Estate) *estate.Estate {
	t.Helper()
	after, err := e.Apply(opsOf(p)...)
	if err != nil {
		t.Fatal(err)
	}
	return after
}

func opsOf(p *plan.Plan) []estate.Op {
	var ops []estate.Op
	for i := range p.Steps {
		ops = append(ops, p.Steps[i].Op)
	}
	return ops
}
