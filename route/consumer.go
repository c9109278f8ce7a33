package route

import (
	_ "embed" // for the table
	"fmt"
	"slices"
	"sync"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/usage"
)

// Consumer is a way in which an account starts instances or reads data: it
// says which principal KMS sees.
type Consumer struct {
	Name  string `json:"name"`
	About string `json:"about"`
	// Role is the service-linked role that acts; empty when Actor is required.
	Role string `json:"role,omitempty"`
	// Actor is required when the route has to name the principal.
	Actor string `json:"actor,omitempty"`
	// Admit says by which layers the principal can be let in.
	Admit      []string         `json:"admit"`
	Confidence usage.Confidence `json:"confidence"`
	From       string           `json:"from,omitempty"` // of an inferred row
	Source     string           `json:"source"`
}

//go:embed consumers.yaml
var consumersText []byte

var consumers = sync.OnceValue(func() []Consumer {
	var table struct {
		FormatVersion int        `json:"format_version"`
		Consumers     []Consumer `json:"consumers"`
	}
	n, _, err := source.Parse(consumersText)
	if err == nil {
		err = source.Decode(n, &table)
	}
	if err != nil {
		panic(fmt.Sprintf("route: reading the embedded consumers: %v", err))
	}
	return table.Consumers
})

// Consumers returns every kind of consumer.
func Consumers() []Consumer { return slices.Clone(consumers()) }

// ConsumerNamed returns the consumer with this name.
func ConsumerNamed(name string) (Consumer, bool) {
	for _, c := range consumers() {
		if c.Name == name {
			return c, true
		}
	}
	return Consumer{}, false
}

// principal returns the ARN of the service-linked role in an account, or
// nothing when the route has to name the principal.
func (c *Consumer) principal(partition, account string) string {
	role, ok := awsfacts.ServiceLinkedRoleFor(c.Role)
	if !ok {
		return ""
	}
	return "arn:" + partition + ":iam::" + account + ":role" + role.Path + role.Name
}
