package iam

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// ImportAll puts the users and roles of an estate into IAM, with the managed
// policies that they have. It is called in Update.
func (s *Service) ImportAll(list []estate.Principal, now time.Time) error {
	if err := s.importManaged(list, second(now)); err != nil {
		return err
	}
	for i := range list {
		if err := s.Import(&list[i], now); err != nil {
			return err
		}
	}
	return nil
}

// Import puts a user or role into IAM. Managed policies that it has by their ARN
// are there already. It is called in Update.
func (s *Service) Import(p *estate.Principal, now time.Time) error {
	parsed, err := arn.ParsePrincipal(p.ARN)
	if err != nil {
		return fmt.Errorf("principal %s: %w", p.ARN, err)
	}
	now = second(now)
	path := parsed.Path
	if path == "" {
		path = "/"
	}
	e := Entity{Account: parsed.Account, Name: parsed.Name, Path: path, ID: p.ID, Created: now}
	for _, k := range slices.Sorted(maps.Keys(p.Tags)) {
		e.Tags = append(e.Tags, Tag{k, p.Tags[k]})
	}
	for i := range p.Policies {
		e.importPolicy(&p.Policies[i])
	}
	if p.Unreadable != "" {
		e.Inline = append(e.Inline, Inline{Name: "unreadable", Document: gate.TextOf(&estate.Document{Unreadable: p.Unreadable})})
	}
	if parsed.Kind == arn.User {
		s.importBoundary(&e, "user", p.Boundary, now)
		if e.ID == "" {
			e.ID = s.IDs.Unique("AIDA")
		}
		s.putUser(&User{Entity: e})
		return nil
	}
	s.importBoundary(&e, "role", p.Boundary, now)
	if e.ID == "" {
		e.ID = s.IDs.Unique("AROA")
	}
	r := &Role{Entity: e, MaxSession: plainSession}
	if p.Trust != nil {
		r.Trust = gate.TextOf(p.Trust)
	}
	if service, ok := strings.CutPrefix(path, servicePath); ok {
		r.Service = strings.TrimSuffix(service, "/")
	}
	s.putRole(r)
	return nil
}

// importPolicy gives an entity a policy of the estate: a managed one is attached
// by its ARN, one of a group becomes the entity's own.
func (e *Entity) importPolicy(a *estate.Attached) {
	switch _, managed := managedARN(a); {
	case a.Document == nil:
	case managed:
		e.Attached = append(e.Attached, a.ARN)
	case a.Group != "":
		e.Inline = append(e.Inline, Inline{Name: a.Group + "-" + a.Name, Document: gate.TextOf(a.Document)})
	default:
		e.Inline = append(e.Inline, Inline{Name: a.Name, Document: gate.TextOf(a.Document)})
	}
}

// managedARN is the ARN of a managed policy that an estate gives with its
// document.
func managedARN(a *estate.Attached) (arn.ARN, bool) {
	if a.ARN == "" || a.Document == nil {
		return arn.ARN{}, false
	}
	p, err := arn.Parse(a.ARN)
	return p, err == nil
}

// importManaged puts the managed policies of an estate into IAM, AWS's own too: the
// estate holds what was collected, and the table of AWS's policies is abridged. IAM
// has one document for an ARN, so an estate with two is refused: one of them would
// be lost in silence.
func (s *Service) importManaged(list []estate.Principal, now time.Time) error {
	type given struct{ by, text string }
	first := map[string]given{}
	for i := range list {
		for j := range list[i].Policies {
			a := &list[i].Policies[j]
			p, ok := managedARN(a)
			if !ok {
				continue
			}
			text := canonical(a.Document)
			if g, seen := first[a.ARN]; !seen {
				first[a.ARN] = given{list[i].ARN, text}
				s.putManaged(a, p, now)
			} else if g.text != text {
				return fmt.Errorf("policy %s: %s and %s have it with different documents, and a managed policy has one; give both the same, or one of them its document without an arn", a.ARN, g.by, list[i].ARN)
			}
		}
	}
	return nil
}

// canonical is the same for documents that say the same.
func canonical(d *estate.Document) string {
	if d.Source == nil {
		return gate.TextOf(d)
	}
	return string(d.Source.Canonical())
}

// putManaged stores a managed policy of an estate. One of AWS's that the sandbox
// knows keeps its id and its dates.
func (s *Service) putManaged(a *estate.Attached, p arn.ARN, now time.Time) {
	if known := s.aws[a.ARN]; known != nil {
		row := known.clone()
		row.Versions = []Version{{ID: row.Default, Document: gate.TextOf(a.Document), Created: row.Created}}
		s.policies.Put(a.ARN, row)
		return
	}
	path := "/"
	_, name, _ := strings.Cut(p.Resource, "/")
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		path, name = "/"+name[:i+1], name[i+1:]
	}
	s.policies.Put(a.ARN, s.newManaged(p.Account, path, name, a.Document, now))
}

func (s *Service) newManaged(account, path, name string, d *estate.Document, now time.Time) *Policy {
	return &Policy{
		Account: account, Name: name, Path: path, ID: s.IDs.Unique("ANPA"), Created: now, Updated: now, Default: "v1", Next: 2,
		Versions: []Version{{ID: "v1", Document: gate.TextOf(d), Created: now}},
	}
}

// importBoundary makes a managed policy of a boundary, of which an estate tells the
// document only. The kind is in its name, since a user and a role may have the same,
// and a policy that is there already is left alone.
func (s *Service) importBoundary(e *Entity, kind string, d *estate.Document, now time.Time) {
	if d == nil {
		return
	}
	plain := "boundary-of-" + kind + "-" + e.Name
	name, text := plain, gate.TextOf(d)
	for n := 2; ; n++ {
		e.Boundary = arnOf(e.Account, "policy", "/", name)
		there := s.policies.Get(e.Boundary)
		if there == nil {
			s.policies.Put(e.Boundary, s.newManaged(e.Account, "/", name, d, now))
			return
		}
		if v := there.current(); v != nil && v.Document == text {
			return
		}
		name = fmt.Sprintf("%s-%d", plain, n)
	}
}

// Export returns all users and roles with what limits and allows them.
func (s *Service) Export() []estate.Principal {
	list := []estate.Principal{}
	for _, u := range s.users.All("") {
		p := s.export(&u.Entity, u.arn())
		for _, n := range u.Groups {
			if g := s.groups.Get(row(u.Account, n)); g != nil {
				for _, a := range s.exportPolicies(&g.Entity) {
					a.Kind, a.Group = "group", g.Name
					p.Policies = append(p.Policies, a)
				}
			}
		}
		list = append(list, p)
	}
	for _, r := range s.roles.All("") {
		p := s.export(&r.Entity, r.arn())
		if r.Trust != "" {
			p.Trust = r.trust.Document
		}
		list = append(list, p)
	}
	return list
}

func (s *Service) export(e *Entity, principalARN string) estate.Principal {
	p := estate.Principal{ARN: principalARN, ID: e.ID, Policies: s.exportPolicies(e)}
	if len(e.Tags) > 0 {
		p.Tags = tagMap(e.Tags)
	}
	if b := s.policy(e.Boundary); b != nil && b.current() != nil {
		p.Boundary = b.current().doc
	}
	return p
}

func (s *Service) exportPolicies(e *Entity) []estate.Attached {
	var list []estate.Attached
	for i := range e.Inline {
		list = append(list, estate.Attached{Name: e.Inline[i].Name, Kind: "inline", Document: e.Inline[i].doc})
	}
	for _, a := range e.Attached {
		if p := s.policy(a); p != nil && p.current() != nil {
			list = append(list, estate.Attached{Name: p.Name, Kind: "managed", ARN: a, Document: p.current().doc})
		}
	}
	return list
}
