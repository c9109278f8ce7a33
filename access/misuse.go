package access

import (
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// misuse says why an operation cannot be made this way at all, whoever asks.
type misuse uint8

const (
	fits misuse = iota
	neverCrossAccount
	aliasARN
	wrongRegion
)

// misuseOf checks what KMS asks of every call before any policy.
func misuseOf(c *estate.Case) misuse {
	t := &c.Request.Target
	if !isKMS(c.Request.Action) {
		return fits
	}
	op, ok := awsfacts.KMSOperation(c.Request.Action)
	if !ok {
		return fits
	}
	if t.IsKMSAlias() && op.KeyBound && !aliasResource(c.Request.Action) {
		return aliasARN
	}
	caller := c.Request.Caller.Account
	if !op.CrossAccount && caller != "" && caller != c.Request.ResourceAccount {
		return neverCrossAccount
	}
	if t.Service == "kms" && t.Region != "" {
		if v := c.Lookup("aws:requestedregion"); v.Presence == policy.Present && v.One != t.Region {
			return wrongRegion
		}
	}
	return fits
}

func isKMS(action string) bool {
	return len(action) > 4 && strings.EqualFold(action[:4], "kms:")
}

// aliasResource reports whether the action is authorized on the alias itself.
func aliasResource(action string) bool {
	switch strings.ToLower(operationOf(action)) {
	case "createalias", "updatealias", "deletealias":
		return true
	}
	return false
}

// text says what is wrong and what to do instead.
func (m misuse) text(c *estate.Case) string {
	op := operationOf(c.Request.Action)
	switch m {
	case neverCrossAccount:
		return op + " never works on a key of another account, whatever the policies say; call it from account " + c.Request.ResourceAccount
	case aliasARN:
		return "an alias ARN never authorizes the use of a key; ask about the key ARN behind " + c.Request.Resource
	case wrongRegion:
		return "the key is in " + c.Request.Target.Region + " and KMS was called in " + c.Lookup("aws:requestedregion").One + "; a key exists in its own Region only"
	}
	return ""
}
