package drs

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// managedTag is the tag of all that DRS makes in EC2: its policies let it touch nothing
// else.
// See https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSElasticDisasterRecoveryServiceRolePolicy.html.
const managedTag = "AWSElasticDisasterRecoveryManaged"

// linked is a context whose calls DRS's service-linked role makes, in the account of the
// call. Without the role nothing goes.
func (s *Service) linked(ctx context.Context) (context.Context, error) {
	c := gate.From(ctx)
	role, ok := behalf.LinkedRole(principal, c.Caller.Account, c.Region)
	if !ok {
		return nil, errors.New("drs: nothing is known of the service-linked role")
	}
	return s.Agent.Role(ctx, role, "drs", "")
}

// staging is a context whose calls the role makes that a staging account has for a
// target account.
// See https://docs.aws.amazon.com/drs/latest/userguide/adding-trusted-account.html.
func (s *Service) staging(ctx context.Context, account string) (context.Context, error) {
	return s.trusted(ctx, account, "DRSStagingAccountRole_")
}

// trusted is a context whose calls a role makes that another account has for the account
// of the call. DRS takes it with the latter as source identity, and with the other as
// source account: so the trust policies are that AWS makes.
func (s *Service) trusted(ctx context.Context, account, prefix string) (context.Context, error) {
	c := gate.From(ctx)
	mine := c.Caller.Account
	role := "arn:" + awsfacts.PartitionName(c.Region) + ":iam::" + account + ":role/service-role/" + prefix + mine
	return s.Agent.Trusted(own(ctx, account, c.Region), role, "drs", mine)
}

// as is a context whose calls are made for somebody who called DRS before.
func as(ctx context.Context, who gate.Caller) context.Context {
	ctx = gate.As(ctx, who)
	gate.From(ctx).Forward = nil
	return ctx
}

// ask makes a call of EC2 as the caller of ctx. Nothing is left of one that fails.
func ask[O any](ctx context.Context, s *Service, operation string, in any) (out *O, err error) {
	f := s.forward()
	if before := gate.From(ctx).Forward; before != nil {
		f.Assumed = before.Assumed
	}
	do := func() error {
		answer, err := s.Agent.Client.Do(ctx, "ec2", operation, in, f)
		if err == nil {
			out = answer.(*O)
		}
		return err
	}
	if !gate.From(ctx).Writing {
		return out, do()
	}
	err = s.DB.Try(do)
	return out, err
}

// asLinked makes a call of EC2 as the service-linked role.
func asLinked[O any](ctx context.Context, s *Service, operation string, in any) (*O, error) {
	own, err := s.linked(ctx)
	if err != nil {
		return nil, err
	}
	return ask[O](own, s, operation, in)
}

// raw is a refusal as DRS puts it into rawError: reported of job logs, in the form that
// AWS's Python SDK gives its errors.
func raw(operation string, err error) string {
	code, text := answered(err)
	return "An error occurred (" + code + ") when calling the " + operation + " operation: " + text
}

// answered is EC2's refusal, or says that DRS has no role to call EC2 with.
func answered(err error) (code, text string) {
	if errors.Is(err, behalf.ErrNoRole) {
		return "AuthFailure", "DRS's service-linked role does not exist in this account." // assumed text
	}
	return behalf.EC2Refusal(err)
}

// tagged are the tags with which DRS makes something.
func (v *Server) tagged(kind types.ResourceType, more map[string]string) []types.TagSpecification {
	all := map[string]string{managedTag: principal, "AWSElasticDisasterRecoverySourceServerID": v.ID}
	maps.Copy(all, more)
	spec := types.TagSpecification{ResourceType: kind}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		spec.Tags = append(spec.Tags, types.Tag{Key: new(key), Value: new(all[key])})
	}
	return []types.TagSpecification{spec}
}
