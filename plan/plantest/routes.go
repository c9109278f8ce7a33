package plantest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/route"
)

// people makes the accounts and who acts in each.
func (w *world) people() {
	list := []*account{{id: "444455556666", name: "production"}, {id: "111122223333", name: "recovery"}, {id: "222233334444", name: "workload"}}
	w.accounts = list[:2+w.rnd.IntN(2)]
	for _, a := range w.accounts {
		a.written, a.actor = w.actor(a)
	}
}

// actor invents who acts: roles with and without a path, users, sessions, and roles of
// IAM Identity Center.
func (w *world) actor(a *account) (written, principal string) {
	iam, sts := "arn:aws:iam::"+a.id+":", "arn:aws:sts::"+a.id+":"
	switch n := w.rnd.IntN(100); {
	case n < 45:
		return "{role: Operator}", iam + "role/Operator"
	case n < 60:
		return "{role: recovery/team/Restorer}", iam + "role/recovery/team/Restorer"
	case n < 75:
		return "{user: backup-bot}", iam + "user/backup-bot"
	case n < 84:
		return `{role: "` + sts + `assumed-role/Operator/nightly"}`, sts + "assumed-role/Operator/nightly"
	case n < 94:
		return `{role: Tagged, session_tags: {team: recovery}, source_identity: alice}`, iam + "role/Tagged"
	}
	role := "aws-reserved/sso.amazonaws.com/us-east-1/AWSReservedSSO_Recovery_0123456789abcdef"
	return "{role: " + role + "}", iam + "role/" + role
}

// route declares a route of a kind.
func (w *world) route(n int, kind *route.Kind) {
	var b strings.Builder
	fmt.Fprintf(&b, "  - name: %s-%d\n    kind: %s\n", kind.Name, n+1, kind.Name)
	from := w.accounts[w.rnd.IntN(len(w.accounts))]
	var first *key
	for i := range kind.Parties {
		p := &kind.Parties[i]
		if p.In != "" || !p.Required && w.chance(35) {
			continue
		}
		count := 1
		if p.Many {
			count += w.rnd.IntN(2)
		}
		var list []string
		for range count {
			a := from
			if i > 0 && !p.Source && w.chance(80) {
				a = pick(w, slices.DeleteFunc(slices.Clone(w.accounts), func(o *account) bool { return o == from })...)
			}
			text, k := w.party(kind, p, a, i == 0, first)
			if i == 0 {
				first = k
			}
			list = append(list, text)
		}
		if p.Many {
			fmt.Fprintf(&b, "    %s:\n      - %s\n", p.Name, strings.Join(list, "\n      - "))
		} else {
			fmt.Fprintf(&b, "    %s: %s\n", p.Name, list[0])
		}
	}
	w.routes = append(w.routes, b.String())
}

// party declares a party of a route, and notes what the estate may have for it.
func (w *world) party(kind *route.Kind, p *route.PartyKind, a *account, isFirst bool, first *key) (string, *key) {
	members := []string{"account: " + a.name}
	region := home
	switch {
	case p.Source && !isFirst: // a copy in another Region
		region = away
	case !isFirst && w.mood == broken && w.chance(15):
		region = away
	}
	if region != home {
		members = append(members, "region: "+region)
	}
	var k *key
	if p.Key == "required" || p.Key == "optional" && w.chance(60) {
		if k = w.replica(first, a, region); k == nil {
			k = w.key(a, region)
		}
		members = append(members, `key: "`+k.written+`"`)
	}
	switch p.Actor {
	case "required":
		w.actors = once(w.actors, a.actor)
		if w.chance(15) {
			written, principal := w.actor(a)
			members = append(members, "actor: "+written)
			w.actors = once(w.actors, principal)
		}
	case "consumer":
		c := pick(w, route.Consumers()...)
		members = append(members, "as: "+c.Name)
		if c.Role == "" {
			w.actors = once(w.actors, a.actor)
		} else {
			w.linkedRole(c.Role, a)
		}
	}
	w.services(kind, p, a, region, k)
	return "{" + strings.Join(members, ", ") + "}", k
}

// linkedRole notes that a service-linked role is needed in an account.
func (w *world) linkedRole(name string, a *account) {
	if role, ok := awsfacts.ServiceLinkedRoleFor(name); ok {
		w.linked = once(w.linked, "arn:aws:iam::"+a.id+":role"+role.Path+role.Name)
	}
}

// services notes what the services of a kind need and what they have there.
func (w *world) services(kind *route.Kind, p *route.PartyKind, a *account, region string, k *key) {
	switch kind.Name + " " + p.Name {
	case "drs staging", "drs-failback original":
		w.linkedRole("AWSServiceRoleForElasticDisasterRecovery", a)
		w.template(a, region, k)
		for _, o := range w.accounts {
			w.staging = append(w.staging, [2]string{a.id, o.id})
		}
	case "drs target":
		if w.chance(60) {
			w.things = append(w.things, object{"type": "drs:SourceServer", "id": "s-00000" + a.id, "account": a.id, "region": region, "attributes": object{"stagingArea.status": "EXTENDED"}})
		}
	case "drs-failback recovery":
		w.linkedRole("AWSServiceRoleForElasticDisasterRecovery", a)
	case "vault vault":
		w.linkedRole("AWSServiceRoleForBackup", a)
		w.vault(a, region, k)
	}
}

func (w *world) yaml() string {
	var b strings.Builder
	b.WriteString("format_version: 1\n\naccounts:\n")
	for _, a := range w.accounts {
		fmt.Fprintf(&b, "  %s:\n    id: %q\n    region: %s\n    access: {profile: %s}\n    actor: %s\n", a.name, a.id, home, a.name, a.written)
	}
	b.WriteString("\nroutes:\n" + strings.Join(w.routes, ""))
	return b.String()
}
