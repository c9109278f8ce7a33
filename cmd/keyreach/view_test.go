package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/lint"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

// Whoever reads an answer by a program goes over its lists, and finds one also where
// there is nothing to tell.
func TestListsOfAnswersAreNeverNull(t *testing.T) {
	t.Parallel()
	incident := &diagnose.Incident{Causes: []diagnose.Cause{{}}}
	for name, view := range map[string]any{
		"check of nothing":         (&report{}).view(),
		"check of a route":         viewOfRoute(&route.Route{}, &route.Proof{}),
		"a decision":               viewOf(&access.Decision{}),
		"routes":                   routesView([]route.Kind{{Parties: []route.PartyKind{}, Steps: []route.StepKind{}}}),
		"lint of nothing":          lintViewOf(nil),
		"lint --access of nothing": reachViewOf(nil),
		"lint --access of a key":   reachViewOf([]lint.Reach{{Gains: []access.Gain{{Actions: []string{"kms:keyreach-unnamed"}}}}}),
		"diagnose of nothing":      viewOfDiagnosis(nil),
		"diagnose":                 viewOfDiagnosis([]diagnose.Incident{*incident, {}}),
		"a judgement":              viewOfJudgement(&diagnose.Judgement{}),
		"what a diagnosis plans":   (&mending{plan: &plan.Plan{}}).view(),
		"a run":                    viewOfRun(&run.Run{}, true),
		"a rehearsal":              (&rehearsal{plan: &plan.Plan{}}).view(),
	} {
		nullLists(t, name, reflect.ValueOf(view))
	}
}

// nullLists reports the lists that are written as null.
func nullLists(t *testing.T, at string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			nullLists(t, at, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			nullLists(t, at+"[]", v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() && !f.Anonymous || name == "-" {
				continue
			}
			if f.Type.Kind() == reflect.Slice && v.Field(i).IsNil() && name != "" && !strings.Contains(options, "omit") {
				t.Errorf("%s: %s is null", at, name)
			}
			nullLists(t, at+"."+f.Name, v.Field(i))
		}
	}
}
