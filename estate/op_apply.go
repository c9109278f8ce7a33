package estate

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
)

// ErrNoSubject is returned for an op on something that the estate does not hold.
var ErrNoSubject = errors.New("the estate does not hold it")

// ErrUnread is returned for an op on something that could not be read: what is not
// known cannot be changed safely.
var ErrUnread = errors.New("it could not be read")

// Apply returns a copy of the estate as it is after the ops. The estate itself stays
// as it is.
func (e *Estate) Apply(ops ...Op) (*Estate, error) {
	out := e.copy()
	for _, op := range ops {
		if err := out.apply(op); err != nil {
			s := op.Slot()
			return nil, fmt.Errorf("applying the %s: %w", s.String(), err)
		}
	}
	if err := out.Index(); err != nil {
		return nil, fmt.Errorf("applying ops: %w", err)
	}
	return out, nil
}

// copy is the estate with lists of its own; what they point at is shared, and
// replaced as a whole when it changes.
func (e *Estate) copy() *Estate {
	out := *e
	out.index = index{}
	out.Accounts, out.Principals = slices.Clone(e.Accounts), slices.Clone(e.Principals)
	out.Keys, out.Resources = slices.Clone(e.Keys), slices.Clone(e.Resources)
	for i := range out.Keys {
		out.Keys[i].Grants = slices.Clone(out.Keys[i].Grants)
	}
	return &out
}

func (e *Estate) apply(op Op) error {
	switch o := op.(type) {
	case *KeyPolicy:
		return e.applyKeyPolicy(o)
	case *NewKey:
		return e.applyNewKey(o)
	case *KeyState:
		return e.onKey(o.Key, func(k *Key) error {
			k.State = o.State
			if o.State != "PendingDeletion" {
				k.DeletionDate = nil
			}
			return nil
		})
	case *Alias:
		return e.applyAlias(o)
	case *Rotation:
		return e.onKey(o.Key, func(k *Key) error { k.Rotation = onOff(o.On); return nil })
	case *GrantTo:
		return e.applyGrant(o)
	case *InlinePolicy:
		return e.applyInline(o)
	case *NewRole:
		return e.applyRole(o.ARN, o.Absent, o.principal)
	case *LinkedRole:
		return e.applyRole(o.ARN, o.Absent, o.principal)
	case *EBSEncryption:
		return e.applyEBS(o)
	}
	return e.applyResource(op)
}

// onKey changes the key with the ARN.
func (e *Estate) onKey(key string, change func(*Key) error) error {
	i := slices.IndexFunc(e.Keys, func(k Key) bool { return k.ARN == key })
	if i < 0 {
		return ErrNoSubject
	}
	return change(&e.Keys[i])
}

func documentOfText(text string) (*Document, error) {
	d, _, err := policy.Read("", []byte(text))
	if err != nil {
		return nil, fmt.Errorf("reading the policy: %w", err)
	}
	return NewDocument(d), nil
}

func (e *Estate) applyKeyPolicy(o *KeyPolicy) error {
	return e.onKey(o.Key, func(k *Key) error {
		d, err := documentOfText(o.Document)
		if err != nil {
			return err
		}
		k.Policy, k.PrincipalIDs = d, e.idsOf(d)
		return nil
	})
}

// idsOf are the unique ids under which AWS stores the principals of a policy that is
// written now.
func (e *Estate) idsOf(d *Document) map[string]string {
	ids := map[string]string{}
	for p := range d.Source.Principals() {
		for i := range e.Principals {
			if own := &e.Principals[i]; own.ARN == p.Text && own.ID != "" {
				ids[own.ARN] = own.ID
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return ids
}

func (e *Estate) applyNewKey(o *NewKey) error {
	i := slices.IndexFunc(e.Keys, func(k Key) bool { return k.ARN == o.ARN })
	if o.Absent {
		if i >= 0 {
			e.Keys[i].State = "PendingDeletion"
		}
		return nil
	}
	if i >= 0 { // it was pending deletion, or is there already
		e.Keys[i].State, e.Keys[i].DeletionDate = "", nil
		return nil
	}
	d, err := documentOfText(o.Document)
	if err != nil {
		return err
	}
	e.Keys = append(e.Keys, Key{
		ARN: o.ARN, MultiRegion: o.MultiRegion || o.Primary != "", PrimaryKey: o.Primary, Tags: maps.Clone(o.Tags),
		Policy: d, PrincipalIDs: e.idsOf(d),
	})
	return nil
}

func (e *Estate) applyAlias(o *Alias) error {
	for i := range e.Keys {
		k := &e.Keys[i]
		a, err := arn.Parse(k.ARN)
		if err != nil || a.Account != o.Account || a.Region != o.Region {
			continue
		}
		k.Aliases = slices.DeleteFunc(slices.Clone(k.Aliases), func(n string) bool { return n == o.Name })
	}
	if o.Key == "" {
		return nil
	}
	return e.onKey(o.Key, func(k *Key) error { k.Aliases = append(k.Aliases, o.Name); return nil })
}

func (e *Estate) applyGrant(o *GrantTo) error {
	return e.onKey(o.Key, func(k *Key) error {
		if k.GrantsUnreadable != "" {
			return fmt.Errorf("the grants of the key: %w: %s", ErrUnread, k.GrantsUnreadable)
		}
		k.Grants = slices.DeleteFunc(k.Grants, func(g Grant) bool { return g.Name == o.Name })
		if o.Absent {
			return nil
		}
		k.Grants = append(k.Grants, Grant{
			GrantID: "planned-" + o.Name, Name: o.Name, GranteePrincipal: o.Grantee, Operations: slices.Clone(o.Operations),
			Constraints: o.Constraints, IssuingAccount: o.Issuer,
		})
		return nil
	})
}

// onPrincipal changes the user or role with the ARN.
func (e *Estate) onPrincipal(principal string, change func(*Principal) error) error {
	i := slices.IndexFunc(e.Principals, func(p Principal) bool { return p.ARN == principal })
	if i < 0 {
		return ErrNoSubject
	}
	return change(&e.Principals[i])
}

func (e *Estate) applyInline(o *InlinePolicy) error {
	return e.onPrincipal(o.Principal, func(p *Principal) error {
		p.Policies = slices.DeleteFunc(slices.Clone(p.Policies), func(a Attached) bool { return a.inline() && a.Name == o.Name })
		if o.Document == "" {
			return nil
		}
		d, err := documentOfText(o.Document)
		if err != nil {
			return err
		}
		p.Policies = append(p.Policies, Attached{Name: o.Name, Kind: "inline", Document: d})
		return nil
	})
}

// inline reports whether the policy is the principal's own.
func (a *Attached) inline() bool { return a.Kind == "inline" || a.Kind == "" && a.ARN == "" }

func (e *Estate) applyRole(role string, absent bool, made func() (Principal, error)) error {
	i := slices.IndexFunc(e.Principals, func(p Principal) bool { return p.ARN == role })
	switch {
	case absent && i >= 0:
		e.Principals = slices.Delete(e.Principals, i, i+1)
		return nil
	case absent || i >= 0:
		return nil
	}
	p, err := made()
	if err != nil {
		return err
	}
	e.Principals = append(e.Principals, p)
	return nil
}

func (o *NewRole) principal() (Principal, error) {
	trust, err := documentOfText(o.Trust)
	p := Principal{ARN: o.ARN, Trust: trust}
	for _, m := range o.Managed {
		p.Policies = append(p.Policies, managed(m))
	}
	return p, err
}

func (o *LinkedRole) principal() (Principal, error) {
	p := Principal{ARN: o.ARN}
	if role, ok := awsfacts.ServiceLinkedRoleFor(o.ARN); ok {
		p.Policies = []Attached{managed("arn:aws:iam::aws:policy/aws-service-role/" + role.ManagedPolicy)}
	}
	return p, nil
}

func (e *Estate) applyEBS(o *EBSEncryption) error {
	i := slices.IndexFunc(e.Accounts, func(a Account) bool { return a.ID == o.Account })
	if i < 0 {
		return ErrNoSubject
	}
	a := &e.Accounts[i]
	a.EBSDefaults = maps.Clone(a.EBSDefaults)
	if a.EBSDefaults == nil {
		a.EBSDefaults = map[string]EBSDefault{}
	}
	a.EBSDefaults[o.Region] = EBSDefault{Encrypt: o.Encrypt, Key: o.Key}
	return nil
}
