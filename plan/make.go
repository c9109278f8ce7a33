package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// Options say how a plan is made.
type Options struct {
	// At is when the plan is made, and as of when the routes are proven.
	At time.Time
	// Chosen is what the plan does beyond the routes. Tight plans give the required uses
	// only, others what AWS's documentation asks for. Org lets the members of an
	// organization in, in place of principals of other accounts by name: an organization
	// id, or a path such as o-1/r-1/ou-1/. EnableKeys has keys enabled that are disabled or
	// pending deletion. EBSDefault makes the keys of the routes' consumers their accounts'
	// default keys. Owned writes the policies of keys that a program keeps, such as
	// CloudFormation; without it such a key gets a patch to be put there. Buckets are set up for the routes of kind backup, and the snapshots and
	// images of Share are shared with the routes' accounts.
	Chosen
	// Partial plans open what they can of a route that stays blocked.
	Partial bool
	// Change is the number of the change that the plan carries out.
	Change string
	// Writers are the principals that write in an account, by its number, where known:
	// grants of that account are issued by it.
	Writers map[string]string
}

// rounds is how often what is still blocked is looked at again: opening one layer can
// show the next.
const rounds = 4

// Make returns the plan that opens the routes on the estate. It is proven on a copy, and
// refused with a *RefusedError when it would lock somebody out or open more than the
// routes need. What no op opens is in Stuck; a route that stays blocked gets no ops
// unless the plan is partial.
func Make(routes []route.Route, e *estate.Estate, o Options) (*Plan, error) {
	if err := members(o.Org, e); err != nil {
		return nil, err
	}
	routes = on(routes, e)
	p, err := attempt(routes, e, o)
	if err != nil {
		return nil, err
	}
	if len(p.Stuck) > 0 && !o.Partial {
		stuck := p.Stuck
		open := slices.DeleteFunc(slices.Clone(routes), func(r route.Route) bool {
			return slices.ContainsFunc(stuck, func(s Stuck) bool { return s.Route == r.Name })
		})
		if p, err = attempt(open, e, o); err != nil {
			return nil, err
		}
		p.Stuck = stuck
		p.Routes = namesOf(routes)
	}
	if err := p.Check(routes, e, o); err != nil {
		return nil, err
	}
	return p, nil
}

// MakeFor returns the plan that opens uses of keys that no route declares, under a name
// that what it makes carries. It is held by the same guards, against the uses, and by one
// more: it lets in only whom the estate holds, and gives nobody power over a key.
func MakeFor(name string, uses []route.Asked, e *estate.Estate, o Options) (*Plan, error) {
	r, err := route.Asking(name, uses)
	if err != nil {
		return nil, err
	}
	if err := askable(uses, e); err != nil {
		return nil, err
	}
	p, err := Make([]route.Route{r}, e, o)
	if err != nil {
		return nil, err
	}
	p.Requests = uses
	return p, nil
}

// Own is the route of the plan's requests; false for a plan of declared routes.
func (p *Plan) Own() (route.Route, bool) {
	if len(p.Requests) == 0 || len(p.Routes) != 1 {
		return route.Route{}, false
	}
	r, err := route.Asking(p.Routes[0], p.Requests)
	return r, err == nil
}

// on are the routes with the keys that they name by alias.
func on(routes []route.Route, e *estate.Estate) []route.Route {
	list := make([]route.Route, len(routes))
	for i := range routes {
		list[i] = routes[i].On(e)
	}
	return list
}

func namesOf(routes []route.Route) []string {
	names := []string{}
	for i := range routes {
		names = append(names, routes[i].Name)
	}
	return names
}

// attempt makes a plan without looking at what it opens besides.
func attempt(routes []route.Route, e *estate.Estate, o Options) (*Plan, error) {
	m := newMaker(routes, e, o)
	m.foundations()
	var proofs []route.Proof
	for range rounds {
		if err := m.build(); err != nil {
			return nil, err
		}
		var err error
		if proofs, err = prove(routes, m.now, o.At); err != nil {
			return nil, err
		}
		if !m.want(proofs) {
			break
		}
	}
	p := &Plan{
		FormatVersion: FormatVersion, Kind: "open", Change: o.Change, MadeAt: o.At, Routes: namesOf(routes), Chosen: o.Chosen,
		Steps: append([]Step{}, m.steps...), Stuck: m.stuck(proofs), Asked: m.asked(proofs), Notes: m.notes(proofs),
	}
	return p, nil
}

func prove(routes []route.Route, e *estate.Estate, at time.Time) ([]route.Proof, error) {
	var proofs []route.Proof
	for i := range routes {
		p, err := route.Prove(&routes[i], e, at)
		if err != nil {
			return nil, err
		}
		proofs = append(proofs, p)
	}
	return proofs, nil
}

// maker gathers what has to be there, and makes ops of it: one for each slot, however
// many routes want something of it.
type maker struct {
	routes []route.Route
	base   *estate.Estate // as it is
	now    *estate.Estate // with the ops
	o      Options

	first    []wanted                     // roles and keys
	states   []wanted                     // of keys
	keys     map[string][]rule            // statements of key policies, by key
	inline   map[string]map[string][]rule // of identity policies, by principal and route
	grants   []grant                      // for service-linked roles
	vaults   map[[3]string][]rule         // of vaults: account, Region, name
	replicas map[[3]string]*estate.ReplicationEncryption
	last     []wanted          // sharing, defaults, buckets
	told     []string          // notes
	patches  map[string][]rule // statements for keys that a program keeps

	steps []Step
}

// wanted is an op with why and for which routes.
type wanted struct {
	op     estate.Op
	why    string
	routes []string
	gone   []string
}

// grant is a grant for a role that no policy can let in.
type grant struct {
	key, grantee, issuer string
	operations, routes   []string
}

func newMaker(routes []route.Route, e *estate.Estate, o Options) *maker {
	return &maker{
		routes: routes, base: e, now: e, o: o,
		keys: map[string][]rule{}, inline: map[string]map[string][]rule{}, vaults: map[[3]string][]rule{},
		replicas: map[[3]string]*estate.ReplicationEncryption{}, patches: map[string][]rule{},
	}
}

// build makes ops of what is wanted, and the estate with them. What is written later
// rests on what was written before.
func (m *maker) build() error {
	m.steps, m.now = nil, m.base
	for _, some := range []func() ([]wanted, error){m.foundationOps, m.keyPolicies, m.inlinePolicies, m.grantOps, m.settingOps} {
		list, err := some()
		if err != nil {
			return err
		}
		for _, w := range list {
			if err := m.add(w); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *maker) foundationOps() ([]wanted, error) { return slices.Concat(m.first, m.states), nil }

// add appends an op, unless things are so already.
func (m *maker) add(w wanted) error {
	was, err := m.now.Current(w.op)
	if err != nil {
		return fmt.Errorf("planning: %w", err)
	}
	if estate.SameOp(was, w.op) {
		return nil
	}
	next, err := m.now.Apply(w.op)
	if err != nil {
		return fmt.Errorf("planning: %w", err)
	}
	m.now = next
	m.steps = append(m.steps, Step{Op: w.op, Was: was, Why: w.why, Routes: w.routes, Gone: w.gone})
	return nil
}
