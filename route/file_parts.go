package route

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/internal/source"
)

// accountID is an account number, in quotes or without.
type accountID string

func (a *accountID) UnmarshalNode(n *source.Node) error {
	*a = accountID(n.Text)
	p := source.DecodeError{Pos: n.Pos, Text: fmt.Sprintf("%q is no account number", n.Text), Hint: "it has twelve digits; put it in quotes"}
	switch {
	case n.Kind != source.String && n.Kind != source.Number:
		p.Text = "this is " + n.Kind.String() + "; it should be an account number"
	case arn.IsAccount(n.Text):
		return nil
	}
	return &source.DecodeErrors{Problems: []source.DecodeError{p}}
}

// writtenAccount is an account as it stands in the file.
type writtenAccount struct {
	ID     accountID     `json:"id"`
	Region string        `json:"region"`
	Access Access        `json:"access"`
	Actor  *writtenActor `json:"actor"`
	node   *source.Node
}

func (a *writtenAccount) UnmarshalNode(n *source.Node) error {
	type plain writtenAccount
	err := source.Decode(n, (*plain)(a))
	a.node = n
	return err
}

// at returns the place of a member, or of the whole when it is not there.
func (a *writtenAccount) at(path ...string) source.Pos { return placeOf(a.node, path...) }

func placeOf(n *source.Node, path ...string) source.Pos {
	for len(path) > 0 {
		if m := n.At(path); m != nil {
			return m.Pos
		}
		path = path[:len(path)-1]
	}
	return n.Pos
}

// writtenActor is who acts: a role or a user, by name or ARN.
type writtenActor struct {
	Role           string            `json:"role"`
	User           string            `json:"user"`
	SessionTags    map[string]string `json:"session_tags"`
	SourceIdentity string            `json:"source_identity"`
}

// writtenRoute is a route as it stands in the file: name, kind and the parties
// that the kind has.
type writtenRoute struct {
	Name, Kind string
	parties    map[string]*writtenParties
	backup     *writtenBackup
	node       *source.Node
}

func (w *writtenRoute) UnmarshalNode(n *source.Node) error {
	w.node, w.parties = n, map[string]*writtenParties{}
	if n.Kind != source.Map {
		return fmt.Errorf("a route is a map with name and kind; this is %s", n.Kind)
	}
	var all source.DecodeErrors
	for _, f := range n.Distinct() {
		var into any
		switch f.Name {
		case "name":
			into = &w.Name
		case "kind":
			into = &w.Kind
		case backupPart:
			w.backup = &writtenBackup{pos: f.Pos}
			into = w.backup
		default:
			w.parties[f.Name] = &writtenParties{at: f.Pos}
			into = w.parties[f.Name]
		}
		if many, ok := source.Decode(&f.Value, into).(*source.DecodeErrors); ok {
			for _, p := range many.Problems {
				p.Path = strings.TrimSuffix(f.Name+"."+p.Path, ".")
				all.Problems = append(all.Problems, p)
			}
		}
	}
	if len(all.Problems) > 0 {
		return &all
	}
	return nil
}

func (w *writtenRoute) at(path ...string) source.Pos { return placeOf(w.node, path...) }

// writtenParties is one party as it stands in the file, or a list of them.
type writtenParties struct {
	list []writtenParty
	many bool
	at   source.Pos // of the name
}

func (p *writtenParties) UnmarshalNode(n *source.Node) error {
	if n.Kind == source.List {
		p.many = true
		return source.Decode(n, &p.list)
	}
	p.list = make([]writtenParty, 1)
	return source.Decode(n, &p.list[0])
}

// writtenParty is a party as it stands in the file: the name of an account, or
// a map with more.
type writtenParty struct {
	Account string        `json:"account"`
	Region  string        `json:"region"`
	Key     string        `json:"key"`
	As      string        `json:"as"`
	Actor   *writtenActor `json:"actor"`
	node    *source.Node
}

func (p *writtenParty) UnmarshalNode(n *source.Node) error {
	p.node = n
	if n.Kind == source.String {
		p.Account = n.Text
		return nil
	}
	type plain writtenParty
	return source.Decode(n, (*plain)(p))
}

func (r *fileReader) account(name string, w *writtenAccount) {
	a := Account{ID: string(w.ID), Region: w.Region, Access: w.Access}
	if w.ID == "" {
		r.Add(w.at(), fmt.Sprintf("account %s has no id", name), `add id: "111122223333"`)
		return
	}
	if at := w.at("id"); w.ID[0] == '0' && r.byteAt(at) == '0' {
		// Here the digits are read as they stand. Other readers of YAML take them
		// for a number, in base eight even, and would name another account.
		r.Add(at, "without quotes, "+a.ID+" is a number to other programs, and loses the zero it begins with", `write it as "`+a.ID+`"`)
	}
	r.region(w.at("region"), w.Region)
	r.access(name, &a, w)
	a.Actor = r.actor(w.Actor, a.ID, a.Region, w.at)
	r.file.Accounts[name] = a
}

// access checks how to get into an account. Without a role there is nothing
// that external_id or via could belong to.
func (r *fileReader) access(name string, a *Account, w *writtenAccount) {
	if a.Access.RoleARN == "" {
		if a.Access.Via != "" || a.Access.ExternalID != "" {
			r.Add(w.at("access"), "via and external_id are for assuming a role, and access names none", "add role_arn: to access")
		}
		return
	}
	at := w.at("access", "role_arn")
	p, err := arn.ParsePrincipal(a.Access.RoleARN)
	switch {
	case err != nil || p.Kind != arn.Role:
		r.Add(at, fmt.Sprintf("%q is not the ARN of a role", a.Access.RoleARN), "it looks like arn:"+awsfacts.PartitionName(a.Region)+":iam::"+a.ID+":role/NAME")
	case p.Account != a.ID:
		r.Add(at, fmt.Sprintf("the role is in account %s, and %s is %s", p.Account, name, a.ID), "name a role of account "+a.ID)
	default:
		r.partition(at, p.Partition, a.Region)
	}
	if a.Access.Profile != "" && a.Access.Via != "" {
		r.Add(w.at("access", "via"), "access says both profile and via", "keep the one from which the role is assumed")
	}
}

// partition refuses an ARN of a partition in which the Region is not. A Region
// that nobody knows has been told already.
func (r *fileReader) partition(at source.Pos, partition, region string) {
	if p, ok := awsfacts.PartitionOf(region); ok && p.Name != partition {
		r.Add(at, fmt.Sprintf("the ARN is in the partition %s, and %s is in %s", partition, region, p.Name), "its ARNs begin with arn:"+p.Name+":")
	}
}

func (r *fileReader) region(at source.Pos, region string) {
	if region != "" && !awsfacts.KnownRegion(region) {
		r.Add(at, fmt.Sprintf("%q is no Region that Keyreach knows", region), "it looks like us-east-1")
	}
}

// actor reads who acts in an account; at finds the place of a member of what
// the actor is a member of.
func (r *fileReader) actor(w *writtenActor, account, region string, at func(...string) source.Pos) Actor {
	if w == nil {
		return Actor{}
	}
	kind, name := "role", w.Role
	if name == "" {
		kind, name = "user", w.User
	}
	if name == "" || w.Role != "" && w.User != "" {
		r.Add(at("actor", "role"), "an actor has either a role or a user", "write role: NAME, or its ARN")
		return Actor{}
	}
	if kind == "user" && (len(w.SessionTags) > 0 || w.SourceIdentity != "") {
		r.Add(at("actor", "user"), "a user has neither session_tags nor a source_identity", "remove them, or name a role")
	}
	if !strings.HasPrefix(name, "arn:") {
		name = "arn:" + awsfacts.PartitionName(region) + ":iam::" + account + ":" + kind + "/" + strings.TrimPrefix(name, kind+"/")
	}
	p, err := arn.ParsePrincipal(name)
	switch isUser := p.Kind == arn.User; {
	case err != nil || p.Kind != arn.Role && p.Kind != arn.User && p.Kind != arn.AssumedRole:
		r.Add(at("actor", kind), fmt.Sprintf("%q is no role or user", name), "write its name or its ARN")
	case isUser != (kind == "user"):
		r.Add(at("actor", kind), fmt.Sprintf("%s is a %s, and stands as a %s", name, p.Kind, kind), "write it as role: or user:, as it is")
	case p.Account != account:
		r.Add(at("actor", kind), fmt.Sprintf("the actor %s is not in account %s", name, account), "name one of that account")
	default:
		r.partition(at("actor", kind), p.Partition, region)
	}
	return Actor{Principal: name, SessionTags: w.SessionTags, SourceIdentity: w.SourceIdentity}
}

// chains checks that via names an account of the file and leads somewhere.
func (r *fileReader) chains() {
	accounts := r.written
	for name, a := range accounts {
		if a == nil || a.Access.Via == "" {
			continue
		}
		at := a.at("access", "via")
		if accounts[a.Access.Via] == nil {
			r.Add(at, fmt.Sprintf("there is no account called %q", a.Access.Via), near(a.Access.Via, slices.Collect(maps.Keys(accounts))))
			continue
		}
		next := a.Access.Via
		for range accounts {
			if next == name {
				r.Add(at, "via leads back to the account itself", "give one of the accounts a profile")
				break
			}
			if b := accounts[next]; b != nil && b.Access.Via != "" {
				next = b.Access.Via
			}
		}
	}
}

func (r *fileReader) route(w *writtenRoute) *Route {
	if w.node == nil || w.node.Kind != source.Map {
		return nil
	}
	if w.Name == "" {
		r.Add(w.at(), "the route has no name", "add name:")
	}
	kind, ok := KindNamed(w.Kind)
	if !ok {
		if w.Kind == "" {
			r.Add(w.at(), "the route has no kind", "add kind: "+strings.Join(kindNames(), " or "))
		} else {
			r.Add(w.at("kind"), fmt.Sprintf("there is no kind of route called %q", w.Kind), near(w.Kind, kindNames()))
		}
		return nil
	}
	route := &Route{Name: w.Name, Kind: kind, Parties: map[string][]Party{}, Position: r.Position(w.at())}
	var names []string
	for _, p := range kind.Declared() {
		names = append(names, p.Name)
	}
	if kind.HasBackup() {
		names = append(names, backupPart)
	}
	for name, p := range w.parties {
		pk, ok := kind.Party(name)
		if !ok || pk.In != "" {
			r.Add(p.at, fmt.Sprintf("%q is no member of a route of kind %s", name, kind.Name), near(name, append([]string{"name", "kind"}, names...)))
			continue
		}
		route.Parties[name] = r.parties(p, &pk)
	}
	switch {
	case w.backup == nil:
	case !kind.HasBackup():
		r.Add(w.backup.pos, fmt.Sprintf("%q is no member of a route of kind %s", backupPart, kind.Name), "there is "+strings.Join(names, ", "))
	default:
		r.backup(w.backup, route)
	}
	r.onePartition(w, route)
	for _, pk := range kind.Parties {
		if pk.Required && w.parties[pk.Name] == nil {
			r.Add(w.at(), fmt.Sprintf("the route does not say who is %s: %s", pk.Name, pk.About), "add "+pk.Name+": with an account")
		}
	}
	return route
}

// onePartition refuses a route across partitions: accounts, principals and
// keys of one are unknown in the others.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html.
func (r *fileReader) onePartition(w *writtenRoute, route *Route) {
	first, name := "", ""
	for _, pk := range route.Kind.Parties {
		for _, p := range route.Parties[pk.Name] {
			partition := awsfacts.PartitionName(p.Region)
			if key, err := arn.Parse(p.Key); err == nil {
				partition = key.Partition
			}
			if first == "" {
				first, name = partition, pk.Name
			} else if partition != first {
				r.Add(w.at(pk.Name), fmt.Sprintf("%s is in the partition %s and %s in %s: nothing is shared across partitions", pk.Name, partition, name, first), "declare a route in each")
				return
			}
		}
	}
}

// parties reads the party or parties of one name.
func (r *fileReader) parties(w *writtenParties, kind *PartyKind) []Party {
	if w.many && !kind.Many {
		r.Add(w.at, fmt.Sprintf("%s is one party, and this is a list", kind.Name), "name one")
		return nil
	}
	var ps []Party
	for i := range w.list {
		if p, ok := r.party(&w.list[i], kind); ok {
			ps = append(ps, p)
		}
	}
	if len(w.list) == 0 && kind.Required {
		r.Add(w.at, kind.Name+" is empty", "name at least one account")
	}
	return ps
}

func (r *fileReader) party(w *writtenParty, kind *PartyKind) (Party, bool) {
	if w.node == nil {
		return Party{}, false
	}
	at := func(path ...string) source.Pos {
		if w.node.Kind != source.Map {
			return w.node.Pos
		}
		return placeOf(w.node, path...)
	}
	if w.Account == "" {
		r.Add(at("account"), kind.Name+" names no account", "write the name of one: "+strings.Join(slices.Sorted(maps.Keys(r.file.Accounts)), ", "))
		return Party{}, false
	}
	a, ok := r.file.Accounts[w.Account]
	if !ok {
		if !r.Any() || r.root.At([]string{"accounts", w.Account}) == nil {
			r.Add(at("account"), fmt.Sprintf("there is no account called %q", w.Account), near(w.Account, slices.Collect(maps.Keys(r.file.Accounts))))
		}
		return Party{}, false
	}
	p := Party{Account: a.ID, Name: w.Account, Region: a.Region, Key: w.Key, Actor: a.Actor}
	if w.Region != "" {
		p.Region = w.Region
		r.region(at("region"), w.Region)
	}
	if p.Region == "" {
		r.Add(at("account"), fmt.Sprintf("the Region of %s is not said", w.Account), "add region: to the account or here")
	}
	switch account := r.written[w.Account]; {
	case w.Actor != nil:
		p.Actor = r.actor(w.Actor, a.ID, p.Region, at)
	case account != nil:
		// A name becomes an ARN by the Region, which the account may leave to here.
		p.Actor = r.actor(account.Actor, a.ID, p.Region, account.at)
	}
	r.key(w, kind, at("key"))
	if strings.HasPrefix(p.Key, aliasPrefix) {
		p.Key, p.Alias = "", p.Key
	}
	known := true
	if kind.Actor == consumer {
		known = r.consumer(w, &p, at)
	} else if w.As != "" {
		r.Add(at("as"), kind.Name+" is no consumer on a route of this kind", "remove as:")
	}
	if known && kind.Actor != "" && p.Actor.Principal == "" {
		r.Add(at("actor"), fmt.Sprintf("who acts as %s is not said", kind.Name), "add actor: {role: NAME} to the account or here")
	}
	return p, true
}

// consumer reads by which way the party consumes, which may say who acts. It
// reports whether there is such a way.
func (r *fileReader) consumer(w *writtenParty, p *Party, at func(...string) source.Pos) bool {
	p.As = cmp.Or(w.As, "role")
	c, ok := ConsumerNamed(p.As)
	if !ok {
		var names []string
		for _, c := range Consumers() {
			names = append(names, c.Name)
		}
		r.Add(at("as"), fmt.Sprintf("there is no consumer called %q", w.As), near(w.As, names))
		return false
	}
	if principal := c.principal(awsfacts.PartitionName(p.Region), p.Account); principal != "" {
		if w.Actor != nil {
			r.Add(at("actor"), fmt.Sprintf("%s acts as %s, so no actor can be named", c.Name, c.Role), "remove actor:")
		}
		p.Actor = Actor{Principal: principal}
	}
	return true
}

// aliasPrefix begins the name of a key by its alias, in the party's account and Region.
const aliasPrefix = "alias/"

func (r *fileReader) key(w *writtenParty, kind *PartyKind, at source.Pos) {
	switch {
	case w.Key == "":
		if kind.Key == required {
			r.Add(at, fmt.Sprintf("the key of %s is not said", kind.Name), "add key: with its ARN")
		}
		return
	case kind.Key == "":
		r.Add(at, kind.Name+" has no key on a route of this kind", "remove it")
		return
	}
	if name, ok := strings.CutPrefix(w.Key, aliasPrefix); ok {
		if name == "" || strings.HasPrefix(name, "aws/") {
			r.Add(at, fmt.Sprintf("%q is not an alias that you can give a key", w.Key), "alias/aws/… are those of AWS; choose another name")
		}
		return
	}
	key, err := arn.Parse(w.Key)
	if err != nil || !key.IsKMSKey() {
		hint := "it looks like arn:aws:kms:us-east-1:111122223333:key/…, or alias/NAME for a key of the account that plan makes when there is none"
		if err == nil && key.IsKMSAlias() {
			hint = "an alias can move to another key; write the ARN of the key behind it"
		}
		r.Add(at, fmt.Sprintf("%q is not the ARN of a KMS key", w.Key), hint)
		return
	}
	r.region(at, key.Region)
	r.partition(at, key.Partition, key.Region)
}
