package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// plainRegion is where resources are of which nothing says where they are.
const plainRegion = "us-east-1"

// regionOf is the Region of a resource: its own, or that of its ARN or key.
func regionOf(r *estate.Resource) string {
	if r.Region != "" {
		return r.Region
	}
	for _, text := range []string{r.ARN, r.ID, r.Key} {
		if a, err := arn.Parse(text); err == nil && a.Region != "" {
			return a.Region
		}
	}
	return plainRegion
}

// fillOrder says what is made first: what other resources consist of or begin with.
func fillOrder(kind string) int {
	switch kind {
	case "ec2:Snapshot", "rds:DBCluster", "drs:ReplicationConfigurationTemplate":
		return 0
	case "ec2:Image", "drs:SourceServer":
		return 2
	}
	return 1
}

// fillers are the services that take resources, by type.
func (s *Sandbox) fillers() map[string]behalf.Filler {
	all := map[string]behalf.Filler{}
	for _, v := range s.services {
		if f, ok := v.service.(behalf.Filler); ok {
			for kind := range f.Kept() {
				all[kind] = f
			}
		}
	}
	return all
}

// fillResources has the services make resources. It returns those that no service takes,
// and keeps of the others the attributes that their service does not. It is called in
// Update.
func (s *Sandbox) fillResources(list []estate.Resource, now time.Time) (rest []estate.Resource, err error) {
	fillers := s.fillers()
	w := behalf.World{Now: now, Keys: s.kms}
	w.Make = func(r *estate.Resource) error { return fillers[r.Type].Fill(w, r) }
	ordered := slices.Clone(list)
	slices.SortStableFunc(ordered, func(a, b estate.Resource) int { return cmp.Compare(fillOrder(a.Type), fillOrder(b.Type)) })
	var filled, more []estate.Resource
	for _, given := range ordered {
		f := fillers[given.Type]
		if f == nil {
			rest = append(rest, given)
			continue
		}
		r := given
		r.Region = regionOf(&r)
		switch err := f.Fill(w, &r); {
		case errors.Is(err, behalf.ErrNotHeld):
			rest = append(rest, given)
		case err != nil:
			return nil, fmt.Errorf("%s %s of %s: %w", r.Type, cmp.Or(given.ID, given.ARN), r.Account, err)
		default:
			filled = append(filled, r)
			if unknown := unknownTo(f, &r); len(unknown) > 0 {
				more = append(more, estate.Resource{Type: r.Type, ID: r.ID, Account: r.Account, Region: r.Region, Attributes: unknown})
			}
		}
	}
	return rest, s.keepAttributes(filled, more)
}

// identity is what no two resources have in common.
func identity(r *estate.Resource) [4]string {
	return [4]string{r.Type, r.Account, r.Region, r.ID}
}

// attributes is the setting that has the attributes which no service keeps.
const attributes = "attributes"

// keepAttributes stores them, beside those of resources that were filled before. It is
// called in Update.
func (s *Sandbox) keepAttributes(filled, more []estate.Resource) error {
	old, err := s.keptAttributes()
	if err != nil {
		return err
	}
	anew := map[[4]string]bool{}
	for i := range filled {
		anew[identity(&filled[i])] = true
	}
	for i := range old {
		if !anew[identity(&old[i])] {
			more = append(more, old[i])
		}
	}
	text, err := json.Marshal(more)
	if err != nil {
		return err
	}
	s.settings.Put(attributes, &setting{string(text)})
	return nil
}

// keptAttributes returns what keepAttributes stored. It is called in View.
func (s *Sandbox) keptAttributes() (more []estate.Resource, err error) {
	if v := s.settings.Get(attributes); v != nil {
		err = json.Unmarshal([]byte(v.Value), &more)
	}
	if err != nil {
		err = fmt.Errorf("reading the state: %w", err)
	}
	return more, err
}

// unknownTo are the attributes of a resource that its service does not keep.
func unknownTo(f behalf.Filler, r *estate.Resource) map[string]string {
	more := maps.Clone(r.Attributes)
	for _, name := range f.Kept()[r.Type] {
		delete(more, name)
	}
	return more
}

// exportResources are the resources that the services hold, with what an estate knew of
// them beyond that, and those that no service takes. It is called in View.
func (s *Sandbox) exportResources(rest []estate.Resource, now time.Time) ([]estate.Resource, error) {
	kept, err := s.keptAttributes()
	if err != nil {
		return nil, err
	}
	more := map[[4]string]map[string]string{}
	for _, r := range kept {
		more[identity(&r)] = r.Attributes
	}
	list := []estate.Resource{}
	for _, name := range slices.Sorted(maps.Keys(s.services)) {
		h, ok := s.services[name].service.(gate.Holder)
		if !ok {
			continue
		}
		for _, r := range h.Resources(now) {
			if known := more[identity(&r)]; known != nil {
				known = maps.Clone(known)
				maps.Copy(known, r.Attributes)
				r.Attributes = known
			}
			list = append(list, r)
		}
	}
	return append(list, rest...), nil
}
