package rules

import "github.com/keyreach/keyreach/finding"

// Rule is one thing that can be wrong.
type Rule struct {
	ID       string
	Severity finding.Severity // of most of its findings; a finding may be milder
	Title    string           // what is wrong, in a few words
	Text     string           // what happens, in Markdown
	Fix      string           // what to do
	Page     string           // the AWS page it stands on; empty when AWS has none
	// Assumed says what of it no page and no recording tells; empty when all is
	// known.
	Assumed string
	// Proven is set when the proof of a route tells the same with certainty, so
	// that check does not ask the rule.
	Proven bool
	Check  func(*Material, *Report)
	Fires  []Example
	// NoText says why no example fires, for what no text of a page's size shows.
	NoText string
	Silent []Example
}

// Example is a text in which the rule fires or stays silent. Its name tells
// which kind of file it is.
type Example struct{ Name, Text string }

// Edit is a safe change of the text: what stands at a place, and what is to
// stand there. A file in which something else stands there is not changed.
type Edit struct {
	At  finding.Position
	Old string
	New string
}

// Found is a finding, and what would mend it if a program may.
type Found struct {
	finding.Finding
	Edits []Edit
}

// Report gathers what one rule finds.
type Report struct {
	rule  *Rule
	found []Found
}

// Add reports a finding of the rule's own severity.
func (r *Report) Add(at finding.Position, subject, text, fix string, edits ...Edit) {
	r.AddAs(r.rule.Severity, at, subject, text, fix, edits...)
}

// AddAs reports a finding of a severity of its own.
func (r *Report) AddAs(sev finding.Severity, at finding.Position, subject, text, fix string, edits ...Edit) {
	r.found = append(r.found, Found{
		Finding: finding.Finding{Rule: r.rule.ID, Severity: sev, Subject: subject, Position: at, Text: text, Fix: fix},
		Edits:   edits,
	})
}

// relay reports what the reader of policies found under the rule's id.
func relay(m *Material, r *Report) {
	for _, p := range m.Policies {
		for _, f := range p.Read {
			if f.Rule == r.rule.ID {
				f.Subject = p.Owner
				r.found = append(r.found, Found{Finding: f})
			}
		}
	}
}

// Check asks rules about material, in their order.
func Check(m *Material, rules []Rule) []Found {
	var found []Found
	for i := range rules {
		r := Report{rule: &rules[i]}
		if rules[i].Check != nil {
			rules[i].Check(m, &r)
		}
		found = append(found, r.found...)
	}
	return found
}
