// Package drs is AWS Elastic Disaster Recovery in a sandbox: source servers that
// replicate into staging volumes, points in time, and their recovery in the same account
// or in another one. No bytes are replicated. Volumes, snapshots and instances are EC2's;
// who makes them, DRS's service-linked role, its role in a staging account or the user who
// starts a recovery, decides which rights on keys are needed.
package drs

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/drs"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Config is what DRS needs from the sandbox.
type Config struct {
	DB     *state.DB
	Clock  *state.Clock
	IDs    *state.IDs
	Agenda *state.Agenda
	Agent  *behalf.Agent
	Keys   gate.Keys
	Events gate.Events // nil for none
}

// Service is DRS.
type Service struct {
	Config
	tables
}

// New returns DRS on a sandbox's state.
func New(c Config) *Service { return &Service{Config: c, tables: newTables(c.DB)} }

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "drs" }

// principal is DRS's own.
const principal = "drs.amazonaws.com"

func refuse(code, text string) error { return wire.Refuse(code, text) }

// notFound is the refusal of a resource that is not there. Its text is assumed.
func notFound(kind, id string) error {
	return &wire.Error{Code: "ResourceNotFoundException", Message: "The " + kind + " " + id + " does not exist.", Fields: map[string]string{"resourceId": id, "resourceType": kind}}
}

// conflict is the refusal of what a resource's state does not allow. Its texts are assumed.
func conflict(kind, id, text string) error {
	return &wire.Error{Code: "ConflictException", Message: text, Fields: map[string]string{"resourceId": id, "resourceType": kind}}
}

// invalid is the refusal of a parameter. Its texts are assumed.
func invalid(text string) error {
	return &wire.Error{Code: "ValidationException", Message: text, Fields: map[string]string{"reason": "fieldValidationFailed"}}
}

// op makes an operation that an account has to be initialized for. That the account is
// looked at after the caller's rights is assumed.
func op[I, O any](s *Service, mode gate.Mode, asks func(*gate.Call, *I) ([]gate.Ask, error), handle func(context.Context, *I) (*O, error)) gate.Operation {
	return gate.Op(mode, asks, func(ctx context.Context, in *I) (*O, error) {
		if c := gate.From(ctx); !s.initialized(c.Caller.Account, c.Region) {
			return nil, uninitialized(c.Caller.Account)
		}
		return handle(ctx, in)
	})
}

func uninitialized(account string) error {
	return refuse("UninitializedAccountException", "Account "+account+" is not initialized.") // assumed text
}

// Operations are what the service offers. Which of them are asked for a resource says
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticdisasterrecovery.html.
// What that page calls dependent actions is asked where DRS makes the call.
func (s *Service) Operations() []gate.Operation {
	return slices.Concat(
		[]gate.Operation{gate.Op(gate.Writes, onAll[drs.InitializeServiceInput]("InitializeService"), s.InitializeService)},
		s.settingOperations(), s.serverOperations(), s.recoveryOperations(), s.failbackOperations(), s.tagOperations(),
	)
}

// onAll is what an operation needs that is about no resource.
func onAll[I any](operation string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(*gate.Call, *I) ([]gate.Ask, error) {
		return []gate.Ask{{Action: "drs:" + operation, Resource: "*"}}, nil
	}
}

// creating is what an operation needs that makes something with tags. The ARN pattern
// stands for what is made.
func creating[I any](operation, kind string, tags func(*I) map[string]string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		list := []gate.Ask{{Action: "drs:" + operation, Resource: "*", Context: gate.RequestTags(tags(in))}}
		return append(list, askTags(operation, resourceARN(c, kind, "*"), tags(in))...), nil
	}
}

// askTags asks for the right to tag what an operation makes.
func askTags(operation, resource string, tags map[string]string) []gate.Ask {
	if len(tags) == 0 {
		return nil
	}
	given := append(gate.RequestTags(tags), estate.NewEntry("drs:createaction", policy.One(operation)))
	return []gate.Ask{{Action: "drs:TagResource", Resource: resource, Context: given}}
}

// on is what an operation needs that is about one resource of a kind.
func on[I any](s *Service, operation, kind string, id func(*I) *string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return onEach(s, operation, kind, func(in *I) []string {
		if p := id(in); p != nil {
			return []string{*p}
		}
		return nil
	})
}

// onEach is what an operation needs that is about several.
func onEach[I any](s *Service, operation, kind string, ids func(*I) []string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		var list []gate.Ask
		for _, id := range ids(in) {
			full := resourceARN(c, kind, id)
			c.Resources = append(c.Resources, gate.Resource{ARN: full, Account: c.Caller.Account, Type: "AWS::DRS::" + kinds[kind]})
			list = append(list, gate.Ask{Action: "drs:" + operation, Resource: full, Context: gate.ResourceTags(s.tagsOf(c, kind, id))})
		}
		if list == nil {
			list = []gate.Ask{{Action: "drs:" + operation, Resource: "*"}}
		}
		return list, nil
	}
}

// The kinds of DRS's resources as their ARNs have them.
const (
	serverKind   = "source-server"
	instanceKind = "recovery-instance"
	jobKind      = "job"
	templateKind = "replication-configuration-template"
	launchKind   = "launch-configuration-template"
)

// kinds are the same in the words of CloudTrail; the words are assumed.
var kinds = map[string]string{
	serverKind: "SourceServer", instanceKind: "RecoveryInstance", jobKind: "Job", templateKind: "ReplicationConfigurationTemplate", launchKind: "LaunchConfigurationTemplate",
}

func resourceARN(c *gate.Call, kind, id string) string {
	return behalf.ARN("drs", c.Region, c.Caller.Account, kind, "/", id)
}

// emit tells EventBridge of something.
// See https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-drs.html.
func (s *Service) emit(c *gate.Call, kind, detailType, id string, detail map[string]string) {
	if s.Events == nil {
		return
	}
	s.Events.Emit(gate.Event{
		At: c.At, Account: c.Caller.Account, Region: c.Region, Source: "aws.drs", DetailType: detailType,
		Resources: []string{resourceARN(c, kind, id)}, Detail: detail,
	})
}
