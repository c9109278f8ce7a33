package plan

import (
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
)

// elements are the elements of a statement that the planner writes, as AWS spells them.
var elements = [...]string{"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}

// told holds what a step says of how things were against how they are: by Was a run knows
// what it may write over, and Gone is left out when the run is undone.
func (c *checker) told(s *Step, was estate.Op) error {
	if s.Was.Value() != was.Value() && s.Op.Value() != was.Value() {
		return c.widens("the %s was otherwise than the plan says", s.Op.Slot())
	}
	for _, g := range s.Gone {
		if !c.gone(g) {
			return c.widens("%s is not gone, as the plan says, and would be left out when the %s is undone", g, s.Op.Slot())
		}
	}
	return nil
}

// framed refuses a policy in which something stands twice, or of which another member than
// its statements changes: under another Version no variable of a Deny means anything. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html.
func (c *checker) framed(s estate.Slot, after, before string) error {
	if after == "" {
		return nil
	}
	_, problems, err := source.Parse([]byte(after))
	if err != nil || len(problems) > 0 {
		return c.widens("the %s is not as AWS takes policies", s)
	}
	now, err := frameOf(after)
	if err != nil {
		return c.widens("the %s cannot be read: %v", s, err)
	}
	old, err := frameOf(before)
	if err != nil {
		return c.widens("the %s as it is cannot be read: %v", s, err)
	}
	if now != old {
		return c.widens("the %s changes beside its statements, from %s to %s", s, old, now)
	}
	return nil
}

// frameOf is a policy without its statements; for none, that of a new one.
func frameOf(text string) (string, error) {
	root, list, err := statementsOf(text)
	if err != nil {
		return "", err
	}
	list.Items = nil
	return canonical(root.Any()), nil
}

// members refuses an organization that is not the estate's, and a path that stands for
// others than the unit at its end and what is under it.
func members(org string, e *estate.Estate) error {
	id, path, _ := strings.Cut(org, "/")
	if rest, all := strings.CutSuffix(path, "*"); all && (rest == "" || strings.HasSuffix(rest, "/")) {
		path = rest
	}
	switch {
	case org == "":
		return nil
	case e.Organization == nil || id != e.Organization.ID:
		return &RefusedError{Guard: WideningGuard, Text: org + " is not the organization of the estate"}
	case strings.ContainsAny(path, "*?$"):
		return &RefusedError{Guard: WideningGuard, Text: org + " is a pattern for several units: name one, such as " + id + "/r-1/ou-1/"}
	}
	return nil
}

// orgPattern is the pattern of aws:PrincipalOrgPaths for a unit and what is under it: every
// path ends with a slash. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalorgpaths.
func orgPattern(org string) string {
	return strings.TrimSuffix(strings.TrimSuffix(org, "*"), "/") + "/*"
}
