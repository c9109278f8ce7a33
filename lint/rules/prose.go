package rules

import (
	"path"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

// sentence is one sentence of the prose, in small letters, without the marks
// of code.
type sentence struct {
	at   finding.Position
	text string
	// under are the headings above it, in small letters.
	under string
}

var sentenceEnd = lazy.Regexp(`[.!?][)”"']*\s+|;\s+`)

// sentences returns what the prose says.
func (m *Material) sentences() []sentence {
	if m.said != nil || len(m.Prose) == 0 {
		return m.said
	}
	all := []sentence{}
	for _, p := range m.Prose {
		text := strings.ToLower(strings.NewReplacer("`", "", "’", "'", "‘", "'", "**", "").Replace(p.Text))
		under := strings.ToLower(strings.Join(p.Headings, " / "))
		for _, s := range sentenceEnd.Split(text, -1) {
			if s = strings.TrimSpace(s); s != "" {
				all = append(all, sentence{at: p.Pos, text: s, under: under})
			}
		}
	}
	m.said = all
	return all
}

// says reports whether the text says anywhere, in a sentence, a heading or a
// comment of a script, what the pattern looks for.
func (m *Material) says(pattern *lazy.Pattern) bool {
	under := ""
	for _, s := range m.sentences() {
		if pattern.MatchString(s.text) || s.under != under && pattern.MatchString(s.under) {
			return true
		}
		under = s.under
	}
	for i := range m.Commands {
		if pattern.MatchString(m.Commands[i].about()) {
			return true
		}
	}
	return false
}

var denial = lazy.Regexp(`\b(not|cannot|never|none|neither|nor|avoid|stop|without|refus\w*|impossible|unable|no longer|instead of|lets? no|allows? no|rather than|away from|off)\b|n't\b`)

// denies reports whether the sentence says no to something.
func (s sentence) denies() bool { return denial.MatchString(s.text) }

var (
	changesFile    = lazy.Regexp(`^(change[-_ ]?log|changes|release[-_ ]?notes)([-_. ]|$)`)
	changesHeading = lazy.Regexp(`(^| / )([^/]*\b(change ?log|release notes)\b[^/]*|changes( (in|since))?( \[?(version )?v?\d[^/]*)?)( / |$)`)
)

// tellsOfChanges reports whether a sentence stands among the changes of a version, by
// the name of the file or a heading: it tells what a program does since, and advises
// nobody.
func (m *Material) tellsOfChanges(s *sentence) bool {
	return changesFile.MatchString(strings.ToLower(path.Base(m.File))) || changesHeading.MatchString(s.under)
}

var (
	betweenAccounts = lazy.Regexp(`\b(cross|multi|multiple|inter)[- ]?accounts?\b|\bacross (aws )?accounts\b|\b(target|backup|destination|another|other|second|recovery|consumer|foreign|different|staging) accounts?\b|\bshar(e|ed|es|ing)\b.{0,60}\b(accounts?|snapshots?|amis?|images?|org|organization)\b`)
	aboutDRS        = lazy.Regexp(`\b(drs|elastic disaster recovery)\b`)
	aboutRDS        = lazy.Regexp(`\b(rds|aurora|db (cluster )?snapshots?|database snapshots?)\b`)
)

// shares reports whether the text is about data that more than one account
// uses.
func (m *Material) shares() bool {
	if m.says(betweenAccounts) {
		return true
	}
	for i := range m.Commands {
		c := m.Commands[i]
		switch c.Operation {
		case "modify-snapshot-attribute", "modify-image-attribute", "modify-db-snapshot-attribute", "modify-db-cluster-snapshot-attribute", "create-extended-source-server":
			return true
		}
	}
	return false
}

// disasterRecovery reports whether the text is about Elastic Disaster
// Recovery.
func (m *Material) disasterRecovery() bool {
	for i := range m.Commands {
		if m.Commands[i].Service == "drs" {
			return true
		}
	}
	return m.says(aboutDRS)
}
