package sandbox

import (
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
)

// Fill puts an estate into the sandbox, over what is there: its accounts,
// principals, keys and resources. Nobody is asked whether they may be made; what
// resources hold is under their keys all the same. A policy of the estate that could not be read stays so, and
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
	rest, err := s.fillResources(e.Resources, now)
	if err != nil {
		return fmt.Errorf("filling the sandbox: %w", err)
	}
	return s.keepRest(e, rest)
}

// keepRest stores what an estate holds beyond what the services keep, so that it is
// given back as it came. Of resources those that no service takes.
func (s *Sandbox) keepRest(e *estate.Estate, resources []estate.Resource) error {
	rest := estate.Estate{
		FormatVersion: estate.FormatVersion, Accounts: e.Accounts, Principals: notAttached(e.Principals), Resources: resources, Endpoints: e.Endpoints,
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
	for i := range e.Resources {
		ids[e.Resources[i].Account] = true
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
		FormatVersion: estate.FormatVersion, CollectedAt: &now, Endpoints: rest.Endpoints,
	}
	err = s.db.View(func() (err error) {
		e.Accounts = s.exportAccounts(rest.Accounts)
		e.Organization = s.orgs.Export()
		e.Principals = s.iam.Export()
		for i := range e.Principals {
			if p := rest.Principal(e.Principals[i].ARN); p != nil {
				e.Principals[i].NotAttached = p.NotAttached
			}
		}
		e.Keys = s.kms.Export(now)
		e.Resources, err = s.exportResources(rest.Resources, now)
		return err
	})
	if err != nil {
		return nil, err
	}
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
