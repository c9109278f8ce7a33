package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// probe is one caller for whom the estates are compared.
type probe struct {
	label  string
	kind   GainKind
	caller string         // as NewRequest reads it
	as     *policy.Caller // instead, for callers that have no text
	// invented probes have the identity policies given here, whatever the estates
	// hold.
	invented bool
	identity []estate.Named
	// limited gives the session or user a policy that allows nothing that is
	// asked: a ceiling that only a statement naming the session or user passes.
	limited bool
	silent  *estate.Document
	// born is set when the principal is in the later estate only; changed when
	// its own policies or facts differ.
	born, changed bool
}

// maxNamed bounds the principals that are invented because a policy names them.
const maxNamed = 5000

const (
	adminPolicy  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	silentPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"health:DescribeEvents","Resource":"*"}]}`
)

// linkedServices are the services whose service-linked roles handle encrypted
// resources.
var linkedServices = [...]string{
	"autoscaling.amazonaws.com", "backup.amazonaws.com", "drs.amazonaws.com", "ec2fleet.amazonaws.com",
	"ecs-compute.amazonaws.com", "ecs.amazonaws.com", "ecs.application-autoscaling.amazonaws.com",
	"imagebuilder.amazonaws.com", "mrk.kms.amazonaws.com", "rds.amazonaws.com", "spot.amazonaws.com", "spotfleet.amazonaws.com",
}

// prober builds the probes.
type prober struct {
	s             *survey
	partition     string
	admin, silent *estate.Document
	probes        []probe
	seen          map[string]bool // callers that are there already
}

func (s *survey) probesOf(c *collection, members []member, o Probes) ([]probe, error) {
	b := &prober{s: s, partition: c.partition, seen: map[string]bool{}}
	var err error
	if b.admin, err = document("administrator", adminPolicy); err != nil {
		return nil, err
	}
	if b.silent, err = document("silent policy", silentPolicy); err != nil {
		return nil, err
	}
	for i := range s.after.Principals {
		b.held(&s.after.Principals[i])
	}
	for _, account := range sortedKeys(c.accounts) {
		b.account(account, c.accounts[account])
	}
	outsider := c.unused()
	for _, m := range members {
		b.administrator(m.account, "an administrator of a new member account in "+m.unit(), GainNewMember)
	}
	b.administrator(outsider, "an administrator of an account that nobody names", GainOutsider)
	b.add(probe{
		label: "a request that nobody signed", kind: GainAnonymous, caller: "service.amazonaws.com", invented: true,
		as: &policy.Caller{Principal: arn.Principal{Text: "anonymous"}},
	})
	b.add(probe{label: "a service that nobody names", kind: GainService, caller: unnamed + ".amazonaws.com"})
	named := c.principals(members, outsider)
	if len(named) > maxNamed {
		return nil, fmt.Errorf("comparing estates: the policies name %d principals that the estate does not hold, more than the %d that are tried", len(named), maxNamed)
	}
	for _, name := range named {
		b.named(name, GainNamed)
	}
	for _, text := range o.Principals {
		if p, ok := principalOf(text); !ok || p.Kind == arn.Everyone {
			return nil, fmt.Errorf("comparing estates: the probe %q is no caller", text)
		}
		p, _ := principalOf(text)
		b.named(p, GainNamed)
	}
	return b.probes, nil
}

func document(name, text string) (*estate.Document, error) {
	d, _, err := policy.Read(name, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return estate.NewDocument(d), nil
}

func (b *prober) add(p probe) {
	p.silent = b.silent
	b.probes = append(b.probes, p)
}

// held adds a user or role of the later estate. One that the earlier estate
// does not hold could do nothing before.
func (b *prober) held(p *estate.Principal) {
	was := b.s.before.Principal(p.ARN)
	kind := GainPrincipal
	if parsed, ok := principalOf(p.ARN); ok && parsed.IsServiceLinked() {
		kind = GainServiceLinked
	}
	b.seen[p.ARN] = true
	b.add(probe{
		label: p.ARN, kind: kind, caller: p.ARN, born: was == nil,
		changed: was == nil || b.s.principalText(was) != b.s.principalText(p),
	})
}

// account adds who may call from an account: its root user, an administrator
// and a principal without policies that nobody made yet, and where the account
// is one of ours the roles that services have in it.
func (b *prober) account(id string, ours bool) {
	root := "arn:" + b.partition + ":iam::" + id + ":root"
	b.seen[root] = true
	b.add(probe{label: root, kind: GainAccount, caller: root})
	b.administrator(id, "a new administrator of "+id, GainNewAdmin)
	for _, typ := range [...]string{"role", "user"} {
		b.add(probe{
			label: "a new principal of " + id + " without policies", kind: GainNewPrincipal, invented: true,
			caller: "arn:" + b.partition + ":iam::" + id + ":" + typ + "/" + unnamed,
		})
	}
	if !ours {
		return
	}
	for _, service := range linkedServices {
		role, ok := awsfacts.ServiceLinkedRoleOf(service)
		text := "arn:" + b.partition + ":iam::" + id + ":role" + role.Path + role.Name
		if ok && !b.seen[text] {
			b.seen[text] = true
			b.add(probe{label: text, kind: GainServiceLinked, caller: text})
		}
	}
}

// administrator adds a role and a user who may do everything.
func (b *prober) administrator(account, label string, kind GainKind) {
	for _, typ := range [...]string{"role", "user"} {
		b.add(probe{
			label: label, kind: kind, invented: true, identity: []estate.Named{{Name: "administrator", Document: b.admin}},
			caller: "arn:" + b.partition + ":iam::" + account + ":" + typ + "/" + unnamed,
		})
	}
}

// named adds a caller that a policy, a grant or the asker names. What its own
// policies say is not known where the estate does not hold it: it is tried with
// all rights and with none, for a request's outcome is one of the two.
func (b *prober) named(p arn.Principal, kind GainKind) {
	if b.seen[p.Text] || b.s.before.Principal(p.Text) != nil {
		return // a user or role that is gone can do nothing later
	}
	b.seen[p.Text] = true
	switch p.Kind {
	case arn.UniqueID:
		b.stored(p.Text)
		return
	case arn.Service:
		b.add(probe{label: p.Text, kind: GainService, caller: p.Text})
		return
	case arn.AccountRoot:
		b.account(p.Account, false)
		return
	}
	pr := probe{label: p.Text, kind: kind, caller: p.Text, invented: true}
	switch p.Kind {
	case arn.Federated, arn.Canonical:
		pr.caller, pr.as = "service.amazonaws.com", &policy.Caller{Principal: p}
		pr.as.Account = ""
		b.add(pr)
		return
	case arn.AssumedRole:
		if role := b.roleOf(&p); role != nil {
			b.session(pr, role)
			return
		}
	case arn.Role:
		if p.IsServiceLinked() {
			pr.kind, pr.invented = GainServiceLinked, false
			b.add(pr)
			return
		}
	}
	b.variants(pr, p.Kind)
}

// stored adds whoever has a unique id that a policy names: a role of one of our
// accounts, as far as anybody knows.
func (b *prober) stored(id string) {
	for _, account := range b.s.ours {
		text := "arn:" + b.partition + ":iam::" + account + ":role/" + unnamed
		if p, ok := principalOf(text); ok {
			b.variants(probe{
				label: id, kind: GainNamed, caller: text, invented: true,
				as: &policy.Caller{Principal: p, ID: id},
			}, arn.Role)
		}
	}
}

// variants adds a caller of whom nothing is known but the name.
func (b *prober) variants(pr probe, kind arn.Kind) {
	pr.identity = []estate.Named{{Name: "administrator", Document: b.admin}}
	b.add(pr)
	pr.identity = nil
	b.add(pr)
	if kind != arn.Role {
		pr.limited = true
		b.add(pr)
	}
}

// session adds a named session of a role that the estate holds, as it is and
// with a session policy that allows nothing.
func (b *prober) session(pr probe, role *probe) {
	pr.kind, pr.invented = GainPrincipal, false
	pr.born, pr.changed = role.born, role.changed
	b.add(pr)
	pr.limited = true
	b.add(pr)
}

func (b *prober) roleOf(session *arn.Principal) *probe {
	for i := range b.probes {
		p := &b.probes[i]
		if r, ok := principalOf(p.caller); ok && !p.invented && r.Kind == arn.Role && r.Account == session.Account && r.Name == session.Name {
			return p
		}
	}
	return nil
}

// principals returns the principals to invent: those that policies name, and
// for each pattern of names one that it matches, in every account that it fits.
func (c *collection) principals(members []member, outsider string) []arn.Principal {
	accounts := sortedKeys(c.accounts)
	for _, m := range members {
		accounts = append(accounts, m.account)
	}
	accounts = append(accounts, outsider)
	named := map[string]arn.Principal{}
	for text, p := range c.named {
		named[text] = p
	}
	for _, text := range instances(c.spelled(accounts)) {
		// The invented principals have that name already.
		if p, ok := principalOf(text); ok && p.Name != unnamed {
			named[p.Text] = p
		}
	}
	out := []arn.Principal{}
	for _, text := range sortedKeys(named) {
		out = append(out, named[text])
	}
	return out
}

// spelled returns the patterns of aws:PrincipalArn and aws:username with each
// account that they fit in its place.
func (c *collection) spelled(accounts []string) []string {
	var out []string
	for _, pattern := range slices.Sorted(slices.Values(c.patterns)) {
		parts := strings.SplitN(pattern, ":", 6)
		if len(parts) != 6 || strings.HasPrefix(parts[5], "*") {
			continue // anybody's name: the invented principals match
		}
		for _, id := range accounts {
			if arn.Glob(parts[4], id) {
				parts := slices.Clone(parts)
				parts[1], parts[2], parts[3], parts[4] = c.partition, strings.ReplaceAll(parts[2], "*", "iam"), "", id
				out = append(out, strings.Join(parts, ":"))
			}
		}
	}
	return slices.Compact(out)
}
