package events

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// defaultBus is the name of the event bus that every account has in every Region.
const defaultBus = "default"

// Bus is an event bus. The default one has a row only when something about it was set.
type Bus struct {
	Account, Region, Name string
	Description, Key      *string                 `json:",omitempty"`
	DeadLetter            *types.DeadLetterConfig `json:",omitempty"`
	Log                   *types.LogConfig        `json:",omitempty"`
	Policy                string                  `json:",omitempty"`
	Tags                  []Tag                   `json:",omitempty"`
	Created, Modified     *time.Time              `json:",omitempty"`

	policy *estate.Named
}

// Tag is a tag, in the order in which tags were put.
type Tag struct{ Key, Value string }

func (b *Bus) ready() {
	b.policy = nil
	if b.Policy != "" {
		b.policy = &estate.Named{Name: "event bus policy", Document: gate.Document("event bus policy", b.Policy)}
	}
}

func (b *Bus) arn() string { return busARN(b.Region, b.Account, b.Name) }
func (b *Bus) row() string { return state.Key(b.Account, b.Region, b.Name) }

func busARN(region, account, name string) string {
	return behalf.ARN("events", region, account, "event-bus/", name)
}

// Rule is a rule with its targets, kept in the account of its bus.
type Rule struct {
	Account, Region, Bus, Name string
	Pattern, Schedule          *string `json:",omitempty"`
	Description, Role          *string `json:",omitempty"`
	State                      types.RuleState
	Tags                       []Tag  `json:",omitempty"`
	Creator                    string // the account that made it
	Targets                    []types.Target
	// Due is when the schedule fires next.
	Due time.Time `json:",omitzero"`

	pattern *pattern
}

func (r *Rule) ready() {
	r.pattern = nil
	if r.Pattern != nil {
		r.pattern, _ = readPattern(*r.Pattern) // was read when it was put
	}
}

func (r *Rule) arn() string { return ruleARN(r.Region, r.Account, r.Bus, r.Name) }
func (r *Rule) row() string { return state.Key(r.Account, r.Region, r.Bus, r.Name) }
func (r *Rule) on() bool    { return r.State != types.RuleStateDisabled }

// ruleARN is the ARN of a rule, in which the default bus is not named.
func ruleARN(region, account, bus, name string) string {
	if bus == defaultBus {
		return behalf.ARN("events", region, account, "rule/", name)
	}
	return behalf.ARN("events", region, account, "rule/", bus, "/", name)
}

// ruleOf is the bus and the name in the resource of a rule's ARN.
func ruleOf(resource string) (bus, name string, ok bool) {
	rest, ok := strings.CutPrefix(resource, "rule/")
	if !ok {
		return "", "", false
	}
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		return rest[:i], rest[i+1:], true
	}
	return defaultBus, rest, true
}

// Connection is how a destination is to be authorized. Its secrets stand here, where
// AWS has them in a secret of Secrets Manager.
type Connection struct {
	Account, Region, Name, ID string
	Description, Key          *string `json:",omitempty"`
	Kind                      types.ConnectionAuthorizationType
	State                     types.ConnectionState
	// User and Secret are those of a basic authorization, or the name and the value of
	// an API key.
	User, Secret      string
	HTTP              *types.ConnectionHttpParameters `json:",omitempty"`
	Created, Modified time.Time
	Authorized        *time.Time `json:",omitempty"`
}

func (k *Connection) arn() string {
	return behalf.ARN("events", k.Region, k.Account, "connection/", k.Name, "/", k.ID)
}

// secretARN is the ARN of the secret that AWS would keep for the connection.
func (k *Connection) secretARN() string {
	return behalf.ARN("secretsmanager", k.Region, k.Account, "secret:events!connection/", k.Name, "/", k.ID, "-", k.ID[:6])
}

// Destination is an HTTP endpoint that rules can have as target.
type Destination struct {
	Account, Region, Name, ID string
	Description               *string `json:",omitempty"`
	Connection                string  // its ARN
	Endpoint                  string
	Method                    types.ApiDestinationHttpMethod
	Rate                      int32
	Created, Modified         time.Time
}

func (d *Destination) arn() string {
	return behalf.ARN("events", d.Region, d.Account, "api-destination/", d.Name, "/", d.ID)
}

// named is the row key of a connection or destination, from its ARN. Kind is connection
// or api-destination.
func named(kind, text string) (row string, ok bool) {
	a, err := arn.Parse(text)
	parts := strings.Split(a.Resource, "/")
	if err != nil || a.Service != "events" || len(parts) != 3 || parts[0] != kind {
		return "", false
	}
	return state.Key(a.Account, a.Region, parts[1]), true
}
