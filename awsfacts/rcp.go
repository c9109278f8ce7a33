package awsfacts

import (
	"strings"
	"sync"
)

// RCPExemption is an action of a covered service that a resource control policy does
// not limit all the same.
type RCPExemption struct {
	// Action is the action, as "kms:RetireGrant".
	Action string `json:"action"`
	// Note says why.
	Note string `json:"note"`
	// Confidence is one of the constants of this package, as [Recorded].
	Confidence string `json:"confidence"`
	// Source is the AWS page.
	Source string `json:"source"`
}

type rcpTable struct {
	services index[struct{}]
	exempt   index[RCPExemption]
}

type rcpFile struct {
	Source string         `json:"source"`
	Exempt []RCPExemption `json:"exempt"`
}

var rcp = sync.OnceValue(func() rcpTable {
	table := rcpTable{newIndex[struct{}](), newIndex[RCPExemption]()}
	for _, name := range iamTable().RCPServices {
		table.services.add(name, struct{}{})
	}
	source := load[rcpFile]("rcp.json")
	for _, e := range source.Exempt {
		table.exempt.add(e.Action, e)
	}
	for name, row := range kmsTable().Actions {
		if len(row.resources) == 0 {
			table.exempt.add(name, RCPExemption{Action: name, Note: "acts on no resource", Confidence: Assumed, Source: source.Source})
		}
	}
	return table
})

// RCPService reports whether resource control policies cover a service, in any letter
// case. See
// docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html.
func RCPService(prefix string) bool {
	_, ok := rcp().services.find(prefix)
	return ok
}

// RCPCovers reports whether a resource control policy can limit the action, in any
// letter case: its service is one that RCPs cover and the action is not exempt (see
// [RCPExempt]). Which resources are out of reach — those of the management account,
// AWS managed keys — is for the caller to know. See
// docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html.
func RCPCovers(action string) bool {
	service, _, ok := strings.Cut(action, ":")
	if !ok {
		return false
	}
	if _, ok := rcp().services.find(service); !ok {
		return false
	}
	_, exempt := rcp().exempt.find(action)
	return !exempt
}

// RCPExempt returns why an action of a covered service is exempt: kms:RetireGrant,
// and actions that work on no resource, as kms:CreateKey. Of other services than KMS
// only single actions are listed.
func RCPExempt(action string) (RCPExemption, bool) {
	return rcp().exempt.find(action)
}
