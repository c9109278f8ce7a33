// Package behalf is what a service of the sandbox does on somebody's behalf: it uses
// keys for who called it, and acts as roles of its own. Which keys an operation uses
// stands in package usage; whether it may, KMS has package gate ask.
package behalf

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Principals tells who a role is.
type Principals interface {
	// UniqueID returns the unique id behind a principal's ARN.
	UniqueID(p arn.Principal) (id string, ok bool)
}

// Agent acts for one service.
type Agent struct {
	// Service is the name with which the service forwards, as "ec2".
	Service string
	// Told is what CloudTrail calls the service when it calls KMS, where that is not
	// Service.
	Told       string
	Client     gate.Client
	Principals Principals
	DB         *state.DB
}

// ErrNoRole is the error of acting as a role that there is not.
var ErrNoRole = errors.New("there is no such role")

// Role returns a context whose call is made by a session of a role that the service
// assumes without being asked for, as services do with roles that trust them and with
// their service-linked roles. Source is the source identity, empty for none.
func (a *Agent) Role(ctx context.Context, roleARN, session, source string) (context.Context, error) {
	role, err := arn.ParsePrincipal(roleARN)
	if err != nil || role.Kind != arn.Role {
		return nil, fmt.Errorf("acting as %s: it is no ARN of a role", roleARN)
	}
	id, ok := a.Principals.UniqueID(role)
	if !ok {
		return nil, fmt.Errorf("acting as %s: %w", roleARN, ErrNoRole)
	}
	holder, err := arn.ParsePrincipal("arn:" + role.Partition + ":sts::" + role.Account + ":assumed-role/" + role.Name + "/" + session)
	if err != nil {
		return nil, fmt.Errorf("acting as %s: %w", roleARN, err)
	}
	holder = holder.WithRole(roleARN)
	now := gate.From(ctx).At
	s := &gate.Session{
		Account: role.Account, ARN: holder.Text, ID: id + ":" + session, Principal: roleARN, PrincipalID: id, Source: source,
		Issued: now, Holder: holder, Behind: role, IssuedText: now.UTC().Format("2006-01-02T15:04:05Z"),
	}
	caller := gate.Caller{Caller: policy.Caller{Principal: holder, ID: s.ID}, Session: s}
	out := gate.As(ctx, caller)
	gate.From(out).Forward = &gate.Forward{Service: a.Service, Assumed: true}
	return out, nil
}

// Trusted is Role for a role that an account made for the service: the role's trust
// policy has to let the service in.
func (a *Agent) Trusted(ctx context.Context, roleARN, session, source string) (context.Context, error) {
	own := gate.As(ctx, Caller(a.Service+".amazonaws.com"))
	in := &sts.AssumeRoleInput{RoleArn: &roleARN, RoleSessionName: &session}
	if source != "" {
		in.SourceIdentity = &source
	}
	if _, err := a.Client.Do(own, "sts", "AssumeRole", in, gate.Forward{Service: a.Service, SourceAccount: gate.From(ctx).Caller.Account}); err != nil {
		return nil, err
	}
	return a.Role(ctx, roleARN, session, source)
}

// LinkedRole is the ARN of the service-linked role of a service in an account, as
// "autoscaling.amazonaws.com".
func LinkedRole(service, account, region string) (string, bool) {
	known, ok := awsfacts.ServiceLinkedRoleOf(service)
	if !ok {
		return "", false
	}
	return "arn:" + awsfacts.PartitionName(region) + ":iam::" + account + ":role" + known.Path + known.Name, true
}

// EnsureLinkedRole makes the service-linked role of a service in the caller's account
// when it is not there, for which the caller needs the right, and returns its ARN.
func (a *Agent) EnsureLinkedRole(ctx context.Context, service string) (string, error) {
	c := gate.From(ctx)
	role, ok := LinkedRole(service, c.Caller.Account, c.Region)
	if !ok {
		return "", fmt.Errorf("making the service-linked role of %s: nothing is known of one", service)
	}
	p, err := arn.ParsePrincipal(role)
	if err != nil {
		return "", fmt.Errorf("making the service-linked role of %s: %w", service, err)
	}
	if _, there := a.Principals.UniqueID(p); there {
		return role, nil
	}
	if !c.Writing {
		return "", gate.ErrUpdate
	}
	_, err = a.Client.Do(ctx, "iam", "CreateServiceLinkedRole", &iam.CreateServiceLinkedRoleInput{AWSServiceName: &service}, gate.Forward{Service: a.Service})
	return role, err
}

// Caller is a service as a caller, by its principal, as "drs.amazonaws.com".
func Caller(principal string) gate.Caller {
	return gate.Caller{Caller: policy.Caller{Principal: arn.Principal{Kind: arn.Service, Text: principal, Name: principal}, ID: principal}}
}

// ARN makes the ARN of a resource; an account and a Region may be empty.
func ARN(service, region, account string, resource ...string) string {
	return "arn:" + awsfacts.PartitionName(region) + ":" + service + ":" + region + ":" + account + ":" + strings.Join(resource, "")
}
