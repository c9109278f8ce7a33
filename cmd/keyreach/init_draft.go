package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/route"
)

// draft is a file of routes in the making.
type draft struct {
	kind     *route.Kind
	name     string
	accounts []draftAccount
	parties  map[string][]draftParty
}

type draftAccount struct{ name, id, region string }

// draftParty is a party with what it says itself.
type draftParty struct{ account, region, consumer, key, actor string }

// plainName is a name that needs no quotes in YAML and no thought in a command.
var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)

func validName(s string) error {
	if !plainName.MatchString(s) || slices.Contains([]string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}, strings.ToLower(s)) {
		return fmt.Errorf("%q is no name: it begins with a letter, and has letters, digits, . - and _", s)
	}
	return nil
}

func validAccount(id string) error {
	if !arn.IsAccount(id) {
		return fmt.Errorf("%q is no account number: it has twelve digits", id)
	}
	return nil
}

func validRegion(r string) error {
	if !awsfacts.KnownRegion(r) {
		return fmt.Errorf("%q is no Region that Keyreach knows: it looks like us-east-1", r)
	}
	return nil
}

func validKey(k string) error {
	if strings.HasPrefix(k, "alias/") {
		return nil // what it may be called, the file's own reader says
	}
	if a, err := arn.Parse(k); err != nil || !a.IsKMSKey() {
		return fmt.Errorf("%q is no key: write arn:aws:kms:REGION:ACCOUNT:key/… or alias/NAME", k)
	}
	return nil
}

func validActor(a string) error {
	if strings.HasPrefix(a, "arn:") {
		if p, err := arn.ParsePrincipal(a); err != nil || p.Kind != arn.Role && p.Kind != arn.User {
			return fmt.Errorf("%q is no ARN of a role or user", a)
		}
		return nil
	}
	if strings.ContainsAny(a, " \t\n\"'{}") || a == "" || strings.HasSuffix(a, "/") {
		return fmt.Errorf("%q is no name of a role", a)
	}
	return nil
}

func validConsumer(name string) error {
	if _, ok := route.ConsumerNamed(name); ok {
		return nil
	}
	return fmt.Errorf("there is no consumer called %q; there is %s", name, strings.Join(consumerNames(), ", "))
}

func consumerNames() []string {
	var names []string
	for _, c := range route.Consumers() {
		names = append(names, c.Name)
	}
	return names
}

// draft reads the flags.
func (o *initOptions) draft(kind *route.Kind) (*draft, error) {
	d := &draft{kind: kind, name: pick(o.name == "", kind.Name, o.name), parties: map[string][]draftParty{}}
	if err := validName(d.name); err != nil {
		return nil, misuse(fmt.Errorf("--name: %w", err))
	}
	for _, text := range o.accounts {
		if err := d.account(text); err != nil {
			return nil, misuse(fmt.Errorf("--account %s: %w", text, err)).hinting("it looks like --account staging=444455556666@us-east-1")
		}
	}
	for _, name := range partyNames() {
		if o.parties[name] == nil {
			continue
		}
		for _, text := range *o.parties[name] {
			if err := d.party(name, text); err != nil {
				return nil, err
			}
		}
	}
	for i := range kind.Parties { // a party is the account of its name, unless said
		p := &kind.Parties[i]
		if len(d.parties[p.Name]) == 0 && d.find(p.Name) != nil {
			d.parties[p.Name] = []draftParty{{account: p.Name}}
		}
	}
	keyOf := func(k *route.PartyKind, p *draftParty) *string { return memberOr(k.Key != "", &p.key) }
	actorOf := func(k *route.PartyKind, p *draftParty) *string { return memberOr(actorNeeded(k, p), &p.actor) }
	if err := d.give("key", o.keys, validKey, keyOf); err != nil {
		return nil, err
	}
	return d, d.give("actor", o.actors, validActor, actorOf)
}

// account reads NAME=ID@REGION.
func (d *draft) account(text string) error {
	name, rest, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("it has no =")
	}
	id, region, located := strings.Cut(rest, "@")
	err := validName(name)
	if err == nil {
		err = validAccount(id)
	}
	if err == nil && located {
		err = validRegion(region)
	}
	if err == nil && d.find(name) != nil {
		err = errors.New("the account is given twice")
	}
	d.accounts = append(d.accounts, draftAccount{name, id, region})
	return err
}

func (d *draft) find(name string) *draftAccount {
	for i := range d.accounts {
		if d.accounts[i].name == name {
			return &d.accounts[i]
		}
	}
	return nil
}

// party reads ACCOUNT[@REGION][=CONSUMER].
func (d *draft) party(name, text string) error {
	kind, ok := d.kind.Party(name)
	if !ok {
		return misuse(fmt.Errorf("--%s: a route of kind %s has no such party", name, d.kind.Name)).hinting("it has " + strings.Join(d.partyNames(), ", "))
	}
	if len(d.parties[name]) > 0 && !kind.Many {
		return misuse(fmt.Errorf("--%s: it is one party, and more are given", name)).hinting("give one")
	}
	p, err := readParty(text, &kind)
	if err != nil {
		return misuse(fmt.Errorf("--%s %s: %w", name, text, err)).hinting("it looks like --" + name + " ACCOUNT or --" + name + " ACCOUNT@REGION")
	}
	d.parties[name] = append(d.parties[name], p)
	return nil
}

func readParty(text string, kind *route.PartyKind) (draftParty, error) {
	place, as, consumes := strings.Cut(text, "=")
	account, region, located := strings.Cut(place, "@")
	if err := validName(account); err != nil {
		return draftParty{}, err
	}
	if located {
		if err := validRegion(region); err != nil {
			return draftParty{}, err
		}
	}
	if consumes {
		if kind.Actor != actorConsumer {
			return draftParty{}, fmt.Errorf("%s is no consumer", kind.Name)
		}
		if err := validConsumer(as); err != nil {
			return draftParty{}, err
		}
	}
	return draftParty{account: account, region: region, consumer: as}, nil
}

// actorConsumer is the word of a party kind whose actor follows from how it consumes.
const actorConsumer = "consumer"

func (d *draft) partyNames() []string {
	var names []string
	for i := range d.kind.Parties {
		names = append(names, d.kind.Parties[i].Name)
	}
	return names
}

// memberOr is the member of a party that has one.
func memberOr(has bool, member *string) *string {
	if !has {
		return nil
	}
	return member
}

// give reads the PARTY=VALUE of a flag: the first value of a party is that of its first
// account that takes one, the next that of the next. What member returns nil for takes none.
func (d *draft) give(flag string, texts []string, valid func(string) error, member func(*route.PartyKind, *draftParty) *string) error {
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		kind, known := d.kind.Party(name)
		switch {
		case !ok || value == "":
			return misuse(fmt.Errorf("--%s %q names no party", flag, text)).hinting("it looks like --" + flag + " " + d.kind.Parties[0].Name + "=…")
		case !known:
			return misuse(fmt.Errorf("--%s: a route of kind %s has no party %q", flag, d.kind.Name, name)).hinting("it has " + strings.Join(d.partyNames(), ", "))
		}
		if err := valid(value); err != nil {
			return misuse(fmt.Errorf("--%s %s: %w", flag, name, err))
		}
		ps := d.parties[name]
		i := slices.IndexFunc(ps, func(p draftParty) bool { m := member(&kind, &p); return m != nil && *m == "" })
		if i < 0 {
			return misuse(fmt.Errorf("--%s %s: no account of %s is left that takes one", flag, text, name)).hinting("name the account with --" + name + " ACCOUNT, or leave this out")
		}
		*member(&kind, &ps[i]) = value
	}
	return nil
}

// actorNeeded reports whether a party has to say who acts: a kind that says required, or
// a way of consuming that acts as a role of the account's own.
func actorNeeded(kind *route.PartyKind, p *draftParty) bool {
	if kind.Actor != actorConsumer {
		return kind.Actor == needed
	}
	c, ok := route.ConsumerNamed(pick(p.consumer == "", "role", p.consumer))
	return ok && c.Role == ""
}

// needed is the word for what a party of a kind has to have.
const needed = "required"

// complete tells everything that is missing at once, by the flags that would say it.
func (d *draft) complete() error {
	var missing []string
	for i := range d.kind.Parties {
		kind := &d.kind.Parties[i]
		ps := d.parties[kind.Name]
		if len(ps) == 0 && kind.Required {
			missing = append(missing, fmt.Sprintf("--%s ACCOUNT: %s", kind.Name, kind.About))
			ps = []draftParty{{account: kind.Name}} // whose flags are told with it
		}
		for j := range ps {
			missing = append(missing, d.missingOf(kind, &ps[j])...)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return misuse(fmt.Errorf("a route of kind %s needs more than the flags say", d.kind.Name)).hinting(strings.Join(missing, "\n"))
}

func (d *draft) missingOf(kind *route.PartyKind, p *draftParty) []string {
	var list []string
	a := d.find(p.account)
	switch {
	case a == nil:
		list = append(list, fmt.Sprintf("--account %s=ID@REGION: the account of %s", p.account, kind.Name))
	case a.region == "" && p.region == "":
		list = append(list, fmt.Sprintf("--account %s=%s@REGION: the Region of %s", a.name, a.id, kind.Name))
	}
	if kind.Key == needed && p.key == "" {
		list = append(list, fmt.Sprintf("--key %s=ARN, or =alias/NAME for one that keyreach plan makes: the key of %s in %s", kind.Name, kind.Name, p.account))
	}
	if actorNeeded(kind, p) && p.actor == "" {
		list = append(list, fmt.Sprintf("--actor %s=ROLE: who acts as %s in %s", kind.Name, kind.Name, p.account))
	}
	return list
}
