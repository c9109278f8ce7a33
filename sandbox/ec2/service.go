// Package ec2 is Amazon EC2 in a sandbox: EBS volumes and snapshots, images, and
// instances with no machine behind them. What an operation does with keys it has package
// behalf do, by the table of package usage.
package ec2

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Config is what EC2 needs from the sandbox.
type Config struct {
	DB     *state.DB
	IDs    *state.IDs
	Agenda *state.Agenda
	Agent  *behalf.Agent
	Keys   gate.Keys
	Events gate.Events // nil for none
	// Snapshots are shared with the EBS direct APIs.
	Snapshots *blocks.Store
	// Organizations tells where accounts stand, for images that are shared with
	// organizations.
	Organizations gate.Organizations
	// Profiles are IAM's instance profiles.
	Profiles Profiles
}

// Service is EC2.
type Service struct {
	Config
	tokens *gate.Tokens
	tables
}

// New returns EC2 on a sandbox's state.
func New(c Config) *Service {
	s := &Service{Config: c, tokens: gate.NewTokens(c.DB, "ec2")}
	s.tables = newTables(c.DB)
	return s
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "ec2" }

// Operations are what the service offers, by what they are about.
func (s *Service) Operations() []gate.Operation {
	list := slices.Concat(
		s.settingOperations(), s.volumeOperations(), s.attachOperations(), s.snapshotOperations(), s.shareOperations(), s.lockOperations(), s.tagOperations(),
		s.imageOperations(), s.imageMakeOperations(), s.imageShareOperations(), s.instanceOperations(), s.monitorOperations(), s.templateOperations(), s.networkOperations(),
		s.fleetOperations(), s.spotOperations(),
	)
	for i := range list {
		list[i].Asks = inRegion(list[i].Asks)
	}
	return list
}

// inRegion gives what is asked EC2's own condition key for the Region that is called.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_examples_ec2_region.html.
func inRegion(asks func(*gate.Call, any) ([]gate.Ask, error)) func(*gate.Call, any) ([]gate.Ask, error) {
	if asks == nil {
		return nil
	}
	return func(c *gate.Call, in any) ([]gate.Ask, error) {
		list, err := asks(c, in)
		for i := range list {
			if a := &list[i]; strings.HasPrefix(a.Action, "ec2:") {
				a.Context = append(slices.Clip(a.Context), estate.NewEntry("ec2:region", policy.One(c.Region)))
			}
		}
		return list, err
	}
}
