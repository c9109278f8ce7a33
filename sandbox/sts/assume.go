package sts

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// asksAssumeRole asks the caller's policies and the role's trust policy.
func (s *Service) asksAssumeRole(c *gate.Call, in *sts.AssumeRoleInput) ([]gate.Ask, error) {
	if c.Caller.Kind == arn.AccountRoot {
		return nil, denied("Roles may not be assumed by root accounts.")
	}
	if c.Caller.Session.Federated() {
		return nil, notWithSession(c)
	}
	if err := device(c, in.SerialNumber, in.TokenCode); err != nil {
		return nil, err
	}
	p, err := arn.ParsePrincipal(*in.RoleArn)
	if err != nil || p.Kind != arn.Role {
		return nil, validation(*in.RoleArn + " is invalid")
	}
	target, err := arn.Parse(*in.RoleArn)
	if err != nil {
		return nil, validation(*in.RoleArn + " is invalid")
	}
	if err := tagsFit(in.Tags, in.TransitiveTagKeys); err != nil {
		return nil, err
	}
	if err := inherited(c.Caller.Session, in); err != nil {
		return nil, err
	}
	a := gate.Ask{Action: "sts:AssumeRole", Resource: *in.RoleArn, Target: target, Owner: p.Account, Context: s.given(c, in)}
	c.Resources = append(c.Resources, gate.Resource{ARN: a.Resource, Account: p.Account, Type: "AWS::IAM::Role"})
	if r, ok := s.Principals.RoleByARN(*in.RoleArn); ok {
		a.Policy = r.Trust
		for k, v := range r.Tags {
			a.Context = append(a.Context, estate.NewEntry("aws:resourcetag/"+k, policy.One(v)), estate.NewEntry("iam:resourcetag/"+k, policy.One(v)))
		}
	}
	asks := []gate.Ask{a}
	if old := c.Caller.Session; len(in.Tags) > 0 || old != nil && len(old.Transitive) > 0 {
		tag := a
		tag.Action = "sts:TagSession"
		asks = append(asks, tag)
	}
	if sourceOf(c, in) != "" {
		source := a
		source.Action = "sts:SetSourceIdentity"
		asks = append(asks, source)
	}
	return asks, nil
}

// inherited refuses to change what a session passes on to those that it assumes:
// its transitive tags and its source identity.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_role-chaining.
func inherited(old *gate.Session, in *sts.AssumeRoleInput) error {
	if old == nil {
		return nil
	}
	for _, t := range in.Tags {
		if slices.ContainsFunc(old.Transitive, func(k string) bool { return strings.EqualFold(k, *t.Key) }) {
			return refuse("InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
	}
	if in.SourceIdentity != nil && old.Source != "" && *in.SourceIdentity != old.Source {
		return validation("The source identity is already set for this assume role session")
	}
	return nil
}

// sourceOf is the source identity that the session will have, empty for none: the one
// that is asked for, or the caller's own, which stays for good.
func sourceOf(c *gate.Call, in *sts.AssumeRoleInput) string {
	if in.SourceIdentity == nil && c.Caller.Session != nil {
		return c.Caller.Session.Source
	}
	return aws.ToString(in.SourceIdentity)
}

func (s *Service) given(c *gate.Call, in *sts.AssumeRoleInput) estate.Given {
	var g estate.Given
	one := func(name string, value *string) {
		if value != nil {
			g = append(g, estate.NewEntry(name, policy.One(*value)))
		}
	}
	one("sts:externalid", in.ExternalId)
	one("sts:rolesessionname", in.RoleSessionName)
	if source := sourceOf(c, in); source != "" {
		one("sts:sourceidentity", &source)
	}
	var keys []string
	for _, t := range in.Tags {
		one("aws:requesttag/"+*t.Key, t.Value)
		keys = append(keys, *t.Key)
	}
	if len(keys) > 0 {
		g = append(g, estate.NewEntry("aws:tagkeys", policy.Many(keys...)))
	}
	if len(in.TransitiveTagKeys) > 0 {
		g = append(g, estate.NewEntry("sts:transitivetagkeys", policy.Many(in.TransitiveTagKeys...)))
	}
	return g
}

// tagsFit checks session tags.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html.
func tagsFit(tags []types.Tag, transitive []string) error {
	seen := map[string]bool{}
	for _, t := range tags {
		key := strings.ToLower(*t.Key)
		if seen[key] {
			return refuse("InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[key] = true
	}
	for _, k := range transitive {
		if !seen[strings.ToLower(k)] {
			return refuse("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
		}
	}
	return nil
}

// plainSession is how long a session of AssumeRole lasts unless asked otherwise,
// chainedSession the longest of one made by another.
const (
	plainSession   = 3600
	chainedSession = 3600
)

// AssumeRole gives out a session of a role.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
func (s *Service) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	c := gate.From(ctx)
	r, ok := s.Principals.RoleByARN(*in.RoleArn)
	if !ok { // the trust policy has let the caller in, so there is a role
		return nil, validation(*in.RoleArn + " is invalid")
	}
	seconds, err := roleSeconds(c, &r, in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	session := &gate.Session{
		Account: r.Account, ARN: "arn:aws:sts::" + r.Account + ":assumed-role/" + r.Name + "/" + *in.RoleSessionName,
		ID: r.ID + ":" + *in.RoleSessionName, Principal: r.ARN, PrincipalID: r.ID, Tags: map[string]string{}, Source: sourceOf(c, in),
	}
	size, err := s.limit(session, in.Policy, in.PolicyArns, in.Tags)
	if err != nil {
		return nil, err
	}
	if old := c.Caller.Session; old != nil {
		for _, k := range old.Transitive {
			session.Tags[k] = old.Tags[k]
			session.Transitive = append(session.Transitive, k)
		}
	}
	for _, t := range in.Tags {
		session.Tags[*t.Key] = *t.Value
		if slices.ContainsFunc(in.TransitiveTagKeys, func(k string) bool { return strings.EqualFold(k, *t.Key) }) {
			session.Transitive = append(session.Transitive, *t.Key)
		}
	}
	out := &sts.AssumeRoleOutput{
		AssumedRoleUser: &types.AssumedRoleUser{Arn: &session.ARN, AssumedRoleId: &session.ID},
		Credentials:     s.issue(c, session, seconds, in.MinimumSessionTokenSize),
	}
	out.SessionTokenSize, out.SessionTokenUtilization = new(int32(len(session.Token))), used(out.Credentials)
	if session.Source != "" {
		out.SourceIdentity = &session.Source
	}
	if size > 0 {
		//lint:ignore SA1019 STS still answers it
		out.PackedPolicySize = &size
	}
	return out, nil
}

// packed is how much of the space for session policies and tags is used, in per
// cent, 0 when there are none. How AWS packs is not documented: that 4,096
// characters fill the space is assumed. The texts are recorded.
// See https://github.com/aws/containers-roadmap/issues/2413.
func packed(document *string, arns []types.PolicyDescriptorType, tags []types.Tag) (int32, error) {
	const space = 4096
	if document == nil && len(arns) == 0 && len(tags) == 0 {
		return 0, nil
	}
	tagged := 0
	for _, t := range tags {
		tagged += len(*t.Key) + len(*t.Value)
	}
	if used := 1 + tagged*100/space; used > 100 {
		return 0, refuse("PackedPolicyTooLarge", fmt.Sprintf("Packed size of session tags consumes %d%% of allotted space.", used))
	}
	used := 1 + (len(aws.ToString(document))+tagged)*100/space
	if used > 100 {
		return 0, refuse("PackedPolicyTooLarge", fmt.Sprintf("Packed policy consumes %d%% of allotted space, please use smaller policy.", used)) // assumed text
	}
	return int32(used), nil
}

func roleSeconds(c *gate.Call, r *Role, asked *int32) (int32, error) {
	seconds := int32(plainSession)
	if asked != nil {
		seconds = *asked
	}
	if c.Caller.Session != nil && c.Caller.Kind == arn.AssumedRole && seconds > chainedSession {
		return 0, validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	if seconds > r.MaxSession {
		return 0, validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return seconds, nil
}
