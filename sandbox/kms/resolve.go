package kms

import (
	"errors"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// found is what an identifier in a request leads to.
type found struct {
	*Key
	// alias is set when the request named the key by an alias.
	alias string
	// hidden is set for a key of another account that does not exist: the caller is
	// refused like anybody whom the owner does not let in.
	hidden bool
	arn    string // of the key that was asked for
	owner  string
}

// keyID is the form of the ids of keys.
var keyID = regexp.MustCompile(`^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)

// find leads from a key id, key ARN, alias name or alias ARN to a key, in the
// texts of AWS when there is none.
func (s *Service) find(c *gate.Call, id, operation string) (found, error) {
	op, _ := awsfacts.KMSOperation(operation)
	switch {
	case strings.HasPrefix(id, "arn:"):
		return s.findARN(c, id, op)
	case strings.HasPrefix(id, "alias/"):
		if !op.Identifiers.Has(awsfacts.AliasName) {
			return found{}, notFound("Invalid keyId " + id)
		}
		return s.findAlias(c, c.Caller.Account, id)
	}
	return s.findID(c, c.Caller.Account, id)
}

func (s *Service) findARN(c *gate.Call, id string, op *awsfacts.Operation) (found, error) {
	a, err := arn.Parse(id)
	if err != nil || a.Service != "kms" || !arn.IsAccount(a.Account) {
		return found{}, notFound("Invalid arn " + id)
	}
	if a.Region != c.Region {
		return found{}, notFound("Invalid arn " + a.Region)
	}
	if a.IsKMSAlias() {
		if !op.Identifiers.Has(awsfacts.AliasARN) {
			return found{}, notFound("Invalid keyId " + id)
		}
		f, err := s.findAlias(c, a.Account, a.Resource)
		if err != nil && a.Account != c.Caller.Account {
			return found{hidden: true, arn: id, owner: a.Account}, nil
		}
		return f, err
	}
	name, ok := strings.CutPrefix(a.Resource, "key/")
	if !ok {
		return found{}, notFound("Invalid arn " + id)
	}
	f, err := s.findID(c, a.Account, name)
	if err != nil && a.Account != c.Caller.Account {
		return found{hidden: true, arn: id, owner: a.Account}, nil
	}
	return f, err
}

func (s *Service) findID(c *gate.Call, account, id string) (found, error) {
	if k := s.key(c, account, id); k != nil {
		return found{Key: k, arn: k.arn, owner: account}, nil
	}
	if !keyID.MatchString(id) {
		return found{}, notFound("Invalid keyId '" + id + "'")
	}
	return found{}, notFound("Key '" + keyARN(c.Region, account, id) + "' does not exist")
}

func (s *Service) findAlias(c *gate.Call, account, name string) (found, error) {
	a := s.aliases.Get(state.Key(account, c.Region, name))
	if a == nil && strings.HasPrefix(name, "alias/aws/") && account == c.Caller.Account {
		made, err := s.managed(c, name)
		if err != nil {
			return found{}, err
		}
		a = made
	}
	if a != nil {
		if k := s.key(c, account, a.TargetID); k != nil {
			return found{Key: k, alias: name, arn: k.arn, owner: account}, nil
		}
	}
	return found{}, notFound("Alias " + aliasARN(c.Region, account, name) + " is not found.")
}

// key returns the key as it is at the time of the call, or nil.
func (s *Service) key(c *gate.Call, account, id string) *Key {
	return s.keys.Get(state.Key(account, c.Region, id)).at(c.At)
}

func notFound(text string) error { return wire.Refuse("NotFoundException", text) }

func keyARN(region, account, id string) string {
	return arn.ARN{Partition: awsfacts.PartitionName(region), Service: "kms", Region: region, Account: account, Resource: "key/" + id}.String()
}

func aliasARN(region, account, name string) string {
	return arn.ARN{Partition: awsfacts.PartitionName(region), Service: "kms", Region: region, Account: account, Resource: name}.String()
}

// Find leads to a key without asking whether the caller may know of it. See gate.Keys.
func (s *Service) Find(c *gate.Call, region, id string) (gate.KeyFacts, bool, error) {
	there := *c
	there.Region = region
	f, err := s.find(&there, id, "DescribeKey")
	switch {
	case errors.Is(err, gate.ErrUpdate):
		return gate.KeyFacts{}, false, err
	case err != nil || f.hidden:
		return gate.KeyFacts{}, false, nil
	}
	return gate.KeyFacts{
		ARN: f.arn, Managed: f.Manager == types.KeyManagerTypeAws, Symmetric: f.Spec == types.KeySpecSymmetricDefault, Enabled: f.State == types.KeyStateEnabled,
	}, true, nil
}
