package rules

import (
	"slices"
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
)

// dependants are what hangs on a key in an estate.
type dependants struct {
	resources []string // by ARN, or type and id
	grants    int
	aliases   []string
}

// any reports whether something is encrypted under the key, or may use it.
func (d *dependants) any() bool { return len(d.resources) > 0 || d.grants > 0 }

// words counts what hangs on the key, and names some of it.
func (d *dependants) words() string {
	var parts []string
	if n := len(d.resources); n > 0 {
		const few = 3
		names := list(d.resources[:min(n, few)])
		if n > few {
			names = strings.Join(d.resources[:few], ", ") + " and " + counted(n-few, "more resource", "more resources")
		}
		parts = append(parts, names)
	}
	if d.grants > 0 {
		parts = append(parts, counted(d.grants, "grant", "grants"))
	}
	if len(d.aliases) > 0 {
		parts = append(parts, list(d.aliases))
	}
	return strings.Join(parts, "; ")
}

// counted writes a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// dependantsOf gathers what hangs on a key. A resource may name its key by an
// alias, which is looked up in the resource's own account and Region.
func dependantsOf(e *estate.Estate, k *Key) dependants {
	var d dependants
	for i := range e.Resources {
		r := &e.Resources[i]
		if !namesKey(r, k) {
			continue
		}
		name := r.ARN
		if name == "" {
			name = r.Type + " " + r.ID
		}
		d.resources = append(d.resources, name)
	}
	if found := e.Key(k.ARN.String()); found != nil {
		d.grants = len(found.Grants)
	}
	d.aliases = k.Aliases
	return d
}

func namesKey(r *estate.Resource, k *Key) bool {
	if r.Key == "" {
		return false
	}
	if r.Key == k.ARN.String() {
		return true
	}
	name, account, region := r.Key, r.Account, r.Region
	if a, err := arn.Parse(r.Key); err == nil {
		name, account, region = a.Resource, a.Account, a.Region
	}
	return account == k.ARN.Account && region == k.ARN.Region && slices.Contains(k.Aliases, name)
}

// stateUse is a command that uses a key after another of the same script took
// the key out of use.
type stateUse struct {
	command *Command
	action  string
	state   awsfacts.KeyState
	cause   *Command
}

// stateUses follows the states of keys through each script. Keys are told apart
// by how they are written; one whose name is not known is not followed.
func (m *Material) stateUses() []stateUse {
	type name struct {
		script int
		key    string
	}
	type since struct {
		state awsfacts.KeyState
		cause *Command
	}
	states := map[name]since{}
	var uses []stateUse
	for _, c := range m.Commands {
		if c.Service != "kms" {
			continue
		}
		for _, key := range c.stateKeys() {
			at := name{c.Script, key}
			switch c.Operation {
			case "disable-key", "cancel-key-deletion":
				states[at] = since{awsfacts.Disabled, c}
				continue
			case "schedule-key-deletion":
				states[at] = since{awsfacts.PendingDeletion, c}
				continue
			case "enable-key":
				if states[at].state == awsfacts.Disabled {
					delete(states, at)
					continue
				}
			}
			s, taken := states[at]
			action := camel(c.Operation)
			if _, known := awsfacts.KMSOperation(action); !taken || !known || c.Guarded {
				continue
			}
			if !awsfacts.InState(action, s.state).OK {
				uses = append(uses, stateUse{command: c, action: action, state: s.state, cause: s.cause})
			}
		}
	}
	return uses
}

// stateKeys are the keys that a command of KMS names and that are known.
func (c *Command) stateKeys() []string {
	var keys []string
	for _, o := range c.keys() {
		// Within a script a variable names the same thing each time.
		if v := o.Values[0]; v.Text != "" && (!v.Unknown || variableOf(v) != "") {
			keys = append(keys, v.Text)
		}
	}
	return keys
}

// camel writes the CLI's name of an operation as the API has it.
func camel(operation string) string {
	var b strings.Builder
	for _, word := range strings.Split(operation, "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
