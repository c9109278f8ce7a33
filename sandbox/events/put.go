package events

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

func putContext(source, detailType string) estate.Given {
	var g estate.Given
	if source != "" {
		g = append(g, estate.NewEntry("events:source", policy.One(source)))
	}
	if detailType != "" {
		g = append(g, estate.NewEntry("events:detail-type", policy.One(detailType)))
	}
	return g
}

// asksPutEvents asks for every entry: buses, sources and types may differ.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html.
func (s *Service) asksPutEvents(c *gate.Call, in *eventbridge.PutEventsInput) ([]gate.Ask, error) {
	var list []gate.Ask
	seen := map[[3]string]bool{}
	for _, e := range in.Entries {
		p, err := placeOf(c, e.EventBusName)
		if err != nil {
			return nil, err
		}
		what := [3]string{p.arn(), aws.ToString(e.Source), aws.ToString(e.DetailType)}
		if !seen[what] {
			seen[what] = true
			list = append(list, s.ask(c, p, "PutEvents", p.arn(), busType, putContext(what[1], what[2])))
		}
	}
	return list, nil
}

// maxEntries is the size of all entries of a request together.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html.
const maxEntries = 256 << 10

// PutEvents puts events on buses. An entry that is not one fails alone.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html.
func (s *Service) PutEvents(ctx context.Context, in *eventbridge.PutEventsInput) (*eventbridge.PutEventsOutput, error) {
	if in.EndpointId != nil {
		return nil, invalid("The sandbox has no global endpoints.") // our own text
	}
	size := 0
	for i := range in.Entries {
		size += sizeOf(&in.Entries[i])
	}
	if size > maxEntries {
		return nil, invalid("Total size of the entries in the request is over the limit.") // assumed text
	}
	out := &eventbridge.PutEventsOutput{}
	for i := range in.Entries {
		r, err := s.putOne(gate.From(ctx), &in.Entries[i])
		if err != nil {
			return nil, err
		}
		if r.EventId == nil {
			out.FailedEntryCount++
		}
		out.Entries = append(out.Entries, r)
	}
	return out, nil
}

// sizeOf counts an entry as AWS documents it.
func sizeOf(e *types.PutEventsRequestEntry) int {
	size := len(aws.ToString(e.Source)) + len(aws.ToString(e.DetailType)) + len(aws.ToString(e.Detail))
	if e.Time != nil {
		size += 14
	}
	for _, r := range e.Resources {
		size += len(r)
	}
	return size
}

// putOne puts one event. The codes of entries are documented, the texts assumed. An event
// for a bus that there is not is taken and lost, as users report
// (https://github.com/aws/aws-cli/issues/9186); the sandbox tells it among its deliveries.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html.
func (s *Service) putOne(c *gate.Call, e *types.PutEventsRequestEntry) (types.PutEventsResultEntry, error) {
	bad := func(code, text string) (types.PutEventsResultEntry, error) {
		return types.PutEventsResultEntry{ErrorCode: &code, ErrorMessage: &text}, nil
	}
	for _, m := range []struct {
		name  string
		value *string
	}{{"Source", e.Source}, {"DetailType", e.DetailType}, {"Detail", e.Detail}} {
		if aws.ToString(m.value) == "" {
			return bad("InvalidArgument", "Parameter "+m.name+" is not valid. Reason: "+m.name+" is a required argument.")
		}
	}
	if strings.HasPrefix(*e.Source, "aws.") {
		return bad("NotAuthorizedForSourceException", "Not authorized for the source.")
	}
	detail, err := readJSON(*e.Detail)
	if _, ok := detail.(map[string]any); err != nil || !ok {
		return bad("MalformedDetail", "Detail is malformed.")
	}
	p, err := placeOf(c, e.EventBusName)
	if err != nil {
		return types.PutEventsResultEntry{}, err
	}
	at := c.At
	if e.Time != nil {
		at = *e.Time
	}
	id := s.publish(p.account, p.region, p.name, c.At, false, Event{
		DetailType: *e.DetailType, Source: *e.Source, Account: c.Caller.Account, Time: stamp(at), Region: p.region, Resources: e.Resources,
		Detail: json.RawMessage(*e.Detail),
	})
	if s.bus(p.account, p.region, p.name) == nil {
		s.outbox.failed(&Delivery{TargetARN: p.arn(), Event: Event{ID: id, DetailType: *e.DetailType}}, 0, 0, errors.New("event bus "+p.name+" does not exist"))
	}
	return types.PutEventsResultEntry{EventId: &id}, nil
}

// needed are the members without which a text is no event.
var needed = [...]string{"id", "account", "source", "time", "region", "resources", "detail-type"}

// TestEventPattern tells whether an event would match a pattern.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html.
func (s *Service) TestEventPattern(_ context.Context, in *eventbridge.TestEventPatternInput) (*eventbridge.TestEventPatternOutput, error) {
	p, err := readPattern(*in.EventPattern)
	if err != nil {
		return nil, badPattern(err)
	}
	tree, err := readJSON(*in.Event)
	event, ok := tree.(map[string]any)
	if err != nil || !ok {
		return nil, invalid("Parameter Event is not valid. Reason: it is no JSON object.") // assumed text
	}
	for _, name := range needed {
		if _, ok := event[name]; !ok {
			return nil, invalid("Parameter Event is not valid. Reason: " + name + " is a required argument.") // assumed text
		}
	}
	return &eventbridge.TestEventPatternOutput{Result: p.matches(event)}, nil
}

// onTagged is what an operation needs that is about a bus or rule by its ARN.
func onTagged[I any](s *Service, action string, of func(*I) (*string, []types.Tag, []string)) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		name, tags, keys := of(in)
		a, err := arn.Parse(*name)
		if err != nil || a.Service != "events" || a.Region != c.Region {
			return nil, invalid("Provided Arn is not in correct format.") // assumed text
		}
		if bus, rule, ok := ruleOf(a.Resource); ok {
			return s.askRule(c, action, new(busARN(a.Region, a.Account, bus)), rule, requestTags(tags, keys))
		}
		if bus, ok := strings.CutPrefix(a.Resource, "event-bus/"); ok {
			return []gate.Ask{s.ask(c, place{a.Account, a.Region, bus}, action, *name, busType, requestTags(tags, keys))}, nil
		}
		return nil, invalid("Provided Arn is not in correct format.") // assumed text
	}
}
