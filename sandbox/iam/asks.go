package iam

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

type asks[I any] func(*gate.Call, *I) ([]gate.Ask, error)

// about is what a call is about: its ARN and the tags it has.
type about struct {
	arn, kind string
	tags      []Tag
	context   estate.Given
}

func (a *about) one(name, value string) {
	if value != "" {
		a.context = append(a.context, estate.NewEntry(name, policy.One(value)))
	}
}

// ask makes the question. IAM's resources have no policies but the trust policies
// of roles, which only the assuming of a role asks.
func (a *about) ask(c *gate.Call, action string) gate.Ask {
	for _, t := range a.tags {
		a.one("aws:resourcetag/"+t.Key, t.Value)
		a.one("iam:resourcetag/"+t.Key, t.Value)
	}
	target, _ := arn.Parse(a.arn)
	if a.kind != "" {
		c.Resources = append(c.Resources, gate.Resource{ARN: a.arn, Account: c.Caller.Account, Type: a.kind})
	}
	return gate.Ask{Action: action, Resource: a.arn, Target: target, Owner: c.Caller.Account, Context: a.context}
}

// onAny is what an operation needs that is about nothing in particular.
func onAny[I any](action string) asks[I] {
	return func(*gate.Call, *I) ([]gate.Ask, error) {
		return []gate.Ask{{Action: "iam:" + action, Resource: "*"}}, nil
	}
}

// onPath is what an operation needs that lists what stands under a path: IAM asks
// for the path, as its refusals show.
func onPath[I any](action, kind string, path func(*I) *string) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		a := about{arn: arnOf(c.Caller.Account, kind, pathOf(path(in)), "")}
		return []gate.Ask{a.ask(c, "iam:"+action)}, nil
	}
}

// on is what an operation needs that is about one thing.
func on[I any](action string, find func(*gate.Call, *I) about) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		a := find(c, in)
		return []gate.Ask{a.ask(c, "iam:"+action)}, nil
	}
}

// userAt is the user of that name, whether there is one or not.
func (s *Service) userAt(c *gate.Call, name *string) about {
	n := self(c, name)
	if u := s.user(c.Caller.Account, n); u != nil {
		return about{arn: u.arn(), kind: "AWS::IAM::User", tags: u.Tags}
	}
	return about{arn: arnOf(c.Caller.Account, "user", "/", n), kind: "AWS::IAM::User"}
}

func (s *Service) roleAt(c *gate.Call, name *string) about {
	if r := s.role(c.Caller.Account, *name); r != nil {
		return about{arn: r.arn(), kind: "AWS::IAM::Role", tags: r.Tags}
	}
	return about{arn: arnOf(c.Caller.Account, "role", "/", *name), kind: "AWS::IAM::Role"}
}

func (s *Service) groupAt(c *gate.Call, name *string) about {
	if g := s.groups.Get(row(c.Caller.Account, *name)); g != nil {
		return about{arn: g.arn(), kind: "AWS::IAM::Group"}
	}
	return about{arn: arnOf(c.Caller.Account, "group", "/", *name), kind: "AWS::IAM::Group"}
}

func (s *Service) profileAt(c *gate.Call, name *string) about {
	if p := s.profiles.Get(row(c.Caller.Account, *name)); p != nil {
		return about{arn: p.arn(), kind: "AWS::IAM::InstanceProfile", tags: p.Tags}
	}
	return about{arn: arnOf(c.Caller.Account, "instance-profile", "/", *name), kind: "AWS::IAM::InstanceProfile"}
}

func (s *Service) policyAt(c *gate.Call, policyARN *string) about {
	a := about{arn: *policyARN, kind: "AWS::IAM::Policy"}
	if p := s.visible(c.Caller.Account, *policyARN); p != nil {
		a.tags = p.Tags
	}
	return a
}

// with adds a context key when the request has it.
func (a about) with(name string, value *string) about {
	a.one(name, aws.ToString(value))
	return a
}

// tagged adds the tags of a request.
func (a about) tagged(tags []types.Tag) about {
	var keys []string
	for _, t := range tags {
		a.one("aws:requesttag/"+*t.Key, *t.Value)
		keys = append(keys, *t.Key)
	}
	return a.keys(keys)
}

func (a about) keys(keys []string) about {
	if len(keys) > 0 {
		a.context = append(a.context, estate.NewEntry("aws:tagkeys", policy.Many(keys...)))
	}
	return a
}
