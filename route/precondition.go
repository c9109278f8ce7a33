package route

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/usage"
)

// Precondition is how a fact that a step needs came out.
type Precondition struct {
	PreconditionRow
	Verdict Verdict
	// Found says what the estate has instead, or what it does not tell.
	Found string
	// Settle says how to find out when it is not known.
	Settle string
}

// Sure says how sure it is that the step needs the fact.
func (r *PreconditionRow) Sure() usage.Confidence {
	if r.Confidence == "" {
		return usage.Documented
	}
	return r.Confidence
}

// check judges one kind of fact. It returns Proven, OpenIf or Blocked and what
// was found.
type check func(args map[string]string, e *estate.Estate) (Verdict, string)

// checkNamed returns the check of a row.
func checkNamed(name string) (check, bool) {
	switch name {
	case "same-region":
		return sameRegion, true
	case "customer-key":
		return customerKey, true
	case "same-organization":
		return sameOrganization, true
	case "key-account":
		return keyAccount, true
	case "attribute":
		return attribute, true
	case "resource-key":
		return resourceKey, true
	case "principal":
		return principalExists, true
	}
	return nil, false
}

func checkPrecondition(row *PreconditionRow, v values, e *estate.Estate) (Precondition, error) {
	p := Precondition{PreconditionRow: *row}
	f, ok := checkNamed(row.Check)
	if !ok {
		return p, fmt.Errorf("precondition %q: %w", row.Check, ErrNoSuchCheck)
	}
	var err error
	if p.Text, err = v.fill(row.Text); err != nil {
		return p, err
	}
	p.Args = make(map[string]string, len(row.Args))
	for name, text := range row.Args {
		if p.Args[name], err = v.fill(text); err != nil {
			return p, err
		}
	}
	p.Verdict, p.Found = f(p.Args, e)
	if p.Verdict == OpenIf {
		p.Settle = "add it to the estate, or run keyreach collect in account " + accountOf(p.Args)
	}
	return p, nil
}

func accountOf(args map[string]string) string {
	if a := args["account"]; a != "" {
		return a
	}
	if a := args["a"]; arn.IsAccount(a) {
		return a
	}
	for _, name := range []string{"principal", "key"} {
		if a, err := arn.Parse(args[name]); err == nil {
			return a.Account
		}
	}
	return "concerned"
}

// regionOf reads a Region, or the Region of an ARN.
func regionOf(s string) string {
	if a, err := arn.Parse(s); err == nil {
		return a.Region
	}
	return s
}

func sameRegion(args map[string]string, _ *estate.Estate) (Verdict, string) {
	a, b := regionOf(args["a"]), regionOf(args["b"])
	if a != b {
		return Blocked, fmt.Sprintf("%s and %s", a, b)
	}
	return Proven, a
}

func customerKey(args map[string]string, e *estate.Estate) (Verdict, string) {
	k := e.Key(args["key"])
	switch {
	case k == nil:
		return OpenIf, "the estate does not hold " + args["key"]
	case k.Manager == "AWS":
		return Blocked, "the key is managed by AWS"
	}
	return Proven, "customer managed"
}

func sameOrganization(args map[string]string, e *estate.Estate) (Verdict, string) {
	switch same, known := e.SameOrganization(args["a"], args["b"]); {
	case !known:
		return OpenIf, "the estate does not hold the organization of both accounts"
	case !same:
		return Blocked, "only one of them is in the organization"
	}
	return Proven, "one organization"
}

func keyAccount(args map[string]string, _ *estate.Estate) (Verdict, string) {
	a, err := arn.Parse(args["key"])
	if err != nil || a.Account != args["account"] {
		return Blocked, fmt.Sprintf("the key is account %s's", a.Account)
	}
	return Proven, a.Account
}

// resources returns the resources of the type, account and Region.
func resources(args map[string]string, e *estate.Estate) []estate.Resource {
	var rs []estate.Resource
	for _, r := range e.Resources {
		if r.Type == args["type"] && r.Account == args["account"] && (r.Region == "" || r.Region == args["region"]) {
			rs = append(rs, r)
		}
	}
	return rs
}

// attribute compares an attribute of the resources, of those under a key when one is
// named. An attribute may have several values, with commas between.
func attribute(args map[string]string, e *estate.Estate) (Verdict, string) {
	name, found := args["attribute"], false
	for _, r := range resources(args, e) {
		if key := args["key"]; key != "" && r.Key != "" && r.Key != key {
			continue
		}
		value, ok := r.Attributes[name]
		if ok && !slices.Contains(strings.Split(value, ","), args["value"]) {
			return Blocked, fmt.Sprintf("%s %s has %s %s", r.Type, r.ID, name, value)
		}
		found = found || ok
	}
	if !found {
		return OpenIf, fmt.Sprintf("the estate holds no %s of %s in %s", args["type"], args["account"], args["region"])
	}
	return Proven, args["value"]
}

func resourceKey(args map[string]string, e *estate.Estate) (Verdict, string) {
	rs := resources(args, e)
	for _, r := range rs {
		if r.Key != args["key"] {
			return Blocked, fmt.Sprintf("%s %s has key %q", r.Type, r.ID, r.Key)
		}
	}
	if len(rs) == 0 {
		return OpenIf, fmt.Sprintf("the estate holds no %s of %s in %s", args["type"], args["account"], args["region"])
	}
	return Proven, args["key"]
}

func principalExists(args map[string]string, e *estate.Estate) (Verdict, string) {
	if e.Principal(args["principal"]) == nil {
		return OpenIf, "the estate does not hold " + args["principal"]
	}
	return Proven, args["principal"]
}
