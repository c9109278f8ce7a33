// Package diagnose reads what AWS says when an encrypted thing does not open,
// and says why that may be. A text seldom has one reading, so each failure has
// causes with their likelihood, the words each rests on, what would settle it,
// and the fix. With an estate it says which of them is true. The package calls
// nothing itself: what it wants of AWS it says in Source.
//
// A text passes five stages, each in a file of its own: lines are cleaned of
// colours, boxes and prefixes (clean.go) and joined into incidents (split.go,
// event.go, scan.go); what the words name or imply is taken out of them
// (extract.go, infer.go); a form
// recognises the message (forms*.go); and rules weigh its causes by what the
// text tells beside (rules*.go, weigh.go). The forms and the rules are data.
//
// Judge asks an estate for the very request of an incident: who and which key
// are found out (judge_resolve.go), the requests are asked (judge_ask.go), the
// blockers become causes (judge_facts.go), and what is left is ruled out or
// stays open (judge_rule.go). Explain goes the other way about: from a thing
// that failed to the refused call behind it (why.go), which is an incident, and
// to what was changed since it last worked (why_changes.go).
package diagnose
