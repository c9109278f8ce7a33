package diagnose

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
)

// keyCalls are the calls by which a key opens or closes, and identityCalls those by which
// a principal's rights change. IAM is a service of the partition, whose calls are in the
// history of us-east-1, and those of Organizations in the management account's.
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

// iamRegion is where the calls of IAM are in CloudTrail, in the partition aws.
const iamRegion = "us-east-1"

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
	asked := []struct {
		place
		names []string
		about func(*cloud.Event) bool
	}{
		{place{key.Account, key.Region}, keyCalls, func(v *cloud.Event) bool { return strings.Contains(v.Record, idOfKey(in.Key)) }},
		{place{in.Account, iamRegion}, identityCalls, e.ofCaller},
	}
	for _, q := range asked {
		if !arn.IsAccount(q.account) {
			continue
		}
		found, whole, err := e.src.Trail(ctx, cloud.Trail{Account: q.account, Region: q.region, From: proof.At, Names: q.names, Made: true})
		if err != nil {
			if errors.Is(err, context.Canceled) {
				return err
			}
			e.note("what was changed in account %s since then could not be read: %v", q.account, err)
			continue
		}
		if !whole {
			e.note("more was changed in account %s since then than was read", q.account)
		}
		for i := range found {
			if q.about(&found[i]) && !e.byService(&found[i]) {
				e.x.Changes = append(e.x.Changes, found[i])
			}
		}
	}
	slices.SortStableFunc(e.x.Changes, func(a, b cloud.Event) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
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
