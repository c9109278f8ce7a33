package iam

import (
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Entity is what users, groups and roles have in common. Rows are not changed in
// place.
type Entity struct {
	Account, Name, Path, ID string
	Created                 time.Time
	Inline                  []Inline `json:",omitempty"`
	Attached                []string `json:",omitempty"` // ARNs of managed policies
	Boundary                string   `json:",omitempty"` // ARN of a managed policy
	Tags                    []Tag    `json:",omitempty"`

	full string // the ARN, once the row is stored
}

// Inline is an inline policy.
type Inline struct {
	Name, Document string
	doc            *estate.Document
}

// Tag is a tag, in the order in which tags were put.
type Tag struct{ Key, Value string }

// User is an IAM user.
type User struct {
	Entity
	Groups []string      `json:",omitempty"` // names
	Login  *LoginProfile `json:",omitempty"`
}

// LoginProfile says that the user may sign in to the console; the sandbox has
// none and keeps no password.
type LoginProfile struct {
	Created time.Time
	Reset   bool
}

// Group is an IAM group.
type Group struct{ Entity }

// Role is an IAM role.
type Role struct {
	Entity
	// Trust is the trust policy; empty when the estate that brought the role holds
	// none.
	Trust       string
	Description string
	MaxSession  int32 // seconds
	// Service is set for a service-linked role.
	Service string `json:",omitempty"`
	trust   *estate.Named
}

// Policy is a managed policy.
type Policy struct {
	Account, Name, Path, ID string // Account is aws for AWS's own
	Description             string
	Created, Updated        time.Time
	Versions                []Version
	Default                 string
	Next                    int   // number of the next version
	Tags                    []Tag `json:",omitempty"`
}

// Version is one version of a managed policy.
type Version struct {
	ID, Document string
	Created      time.Time
	doc          *estate.Document
}

// AccessKey is a long-term credential of a user.
type AccessKey struct {
	ID, Secret, Account, User string
	Inactive                  bool `json:",omitempty"`
	Created                   time.Time
}

// Profile is an instance profile.
type Profile struct {
	Account, Name, Path, ID string
	Created                 time.Time
	Roles                   []string `json:",omitempty"`
	Tags                    []Tag    `json:",omitempty"`
}

// Deletion is a task that DeleteServiceLinkedRole started.
type Deletion struct {
	Account, Role string
	// Failed says why the role stays.
	Failed string `json:",omitempty"`
}

func (e *Entity) ready(kind string) {
	e.full = arnOf(e.Account, kind, e.Path, e.Name)
	for i := range e.Inline {
		p := &e.Inline[i]
		p.doc = gate.Document("inline policy "+p.Name+" of "+kind+" "+e.Name, p.Document)
	}
}

func (u *User) ready()  { u.Entity.ready("user") }
func (g *Group) ready() { g.Entity.ready("group") }

func (r *Role) ready() {
	r.Entity.ready("role")
	r.trust = &estate.Named{Name: "trust policy", Document: gate.Document("trust policy of role "+r.Name, r.Trust)}
	if r.Trust == "" {
		// Not known is not nobody: whoever asks is refused with this reason.
		r.trust.Document = &estate.Document{Unreadable: "the estate does not hold the trust policy of " + r.arn()}
	}
}

// shownTrust is the trust policy that IAM shows. AWS has no role without one, and
// clients read it, so they see of a role without one that it lets nobody in.
func (r *Role) shownTrust() *string {
	if r.Trust == "" {
		return encoded(`{"Version":"2012-10-17","Statement":[]}`)
	}
	return encoded(r.Trust)
}

func (p *Policy) ready() {
	for i := range p.Versions {
		v := &p.Versions[i]
		v.doc = gate.Document("managed policy "+p.Name, v.Document)
	}
}

// current returns the version in force.
func (p *Policy) current() *Version {
	for i := range p.Versions {
		if p.Versions[i].ID == p.Default {
			return &p.Versions[i]
		}
	}
	return nil
}

func (e Entity) clone() Entity {
	e.Inline, e.Attached, e.Tags = slices.Clone(e.Inline), slices.Clone(e.Attached), slices.Clone(e.Tags)
	e.full = "" // the copy may get another name or path
	return e
}

func (u *User) clone() *User {
	c := *u
	c.Entity, c.Groups = u.Entity.clone(), slices.Clone(u.Groups)
	return &c
}

func (g *Group) clone() *Group { return &Group{Entity: g.Entity.clone()} }

func (r *Role) clone() *Role {
	c := *r
	c.Entity = r.Entity.clone()
	return &c
}

func (p *Policy) clone() *Policy {
	c := *p
	c.Versions, c.Tags = slices.Clone(p.Versions), slices.Clone(p.Tags)
	return &c
}

func (p *Profile) clone() *Profile {
	c := *p
	c.Roles, c.Tags = slices.Clone(p.Roles), slices.Clone(p.Tags)
	return &c
}

// arnOf is the ARN of something in IAM.
func arnOf(account, kind, path, name string) string {
	return "arn:aws:iam::" + account + ":" + kind + path + name
}

func (u *User) arn() string    { return u.Entity.arn("user") }
func (g *Group) arn() string   { return g.Entity.arn("group") }
func (r *Role) arn() string    { return r.Entity.arn("role") }
func (p *Policy) arn() string  { return arnOf(p.Account, "policy", p.Path, p.Name) }
func (p *Profile) arn() string { return arnOf(p.Account, "instance-profile", p.Path, p.Name) }

func (e *Entity) arn(kind string) string {
	if e.full != "" {
		return e.full
	}
	return arnOf(e.Account, kind, e.Path, e.Name)
}

// row is the key of something with a name: names differ in letter case only
// cannot both exist.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
func row(account, name string) string { return state.Key(account, strings.ToLower(name)) }
