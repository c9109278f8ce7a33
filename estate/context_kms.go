package estate

import (
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/policy"
)

// maxAliases is the number of aliases of a key past which conditions on
// kms:ResourceAliases fail.
// See https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html.
const maxAliases = 50

// deriveKMS works out the keys of KMS itself.
func (c *Case) deriveKMS(name string) policy.ContextValue {
	if !c.OnKMSKey() {
		return c.deriveKMSCall(name)
	}
	switch name {
	case "kms:keyspec":
		return c.keyFact(func(k *Key) string { return k.Spec }, "SYMMETRIC_DEFAULT")
	case "kms:keyusage":
		return c.keyFact(func(k *Key) string { return k.Usage }, "ENCRYPT_DECRYPT")
	case "kms:keyorigin":
		return c.keyFact(func(k *Key) string { return k.Origin }, "AWS_KMS")
	case "kms:multiregion":
		return c.keyFact(func(k *Key) string { return strconv.FormatBool(k.MultiRegion) }, "false")
	case "kms:multiregionkeytype":
		return c.multiRegionType()
	case "kms:resourcealiases":
		if c.Key == nil {
			return c.unknownIfEstate()
		}
		if len(c.Key.Aliases) > maxAliases {
			return policy.ContextValue{}
		}
		return policy.Many(c.Key.Aliases...)
	}
	return c.deriveKMSCall(name)
}

// deriveKMSCall works out the keys that tell how KMS was called.
func (c *Case) deriveKMSCall(name string) policy.ContextValue {
	switch name {
	case "kms:calleraccount":
		return present(c.Request.Caller.Account)
	case "kms:viaservice", "kms:requestalias":
		return policy.ContextValue{} // the asker says so when it is
	case "kms:encryptioncontextkeys":
		if names := c.Request.Context.encryptionContextKeys(); len(names) > 0 {
			return policy.Many(names...)
		}
	case "kms:grantisforawsresource":
		// Only a service can set it, so a direct call has it false.
		if c.facts.estate && c.Lookup("kms:viaservice").Presence == policy.Absent {
			if v := c.notGiven(name); v.Presence == policy.NotKnown {
				return policy.One("false")
			}
			return policy.ContextValue{}
		}
	}
	if strings.HasPrefix(name, contextPrefix) && c.Request.Context.hasEncryptionContext() {
		return policy.ContextValue{} // the context was stated, without this pair
	}
	return c.notGiven(name)
}

// keyKnown reports whether the key's own properties are known: they are in a
// case file, which describes a plain key unless it says more.
func (c *Case) keyKnown() bool { return c.Key != nil || !c.facts.estate }

func (c *Case) keyFact(get func(*Key) string, plain string) policy.ContextValue {
	if !c.keyKnown() {
		return policy.NotGiven()
	}
	if c.Key != nil {
		if v := get(c.Key); v != "" {
			return policy.One(v)
		}
	}
	return policy.One(plain)
}

func (c *Case) multiRegionType() policy.ContextValue {
	switch {
	case !c.keyKnown():
		return policy.NotGiven()
	case c.Key == nil || !c.Key.MultiRegion:
		return policy.ContextValue{}
	case c.Key.PrimaryKey == "" || c.Key.PrimaryKey == c.Key.ARN:
		return policy.One("PRIMARY")
	}
	return policy.One("REPLICA")
}
