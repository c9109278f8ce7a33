package diagnose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var namedAction = regexp.MustCompile(`(?:perform:?\s+|allows the |Actions: )(kms:[A-Za-z]+)`)

// RefusedAction is the KMS action that a text names as refused, found without
// anything of the package.
func RefusedAction(text string) string {
	if m := namedAction.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// ReachedCodes are the codes that forms and rules name.
func ReachedCodes() []string {
	var codes []string
	for _, f := range allForms() {
		for _, p := range f.causes {
			codes = append(codes, p.code)
		}
	}
	for _, r := range allRules() {
		for _, s := range r.shift {
			codes = append(codes, s.code)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// HasFix reports whether a code has a fix, and what settles it.
func HasFix(code string) bool { return fixes[code] != "" && len(questions[code]) > 0 }

// TableProblems are what is wrong with the forms and the rules.
func TableProblems() []string {
	var problems []string
	names := map[string]bool{}
	for _, f := range allForms() {
		sum := 0.0
		for _, p := range f.causes {
			sum += p.weight
		}
		switch {
		case names[f.name]:
			problems = append(problems, "two forms are named "+f.name)
		case sum > 1:
			problems = append(problems, fmt.Sprintf("the weights of form %s sum to %.2f", f.name, sum))
		case f.says == "" || f.words == nil && f.when == nil:
			problems = append(problems, "form "+f.name+" says nothing, or fits everything")
		}
		names[f.name] = true
		problems = append(problems, upper(f.words)...)
	}
	for i, r := range allRules() {
		for _, f := range r.forms {
			if !names[f] {
				problems = append(problems, fmt.Sprintf("rule %d bears on the form %s, which does not exist", i, f))
			}
		}
		if r.says == "" || len(r.shift) == 0 || r.words == nil && r.when == nil {
			problems = append(problems, fmt.Sprintf("rule %d says nothing, does nothing, or always applies: %s", i, r.says))
		}
		problems = append(problems, upper(r.words)...)
	}
	return problems
}

// upper finds phrases with capitals, which never fit.
func upper(words []phrase) []string {
	var problems []string
	for _, w := range words {
		if strings.ToLower(string(w)) != string(w) {
			problems = append(problems, "the phrase "+string(w)+" has capitals")
		}
	}
	return problems
}

// Differs tells the fields in which two incidents differ.
func Differs(got, want *Incident) string {
	got.words, got.implied = "", ""
	g, w := fmt.Sprintf("%+v", *got), fmt.Sprintf("%+v", *want)
	if g == w {
		return ""
	}
	return "got  " + g + "\nwant " + w
}
