// Package diagnose reads what AWS says when an encrypted thing does not open,
// and says why that may be. A text seldom has one reading, so each failure has
// causes with their likelihood, the words each rests on, what would settle it,
// and the fix. The package calls nothing and knows no estate: it reads text.
//
// A text passes five stages, each in a file of its own: lines are cleaned of
// colours, boxes and prefixes (clean.go) and joined into incidents (split.go,
// event.go); what the words name is taken out of them (extract.go); a form
// recognises the message (forms*.go); and rules weigh its causes by what the
// text tells beside (rules*.go, weigh.go). The forms and the rules are data.
package diagnose
