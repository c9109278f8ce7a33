// Package plantest invents estates and routes for tests: whole worlds of accounts, keys,
// principals, policies and grants, of which some are well, some can be opened and some
// cannot. A seed always gives the same world.
package plantest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// mood is how well a world is.
type mood int

// The moods of worlds.
const (
	closed mood = iota // some of what is needed is there
	open               // nearly all that is needed is there
	broken             // with denials, missing allows and keys that are no good
)

// object is a JSON object.
type object = map[string]any

// account is one account of a world.
type account struct {
	id, name string
	actor    string // ARN of who acts there
	written  string // the same as keyreach.yaml has it
	inOrg    bool
}

// world is an estate and its routes in the making.
type world struct {
	rnd      *rand.Rand
	mood     mood
	accounts []*account
	org      object
	routes   []string // text of the routes
	actors   []string // ARNs of those who use keys
	linked   []string // ARNs of service-linked roles that the routes need
	staging  [][2]string
	keys     []*key
	holders  []object
	known    map[string]bool // ARNs of the holders
	things   []object        // resources
}

const (
	home = "us-east-1"
	away = "us-west-2"
)

// World returns the world of a seed: routes, the keyreach.yaml that declares them, and
// the estate. It has two or three accounts in an organization or in none, one or two
// routes of any kind, and what people write in policies. It panics when the world cannot
// be read, which is a defect of this package.
func World(seed uint64) ([]route.Route, []byte, *estate.Estate) {
	w := &world{rnd: rand.New(rand.NewPCG(seed, 0x6b6579)), known: map[string]bool{}}
	w.mood = mood(w.rnd.IntN(4) % 3)
	w.people()
	kinds := route.Kinds()
	for i := range 1 + w.rnd.IntN(2) {
		w.route(i, &kinds[w.rnd.IntN(len(kinds))])
	}
	w.roles()
	w.control()
	text := []byte(w.yaml())
	file, err := route.Load(route.FileName, text)
	if err != nil {
		panic(fmt.Sprintf("plantest: the routes of seed %d: %v\n%s", seed, err, text))
	}
	data, err := json.MarshalIndent(w.estate(), "", "  ")
	if err != nil {
		panic(fmt.Sprintf("plantest: the estate of seed %d: %v", seed, err))
	}
	e, err := estate.Load("estate.json", data)
	if err != nil {
		panic(fmt.Sprintf("plantest: the estate of seed %d: %v", seed, err))
	}
	return file.Routes, text, e
}

func (w *world) estate() object {
	var accounts, keys []any
	for _, a := range w.accounts {
		one := object{"id": a.id, "name": a.name}
		if w.chance(40) {
			one["regions"] = []string{home, away}
		}
		if k := w.keyOf(a, home); k != nil && w.chance(40) {
			one["ebs_defaults"] = object{home: object{"encrypt": true, "key": k.arn}}
		}
		accounts = append(accounts, one)
	}
	for _, k := range w.keys {
		if k.held {
			keys = append(keys, w.keyObject(k))
		}
	}
	// A key that no route names.
	keys = append(keys, object{
		"arn":    "arn:aws:kms:" + home + ":" + w.accounts[0].id + ":key/99999999-0a1b-4c2d-8e3f-999999999999",
		"policy": document(object{"Sid": "EnableIAMUserPermissions", "Effect": "Allow", "Principal": object{"AWS": root(w.accounts[0].id)}, "Action": "kms:*", "Resource": "*"}),
	})
	e := object{"format_version": 1, "accounts": accounts, "principals": orNone(w.holders), "keys": orNone(keys), "resources": orNone(w.things)}
	if w.org != nil {
		e["organization"] = w.org
	}
	return e
}

func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// chance is true so many times in a hundred.
func (w *world) chance(percent int) bool { return w.rnd.IntN(100) < percent }

// likely is chance by mood.
func (w *world) likely(whenClosed, whenOpen, whenBroken int) bool {
	return w.chance([...]int{whenClosed, whenOpen, whenBroken}[w.mood])
}

func pick[T any](w *world, list ...T) T { return list[w.rnd.IntN(len(list))] }

// some is a random part of a list, in its order.
func some[T any](w *world, list []T) []T {
	var part []T
	for _, v := range list {
		if w.chance(50) {
			part = append(part, v)
		}
	}
	return part
}

// once appends a text unless it is there.
func once(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}
