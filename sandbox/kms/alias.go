package kms

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

var aliasName = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`)

// checkAlias refuses names that AWS refuses.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html.
func checkAlias(name string) error {
	switch {
	case !strings.HasPrefix(name, "alias/"):
		return validation(`Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`)
	case strings.HasPrefix(name, "alias/aws/"):
		return refuse("NotAuthorizedException", "")
	case !aliasName.MatchString(name):
		return refuse("InvalidAliasNameException", "Alias "+name+" contains invalid characters.") // assumed text
	}
	return nil
}

// CreateAlias names a key.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html.
func (s *Service) CreateAlias(ctx context.Context, in *kms.CreateAliasInput) (*kms.CreateAliasOutput, error) {
	c := gate.From(ctx)
	if err := checkAlias(*in.AliasName); err != nil {
		return nil, err
	}
	k, err := s.change(ctx, *in.TargetKeyId, "CreateAlias")
	if err != nil {
		return nil, err
	}
	row := state.Key(k.Account, k.Region, *in.AliasName)
	if s.aliases.Get(row) != nil {
		return nil, refuse("AlreadyExistsException", "An alias with the name "+aliasARN(k.Region, k.Account, *in.AliasName)+" already exists")
	}
	if len(k.AliasNames) >= awsfacts.Limits().AliasesPerKey {
		return nil, refuse("LimitExceededException", "The key has as many aliases as it may have.") // assumed text
	}
	s.aliases.Put(row, &Alias{Name: *in.AliasName, TargetID: k.ID, Created: c.At, Updated: c.At})
	k.AliasNames = append(k.AliasNames, *in.AliasName)
	s.put(k)
	return &kms.CreateAliasOutput{}, nil
}

// UpdateAlias makes an alias name another key, of the same type and usage.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdateAlias.html.
func (s *Service) UpdateAlias(ctx context.Context, in *kms.UpdateAliasInput) (*kms.UpdateAliasOutput, error) {
	c := gate.From(ctx)
	if err := checkAlias(*in.AliasName); err != nil {
		return nil, err
	}
	to, err := s.change(ctx, *in.TargetKeyId, "UpdateAlias")
	if err != nil {
		return nil, err
	}
	row := state.Key(to.Account, to.Region, *in.AliasName)
	a := s.aliases.Get(row)
	if a == nil {
		return nil, notFound("Alias " + aliasARN(to.Region, to.Account, *in.AliasName) + " is not found.")
	}
	if a.TargetID == to.ID {
		return &kms.UpdateAliasOutput{}, nil
	}
	if from := s.key(c, to.Account, a.TargetID); from != nil {
		if from.Usage != to.Usage || (from.Spec == types.KeySpecSymmetricDefault) != (to.Spec == types.KeySpecSymmetricDefault) {
			return nil, validation("Alias " + aliasARN(to.Region, to.Account, a.Name) + " cannot be changed from " + from.arn + " to " + to.arn + ": they must be of the same type and usage.") // assumed text
		}
		s.unname(from, a.Name)
	}
	s.aliases.Put(row, &Alias{Name: a.Name, TargetID: to.ID, Created: a.Created, Updated: c.At})
	to.AliasNames = append(to.AliasNames, a.Name)
	s.put(to)
	return &kms.UpdateAliasOutput{}, nil
}

// unname takes an alias from the key that it names.
func (s *Service) unname(k *Key, name string) {
	k = k.clone()
	k.AliasNames = slices.DeleteFunc(k.AliasNames, func(n string) bool { return n == name })
	s.put(k)
}

// DeleteAlias takes an alias away.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_DeleteAlias.html.
func (s *Service) DeleteAlias(ctx context.Context, in *kms.DeleteAliasInput) (*kms.DeleteAliasOutput, error) {
	c := gate.From(ctx)
	if err := checkAlias(*in.AliasName); err != nil {
		return nil, err
	}
	row := state.Key(c.Caller.Account, c.Region, *in.AliasName)
	if k := s.key(c, c.Caller.Account, s.aliases.Get(row).TargetID); k != nil {
		s.unname(k, *in.AliasName)
	}
	s.aliases.Delete(row)
	return &kms.DeleteAliasOutput{}, nil
}

// ListAliases lists the aliases of an account and Region, or of one key. Those of AWS
// managed keys that nobody has used yet are there without a key; that AWS predefines
// one for each service that has such a key is assumed.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html.
func (s *Service) ListAliases(ctx context.Context, in *kms.ListAliasesInput) (*kms.ListAliasesOutput, error) {
	c := gate.From(ctx)
	only := ""
	if in.KeyId != nil {
		k, err := s.found(ctx, *in.KeyId, "ListAliases")
		if err != nil {
			return nil, err
		}
		only = k.ID
	}
	var list []types.AliasListEntry
	for _, a := range s.aliases.All(state.Key(c.Caller.Account, c.Region, "")) {
		if only == "" || a.TargetID == only {
			list = append(list, types.AliasListEntry{
				AliasName: &a.Name, AliasArn: new(aliasARN(c.Region, c.Caller.Account, a.Name)), TargetKeyId: &a.TargetID,
				CreationDate: &a.Created, LastUpdatedDate: &a.Updated,
			})
		}
	}
	if only == "" {
		list = append(list, s.predefined(c)...)
		slices.SortFunc(list, func(a, b types.AliasListEntry) int { return strings.Compare(*a.AliasName, *b.AliasName) })
	}
	page, next, err := paged(list, in.Marker, in.Limit, 50)
	if err != nil {
		return nil, err
	}
	return &kms.ListAliasesOutput{Aliases: page, NextMarker: next, Truncated: next != nil}, nil
}

// predefined are the aliases of AWS managed keys that the caller's account has not in
// the Region yet.
func (s *Service) predefined(c *gate.Call) []types.AliasListEntry {
	var list []types.AliasListEntry
	for _, name := range awsfacts.ManagedKeyNames() {
		alias := "alias/aws/" + name
		if s.aliases.Get(state.Key(c.Caller.Account, c.Region, alias)) == nil {
			list = append(list, types.AliasListEntry{AliasName: &alias, AliasArn: new(aliasARN(c.Region, c.Caller.Account, alias))})
		}
	}
	return list
}
