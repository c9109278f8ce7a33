package plan

import (
	"slices"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// wantSharing shares the snapshots and images that were named with the accounts of the
// routes that use their keys.
func (m *maker) wantSharing() {
	for _, id := range m.o.Share {
		found := false
		for i := range m.base.Resources {
			r := &m.base.Resources[i]
			if r.ID != id && r.ARN != id || !shareable(r.Type) {
				continue
			}
			found = true
			for _, c := range m.consumersOf(r) {
				op := &estate.Share{Type: r.Type, ID: r.ID, Account: r.Account, Region: r.Region, With: c.account}
				m.once(&m.last, wanted{op: op, why: "share it with account " + c.account + ", which the route has open it", routes: []string{c.route}})
			}
		}
		if !found {
			m.told = append(m.told, id+" is not shared: the estate holds no snapshot or image of that id")
		}
	}
}

func shareable(typ string) bool {
	return slices.Contains([]string{"ec2:Snapshot", "ec2:Image", "rds:DBSnapshot", "rds:DBClusterSnapshot"}, typ)
}

type consumerOf struct{ account, route string }

// consumersOf are the other accounts of the routes on which the key of a resource is.
func (m *maker) consumersOf(r *estate.Resource) []consumerOf {
	var list []consumerOf
	for i := range m.routes {
		uses := false
		each(&m.routes[i], func(_ string, p *route.Party) { uses = uses || p.Key == r.Key && p.Account == r.Account })
		if !uses {
			continue
		}
		each(&m.routes[i], func(_ string, p *route.Party) {
			c := consumerOf{p.Account, m.routes[i].Name}
			if p.Account != r.Account && !slices.Contains(list, c) {
				list = append(list, c)
			}
		})
	}
	return list
}

// each calls do for the parties of a route, in the order of the kind.
func each(r *route.Route, do func(name string, p *route.Party)) {
	for _, kind := range r.Kind.Parties {
		for i := range r.Parties[kind.Name] {
			do(kind.Name, &r.Parties[kind.Name][i])
		}
	}
}

// wantDefaults makes the keys of consumers the default keys of their accounts.
func (m *maker) wantDefaults() {
	if !m.o.EBSDefault {
		return
	}
	for i := range m.routes {
		r := &m.routes[i]
		each(r, func(name string, p *route.Party) {
			if name != "consumers" && name != "target" || p.Key == "" || r.Kind.Name != "ami" && r.Kind.Name != "ebs" && r.Kind.Name != "drs" {
				return
			}
			op := &estate.EBSEncryption{Account: p.Account, Region: p.Region, Encrypt: true, Key: p.Key}
			m.once(&m.last, wanted{op: op, why: "make the key the default key of EBS, as asked", routes: []string{r.Name}})
		})
	}
}
