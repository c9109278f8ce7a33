package diagnose

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
)

// keyCalls are the calls by which a key opens or closes, and identityCalls those by which
// a principal's rights change. Those of IAM, a service of the partition, are in the history
// of one Region.
// See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-concepts.html#cloudtrail-concepts-global-service-events.
var (
	keyCalls = []string{
		"PutKeyPolicy", "CreateGrant", "RevokeGrant", "RetireGrant", "DisableKey", "EnableKey", "ScheduleKeyDeletion", "CancelKeyDeletion", "DeleteImportedKeyMaterial",
		"UpdateAlias", "DeleteAlias",
	}
	identityCalls = []string{
		"PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "UpdateAssumeRolePolicy",
		"CreateRole", "DeleteRole", "CreateServiceLinkedRole", "DeleteServiceLinkedRole",
		"PutUserPolicy", "DeleteUserPolicy", "AttachUserPolicy", "DetachUserPolicy", "PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary", "CreateUser", "DeleteUser",
		"CreatePolicyVersion", "SetDefaultPolicyVersion",
	}
)

// controlCalls are the calls by which control policies of an organization change.
var controlCalls = []string{"UpdatePolicy", "AttachPolicy", "DetachPolicy", "DeletePolicy", "EnablePolicyType", "DisablePolicyType", "MoveAccount"}

// globalRegion is where CloudTrail has the calls of IAM and Organizations: documented for
// the partition aws, and assumed for the others: where IAM has its endpoint.
func globalRegion(partition string) string {
	switch partition {
	case "aws-cn":
		return "cn-north-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	}
	return "us-east-1"
}

// changes finds what was changed since the last proof.
func (e *explainer) changes(ctx context.Context) error {
	in := e.x.Incident
	if in == nil {
		return nil
	}
	key, err := arn.Parse(in.Key)
	if err != nil || !key.IsKMSKey() {
		return nil
	}
	proof, ok := e.proof(in.Key)
	if !ok {
		return nil
	}
	e.x.Since = proof
	global := globalRegion(key.Partition)
	asked := []history{
		{place{key.Account, key.Region}, keyCalls, func(v *cloud.Event) bool { return strings.Contains(v.Record, idOfKey(in.Key)) }},
		{place{in.Account, global}, identityCalls, e.ofCaller},
	}
	if e.controlled() {
		if e.estate == nil || e.estate.Organization == nil {
			e.note("control policies are changed in the management account of the organization, whose CloudTrail was not read")
		} else {
			asked = append(asked, history{place{e.estate.Organization.ManagementAccount, global}, controlCalls, func(*cloud.Event) bool { return true }})
		}
	}
	for i := range asked {
		if err := e.changed(ctx, &asked[i]); err != nil {
			return err
		}
	}
	slices.SortStableFunc(e.x.Changes, func(a, b cloud.Event) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
	return nil
}

// history is calls in one account and Region that may have to do with the refusal.
type history struct {
	place
	names []string
	about func(*cloud.Event) bool
}

// controlled reports whether a control policy refused.
func (e *explainer) controlled() bool {
	in := e.x.Incident
	return in.Layer == access.SCP || in.Layer == access.RCP || slices.ContainsFunc(in.Causes, func(c Cause) bool { return c.Verdict == True && (c.Code == scpDeny || c.Code == rcpDeny) })
}

// changed notes the calls of a history since the last proof. One that cannot be read is
// told.
func (e *explainer) changed(ctx context.Context, h *history) error {
	if !arn.IsAccount(h.account) {
		return nil
	}
	found, whole, err := e.src.Trail(ctx, cloud.Trail{Account: h.account, Region: h.region, From: e.x.Since.At, Names: h.names, Made: true})
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case err != nil:
		e.note("what was changed in account %s since then could not be read: %v", h.account, err)
		return nil
	case !whole:
		e.note("more was changed in account %s since then than was read", h.account)
	}
	for i := range found {
		if h.about(&found[i]) && !e.byService(&found[i]) {
			e.x.Changes = append(e.x.Changes, found[i])
		}
	}
	return nil
}

// proof is the last one at hand: a run that had to do with the key, or an estate on which
// the request is allowed.
func (e *explainer) proof(key string) (Proof, bool) {
	if e.o.Proven != nil {
		if p, ok := e.o.Proven(key); ok {
			return p, true
		}
	}
	if e.x.Judgement == nil || !e.x.Judgement.Allowed || e.estate.CollectedAt == nil {
		return Proof{}, false
	}
	return Proof{At: *e.estate.CollectedAt, By: "the estate that was collected then, on which it is allowed"}, true
}

// byService reports whether a service made or ended a grant for one of its resources, as
// it does all day: that opens and closes nothing for the caller.
func (e *explainer) byService(v *cloud.Event) bool {
	return v.InvokedBy != "" && (v.Name == "CreateGrant" || v.Name == "RetireGrant") && !e.grants(v)
}

// grants reports whether a grant is the refused caller's own.
func (e *explainer) grants(v *cloud.Event) bool {
	return roleOf(v.Parameters["granteePrincipal"]) == roleOf(e.x.Incident.Principal)
}

// ofCaller reports whether a call of IAM changed the rights of the refused caller, or a
// policy that somebody may have by ARN.
func (e *explainer) ofCaller(v *cloud.Event) bool {
	p, err := arn.ParsePrincipal(e.x.Incident.Principal)
	if err != nil {
		return false
	}
	switch {
	case v.Parameters["roleName"] != "":
		return v.Parameters["roleName"] == p.Name
	case v.Parameters["userName"] != "":
		return v.Parameters["userName"] == p.Name
	case v.Parameters["policyArn"] != "":
		return e.has(p, v.Parameters["policyArn"])
	}
	return strings.Contains(v.Record, p.Name)
}

// has reports whether the caller has a managed policy, as far as the estate tells; without
// one it may.
func (e *explainer) has(p arn.Principal, policyARN string) bool {
	if e.estate == nil {
		return true
	}
	own := e.estate.Principal(cmp.Or(p.RoleARN, p.Text))
	if own == nil {
		return true
	}
	for i := range own.Policies {
		if own.Policies[i].ARN == policyARN {
			return true
		}
	}
	return false
}
