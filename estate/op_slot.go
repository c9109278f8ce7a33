package estate

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
)

// slotOf is a slot of what an ARN names.
func slotOf(kind, subject, part string) Slot {
	a, _ := arn.Parse(subject) // an ARN that cannot be read has neither account nor Region
	return Slot{Kind: kind, Account: a.Account, Region: a.Region, Subject: subject, Part: part}
}

func (o *KeyPolicy) seal()             {}
func (o *NewKey) seal()                {}
func (o *KeyState) seal()              {}
func (o *Alias) seal()                 {}
func (o *Rotation) seal()              {}
func (o *GrantTo) seal()               {}
func (o *InlinePolicy) seal()          {}
func (o *NewRole) seal()               {}
func (o *LinkedRole) seal()            {}
func (o *EBSEncryption) seal()         {}
func (o *ReplicationEncryption) seal() {}
func (o *VaultPolicy) seal()           {}
func (o *NewBucket) seal()             {}
func (o *BucketSetting) seal()         {}
func (o *Share) seal()                 {}

// Slot is what the op changes.
func (o *KeyPolicy) Slot() Slot { return slotOf("key-policy", o.Key, "") }

// Value is the canonical form of the policy.
func (o *KeyPolicy) Value() string { return CanonicalPolicy(o.Document) }

// Slot is what the op changes.
func (o *NewKey) Slot() Slot { return slotOf("key", o.ARN, "") }

// Value says that the key is there; what its policy says has a slot of its own.
func (o *NewKey) Value() string { return there(!o.Absent) }

// Slot is what the op changes.
func (o *KeyState) Slot() Slot { return slotOf("key-state", o.Key, "") }

// Value is the state.
func (o *KeyState) Value() string { return o.State }

// Slot is what the op changes.
func (o *Alias) Slot() Slot {
	return Slot{Kind: "alias", Account: o.Account, Region: o.Region, Subject: o.Name}
}

// Value is the key that the alias names.
func (o *Alias) Value() string { return o.Key }

// Slot is what the op changes.
func (o *Rotation) Slot() Slot { return slotOf("rotation", o.Key, "") }

// Value is on or off.
func (o *Rotation) Value() string { return onOff(o.On) }

// Slot is what the op changes. Its account is the one that issues the grant.
func (o *GrantTo) Slot() Slot {
	s := slotOf("grant", o.Key, o.Name)
	if o.Issuer != "" {
		s.Account = o.Issuer
	}
	return s
}

// Value is what the grant allows whom.
func (o *GrantTo) Value() string {
	if o.Absent {
		return ""
	}
	plain := GrantTo{Grantee: o.Grantee, Operations: slices.Sorted(slices.Values(o.Operations)), Constraints: o.Constraints}
	if c := plain.Constraints; c != nil && len(c.EncryptionContextEquals) == 0 && len(c.EncryptionContextSubset) == 0 && c.SourceARN == "" {
		plain.Constraints = nil
	}
	return canonicalJSON(plain)
}

// Slot is what the op changes.
func (o *InlinePolicy) Slot() Slot { return slotOf("inline-policy", o.Principal, o.Name) }

// Value is the canonical form of the policy.
func (o *InlinePolicy) Value() string { return CanonicalPolicy(o.Document) }

// Slot is what the op changes.
func (o *NewRole) Slot() Slot { return slotOf("role", o.ARN, "") }

// Value is the trust policy and the managed policies.
func (o *NewRole) Value() string {
	if o.Absent {
		return ""
	}
	return canonicalJSON([]any{json.RawMessage(orNull(CanonicalPolicy(o.Trust))), slices.Sorted(slices.Values(o.Managed))})
}

// Slot is what the op changes.
func (o *LinkedRole) Slot() Slot { return slotOf("linked-role", o.ARN, "") }

// Value says whether the role is there.
func (o *LinkedRole) Value() string { return there(!o.Absent) }

// Slot is what the op changes.
func (o *EBSEncryption) Slot() Slot {
	return Slot{Kind: "ebs-encryption", Account: o.Account, Region: o.Region, Subject: o.Account}
}

// Value is encryption by default and the key.
func (o *EBSEncryption) Value() string {
	key := o.Key
	if strings.HasSuffix(key, "alias/aws/ebs") {
		key = ""
	}
	return onOff(o.Encrypt) + " " + key
}

// Slot is what the op changes.
func (o *ReplicationEncryption) Slot() Slot {
	return Slot{Kind: "replication-encryption", Account: o.Account, Region: o.Region, Subject: o.ID}
}

// Value is the kind of encryption and the key.
func (o *ReplicationEncryption) Value() string { return o.Encryption + " " + o.Key }

// Slot is what the op changes.
func (o *VaultPolicy) Slot() Slot {
	return Slot{Kind: "vault-policy", Account: o.Account, Region: o.Region, Subject: o.Vault}
}

// Value is the canonical form of the policy.
func (o *VaultPolicy) Value() string { return CanonicalPolicy(o.Document) }

// Slot is what the op changes.
func (o *NewBucket) Slot() Slot {
	return Slot{Kind: "bucket", Account: o.Account, Region: o.Region, Subject: o.Bucket}
}

// Value says whether the bucket is there.
func (o *NewBucket) Value() string { return there(!o.Absent) }

// Slot is what the op changes.
func (o *BucketSetting) Slot() Slot {
	return Slot{Kind: "bucket-setting", Account: o.Account, Region: o.Region, Subject: o.Bucket, Part: o.Setting}
}

// Value is the setting, policies and other JSON in their canonical form.
func (o *BucketSetting) Value() string {
	switch o.Setting {
	case BucketPublicAccess, BucketKeyOn:
		if o.Text == "false" {
			return ""
		}
	case BucketPolicy:
		return CanonicalPolicy(o.Text)
	case BucketLifecycle:
		var v any
		if json.Unmarshal([]byte(o.Text), &v) == nil {
			return canonicalJSON(v)
		}
	}
	return o.Text
}

// Slot is what the op changes.
func (o *Share) Slot() Slot {
	return Slot{Kind: "share", Account: o.Account, Region: o.Region, Subject: o.ID, Part: o.With}
}

// Value says whether it is shared.
func (o *Share) Value() string { return there(!o.Off) }

func there(yes bool) string {
	if yes {
		return "there"
	}
	return ""
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func orNull(text string) string {
	if text == "" || !json.Valid([]byte(text)) {
		return "null"
	}
	return text
}
