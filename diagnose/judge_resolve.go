package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/lazy"
)

// resolve finds out who the text is about, and which key.
func (a *asker) resolve() {
	if who, ok := a.principal(); ok {
		a.who, a.j.Principal = who, who.Text
		if who.Account != "" && a.e.Account(who.Account) == nil && !a.e.Holds(who.Account) {
			a.note("the estate knows nothing of account %s: see whose it is, and that the text is genuine, before anything is opened to it", who.Account)
		}
	}
	if text := a.keyARN(); text != "" {
		a.j.Key = text
		a.keyAt, _ = arn.Parse(text) // it is the estate's, or was read before
		a.key = a.e.Key(text)
	}
}

// principal is the caller. A name without an account, or with a masked one, is looked for
// among the principals of the estate; a service-linked role follows from its service.
func (a *asker) principal() (arn.Principal, bool) {
	text := a.in.Principal
	if text == "" {
		text = a.implied()
	}
	if p, err := arn.ParsePrincipal(text); err == nil {
		switch p.Kind {
		case arn.Everyone, arn.UniqueID:
			return a.byUniqueID(p)
		case arn.Service, arn.Federated, arn.Canonical:
			return p, true
		}
		if arn.IsAccount(p.Account) {
			return p, true
		}
	}
	if text == "" {
		a.note("the text does not tell who was refused")
		return arn.Principal{}, false
	}
	return a.byName(text)
}

// implied is the caller that follows from the service, when the text names none.
func (a *asker) implied() string {
	service := strings.TrimSuffix(cmp.Or(a.in.Via, a.in.Service), ".amazonaws.com") + ".amazonaws.com"
	switch a.in.PrincipalKind {
	case Service:
		return service
	case ServiceRole:
		if role, ok := awsfacts.ServiceLinkedRoleOf(service); ok {
			return role.Name
		}
	}
	return ""
}

func (a *asker) byUniqueID(p arn.Principal) (arn.Principal, bool) {
	for i := range a.e.Principals {
		if own := &a.e.Principals[i]; own.ID != "" && own.ID == p.Text {
			found, err := arn.ParsePrincipal(own.ARN)
			return found, err == nil
		}
	}
	a.note("the estate holds no principal with the id %s", p.Text)
	return arn.Principal{}, false
}

// roleName takes the name of the role out of what may be a masked ARN of a session.
var roleName = lazy.Regexp(`assumed-role/([^/\s]+)`)

// byName finds the one principal of the estate that has a name. A service-linked role
// need not be in the estate, when it is known in which account.
func (a *asker) byName(text string) (arn.Principal, bool) {
	name := text[strings.LastIndexByte(text, '/')+1:]
	if m := roleName.FindStringSubmatch(text); m != nil {
		name = m[1]
	}
	var found []arn.Principal
	for i := range a.e.Principals {
		p, err := arn.ParsePrincipal(a.e.Principals[i].ARN)
		if err == nil && p.Name == name && (a.in.Account == "" || !arn.IsAccount(a.in.Account) || p.Account == a.in.Account) {
			found = append(found, p)
		}
	}
	if len(found) == 1 {
		a.note("%s was taken for %s, the only one of that name in the estate", text, found[0].Text)
		return found[0], true
	}
	if role, ok := awsfacts.ServiceLinkedRoleFor(name); ok && len(found) == 0 {
		if account := a.callersAccount(); account != "" {
			p, err := arn.ParsePrincipal("arn:" + a.partition() + ":iam::" + account + ":role" + role.Path + name)
			return p, err == nil
		}
	}
	a.note("the estate holds %d principals called %s, and so it is not known who was refused", len(found), name)
	return arn.Principal{}, false
}

// callersAccount is the caller's account, from the text or because the estate has one only.
func (a *asker) callersAccount() string {
	switch {
	case arn.IsAccount(a.in.Account):
		return a.in.Account
	case len(a.e.Accounts) == 1:
		return a.e.Accounts[0].ID
	}
	return ""
}

func (a *asker) partition() string {
	if a.in.Region != "" {
		return awsfacts.PartitionName(a.in.Region)
	}
	return "aws"
}

// keyARN is the key that the text means. When it cannot be the one that the text names,
// the cause is noted.
func (a *asker) keyARN() string {
	text := a.in.Key
	at, err := arn.Parse(text)
	switch {
	case text == "":
		a.note("the text does not name the key")
		return ""
	case err == nil && at.IsKMSKey() && arn.IsAccount(at.Account):
		if a.e.Key(text) == nil {
			a.absent(at, strings.TrimPrefix(at.Resource, "key/"))
		}
		return text
	case err == nil && at.IsKMSAlias():
		return a.byAlias(at.Resource, at.Account, at.Region)
	case strings.HasPrefix(text, "alias/"):
		return a.byAlias(text, cmp.Or(a.in.KeyAccount, a.who.Account, a.in.Account), a.in.Region)
	}
	return a.byID(strings.TrimPrefix(text[strings.LastIndexByte(text, ':')+1:], "key/"))
}

// keysWhere are the keys of the estate that are as asked.
func (a *asker) keysWhere(is func(k *estate.Key, at arn.ARN) bool) []string {
	var found []string
	for i := range a.e.Keys {
		k := &a.e.Keys[i]
		if at, err := arn.Parse(k.ARN); err == nil && is(k, at) {
			found = append(found, k.ARN)
		}
	}
	return found
}

// absent says why a key that is named by its ARN is not in the estate.
func (a *asker) absent(at arn.ARN, id string) {
	like := a.keysWhere(func(_ *estate.Key, have arn.ARN) bool { return have.Resource == "key/"+id })
	beside := a.keysWhere(func(_ *estate.Key, have arn.ARN) bool { return have.Account == at.Account && have.Region == at.Region })
	switch {
	case len(like) > 0 && strings.HasPrefix(id, "mrk-") && !saysNotFound(a.in): // its replicas have the same id
		other, _ := arn.Parse(like[0]) // the estate's
		a.isOpen(wrongRegion, fmt.Sprintf("the estate has the multi-Region key %s in %s, and no replica in %s: there is none, or it was not collected", id, other.Region, at.Region))
	case len(like) > 0:
		a.meant = like[0]
		other, _ := arn.Parse(like[0]) // the estate's
		code, where := wrongRegion, other.Region
		if other.Account != at.Account {
			code, where = wrongKey, "account "+other.Account
		}
		a.isTrue(code, "", rankKey, fmt.Sprintf("the estate has the key %s in %s, not where the text looks for it", id, where))
	case len(beside) > 0 && saysNotFound(a.in):
		a.isTrue(keyNotFound, "", rankKey, fmt.Sprintf("the estate has %d keys of account %s in %s, and this is none of them", len(beside), at.Account, at.Region))
	case len(beside) > 0:
		a.isOpen(keyNotFound, fmt.Sprintf("the estate has %d keys of account %s in %s, and not this one: it does not exist, or was not collected", len(beside), at.Account, at.Region))
	default:
		a.isOpen(keyNotFound, fmt.Sprintf("the estate has no keys of account %s in %s", at.Account, at.Region))
	}
}

func saysNotFound(in *Incident) bool {
	return strings.Contains(in.Code, "NotFound") || strings.Contains(in.Text, "does not exist")
}

// byAlias is the key behind an alias. An alias is one of its account and Region.
func (a *asker) byAlias(name, account, region string) string {
	found := a.keysWhere(func(k *estate.Key, at arn.ARN) bool {
		return slices.Contains(k.Aliases, name) && (account == "" || at.Account == account) && (region == "" || at.Region == region)
	})
	if len(found) == 1 {
		a.note("%s is %s", name, found[0])
		a.isNot(aliasNotFound, name+" is there, and is "+found[0])
		return found[0]
	}
	if len(found) > 1 {
		a.note("%d keys of the estate have the alias %s", len(found), name)
		return ""
	}
	elsewhere := a.keysWhere(func(k *estate.Key, _ arn.ARN) bool { return slices.Contains(k.Aliases, name) })
	beside := a.keysWhere(func(_ *estate.Key, at arn.ARN) bool {
		return at.Account == account && (region == "" || at.Region == region)
	})
	switch {
	case len(elsewhere) > 0:
		at, _ := arn.Parse(elsewhere[0]) // the estate's
		if account == "" || at.Account == account {
			a.isTrue(wrongRegion, "", rankKey, "the estate has "+name+" in "+at.Region+", not in "+region)
			return ""
		}
		a.isTrue(aliasNotFound, "", rankKey, "account "+account+" has no "+name+"; account "+at.Account+" has, and an alias counts in its own account only")
	case len(beside) > 0:
		a.isTrue(aliasNotFound, "", rankKey, fmt.Sprintf("none of the %d keys that the estate has there has the alias %s", len(beside), name))
	default:
		a.note("the estate has no key that could have the alias %s", name)
	}
	return ""
}

// byID is the key with an id. A bare id is looked for in the caller's account and Region.
// See https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html.
func (a *asker) byID(id string) string {
	found := a.keysWhere(func(_ *estate.Key, at arn.ARN) bool { return at.Resource == "key/"+id })
	if len(found) != 1 {
		a.note("%d keys of the estate have the id %s", len(found), id)
		return ""
	}
	at, _ := arn.Parse(found[0]) // the estate's
	if a.in.Key == id && a.who.Account != "" && a.who.Account != at.Account && a.in.KeyAccount == "" {
		a.meant = found[0]
		a.isTrue(wrongKey, "", rankKey, "a bare key id is looked for in the caller's account "+a.who.Account+"; the key is of account "+at.Account+", and has to be named by its ARN")
	}
	a.note("%s is %s", id, found[0])
	return found[0]
}
