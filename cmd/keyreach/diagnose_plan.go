package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/shell"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
)

// mending is the plan that opens what was refused.
type mending struct {
	plan *plan.Plan // nil is none
	out  string     // where it is saved; nothing when that was not asked
	// estate is the file of the estate; nothing is AWS as it was read.
	estate string
	around []string // conditions that refuse it now, and would not bind what the plan opens
	beside []string // uses of a declared route's key that no route asks for
}

// mend plans what opens the refused requests. Where routes of keyreach.yaml have them, it
// is those routes' plan; else it is for the requests themselves. It is made only when it
// is to be saved.
func (o *diagnoseOptions) mend(all []judged) (*mending, error) {
	m := &mending{out: o.plan, estate: o.estate, around: unmet(all)}
	uses, e, err := refusedUses(all)
	if err != nil || o.plan == "" || len(uses) == 0 {
		return m, err
	}
	made := plan.Options{At: time.Now().UTC().Truncate(time.Second), Writers: map[string]string{}}
	if o.file != nil {
		for _, a := range o.file.Accounts {
			if a.Access.RoleARN != "" {
				made.Writers[a.ID] = a.Access.RoleARN
			}
		}
	}
	routes, err := declaring(o.file, uses, e, made.At)
	switch {
	case err != nil:
		return m, misuse(err)
	case len(routes) > 0:
		m.plan, err = plan.Make(routes, e, made)
	default:
		if m.beside, err = besides(o.file, uses, e, made.At); err != nil {
			return m, misuse(err)
		}
		m.plan, err = plan.MakeFor(mendingName(uses), uses, e, made)
	}
	if err != nil {
		return m, refused(err)
	}
	if err := savePlan(o.plan, m.plan); err != nil {
		return m, failure(err)
	}
	return m, nil
}

// unmet are the conditions for which requests are refused that an Allow is there for.
func unmet(all []judged) []string {
	var list []string
	for i := range all {
		for _, c := range all[i].Causes {
			if c.Code == "policy-condition-mismatch" && c.Verdict == diagnose.True {
				list = append(list, c.Why...)
			}
		}
	}
	return list
}

// refusedUses are the key uses that the estate refuses, and those that the operation would
// fail of next, each once, for the role in place of its session: a policy that names one
// session ends with it.
func refusedUses(all []judged) (uses []route.Asked, e *estate.Estate, err error) {
	for i := range all {
		if all[i].judgement == nil {
			continue
		}
		for _, q := range slices.Concat(all[i].judgement.Blocked(), all[i].judgement.Next) {
			key, err := arn.Parse(q.Key)
			if err != nil || !key.IsKMSKey() {
				continue
			}
			if e != nil && e != all[i].estate {
				return nil, nil, misuse(errors.New("--plan: the failures of the text are of several estates")).hinting("diagnose them one by one, or give one estate with --estate")
			}
			e = all[i].estate
			a := route.Asked{Principal: diagnose.Holder(q.Caller, e), Action: q.Use.Action, Key: q.Key, Via: q.Use.Via, Grants: q.Use.Grants, About: q.Use.About}
			if !slices.ContainsFunc(uses, func(have route.Asked) bool { return sameUse(&have, &a) }) {
				uses = append(uses, a)
			}
		}
	}
	return uses, e, nil
}

func sameUse(a, b *route.Asked) bool {
	return a.Principal == b.Principal && a.Action == b.Action && a.Key == b.Key && a.Via == b.Via
}

// declaring are the routes of the file in which a refused use is.
func declaring(file *route.File, uses []route.Asked, e *estate.Estate, at time.Time) ([]route.Route, error) {
	if file == nil {
		return nil, nil
	}
	var list []route.Route
	had := make([]bool, len(uses))
	for i := range file.Routes {
		p, err := route.Prove(&file.Routes[i], e, at)
		if err != nil {
			return nil, err
		}
		has := false
		for j := range p.Steps {
			for k := range p.Steps[j].Requests {
				q := &p.Steps[j].Requests[k]
				for n := range uses {
					if q.Verdict == route.Blocked && q.Use.Action == uses[n].Action && q.Key == uses[n].Key && diagnose.Holder(q.Caller, e) == uses[n].Principal {
						has, had[n] = true, true
					}
				}
			}
		}
		if has {
			list = append(list, file.Routes[i])
		}
	}
	if slices.Contains(had, false) {
		return nil, nil // the routes do not mend it all
	}
	return list, nil
}

// besides says of which declared routes the keys of the uses are that none of them asks
// for: a key of a route is not opened further without thought.
func besides(file *route.File, uses []route.Asked, e *estate.Estate, at time.Time) ([]string, error) {
	if file == nil {
		return nil, nil
	}
	routesOf, asked := map[string][]string{}, map[[3]string]bool{}
	for i := range file.Routes {
		p, err := route.Prove(&file.Routes[i], e, at)
		if err != nil {
			return nil, err
		}
		for j := range p.Steps {
			for k := range p.Steps[j].Requests {
				q := &p.Steps[j].Requests[k]
				asked[[3]string{q.Key, diagnose.Holder(q.Caller, e), q.Use.Action}] = true
				if !slices.Contains(routesOf[q.Key], p.Route) {
					routesOf[q.Key] = append(routesOf[q.Key], p.Route)
				}
			}
		}
	}
	var list []string
	for i := range uses {
		a := &uses[i]
		text := fmt.Sprintf("The %s is that of the declared %s, which asks for no %s by %s.", newKeyName(a.Key), strings.Join(routesOf[a.Key], ", "), a.Action, a.Principal)
		if len(routesOf[a.Key]) > 0 && !asked[[3]string{a.Key, a.Principal, a.Action}] && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list, nil
}

// mendingName names a plan by its requests: the same again has the same name.
func mendingName(uses []route.Asked) string {
	text, _ := json.Marshal(uses) // texts alone
	h := sha256.Sum256(text)
	return "diagnosed-" + hex.EncodeToString(h[:4])
}

// lines say what became of the plan.
func (m *mending) lines() []string {
	if m.out == "" {
		return nil
	}
	if m.plan == nil {
		return []string{"No plan is saved: no request on a key is blocked."}
	}
	report := &planReport{plan: m.plan}
	list := []string{fmt.Sprintf("The plan for %s: %s.", strings.Join(m.plan.Routes, ", "), report.amount())}
	for _, a := range sortedAccess(m.plan.Opens) {
		list = append(list, fmt.Sprintf("It opens to %s, on %s: %s.", report.who(&a), resourceName(a.resource), a.text()))
	}
	for _, text := range m.around {
		if !m.plan.Empty() {
			list = append(list, fmt.Sprintf("A condition refuses it now, perhaps on purpose, and what the plan opens is not bound by it: %s.", text))
		}
	}
	for _, text := range m.beside {
		if !m.plan.Empty() {
			list = append(list, text)
		}
	}
	for i := range m.plan.Stuck {
		x := &m.plan.Stuck[i]
		list = append(list, fmt.Sprintf("No change of a plan opens this: %s. %s has to act: %s.", x.Why, x.Owner, x.Do))
	}
	return list
}

// commands write the plan.
func (m *mending) commands() []string {
	switch {
	case m.plan == nil || m.plan.Empty():
		return nil
	case m.estate == "":
		return []string{"keyreach collect --out estate-now.json", "keyreach apply --estate estate-now.json " + shell.Quote(m.out)}
	}
	return []string{"keyreach apply --estate " + shell.Quote(m.estate) + " " + shell.Quote(m.out)}
}

// mendingView is the JSON form: the plan itself is in its file.
type mendingView struct {
	File   string         `json:"file"`
	Routes []string       `json:"routes"`
	Steps  int            `json:"steps"`
	Digest string         `json:"digest"`
	Stuck  []plan.Stuck   `json:"stuck,omitempty"`
	Opens  []plan.Opening `json:"opens,omitempty"`
	Around []string       `json:"around_conditions,omitempty"`
	Beside []string       `json:"beside_routes,omitempty"`
}

func (m *mending) view() *mendingView {
	if m.plan == nil {
		return nil
	}
	return &mendingView{File: m.out, Routes: orEmpty(m.plan.Routes), Steps: len(m.plan.Steps), Digest: m.plan.Digest(), Stuck: m.plan.Stuck, Opens: m.plan.Opens, Around: m.around, Beside: m.beside}
}
