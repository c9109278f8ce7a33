package kms

import (
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// asks is the form of the functions that say what an operation needs.
type asks[I any] func(*gate.Call, *I) ([]gate.Ask, error)

// onKey is what an operation needs that is about one key and has no condition
// keys of its own.
func onKey[I any](s *Service, operation string, id func(*I) *string) asks[I] {
	return onKeyWith(s, operation, id, func(*given, *I) {})
}

// onKeyWith is onKey with the condition keys that more adds.
func onKeyWith[I any](s *Service, operation string, id func(*I) *string, more func(*given, *I)) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		f, err := s.find(c, *id(in), operation)
		if err != nil {
			return nil, err
		}
		var g given
		more(&g, in)
		if err := s.genuine(c, g.tokens); err != nil {
			return nil, err
		}
		return []gate.Ask{s.ask(c, f, "kms:"+operation, g.tokens, g.list)}, nil
	}
}

// onNothing is what an operation needs that is about no key.
func onNothing[I any](operation string) asks[I] {
	return func(*gate.Call, *I) ([]gate.Ask, error) {
		return []gate.Ask{{Action: "kms:" + operation, Resource: "*"}}, nil
	}
}

// asksListRetirableGrants asks about the retiring principal, not about keys. One
// that is named by its unique id is asked about as any: assumed.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListRetirableGrants.html.
func asksListRetirableGrants(c *gate.Call, in *kms.ListRetirableGrantsInput) ([]gate.Ask, error) {
	a := gate.Ask{Action: "kms:ListRetirableGrants", Resource: "*"}
	if in.RetiringPrincipal != nil {
		if target, err := arn.Parse(*in.RetiringPrincipal); err == nil {
			a.Resource, a.Target, a.Owner = target.String(), target, c.Caller.Account
		}
	}
	return []gate.Ask{a}, nil
}

// ask makes the question about a key.
func (s *Service) ask(c *gate.Call, f found, action string, tokens []string, context estate.Given) gate.Ask {
	a := gate.Ask{Action: action, Resource: f.arn, Owner: f.owner, Context: context, Missing: f.hidden}
	c.Resources = append(c.Resources, gate.Resource{ARN: f.arn, Account: f.owner, Type: "AWS::KMS::Key"})
	if f.hidden {
		a.Target, _ = arn.Parse(f.arn)
		return a
	}
	if f.alias != "" {
		a.Context = append(a.Context, estate.NewEntry("kms:requestalias", policy.One(f.alias)))
	}
	a.Target, a.Policy, a.Key = f.target, f.policy, f.view
	s.setGrants(c, &a, f.Key, tokens)
	return a
}

// askAlias makes the question about an alias, which only identity policies
// answer. CloudTrail gives aliases the type of keys, see
// https://docs.aws.amazon.com/kms/latest/developerguide/ct-createalias.html.
func (s *Service) askAlias(c *gate.Call, account, name, action string) gate.Ask {
	a := arn.ARN{Partition: awsfacts.PartitionName(c.Region), Service: "kms", Region: c.Region, Account: account, Resource: name}
	c.Resources = append(c.Resources, gate.Resource{ARN: a.String(), Account: account, Type: "AWS::KMS::Key"})
	return gate.Ask{Action: action, Resource: a.String(), Target: a, Owner: account}
}

// given collects the condition keys of a request.
type given struct {
	list   estate.Given
	tokens []string
}

func (g *given) one(name, value string) {
	if value != "" {
		g.list = append(g.list, estate.NewEntry(name, policy.One(value)))
	}
}

func (g *given) many(name string, values []string) {
	if len(values) > 0 {
		g.list = append(g.list, estate.NewEntry(name, policy.Many(values...)))
	}
}

func (g *given) flag(name string, value bool) { g.one(name, strconv.FormatBool(value)) }

func (g *given) number(name string, value *int32) {
	if value != nil {
		g.one(name, strconv.Itoa(int(*value)))
	}
}

// context adds the encryption context.
func (g *given) context(pairs map[string]string) {
	for name, value := range pairs {
		g.one("kms:EncryptionContext:"+name, value)
	}
}

func (g *given) algorithm(a types.EncryptionAlgorithmSpec) {
	if a == "" {
		a = types.EncryptionAlgorithmSpecSymmetricDefault
	}
	g.one("kms:encryptionalgorithm", string(a))
}

func (g *given) tags(tags []types.Tag) {
	keys := map[string]bool{}
	for _, t := range tags {
		g.one("aws:requesttag/"+*t.TagKey, *t.TagValue)
		keys[*t.TagKey] = true
	}
	g.many("aws:tagkeys", slices.Sorted(maps.Keys(keys)))
}

// crypto adds what the operations with ciphertexts have.
func (g *given) crypto(a types.EncryptionAlgorithmSpec, pairs map[string]string, tokens []string) {
	g.algorithm(a)
	g.context(pairs)
	g.tokens = tokens
}

func (s *Service) asksDecrypt(c *gate.Call, in *kms.DecryptInput) ([]gate.Ask, error) {
	f, named, err := s.behind(c, in.KeyId, in.CiphertextBlob, "Decrypt", dryWithout(in.DryRunModifiers))
	if err != nil {
		return nil, err
	}
	var g given
	g.crypto(in.EncryptionAlgorithm, in.EncryptionContext, in.GrantTokens)
	if err := s.genuine(c, g.tokens); err != nil {
		return nil, err
	}
	a := s.ask(c, f, "kms:Decrypt", g.tokens, g.list)
	a.Ciphertext = !named
	return []gate.Ask{a}, nil
}

func (s *Service) asksReEncrypt(c *gate.Call, in *kms.ReEncryptInput) ([]gate.Ask, error) {
	from, named, err := s.behind(c, in.SourceKeyId, in.CiphertextBlob, "ReEncrypt", dryWithout(in.DryRunModifiers))
	if err != nil {
		return nil, err
	}
	to, err := s.find(c, *in.DestinationKeyId, "ReEncrypt")
	if err != nil {
		return nil, err
	}
	same := from.arn == to.arn
	var source, target given
	source.crypto(in.SourceEncryptionAlgorithm, in.SourceEncryptionContext, in.GrantTokens)
	source.flag("kms:reencryptonsamekey", same)
	target.crypto(in.DestinationEncryptionAlgorithm, in.DestinationEncryptionContext, in.GrantTokens)
	target.flag("kms:reencryptonsamekey", same)
	if err := s.genuine(c, in.GrantTokens); err != nil {
		return nil, err
	}
	a := s.ask(c, from, "kms:ReEncryptFrom", source.tokens, source.list)
	a.Ciphertext = !named
	return []gate.Ask{a, s.ask(c, to, "kms:ReEncryptTo", target.tokens, target.list)}, nil
}

// behind finds the key of an operation that reads a ciphertext: the one that the
// request names, or the one in the ciphertext.
func (s *Service) behind(c *gate.Call, id *string, blob []byte, operation string, without bool) (f found, named bool, err error) {
	if id != nil {
		f, err = s.find(c, *id, operation)
		return f, true, err
	}
	if without {
		return found{}, false, validation("IGNORE_CIPHERTEXT needs a key ID")
	}
	h, ok := parseBlob(blob)
	if !ok {
		return found{}, false, invalidCiphertext()
	}
	if k := s.key(c, h.account, h.keyID); k != nil {
		return found{Key: k, arn: k.arn, owner: h.account}, false, nil
	}
	return found{hidden: true, arn: keyARN(c.Region, h.account, h.keyID), owner: h.account}, false, nil
}

func (s *Service) asksCreateKey(c *gate.Call, in *kms.CreateKeyInput) ([]gate.Ask, error) {
	p, err := shapeOf(in)
	if err != nil {
		return nil, err
	}
	var g given
	g.one("kms:keyspec", string(p.spec))
	g.one("kms:keyusage", string(p.usage))
	g.one("kms:keyorigin", string(p.origin))
	multi := in.MultiRegion != nil && *in.MultiRegion
	g.flag("kms:multiregion", multi)
	if multi {
		g.one("kms:multiregionkeytype", "PRIMARY")
	}
	g.flag("kms:bypasspolicylockoutsafetycheck", in.BypassPolicyLockoutSafetyCheck)
	g.tags(in.Tags)
	list := []gate.Ask{{Action: "kms:CreateKey", Resource: "*", Context: g.list}}
	if len(in.Tags) > 0 {
		list = append(list, gate.Ask{Action: "kms:TagResource", Resource: "*", Context: g.list})
	}
	return list, nil
}

func (s *Service) asksCreateGrant(c *gate.Call, in *kms.CreateGrantInput) ([]gate.Ask, error) {
	f, err := s.find(c, *in.KeyId, "CreateGrant")
	if err != nil {
		return nil, err
	}
	g := given{tokens: in.GrantTokens}
	if in.GranteePrincipal != nil {
		g.one("kms:granteeprincipal", *in.GranteePrincipal)
	}
	if in.GranteeServicePrincipal != nil {
		g.one("kms:granteeserviceprincipal", *in.GranteeServicePrincipal)
	}
	if in.RetiringPrincipal != nil {
		g.one("kms:retiringprincipal", *in.RetiringPrincipal)
	}
	if in.RetiringServicePrincipal != nil {
		g.one("kms:retiringserviceprincipal", *in.RetiringServicePrincipal)
	}
	g.many("kms:grantoperations", texts(in.Operations))
	if k := in.Constraints; k != nil {
		switch {
		case len(k.EncryptionContextEquals) > 0:
			g.one("kms:grantconstrainttype", "EncryptionContextEquals")
			g.context(k.EncryptionContextEquals)
		case len(k.EncryptionContextSubset) > 0:
			g.one("kms:grantconstrainttype", "EncryptionContextSubset")
			g.context(k.EncryptionContextSubset)
		}
		if k.SourceArn != nil {
			g.one("kms:grantconstraintsourcearn", *k.SourceArn)
		}
	}
	g.flag("kms:grantisforawsresource", c.Forward != nil && c.Forward.ForResource)
	if err := s.genuine(c, g.tokens); err != nil {
		return nil, err
	}
	return []gate.Ask{s.ask(c, f, "kms:CreateGrant", g.tokens, g.list)}, nil
}

func (s *Service) asksReplicateKey(c *gate.Call, in *kms.ReplicateKeyInput) ([]gate.Ask, error) {
	f, err := s.find(c, *in.KeyId, "ReplicateKey")
	if err != nil {
		return nil, err
	}
	var g given
	g.one("kms:replicaregion", *in.ReplicaRegion)
	list := []gate.Ask{s.ask(c, f, "kms:ReplicateKey", nil, g.list)}
	if f.hidden {
		return list, nil
	}
	// In the other Region it is the making of a key.
	var made given
	made.one("kms:keyspec", string(f.Spec))
	made.one("kms:keyusage", string(f.Usage))
	made.one("kms:keyorigin", string(f.Origin))
	made.flag("kms:multiregion", true)
	made.one("kms:multiregionkeytype", "REPLICA")
	made.tags(in.Tags)
	list = append(list, gate.Ask{Action: "kms:CreateKey", Resource: "*", Context: made.list})
	if len(in.Tags) > 0 {
		list = append(list, gate.Ask{Action: "kms:TagResource", Resource: "*", Context: made.list})
	}
	return list, nil
}

func (s *Service) asksRetireGrant(c *gate.Call, in *kms.RetireGrantInput) ([]gate.Ask, error) {
	g, f, err := s.grantToRetire(c, in)
	if err != nil {
		return nil, err
	}
	a := s.ask(c, f, "kms:RetireGrant", nil, nil)
	a.Grants = g
	return []gate.Ask{a}, nil
}

func (s *Service) asksAlias(operation string) func(c *gate.Call, name, target string) ([]gate.Ask, error) {
	return func(c *gate.Call, name, target string) ([]gate.Ask, error) {
		f, err := s.find(c, target, operation)
		if err != nil {
			return nil, err
		}
		action := "kms:" + operation
		return []gate.Ask{s.askAlias(c, c.Caller.Account, name, action), s.ask(c, f, action, nil, nil)}, nil
	}
}

func (s *Service) asksCreateAlias(c *gate.Call, in *kms.CreateAliasInput) ([]gate.Ask, error) {
	return s.asksAlias("CreateAlias")(c, *in.AliasName, *in.TargetKeyId)
}

// asksUpdateAlias asks about the alias, the key that it names now and the one
// that it will name.
func (s *Service) asksUpdateAlias(c *gate.Call, in *kms.UpdateAliasInput) ([]gate.Ask, error) {
	list, err := s.asksAlias("UpdateAlias")(c, *in.AliasName, *in.TargetKeyId)
	if err != nil {
		return nil, err
	}
	return append(list, s.askTarget(c, *in.AliasName, "kms:UpdateAlias")...), nil
}

func (s *Service) asksDeleteAlias(c *gate.Call, in *kms.DeleteAliasInput) ([]gate.Ask, error) {
	if s.aliases.Get(state.Key(c.Caller.Account, c.Region, *in.AliasName)) == nil {
		return nil, notFound("Alias " + aliasARN(c.Region, c.Caller.Account, *in.AliasName) + " is not found.")
	}
	list := []gate.Ask{s.askAlias(c, c.Caller.Account, *in.AliasName, "kms:DeleteAlias")}
	return append(list, s.askTarget(c, *in.AliasName, "kms:DeleteAlias")...), nil
}

// askTarget asks about the key that an alias names, when there is one.
func (s *Service) askTarget(c *gate.Call, name, action string) []gate.Ask {
	a := s.aliases.Get(state.Key(c.Caller.Account, c.Region, name))
	if a == nil {
		return nil
	}
	k := s.key(c, c.Caller.Account, a.TargetID)
	if k == nil {
		return nil
	}
	return []gate.Ask{s.ask(c, found{Key: k, arn: k.arn, owner: k.Account}, action, nil, nil)}
}

func (s *Service) asksListAliases(c *gate.Call, in *kms.ListAliasesInput) ([]gate.Ask, error) {
	list := []gate.Ask{{Action: "kms:ListAliases", Resource: "*"}}
	if in.KeyId == nil {
		return list, nil
	}
	f, err := s.find(c, *in.KeyId, "ListAliases")
	if err != nil {
		return nil, err
	}
	if f.owner != c.Caller.Account { // which never works, whether there is such a key or not
		list = append(list, s.ask(c, f, "kms:ListAliases", nil, nil))
	}
	return list, nil
}

func texts[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// dryWithout reports whether a dry run asks to leave the ciphertext out.
func dryWithout(modifiers []types.DryRunModifierType) bool {
	return slices.Contains(modifiers, types.DryRunModifierTypeIgnoreCiphertext)
}
