package route

import (
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/arn"
)

// artifact fills in what the step leaves. A key that nobody can name stays
// empty.
func (b *boundStep) artifact() *Artifact {
	if b.Leaves == nil {
		return nil
	}
	a := *b.Leaves
	for _, text := range []*string{&a.Account, &a.Region, &a.Key} {
		filled, err := b.values.fill(*text)
		if err != nil {
			filled = ""
		}
		*text = filled
	}
	b.ofBackup(&a)
	return &a
}

// Loss is what is gone: an account, a key or a Region.
type Loss struct{ Kind, Name string }

// ParseLoss reads account:ID, key:ARN or region:NAME.
func ParseLoss(s string) (Loss, error) {
	kind, name, ok := strings.Cut(s, ":")
	l := Loss{Kind: kind, Name: name}
	key, err := arn.Parse(name)
	switch {
	case !ok || name == "":
	case kind == "account" && arn.IsAccount(name), kind == "region", kind == "key" && err == nil && key.IsKMSKey():
		return l, nil
	}
	return l, fmt.Errorf("reading %q: it is account:ID, key:ARN or region:NAME", s)
}

// Takes returns why the artifact is gone or closed with the loss, or nothing
// when it survives.
func (l Loss) Takes(a *Artifact) string {
	if a.Store != "" {
		return l.takesBackup(a)
	}
	key, err := arn.Parse(a.Key)
	switch {
	case l.Kind == "account" && a.Account == l.Name:
		return "it lies in account " + l.Name
	case l.Kind == "region" && a.Region == l.Name:
		return "it lies in " + l.Name
	case err != nil:
		return "nobody knows its key"
	case l.Kind == "key" && a.Key == l.Name:
		return "it is under this key"
	case l.Kind == "account" && key.Account == l.Name:
		return "it is under a key of account " + l.Name
	case l.Kind == "region" && key.Region == l.Name:
		return "it is under a key in " + l.Name
	}
	return ""
}

// Survivor is an artifact of a route with what becomes of it.
type Survivor struct {
	Artifact
	Route string `json:"route"`
	Step  string `json:"step"` // that left it
	For   string `json:"for,omitempty"`
	// Gone says why it does not survive; empty when it does.
	Gone string `json:"gone,omitempty"`
	// Opens is how the step that opens it comes out, and By who takes it.
	Verdict Verdict `json:"verdict"`
	By      string  `json:"by,omitempty"`
	// With is by what it opens, when there are several ways.
	With string `json:"with,omitempty"`
}

// Survivors lists the artifacts of a proven route with what becomes of each
// when something is gone. An artifact that survives opens only if the step
// that opens it is taken by somebody who survives, and is proven.
func (p *Proof) Survivors(l Loss) []Survivor {
	var found []Survivor
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Leaves == nil {
			continue
		}
		v := Survivor{Artifact: *s.Leaves, Route: p.Route, Step: s.Name, For: s.For, Gone: l.Takes(s.Leaves), Verdict: OpenIf}
		switch {
		case v.Gone != "":
		case v.Store != "":
			p.backupOpener(&v, l)
		default:
			p.opener(&v, l)
		}
		found = append(found, v)
	}
	return found
}

// opener finds the best of the steps that open the artifact.
func (p *Proof) opener(v *Survivor, l Loss) {
	lost := ""
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Name != v.Opens || s.Region != v.Region && s.Region != "" {
			continue
		}
		if l.Kind == "account" && s.Account == l.Name {
			lost = "who opens it acts in account " + l.Name
			continue
		}
		if v.By == "" || s.Verdict < v.Verdict {
			v.By, v.Verdict = s.Actor, s.Verdict
		}
	}
	if v.By == "" {
		v.Gone = lost
	}
}
