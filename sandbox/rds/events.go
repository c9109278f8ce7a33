package rds

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Event is something that happens to a resource, from its time on.
type Event struct {
	At                    time.Time
	Kind, Identifier, ARN string
	Number                string // RDS-EVENT-0042
	Category, Message     string
}

// key joins the parts of the key of a row.
func key(parts ...string) string { return state.Key(parts...) }

// eventKept is how long DescribeEvents tells of an event.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ListEvents.html.
const eventKept = 14 * 24 * time.Hour

// sources are how DescribeEvents and EventBridge call the kinds of resources.
var sources = map[string]struct {
	kind         types.SourceType
	name, detail string
}{
	kindInstance:        {types.SourceTypeDbInstance, "DB_INSTANCE", "RDS DB Instance Event"},
	kindCluster:         {types.SourceTypeDbCluster, "CLUSTER", "RDS DB Cluster Event"},
	kindSnapshot:        {types.SourceTypeDbSnapshot, "SNAPSHOT", "RDS DB Snapshot Event"},
	kindClusterSnapshot: {types.SourceTypeDbClusterSnapshot, "CLUSTER_SNAPSHOT", "RDS DB Cluster Snapshot Event"},
}

// tell remembers an event, and sends it at its time.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html.
func (s *Service) tell(c *gate.Call, at time.Time, kind, id, number, category, message string) {
	e := &Event{At: at, Kind: kind, Identifier: id, ARN: arnOf(c.Region, c.Caller.Account, kind, id), Number: number, Category: category, Message: message}
	row := key(c.Caller.Account, c.Region, fmt.Sprintf("%020d", at.UnixNano()), s.IDs.Hex(8))
	s.events.Put(row, e)
	s.later(c, at, taskEvent, row)
}

// emit sends an event, and forgets those that nobody is told any more.
func (s *Service) emit(c *gate.Call, row string) {
	for old, e := range s.events.All(key(c.Caller.Account, c.Region, "")) {
		if e.At.After(c.At.Add(-eventKept)) {
			break
		}
		s.events.Delete(old)
	}
	e := s.events.Get(row)
	if e == nil || s.Events == nil {
		return
	}
	source := sources[e.Kind]
	s.Events.Emit(gate.Event{
		At: e.At, Account: c.Caller.Account, Region: c.Region, Source: "aws.rds", DetailType: source.detail, Resources: []string{e.ARN},
		Detail: map[string]any{
			"EventCategories": []string{e.Category}, "SourceType": source.name, "SourceArn": e.ARN, "Date": e.At.UTC().Format("2006-01-02T15:04:05.000Z"),
			"Message": e.Message, "SourceIdentifier": e.Identifier, "EventID": e.Number,
		},
	})
}

// DescribeEvents tells what happened in the last hour, or in the time that is asked
// for, at most 14 days.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeEvents.html.
func (s *Service) DescribeEvents(ctx context.Context, in *rds.DescribeEventsInput) (*rds.DescribeEventsOutput, error) {
	c := gate.From(ctx)
	if in.SourceIdentifier != nil && in.SourceType == "" {
		return nil, combination("Cannot specify source identifier without source type") // assumed text
	}
	to := c.At
	if in.EndTime != nil && in.EndTime.Before(to) {
		to = *in.EndTime
	}
	from := to.Add(-time.Hour)
	if in.Duration != nil {
		from = to.Add(-time.Duration(*in.Duration) * time.Minute)
	}
	if in.StartTime != nil {
		from = *in.StartTime
	}
	list := []types.Event{}
	for _, e := range s.events.All(key(c.Caller.Account, c.Region, "")) {
		source := sources[e.Kind]
		if e.At.After(to) || e.At.Before(from) || e.At.Before(c.At.Add(-eventKept)) ||
			in.SourceType != "" && in.SourceType != source.kind || in.SourceIdentifier != nil && *in.SourceIdentifier != e.Identifier ||
			len(in.EventCategories) > 0 && !slices.Contains(in.EventCategories, e.Category) {
			continue
		}
		list = append(list, types.Event{Date: &e.At, EventCategories: []string{e.Category}, Message: &e.Message, SourceArn: &e.ARN, SourceIdentifier: &e.Identifier, SourceType: source.kind})
	}
	part, next, err := page(list, in.Marker, in.MaxRecords)
	return &rds.DescribeEventsOutput{Events: part, Marker: next}, err
}
