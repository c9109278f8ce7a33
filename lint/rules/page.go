package rules

import (
	"fmt"
	"path"
	"strings"
)

// Markdown is the rule as a page: what happens, what to do, a text in which it
// fires and a look-alike in which it is silent.
func (r *Rule) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: %s\n\nSeverity: %s\n\n%s\n\n**What to do.** %s\n", r.ID, r.Title, r.Severity, r.Text, r.Fix)
	if r.Page != "" {
		fmt.Fprintf(&b, "\nAWS: <%s>\n", r.Page)
	}
	if r.Assumed != "" {
		fmt.Fprintf(&b, "\nAssumed: %s\n", r.Assumed)
	}
	if r.NoText != "" {
		fmt.Fprintf(&b, "\nNo example: %s.\n", r.NoText)
	}
	examples(&b, "It fires here", r.Fires)
	examples(&b, "It is silent here", r.Silent)
	return b.String()
}

func examples(b *strings.Builder, title string, all []Example) {
	for i := range all {
		e := &all[i]
		fence := "```"
		for strings.Contains(e.Text, fence) {
			fence += "`"
		}
		fmt.Fprintf(b, "\n## %s (`%s`)\n\n%s%s\n%s\n%s\n", title, e.Name, fence, language(e.Name), strings.TrimRight(e.Text, "\n"), fence)
	}
}

func language(name string) string {
	switch path.Ext(name) {
	case ".json":
		return "json"
	case ".yaml", ".yml":
		return "yaml"
	case ".tf":
		return "hcl"
	case ".sh":
		return "sh"
	case ".md":
		return "markdown"
	}
	return ""
}

// Index is the table of all rules, as the first page of docs/rules.
func Index(all []Rule) string {
	var b strings.Builder
	b.WriteString("# Rules\n\nWhat `keyreach lint` and `keyreach check` report. `keyreach explain ID` prints a page. These pages are written from the rules themselves.\n\n| rule | severity | what is wrong |\n|---|---|---|\n")
	for i := range all {
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s |\n", all[i].ID, all[i].ID, all[i].Severity, strings.ReplaceAll(all[i].Title, "|", "\\|"))
	}
	return b.String()
}

// Lookup returns the rule with an id, in any case.
func Lookup(id string) (Rule, bool) {
	for _, r := range All() {
		if strings.EqualFold(r.ID, id) {
			return r, true
		}
	}
	return Rule{}, false
}
