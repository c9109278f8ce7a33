package sandbox

import (
	"context"
	"errors"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// client makes calls from one service to another.
type client struct{ s *Sandbox }

// Do performs an operation for the caller of the call that ctx carries. The state
// is locked already.
func (k client) Do(ctx context.Context, service, operation string, in any, f gate.Forward) (any, error) {
	from := gate.From(ctx)
	v := k.s.services[service]
	if v == nil {
		return nil, errors.New("sandbox: no service " + service)
	}
	o, ok := v.ops()[operation]
	if !ok {
		return nil, errors.New("sandbox: no operation " + service + ":" + operation)
	}
	c := *from
	f = f.After(from.Forward)
	c.ID, c.Service, c.Operation, c.Forward = k.s.ids.UUID(), service, operation, &f
	c.Prepared, c.Asked, c.Resources = nil, nil, nil
	if f.Region != "" {
		c.Region = f.Region
	}
	c.SourceIP, c.UserAgent = "", f.Name()
	if err := k.s.allowed(&c, o, in); err != nil {
		k.s.remember(&c, o, in, nil, err, 0)
		return nil, err
	}
	out, err := o.Handle(gate.With(ctx, &c), in)
	k.s.remember(&c, o, in, out, err, 0)
	return out, err
}
