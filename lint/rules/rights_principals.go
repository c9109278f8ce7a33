package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
)

// principalName is one name of a Principal, as far as it can be read: a placeholder may
// stand for its account, and the rest is known all the same.
type principalName struct {
	value   *policy.Value
	kind    arn.Kind
	account string // as it stands there; a placeholder is the same account as itself
	name    string // of the user, role or service; "" when a placeholder is in it
}

// principalNames returns who the statement's Principal names. What cannot be read has
// the kind Invalid.
func (p *place) principalNames() []principalName {
	var ns []principalName
	for _, n := range p.principals() {
		ns = append(ns, principalNameOf(n.value, n.group))
	}
	return ns
}

func principalNameOf(v *policy.Value, group string) principalName {
	n := principalName{value: v}
	switch {
	case v.Kind == policy.OpaqueValue:
	case group == "Service":
		if n.kind = arn.Service; !v.Unknown {
			n.name = v.Text
		}
	case group != "AWS":
		n.kind = arn.Federated
	case v.Text == "*":
		n.kind = arn.Everyone
	case arn.IsAccount(v.Text):
		n.kind, n.account = arn.AccountRoot, v.Text
	default:
		n.read(v)
	}
	return n
}

// read takes an IAM ARN apart whose account may be a placeholder.
func (n *principalName) read(v *policy.Value) {
	parts := cutARN(v.Text)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" {
		return
	}
	n.account = parts[4]
	kind, rest, _ := strings.Cut(parts[5], "/")
	switch kind {
	case "root":
		n.kind = arn.AccountRoot
	case "role":
		n.kind = arn.Role
	case "user":
		n.kind = arn.User
	default:
		return
	}
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	// The name is known when a placeholder stands before it only.
	if !v.Unknown || !strings.ContainsAny(rest, "${<}>") && knownWithout(rest, n.account) {
		n.name = name
	}
}

// knownWithout reports whether a resource reads as a name and not as a word to
// be filled in, such as ROLE_NAME.
func knownWithout(rest, account string) bool {
	return !arn.IsAccount(account) && strings.ToUpper(rest) != rest
}

// cutARN cuts an ARN at its colons, other than those within a placeholder such
// as ${AWS::AccountId}.
func cutARN(text string) []string {
	parts := []string{}
	depth, from := 0, 0
	for i := 0; i < len(text) && len(parts) < 5; i++ {
		switch text[i] {
		case '{', '<':
			depth++
		case '}', '>':
			depth--
		case ':':
			if depth <= 0 {
				parts, from = append(parts, text[from:i]), i+1
			}
		}
	}
	return append(parts, text[from:])
}

// serviceLinked returns the service-linked role that a name is, when it is one
// that matters to encrypted data.
func (n *principalName) serviceLinked() (awsfacts.ServiceLinkedRole, bool) {
	if n.kind != arn.Role || !strings.HasPrefix(n.name, "AWSServiceRoleFor") {
		return awsfacts.ServiceLinkedRole{}, false
	}
	return awsfacts.ServiceLinkedRoleFor(n.name)
}

// owners are the accounts, as they stand in a key policy, that a key can be of.
type owners []string

// owners returns the accounts that administer the key by the policy: its own
// account, which alone can.
func (p *Policy) owners() owners {
	var accounts owners
	if p.Key.Account != "" {
		accounts = append(accounts, p.Key.Account)
	}
	for _, at := range p.allows() {
		if at.includes("kms:PutKeyPolicy") == policy.False {
			continue
		}
		for _, n := range at.principalNames() {
			if n.account != "" && len(accounts) < maxOwners && !slices.Contains(accounts, n.account) {
				accounts = append(accounts, n.account)
			}
		}
	}
	return accounts
}

// inKeyPolicies does something with each Allow statement of the key policies, and
// with the accounts that the key can be of.
func (m *Material) inKeyPolicies(do func(*place, owners)) {
	for _, k := range m.Policies {
		if k.Kind != KeyPolicy {
			continue
		}
		own := k.owners()
		for _, p := range k.allows() {
			do(&p, own)
		}
	}
}

// maxOwners bounds the accounts that are compared; an honest policy names one.
const maxOwners = 100

// others reports whether a name is of another account than the key's. Two
// accounts that are numbers can be told apart, and so can two placeholders that
// are words of one make, such as SOURCE_ACCOUNT and TARGET_ACCOUNT; where nobody
// administers the key by the policy nothing is known.
func (own owners) others(n *principalName) bool {
	if n.account == "" || len(own) == 0 {
		return false
	}
	for _, account := range own {
		if ownExpression(account) && arn.IsAccount(n.account) {
			continue
		}
		if account == n.account || arn.IsAccount(account) != arn.IsAccount(n.account) || strings.ContainsAny(account+n.account, "$*?") {
			return false
		}
	}
	return true
}

// ownExpression reports whether an account is written as a template writes the
// one that it is applied in. Beside it a number is another account's.
func ownExpression(account string) bool {
	return account == "${AWS::AccountId}" || strings.HasPrefix(account, "${data.aws_caller_identity.") && strings.HasSuffix(account, ".account_id}")
}

// broad says whom a statement of a key policy names that is more than a few
// principals of the key's account; "" when there is no such.
func (p *place) broad(own owners) string {
	for _, n := range p.principalNames() {
		switch {
		case n.kind == arn.Everyone:
			return "everybody it names"
		case n.kind == arn.AccountRoot && own.others(&n):
			return "account " + n.account + " as a whole"
		case n.kind == arn.AccountRoot && len(own) == 0 && !p.policy.Whole && len(p.patterns(opens)) > 0:
			// A key's own account is given the key as a whole. One that is given single
			// rights on the contents is another's.
			return "account " + n.account + " as a whole"
		}
	}
	return ""
}
