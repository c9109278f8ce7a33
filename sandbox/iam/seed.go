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

// Import puts a user or role of an estate into IAM. It is called in Update.
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
		s.importPolicy(&e, &p.Policies[i], now)
	}
	if p.Unreadable != "" {
		e.Inline = append(e.Inline, Inline{Name: "unreadable", Document: gate.TextOf(&estate.Document{Unreadable: p.Unreadable})})
	}
	if p.Boundary != nil {
		b := &Policy{
			Account: e.Account, Name: "boundary-of-" + e.Name, Path: "/", ID: s.IDs.Unique("ANPA"), Created: now, Updated: now, Default: "v1", Next: 2,
			Versions: []Version{{ID: "v1", Document: gate.TextOf(p.Boundary), Created: now}},
		}
		s.policies.Put(b.arn(), b)
		e.Boundary = b.arn()
	}
	if parsed.Kind == arn.User {
		if e.ID == "" {
			e.ID = s.IDs.Unique("AIDA")
		}
		s.putUser(&User{Entity: e})
		return nil
	}
	if e.ID == "" {
		e.ID = s.IDs.Unique("AROA")
	}
	r := &Role{Entity: e, MaxSession: plainSession, Trust: `{"Version":"2012-10-17","Statement":[]}`}
	if p.Trust != nil {
		r.Trust = gate.TextOf(p.Trust)
	}
	if service, ok := strings.CutPrefix(path, servicePath); ok {
		r.Service = strings.TrimSuffix(service, "/")
	}
	s.putRole(r)
	return nil
}

// importPolicy gives an entity a policy of the estate: a managed one keeps its
// ARN, one of a group becomes the entity's own.
func (s *Service) importPolicy(e *Entity, a *estate.Attached, now time.Time) {
	if a.Document == nil {
		return
	}
	p, err := arn.Parse(a.ARN)
	if a.ARN == "" || err != nil {
		name := a.Name
		if a.Group != "" {
			name = a.Group + "-" + a.Name
		}
		e.Inline = append(e.Inline, Inline{Name: name, Document: gate.TextOf(a.Document)})
		return
	}
	e.Attached = append(e.Attached, a.ARN)
	if s.policy(a.ARN) != nil && p.Account == "aws" {
		return
	}
	path := "/"
	_, name, _ := strings.Cut(p.Resource, "/")
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		path, name = "/"+name[:i+1], name[i+1:]
	}
	row := &Policy{
		Account: p.Account, Name: name, Path: path, ID: s.IDs.Unique("ANPA"), Created: now, Updated: now, Default: "v1", Next: 2,
		Versions: []Version{{ID: "v1", Document: gate.TextOf(a.Document), Created: now}},
	}
	s.policies.Put(a.ARN, row)
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
		p.Trust = r.trust.Document
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
