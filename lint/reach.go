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
	"github.com/keyreach/keyreach/internal/source"
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
	// Notes say what of the grants is not known here, and how it was taken.
	Notes []string
	Gains []access.Gain
}

// unnamedKey stands for a key whose id is not known.
const unnamedKey = "key/keyreach-unnamed"

// Outside works out the reach of every key that the material shows. account is
// the owner of keys whose account is not told; it may be empty. known is what the
// accounts hold besides, such as their organization; it may be nil. What is found
// is worked out by the gate: one estate with the policy and the grants is
// compared with one without.
func Outside(m *rules.Material, account string, known *estate.Estate) ([]Reach, error) {
	if m.Estate != nil {
		return outsideEstate(m)
	}
	if known == nil {
		known = &estate.Estate{FormatVersion: estate.FormatVersion}
	}
	policies := slices.DeleteFunc(slices.Clone(m.Policies), func(p *rules.Policy) bool { return p.Kind != rules.KeyPolicy })
	var all []Reach
	taken := map[*rules.Grant]bool{}
	for _, p := range policies {
		r := Reach{File: m.File, Owner: p.Owner}
		r.Account, r.Assumed = ownerOf(p, account)
		k := estate.Key{ARN: keyARN(p.Key, r.Account), Policy: estate.NewDocument(p.Doc)}
		r.Key = k.ARN
		for _, g := range m.Grants {
			if ofKey(g, &k, len(policies) == 1) {
				taken[g] = true
				r.addGrant(&k, g)
			}
		}
		if err := r.compareKey(known, k); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	rest := slices.DeleteFunc(slices.Clone(m.Grants), func(g *rules.Grant) bool { return taken[g] })
	alone, err := grantsAlone(m.File, rest, account, known)
	return append(all, alone...), err
}

// ofKey reports whether a grant is one of the key. only is set when the file
// shows the policy of one key; grants that do not say whose they are, are its.
func ofKey(g *rules.Grant, k *estate.Key, only bool) bool {
	switch {
	case g.Key == "":
		return only
	case strings.HasSuffix(k.ARN, unnamedKey):
		a, err := arn.Parse(k.ARN)
		of, _ := arn.Parse(g.Key)
		return only && err == nil && (of.Account == "" || of.Account == a.Account)
	}
	return g.Key == k.ARN || strings.HasSuffix(k.ARN, "/"+g.Key)
}

// grantsAlone is for grants without the policy of their key.
func grantsAlone(file string, grants []*rules.Grant, account string, known *estate.Estate) ([]Reach, error) {
	byKey := map[string]*estate.Key{}
	var all []Reach
	at := map[string]int{}
	for _, g := range grants {
		a, _ := arn.Parse(g.Key)
		text := keyARN(a, cmp.Or(a.Account, account, issuerOf(g)))
		if byKey[text] == nil {
			byKey[text] = &estate.Key{ARN: text, Policy: estate.NewDocument(policy.Whole())}
			owner, _ := arn.Parse(text)
			at[text] = len(all)
			all = append(all, Reach{File: file, Owner: text, Key: text, Account: owner.Account, Assumed: "the file holds grants of the key and not its policy"})
		}
		all[at[text]].addGrant(byKey[text], g)
	}
	for i := range all {
		if err := all[i].compareKey(known, *byKey[all[i].Key]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// compareKey compares an estate that has the key as given with one that has it
// open to its own account only.
func (r *Reach) compareKey(known *estate.Estate, k estate.Key) error {
	e := *known
	e.Keys = slices.Clone(known.Keys)
	i := slices.IndexFunc(e.Keys, func(x estate.Key) bool { return x.ARN == k.ARN })
	if i < 0 {
		i = len(e.Keys)
		e.Keys = append(e.Keys, k)
	} else {
		e.Keys[i].Policy, e.Keys[i].Grants = k.Policy, append(slices.Clone(e.Keys[i].Grants), k.Grants...)
	}
	return r.compare(&e, i)
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
					return root.Account, "the account that may do kms:* owns the key; --account says otherwise"
				}
			}
		}
	}
	return Nobody, "the file does not tell whose key it is, so every account is outside; --account tells"
}

// Nobody is an account that no policy names.
const Nobody = "000000000000"

func keyARN(known arn.ARN, account string) string {
	resource := known.Resource
	if !strings.HasPrefix(resource, "key/") || strings.ContainsAny(resource, "*?${<") {
		resource = unnamedKey
	}
	return strings.Join([]string{"arn", cmp.Or(known.Partition, "aws"), "kms", cmp.Or(known.Region, "us-east-1"), cmp.Or(account, Nobody), resource}, ":")
}

// addGrant gives the key a grant, as far as it is known.
func (r *Reach) addGrant(k *estate.Key, g *rules.Grant) {
	x := estate.Grant{
		GrantID: cmp.Or(g.ID, g.Name, fmt.Sprintf("grant %d", len(k.Grants)+1)), Name: g.Name, Operations: g.Operations,
		IssuingAccount: issuerOf(g), Constraints: constraintsOf(g.Constraints),
	}
	if strings.HasSuffix(g.Grantee, ".amazonaws.com") {
		x.GranteeServicePrincipal = g.Grantee
	} else {
		x.GranteePrincipal = g.Grantee
	}
	if p, err := arn.ParsePrincipal(g.Grantee); g.UnknownGrantee || x.GranteePrincipal != "" && (err != nil || p.Account == "") {
		r.Notes = append(r.Notes, x.GrantID+" names no grantee that is known here, and counts for nobody")
		return
	}
	if g.UnknownOperations {
		r.Notes = append(r.Notes, x.GrantID+" has operations that are not known here")
	}
	if g.ConstraintsUnknown {
		x.Constraints = nil
		r.Notes = append(r.Notes, x.GrantID+" has a constraint that is not known here, and counts as if it had none")
	}
	k.Grants = append(k.Grants, x)
}

// constraintsOf reads the constraints of a grant, by AWS's names in whatever way
// a format writes them: EncryptionContextSubset, encryption_context_subset.
func constraintsOf(n *source.Node) *estate.GrantConstraints {
	if n != nil && n.Kind == source.List && len(n.Items) == 1 {
		n = &n.Items[0]
	}
	if n == nil || n.Kind != source.Map {
		return nil
	}
	c := &estate.GrantConstraints{}
	for i := range n.Fields {
		f := &n.Fields[i]
		switch strings.ToLower(strings.ReplaceAll(f.Name, "_", "")) {
		case "encryptioncontextsubset":
			c.EncryptionContextSubset = textsOf(&f.Value)
		case "encryptioncontextequals":
			c.EncryptionContextEquals = textsOf(&f.Value)
		case "sourcearn":
			c.SourceARN = f.Value.Text
		}
	}
	return c
}

func textsOf(n *source.Node) map[string]string {
	texts := map[string]string{}
	for i := range n.Fields {
		texts[n.Fields[i].Name] = n.Fields[i].Value.Text
	}
	return texts
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
