package cloudtrail

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// LookupEvents searches the calls of an account in a Region, the latest first.
// AWS keeps 90 days, the sandbox the latest calls of all accounts together.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html.
func (s *Service) LookupEvents(ctx context.Context, in *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
	switch {
	case len(in.LookupAttributes) > 1:
		return nil, refuse("InvalidLookupAttributesException", "You can specify only one lookup attribute.") // assumed text
	case in.StartTime != nil && in.EndTime != nil && in.StartTime.After(*in.EndTime):
		return nil, refuse("InvalidTimeRangeException", "The start time must be earlier than the end time.") // assumed text
	case in.EventCategory != "":
		return &cloudtrail.LookupEventsOutput{Events: []types.Event{}}, nil // Insights, of which there are none
	}
	c := gate.From(ctx)
	var found []types.Event
	for _, e := range s.Log.Latest() {
		if in.StartTime != nil && e.Call.At.Before(*in.StartTime) || in.EndTime != nil && e.Call.At.After(*in.EndTime) {
			continue
		}
		if e.Data || !concerns(&e, c) {
			continue
		}
		d := s.Describe(&e)
		for _, r := range e.Records(&d) {
			if r.RecipientAccountID != c.Caller.Account || r.AWSRegion != c.Region {
				continue
			}
			v, err := r.event(e.Call)
			if err != nil {
				return nil, err
			}
			if len(in.LookupAttributes) == 0 || has(v, &in.LookupAttributes[0]) {
				found = append(found, *v)
			}
		}
	}
	page, next, ok := gate.Page(found, in.NextToken, in.MaxResults, 50)
	if !ok {
		return nil, refuse("InvalidNextTokenException", "Invalid token.") // assumed text
	}
	return &cloudtrail.LookupEventsOutput{Events: page, NextToken: next}, nil
}

// concerns reports whether a call may be in an account's history, before its
// record is written.
func concerns(e *Entry, c *gate.Call) bool {
	return e.Call.Caller.Account == c.Caller.Account ||
		slices.ContainsFunc(e.Call.Resources, func(r gate.Resource) bool { return r.Account == c.Caller.Account })
}

// event is a record as LookupEvents returns it.
func (r *Record) event(c *gate.Call) (*types.Event, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	v := &types.Event{
		CloudTrailEvent: new(string(text)), EventId: &r.EventID, EventName: &r.EventName, EventSource: &r.EventSource, EventTime: &r.EventTime,
		ReadOnly: new(strconv.FormatBool(r.ReadOnly)), Resources: []types.Resource{},
	}
	if r.UserIdentity.AccessKeyID != "" {
		v.AccessKeyId = &r.UserIdentity.AccessKeyID
	}
	if name := r.UserIdentity.userName(c); name != "" {
		v.Username = &name
	}
	for i := range r.Resources {
		x := types.Resource{ResourceName: &r.Resources[i].ARN}
		if r.Resources[i].Type != "" {
			x.ResourceType = &r.Resources[i].Type
		}
		v.Resources = append(v.Resources, x)
	}
	return v, nil
}

// has reports whether an event has the value of a lookup attribute.
func has(v *types.Event, a *types.LookupAttribute) bool {
	is := func(s *string) bool { return s != nil && *s == *a.AttributeValue }
	switch a.AttributeKey {
	case types.LookupAttributeKeyEventId:
		return is(v.EventId)
	case types.LookupAttributeKeyEventName:
		return is(v.EventName)
	case types.LookupAttributeKeyReadOnly:
		return is(v.ReadOnly)
	case types.LookupAttributeKeyUsername:
		return is(v.Username)
	case types.LookupAttributeKeyEventSource:
		return is(v.EventSource)
	case types.LookupAttributeKeyAccessKeyId:
		return is(v.AccessKeyId)
	case types.LookupAttributeKeyResourceType:
		return slices.ContainsFunc(v.Resources, func(r types.Resource) bool { return is(r.ResourceType) })
	case types.LookupAttributeKeyResourceName:
		return slices.ContainsFunc(v.Resources, func(r types.Resource) bool { return is(r.ResourceName) })
	}
	return false
}
