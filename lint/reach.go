package lint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/policy"
)

// Reach is what principals outside of a key's account may do with the key,
// through its policy and its grants.
type Reach struct {
	File  string
	Owner string // what the policy belongs to
	Key   string // ARN; its id is invented where the file does not tell it
	// Account is the key's; Assumed says how it was found where no ARN tells it.
	Account, Assumed string
	Gains            []access.Gain
}

// unnamedKey stands for a key whose id is not known.
const unnamedKey = "key/keyreach-unnamed"

// Outside works out the reach of every key that the material shows. account is
// the owner of keys whose account is not told; it may be empty. What is found is
// worked out by the gate: one estate with the policy and the grants is compared
// with one without.
func Outside(m *rules.Material, account string) ([]Reach, error) {
	if m.Estate != nil {
		return outsideEstate(m)
	}
	var all []Reach
	for _, p := range m.Policies {
		if p.Kind != rules.KeyPolicy {
			continue
		}
		r := Reach{File: m.File, Owner: p.Owner}
		r.Account, r.Assumed = ownerOf(p, account)
		k := estate.Key{ARN: keyARN(p.Key, r.Account), Policy: estate.NewDocument(p.Doc)}
		r.Key = k.ARN
		for _, g := range m.Grants {
			if g.Key == "" || g.Key == k.ARN || strings.HasSuffix(k.ARN, "/"+g.Key) || len(m.Policies) == 1 {
				addGrant(&k, g)
			}
		}
		if err := r.compare(&estate.Estate{FormatVersion: estate.FormatVersion, Keys: []estate.Key{k}}, 0); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	if len(all) == 0 && len(m.Grants) > 0 {
		return grantsAlone(m, account)
	}
	return all, nil
}

// grantsAlone is for a file of grants without the policy of the key.
func grantsAlone(m *rules.Material, account string) ([]Reach, error) {
	byKey := map[string]*estate.Key{}
	var names []string
	for _, g := range m.Grants {
		a, _ := arn.Parse(g.Key)
		text := keyARN(a, cmp.Or(a.Account, account, issuerOf(g)))
		if byKey[text] == nil {
			byKey[text] = &estate.Key{ARN: text, Policy: estate.NewDocument(policy.Whole())}
			names = append(names, text)
		}
		addGrant(byKey[text], g)
	}
	var all []Reach
	for _, name := range names {
		a, _ := arn.Parse(name)
		r := Reach{File: m.File, Owner: name, Key: name, Account: a.Account, Assumed: "the file holds grants and no key policy"}
		if err := r.compare(&estate.Estate{FormatVersion: estate.FormatVersion, Keys: []estate.Key{*byKey[name]}}, 0); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func outsideEstate(m *rules.Material) ([]Reach, error) {
	var all []Reach
	for i := range m.Estate.Keys {
		k := &m.Estate.Keys[i]
		a, err := arn.Parse(k.ARN)
		if err != nil || k.Manager == "AWS" {
			continue
		}
		r := Reach{File: m.File, Owner: k.ARN, Key: k.ARN, Account: a.Account}
		if err := r.compare(m.Estate, i); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// compare fills in what is open to others than the key's own account, on the
// key of the estate with this number.
func (r *Reach) compare(e *estate.Estate, key int) error {
	after, before := *e, *e
	after.Keys, before.Keys = slices.Clone(e.Keys), slices.Clone(e.Keys)
	before.Keys[key].Policy = estate.NewDocument(policy.Whole())
	before.Keys[key].Grants = nil
	if err := errors.Join(before.Index(), after.Index()); err != nil {
		return fmt.Errorf("working out who reaches %s: %w", r.Key, err)
	}
	for _, g := range access.Gains(&before, &after, access.Probes{}) {
		if g.Incomplete || g.Resource == r.Key && !inside(&g, r.Account) {
			r.Gains = append(r.Gains, g)
		}
	}
	return nil
}

// inside reports whether the gain is one of the key's own account.
func inside(g *access.Gain, account string) bool {
	if p, err := arn.ParsePrincipal(g.Principal); err == nil && p.Account != "" {
		return p.Account == account
	}
	switch g.Kind {
	case access.GainNewAdmin, access.GainNewPrincipal, access.GainAccount, access.GainServiceLinked:
		return strings.Contains(g.Principal, account)
	}
	return false
}

// ownerOf is the account whose key a policy is, and how that is known.
func ownerOf(p *rules.Policy, account string) (owner, assumed string) {
	switch {
	case arn.IsAccount(p.Key.Account):
		return p.Key.Account, ""
	case account != "":
		return account, ""
	}
	// The account that is let in as a whole for everything is the owner, by the
	// default key policy.
	for i := range p.Doc.Statements {
		s := &p.Doc.Statements[i]
		if s.Principal == nil || s.Action == nil || !slices.ContainsFunc(s.Action.Values, func(v policy.Value) bool { return strings.EqualFold(v.Text, "kms:*") }) {
			continue
		}
		for _, g := range s.Principal.Groups {
			for _, v := range g.Names.Values {
				if root, err := arn.ParsePrincipal(v.Text); err == nil && root.Kind == arn.AccountRoot && arn.IsAccount(root.Account) {
					return root.Account, "the account that the policy lets in for kms:* is taken for the owner; --account says otherwise"
				}
			}
		}
	}
	return nobody, "the file does not tell whose key it is, so every account counts as outside; --account tells"
}

// nobody is an account that no policy names.
const nobody = "000000000000"

func keyARN(known arn.ARN, account string) string {
	resource := known.Resource
	if !strings.HasPrefix(resource, "key/") || strings.ContainsAny(resource, "*?${<") {
		resource = unnamedKey
	}
	return strings.Join([]string{"arn", cmp.Or(known.Partition, "aws"), "kms", cmp.Or(known.Region, "us-east-1"), cmp.Or(account, nobody), resource}, ":")
}

func addGrant(k *estate.Key, g *rules.Grant) {
	x := estate.Grant{GrantID: cmp.Or(g.ID, g.Name, fmt.Sprintf("grant %d", len(k.Grants)+1)), Name: g.Name, Operations: g.Operations, IssuingAccount: issuerOf(g)}
	if strings.HasSuffix(g.Grantee, ".amazonaws.com") {
		x.GranteeServicePrincipal = g.Grantee
	} else {
		x.GranteePrincipal = g.Grantee
	}
	if p, err := arn.ParsePrincipal(g.Grantee); x.GranteePrincipal != "" && (err != nil || p.Account == "") {
		return // whoever it is, it is nobody yet
	}
	k.Grants = append(k.Grants, x)
}

func issuerOf(g *rules.Grant) string {
	if arn.IsAccount(g.Issuer) {
		return g.Issuer
	}
	if p, err := arn.ParsePrincipal(g.Issuer); err == nil {
		return p.Account
	}
	return ""
}
