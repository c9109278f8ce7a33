package estate

import (
	"fmt"
	"slices"

	"github.com/keyreach/keyreach/arn"
)

// Current returns the op that would leave the slot of the given op as the estate has
// it: what undoes the op.
func (e *Estate) Current(op Op) (Op, error) {
	was, err := e.current(op)
	if err != nil {
		s := op.Slot()
		return nil, fmt.Errorf("looking at the %s: %w", s.String(), err)
	}
	return was, nil
}

func (e *Estate) current(op Op) (Op, error) {
	switch o := op.(type) {
	case *KeyPolicy, *KeyState, *Rotation, *GrantTo:
		return e.currentOfKey(op)
	case *NewKey:
		was := &NewKey{ARN: o.ARN, Absent: true, Primary: o.Primary}
		if k := e.Key(o.ARN); k != nil && k.State != "PendingDeletion" {
			was.Absent, was.MultiRegion = false, k.MultiRegion
		}
		return was, nil
	case *Alias:
		was := &Alias{Name: o.Name, Account: o.Account, Region: o.Region}
		if k := e.KeyNamed(o.Name, o.Account, o.Region); k != nil {
			was.Key = k.ARN
		}
		return was, nil
	case *InlinePolicy:
		return e.currentInline(o)
	case *NewRole:
		return e.currentRole(o)
	case *LinkedRole:
		return &LinkedRole{ARN: o.ARN, Service: o.Service, Absent: e.Principal(o.ARN) == nil}, nil
	case *EBSEncryption:
		was := &EBSEncryption{Account: o.Account, Region: o.Region}
		a := e.Account(o.Account)
		if a == nil {
			return nil, ErrNoSubject
		}
		if d, ok := a.EBSDefaults[o.Region]; ok {
			was.Encrypt, was.Key = d.Encrypt, d.Key
		}
		return was, nil
	}
	return e.currentResource(op)
}

// KeyNamed returns the key that has the alias in the account and Region, or nil.
func (e *Estate) KeyNamed(alias, account, region string) *Key {
	for i := range e.Keys {
		k := &e.Keys[i]
		if a, err := arn.Parse(k.ARN); err == nil && a.Account == account && a.Region == region && slices.Contains(k.Aliases, alias) {
			return k
		}
	}
	return nil
}

func (e *Estate) currentOfKey(op Op) (Op, error) {
	k := e.Key(op.Slot().Subject)
	if k == nil {
		return nil, ErrNoSubject
	}
	switch o := op.(type) {
	case *KeyPolicy:
		text, err := textOf(k.Policy)
		return &KeyPolicy{Key: o.Key, Document: text}, err
	case *KeyState:
		was := &KeyState{Key: o.Key, State: k.State}
		if was.State == "" {
			was.State = "Enabled"
		}
		return was, nil
	case *Rotation:
		return &Rotation{Key: o.Key, On: k.Rotation == "on"}, nil
	case *GrantTo:
		if k.GrantsUnreadable != "" {
			return nil, fmt.Errorf("%w: %s", ErrUnread, k.GrantsUnreadable)
		}
		for i := range k.Grants {
			if g := &k.Grants[i]; g.Name == o.Name {
				return GrantOp(o.Key, g), nil
			}
		}
		return &GrantTo{Key: o.Key, Name: o.Name, Issuer: o.Issuer, Absent: true}, nil
	}
	return nil, ErrNoSubject
}

// GrantOp is the op that makes a grant as it is. What AWS says for no constraints is
// none.
func GrantOp(key string, g *Grant) *GrantTo {
	op := &GrantTo{Key: key, Name: g.Name, Issuer: g.Issuer(), Grantee: g.GranteePrincipal, Operations: slices.Clone(g.Operations), Constraints: g.Constraints}
	if op.Grantee == "" {
		op.Grantee = g.GranteeServicePrincipal
	}
	return op
}

// textOf is the text of a policy; none when there is none.
func textOf(d *Document) (string, error) {
	switch {
	case d == nil:
		return "", nil
	case d.Unreadable != "" || d.Source == nil:
		return "", fmt.Errorf("%w: %s", ErrUnread, d.Unreadable)
	}
	return d.Source.String(), nil
}

func (e *Estate) currentInline(o *InlinePolicy) (Op, error) {
	p := e.Principal(o.Principal)
	switch {
	case p == nil:
		return nil, ErrNoSubject
	case p.Unreadable != "":
		return nil, fmt.Errorf("%w: %s", ErrUnread, p.Unreadable)
	}
	was := &InlinePolicy{Principal: o.Principal, Name: o.Name}
	var err error
	for i := range p.Policies {
		if a := &p.Policies[i]; a.inline() && a.Name == o.Name {
			was.Document, err = textOf(a.Document)
		}
	}
	return was, err
}

func (e *Estate) currentRole(o *NewRole) (Op, error) {
	p := e.Principal(o.ARN)
	if p == nil {
		return &NewRole{ARN: o.ARN, Absent: true}, nil
	}
	trust, err := textOf(p.Trust)
	was := &NewRole{ARN: o.ARN, Trust: trust}
	for i := range p.Policies {
		if a := &p.Policies[i]; a.ARN != "" {
			was.Managed = append(was.Managed, a.ARN)
		}
	}
	return was, err
}

func (e *Estate) currentResource(op Op) (Op, error) {
	switch o := op.(type) {
	case *NewBucket:
		was := &NewBucket{Bucket: o.Bucket, Account: o.Account, Region: o.Region}
		was.Absent = e.resource(typeBucket, o.Bucket, o.Account, o.Region) == nil
		return was, nil
	case *BucketSetting:
		r := e.resource(typeBucket, o.Bucket, o.Account, o.Region)
		if r == nil {
			return nil, ErrNoSubject
		}
		was := &BucketSetting{Bucket: o.Bucket, Account: o.Account, Region: o.Region, Setting: o.Setting, Text: r.Attributes[o.Setting]}
		if o.Setting == BucketEncryption && r.Key != "" {
			was.Text = r.Key
		}
		return was, nil
	case *VaultPolicy:
		r := e.resource(typeVault, o.Vault, o.Account, o.Region)
		if r == nil {
			return nil, ErrNoSubject
		}
		return &VaultPolicy{Vault: o.Vault, Account: o.Account, Region: o.Region, Document: r.Attributes[VaultAccessPolicy]}, nil
	case *ReplicationEncryption:
		r := e.resource(o.Type, o.ID, o.Account, o.Region)
		if r == nil {
			return nil, ErrNoSubject
		}
		return &ReplicationEncryption{Type: o.Type, ID: o.ID, Account: o.Account, Region: o.Region, Encryption: r.Attributes["ebsEncryption"], Key: r.Key}, nil
	case *Share:
		r := e.resource(o.Type, o.ID, o.Account, o.Region)
		if r == nil {
			return nil, ErrNoSubject
		}
		return &Share{Type: o.Type, ID: o.ID, Account: o.Account, Region: o.Region, With: o.With, Off: !slices.Contains(r.SharedWith, o.With)}, nil
	}
	return nil, ErrNoSubject
}
