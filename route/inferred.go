package route

import (
	"slices"

	"github.com/keyreach/keyreach/usage"
)

// Inference is something that a proof takes for true and that no page of AWS
// says and nobody recorded.
type Inference struct {
	Steps []string // that rest on it
	What  []string // rights with the part of the key, or the text of a fact
	From  string   // what it was inferred from
}

// Inferred returns what the steps that are not blocked rest on by inference
// only, in the order of the steps; inferences from the same ground are one.
func (p *Proof) Inferred() []Inference {
	var all []Inference
	add := func(step, what, from string) {
		i := slices.IndexFunc(all, func(in Inference) bool { return in.From == from })
		if i < 0 {
			i = len(all)
			all = append(all, Inference{From: from})
		}
		in := &all[i]
		if !slices.Contains(in.Steps, step) {
			in.Steps = append(in.Steps, step)
		}
		if !slices.Contains(in.What, what) {
			in.What = append(in.What, what)
		}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Verdict == Blocked {
			continue
		}
		for j := range s.Preconditions {
			if c := &s.Preconditions[j]; c.Sure() == usage.Inferred {
				add(s.Name, c.Text, c.Source)
			}
		}
		for j := range s.Requests {
			if u := &s.Requests[j].Use; u.Confidence == usage.Inferred {
				add(s.Name, u.Asks()+" on the "+u.Key+" key", u.From)
			}
		}
	}
	return all
}
