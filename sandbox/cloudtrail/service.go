// Package cloudtrail is AWS CloudTrail in a sandbox: every call is remembered, and
// LookupEvents tells of it as on AWS. Trails are kept with their state and deliver
// nowhere.
package cloudtrail

import (
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Config is what CloudTrail needs from the sandbox.
type Config struct {
	DB    *state.DB
	Clock *state.Clock
	Log   *Log
	// Describe tells what only the protocol of the call's service can tell.
	Describe func(*Entry) Described
}

// Service is CloudTrail.
type Service struct {
	Config
	trails *state.Table[Trail] // account, home Region, name
}

// New returns CloudTrail on a sandbox's state.
func New(c Config) *Service {
	return &Service{Config: c, trails: state.NewTable[Trail](c.DB, "cloudtrail.trails", nil)}
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "cloudtrail" }

func refuse(code, text string) error { return wire.Refuse(code, text) }

// Operations are the event history and trails. Each stands with what has to be
// allowed for it.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudtrail.html.
func (s *Service) Operations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Reads, onAny[cloudtrail.LookupEventsInput]("LookupEvents"), s.LookupEvents),
		gate.Op(gate.Writes, onTrail("CreateTrail", func(in *cloudtrail.CreateTrailInput) *string { return in.Name }), s.CreateTrail),
		gate.Op(gate.Writes, onTrail("UpdateTrail", func(in *cloudtrail.UpdateTrailInput) *string { return in.Name }), s.UpdateTrail),
		gate.Op(gate.Writes, onTrail("DeleteTrail", func(in *cloudtrail.DeleteTrailInput) *string { return in.Name }), s.DeleteTrail),
		gate.Op(gate.Reads, onTrail("GetTrail", func(in *cloudtrail.GetTrailInput) *string { return in.Name }), s.GetTrail),
		gate.Op(gate.Reads, onTrail("GetTrailStatus", func(in *cloudtrail.GetTrailStatusInput) *string { return in.Name }), s.GetTrailStatus),
		gate.Op(gate.Reads, onAny[cloudtrail.DescribeTrailsInput]("DescribeTrails"), s.DescribeTrails),
		gate.Op(gate.Reads, onAny[cloudtrail.ListTrailsInput]("ListTrails"), s.ListTrails),
		gate.Op(gate.Writes, onTrail("StartLogging", func(in *cloudtrail.StartLoggingInput) *string { return in.Name }), s.StartLogging),
		gate.Op(gate.Writes, onTrail("StopLogging", func(in *cloudtrail.StopLoggingInput) *string { return in.Name }), s.StopLogging),
		gate.Op(gate.Reads, onTrail("GetEventSelectors", func(in *cloudtrail.GetEventSelectorsInput) *string { return in.TrailName }), s.GetEventSelectors),
		gate.Op(gate.Writes, onTrail("PutEventSelectors", func(in *cloudtrail.PutEventSelectorsInput) *string { return in.TrailName }), s.PutEventSelectors),
		gate.Op(gate.Reads, onTrail("GetInsightSelectors", func(in *cloudtrail.GetInsightSelectorsInput) *string { return in.TrailName }), s.GetInsightSelectors),
		gate.Op(gate.Writes, onTrail("AddTags", func(in *cloudtrail.AddTagsInput) *string { return in.ResourceId }), s.AddTags),
		gate.Op(gate.Writes, onTrail("RemoveTags", func(in *cloudtrail.RemoveTagsInput) *string { return in.ResourceId }), s.RemoveTags),
		gate.Op(gate.Reads, onTrails("ListTags", func(in *cloudtrail.ListTagsInput) []string { return in.ResourceIdList }), s.ListTags),
	}
}

type asks[I any] func(*gate.Call, *I) ([]gate.Ask, error)

func onAny[I any](action string) asks[I] {
	return func(*gate.Call, *I) ([]gate.Ask, error) {
		return []gate.Ask{{Action: "cloudtrail:" + action, Resource: "*"}}, nil
	}
}

// onTrail is what an operation needs that is about one trail; without a name it is
// about nothing in particular.
func onTrail[I any](action string, name func(*I) *string) asks[I] {
	return onTrails(action, func(in *I) []string {
		if n := name(in); n != nil {
			return []string{*n}
		}
		return nil
	})
}

// onTrails is what an operation needs that is about several.
func onTrails[I any](action string, names func(*I) []string) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		var list []gate.Ask
		for _, name := range names(in) {
			full, err := fullName(c, name)
			if err != nil {
				return nil, err
			}
			target, _ := arn.Parse(full) // made or checked by fullName
			c.Resources = append(c.Resources, gate.Resource{ARN: full, Account: target.Account, Type: "AWS::CloudTrail::Trail"})
			list = append(list, gate.Ask{Action: "cloudtrail:" + action, Resource: full, Target: target, Owner: target.Account})
		}
		if list == nil {
			return onAny[I](action)(c, in)
		}
		return list, nil
	}
}
