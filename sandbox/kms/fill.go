package kms

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Named leads from the name of a key in an estate to the key. See behalf.Locksmith. It
// is called in Update.
func (s *Service) Named(account, region, name string, now time.Time) (gate.KeyFacts, error) {
	if name == "" {
		return gate.KeyFacts{}, nil
	}
	c := &gate.Call{Region: region, At: now, Writing: true}
	c.Caller.Account = account
	k, ok, err := s.Find(c, region, name)
	switch {
	case err != nil || ok:
		return k, err
	case strings.HasPrefix(name, "alias/"):
		return gate.KeyFacts{ARN: aliasARN(region, account, name)}, nil
	}
	return gate.KeyFacts{ARN: name}, nil
}

// held returns the key with an ARN, or nil.
func (s *Service) held(keyARN string) *Key {
	a, err := arn.Parse(keyARN)
	if err != nil || !a.IsKMSKey() {
		return nil
	}
	return s.keys.Get(state.Key(a.Account, a.Region, strings.TrimPrefix(a.Resource, "key/")))
}

// Seal encrypts a text under a key. See behalf.Locksmith.
func (s *Service) Seal(keyARN string, text []byte, encryption map[string]string) []byte {
	k := s.held(keyARN)
	if k == nil || k.Spec != types.KeySpecSymmetricDefault || k.current() == nil {
		return nil
	}
	blob, err := s.seal(k, text, encryption)
	if err != nil {
		return nil
	}
	return blob
}

// ofService reports whether a service uses the grant, by its name or as a session of its
// own, as that of EC2's infrastructure.
func (g *Grant) ofService() bool {
	return g.GranteeService != "" || strings.Contains(g.Grantee, ":assumed-role/aws:")
}

// Lend returns a grant on a key for a service. See behalf.Locksmith. It is called in
// Update.
func (s *Service) Lend(keyARN, service string, operations []string, encryption map[string]string, now time.Time) *behalf.Grant {
	k := s.held(keyARN)
	if k == nil {
		return nil
	}
	for _, g := range s.grants.All(state.Key(k.row(), "")) {
		c := g.Constraints
		if c != nil && g.ofService() && maps.Equal(c.EncryptionContextSubset, encryption) && slices.Contains(g.Operations, types.GrantOperationDecrypt) {
			return &behalf.Grant{KeyARN: keyARN, ID: g.ID, Retiring: service, Grantee: g.Grantee + g.GranteeService}
		}
	}
	g := &Grant{
		Account: k.Account, Region: k.Region, KeyID: k.ID, ID: s.IDs.Hex(64), Created: now, Tokens: []string{s.IDs.Token(tokenSize)}, Issuer: k.Account,
		GranteeService: service, RetiringService: service, Constraints: &estate.GrantConstraints{EncryptionContextSubset: encryption},
	}
	for _, op := range operations {
		g.Operations = append(g.Operations, types.GrantOperation(op))
	}
	s.grants.Put(g.row(), g)
	return &behalf.Grant{KeyARN: keyARN, ID: g.ID, Retiring: service, Grantee: service}
}
