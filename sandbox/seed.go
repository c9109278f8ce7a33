package sandbox

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

// Fill puts an estate into the sandbox, over what is there: its accounts,
// principals and keys. A policy of the estate that could not be read stays so, and
// calls that depend on it are refused with the reason.
func (s *Sandbox) Fill(e *estate.Estate) error {
	return s.db.Update(func() error { return s.fill(e) })
}

// fill is called in Update.
func (s *Sandbox) fill(e *estate.Estate) error {
	now := s.clock.Now()
	for id := range accountsOf(e) {
		if !s.knows(id) {
			s.accounts.Put(id, &Account{ID: id, Created: now})
		}
	}
	for i := range e.Accounts {
		s.ec2.Import(e.Accounts[i].ID, e.Accounts[i].EBSDefaults)
	}
	if e.Organization != nil {
		s.orgs.Import(e.Organization, now)
	}
	if err := s.iam.ImportAll(e.Principals, now); err != nil {
		return fmt.Errorf("filling the sandbox: %w", err)
	}
	for i := range e.Keys {
		if err := s.kms.Import(&e.Keys[i], now); err != nil {
			return fmt.Errorf("filling the sandbox: %w", err)
		}
	}
	return s.keepRest(e)
}

// keepRest stores what an estate holds beyond what the services keep, so that it is
// given back as it came.
func (s *Sandbox) keepRest(e *estate.Estate) error {
	rest := estate.Estate{
		FormatVersion: estate.FormatVersion, Accounts: e.Accounts, Principals: notAttached(e.Principals), Resources: e.Resources, Endpoints: e.Endpoints,
	}
	var text strings.Builder
	if _, err := rest.WriteTo(&text); err != nil {
		return fmt.Errorf("filling the sandbox: %w", err)
	}
	s.settings.Put("rest", &setting{text.String()})
	return nil
}

// notAttached are the principals for whom somebody meant documents that AWS does
// not take, with these alone: IAM has no place for them.
func notAttached(list []estate.Principal) []estate.Principal {
	var some []estate.Principal
	for i := range list {
		if p := &list[i]; len(p.NotAttached) > 0 {
			some = append(some, estate.Principal{ARN: p.ARN, NotAttached: p.NotAttached})
		}
	}
	return some
}

// rest returns what keepRest stored.
func (s *Sandbox) rest() (*estate.Estate, error) {
	var text *setting
	_ = s.db.View(func() error { text = s.settings.Get("rest"); return nil }) // it cannot fail
	if text == nil {
		return &estate.Estate{}, nil
	}
	e, err := estate.Load("the estate in the state", []byte(text.Value))
	if err != nil {
		return nil, fmt.Errorf("reading the state: %w", err)
	}
	return e, nil
}

// accountsOf are all accounts that an estate speaks of.
func accountsOf(e *estate.Estate) map[string]bool {
	ids := map[string]bool{}
	for i := range e.Accounts {
		ids[e.Accounts[i].ID] = true
	}
	for i := range e.Principals {
		if p, err := arn.ParsePrincipal(e.Principals[i].ARN); err == nil {
			ids[p.Account] = true
		}
	}
	for i := range e.Keys {
		if a, err := arn.Parse(e.Keys[i].ARN); err == nil {
			ids[a.Account] = true
		}
	}
	if e.Organization != nil {
		addUnit(ids, &e.Organization.Root)
	}
	return ids
}

func addUnit(ids map[string]bool, u *estate.Unit) {
	for i := range u.Accounts {
		ids[u.Accounts[i].ID] = true
	}
	for i := range u.Units {
		addUnit(ids, &u.Units[i])
	}
}

// Estate returns what the sandbox holds, as an estate.
func (s *Sandbox) Estate() (*estate.Estate, error) {
	rest, err := s.rest()
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	e := &estate.Estate{
		FormatVersion: estate.FormatVersion, CollectedAt: &now, Resources: rest.Resources, Endpoints: rest.Endpoints,
	}
	_ = s.db.View(func() error { // it cannot fail
		e.Accounts = s.exportAccounts(rest.Accounts)
		e.Resources = s.exportResources(rest.Resources, now)
		e.Organization = s.orgs.Export()
		e.Principals = s.iam.Export()
		for i := range e.Principals {
			if p := rest.Principal(e.Principals[i].ARN); p != nil {
				e.Principals[i].NotAttached = p.NotAttached
			}
		}
		e.Keys = s.kms.Export(now)
		return nil
	})
	return e, e.Index()
}

// exportAccounts are the accounts that an estate named, and those seen since.
func (s *Sandbox) exportAccounts(named []estate.Account) []estate.Account {
	var list []estate.Account
	known := map[string]bool{}
	for _, a := range named {
		known[a.ID] = true
		list = append(list, a)
	}
	for id := range s.accounts.All("") {
		if !known[id] {
			list = append(list, estate.Account{ID: id})
		}
	}
	for i := range list {
		list[i].EBSDefaults = s.ec2.Export(list[i].ID)
	}
	return list
}

// exportResources are the resources that the services hold, and those that an estate
// named and that none of them holds.
func (s *Sandbox) exportResources(named []estate.Resource, now time.Time) []estate.Resource {
	var list []estate.Resource
	held := map[[3]string]bool{}
	for _, name := range slices.Sorted(maps.Keys(s.services)) {
		h, ok := s.services[name].service.(gate.Holder)
		if !ok {
			continue
		}
		for _, r := range h.Resources(now) {
			held[[3]string{r.Type, r.ID, r.ARN}] = true
			list = append(list, r)
		}
	}
	for _, r := range named {
		if !held[[3]string{r.Type, r.ID, r.ARN}] {
			list = append(list, r)
		}
	}
	return list
}
