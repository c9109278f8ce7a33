package lint

import (
	"fmt"
	"io"
	"strings"

	"github.com/keyreach/keyreach/finding"
)

// WriteGitHub writes the findings as workflow commands, which GitHub shows at
// the lines of a change.
// See https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands.
func WriteGitHub(w io.Writer, results []Result) error {
	for i := range results {
		for j := range results[i].Found {
			x := &results[i].Found[j].Finding
			text := x.Text
			if x.Fix != "" {
				text += "\n" + x.Fix
			}
			if _, err := fmt.Fprintf(w, "::%s %s::%s\n", githubLevel(x.Severity), githubPlace(x), githubData(text)); err != nil {
				return err
			}
		}
	}
	return nil
}

func githubLevel(s finding.Severity) string {
	switch {
	case s >= finding.Error:
		return "error"
	case s == finding.Warning:
		return "warning"
	}
	return "notice"
}

func githubPlace(x *finding.Finding) string {
	var parts []string
	if x.Position.File != "" {
		parts = append(parts, "file="+githubProperty(x.Position.File))
	}
	if x.Position.Line > 0 {
		parts = append(parts, fmt.Sprintf("line=%d,col=%d", x.Position.Line, x.Position.Column))
	}
	return strings.Join(append(parts, "title="+githubProperty(x.Rule)), ",")
}

func githubData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func githubProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(githubData(s))
}
