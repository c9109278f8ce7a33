package rds

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// The kinds of resources, as ARNs name them.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html#amazonrds-resources-for-iam-policies.
const (
	kindInstance        = "db"
	kindCluster         = "cluster"
	kindSnapshot        = "snapshot"
	kindClusterSnapshot = "cluster-snapshot"
	kindSubnets         = "subgrp"
	kindParameters      = "pg"
	kindClusterParams   = "cluster-pg"
	kindOptions         = "og"
	kindBackup          = "auto-backup"
	kindClusterBackup   = "cluster-auto-backup"
)

// cloudTypes are what the call history calls them.
var cloudTypes = map[string]string{
	kindInstance: "AWS::RDS::DBInstance", kindCluster: "AWS::RDS::DBCluster", kindSnapshot: "AWS::RDS::DBSnapshot", kindClusterSnapshot: "AWS::RDS::DBClusterSnapshot",
	kindSubnets: "AWS::RDS::DBSubnetGroup", kindParameters: "AWS::RDS::DBParameterGroup", kindClusterParams: "AWS::RDS::DBClusterParameterGroup",
}

// fullName is the ARN that an identifier or ARN means.
func fullName(c *gate.Call, kind, id string) string {
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	return arnOf(c.Region, c.Caller.Account, kind, strings.ToLower(id))
}

func arnOf(region, account, kind, id string) string {
	return behalf.ARN("rds", region, account, kind, ":", id)
}

// split takes an ARN of RDS apart.
func split(full string) (a arn.ARN, kind, id string, ok bool) {
	a, err := arn.Parse(full)
	if err != nil || a.Service != "rds" || !arn.IsAccount(a.Account) {
		return a, "", "", false
	}
	kind, id, ok = strings.Cut(a.Resource, ":")
	return a, kind, strings.ToLower(id), ok
}

// rowOf is the row of what an identifier or ARN of a kind names; "", which no row is,
// where that is not the caller's.
func rowOf(c *gate.Call, kind, id string) string {
	a, of, name, ok := split(id)
	switch {
	case !ok:
		return key(c.Caller.Account, c.Region, strings.ToLower(id))
	case of != kind || a.Account != c.Caller.Account || a.Region != c.Region:
		return ""
	}
	return key(a.Account, a.Region, name)
}

// question is what a call asks of its caller's policies.
type question struct {
	*Service
	c       *gate.Call
	action  string
	asks    []gate.Ask
	context estate.Given
	err     error
}

// on is what has to be allowed for an operation. What the request says of the new
// resource counts for every question of the call.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html.
func on[I any](s *Service, action string, fill func(*I, *question)) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		q := &question{Service: s, c: c, action: "rds:" + action}
		fill(in, q)
		for i := range q.asks {
			q.asks[i].Context = append(q.asks[i].Context, q.context...)
		}
		return q.asks, q.err
	}
}

// onAny is what an operation needs that is about nothing in particular.
func onAny[I any](s *Service, action string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return on(s, action, func(_ *I, q *question) { q.asks = append(q.asks, gate.Ask{Action: q.action, Resource: "*"}) })
}

// about adds a resource by its identifier or ARN.
func (q *question) about(kind, id string) { q.ask(q.action, fullName(q.c, kind, id)) }

// of is about for an identifier that may not be given; then the call is about all of
// the kind, as users are told when they are refused.
func (q *question) of(kind string, id *string) {
	if id == nil || *id == "" {
		q.about(kind, "*")
		return
	}
	q.about(kind, *id)
}

func (q *question) ask(action, full string) {
	a := gate.Ask{Action: action, Resource: full, Owner: q.c.Caller.Account}
	target, kind, id, ok := split(full)
	if !ok {
		q.err = invalid("Invalid resource name: " + full) // assumed text
		return
	}
	a.Target, a.Owner = target, target.Account
	if action == q.action && cloudTypes[kind] != "" && id != "*" && !strings.HasPrefix(id, "default") {
		q.c.Resources = append(q.c.Resources, gate.Resource{ARN: full, Account: target.Account, Type: cloudTypes[kind]})
	}
	if target.Account == q.c.Caller.Account {
		for _, t := range q.tagsOf(full) {
			a.Context = append(a.Context, estate.NewEntry("aws:resourcetag/"+aws.ToString(t.Key), policy.One(aws.ToString(t.Value))), estate.NewEntry("rds:"+kind+"-tag/"+aws.ToString(t.Key), policy.One(aws.ToString(t.Value))))
		}
	}
	q.asks = append(q.asks, a)
}

// one adds a condition key; one without a value is left out.
func (q *question) one(name, value string) {
	if value != "" {
		q.context = append(q.context, estate.NewEntry(name, policy.One(value)))
	}
}

func (q *question) yes(name string, value bool) {
	if value {
		q.one(name, "true")
	} else {
		q.one(name, "false")
	}
}

// tagged adds the tags of a request to make something. Giving tags to something new
// asks for the right to tag as well.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html.
func (q *question) tagged(kind, id string, tags []types.Tag) {
	if len(tags) == 0 {
		return
	}
	q.ask("rds:AddTagsToResource", fullName(q.c, kind, id))
	q.tags(tags)
}

func (q *question) tags(tags []types.Tag) {
	named := map[string]string{}
	for _, t := range tags {
		named[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	keys := slices.Sorted(maps.Keys(named))
	for _, k := range keys {
		q.context = append(q.context, estate.NewEntry("aws:requesttag/"+k, policy.One(named[k])), estate.NewEntry("rds:req-tag/"+k, policy.One(named[k])))
	}
	q.keys(keys)
}

func (q *question) keys(keys []string) {
	if len(keys) > 0 {
		q.context = append(q.context, estate.NewEntry("aws:tagkeys", policy.Many(keys...)))
	}
}

// parts adds the groups that a new database has, named or not: AWS's own example of a
// policy to create databases allows the default ones.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/security_iam_id-based-policy-examples-create-and-modify-examples.html.
func (q *question) parts(params string, e *engine, m *major, o *settings) {
	named := o.DBParameterGroupName
	if params == kindClusterParams {
		named = o.DBClusterParameterGroupName
	}
	q.about(params, or(named, "default."+m.family))
	q.about(kindOptions, or(o.OptionGroupName, e.optionGroup(m)))
	q.about(kindSubnets, or(o.DBSubnetGroupName, "default"))
}

func or(p *string, plain string) string {
	if p == nil || *p == "" {
		return plain
	}
	return *p
}
