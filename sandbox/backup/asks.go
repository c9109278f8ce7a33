package backup

import (
	"net/http"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

type asks[I any] func(*gate.Call, *I) ([]gate.Ask, error)

func onAny[I any](action string) asks[I] {
	return func(*gate.Call, *I) ([]gate.Ask, error) {
		return []gate.Ask{{Action: "backup:" + action, Resource: "*"}}, nil
	}
}

// asking asks for an action on an ARN of the caller's own.
func asking(c *gate.Call, action, resource string, tags map[string]string) gate.Ask {
	target, _ := arn.Parse(resource) // made by us, or checked before
	c.Resources = append(c.Resources, gate.Resource{ARN: resource, Account: c.Caller.Account})
	return gate.Ask{Action: action, Resource: resource, Target: target, Context: gate.ResourceTags(tags)}
}

// askVault asks for an action on a vault, or with a resource on what is in it: the
// vault's access policy has a say in both.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html.
func askVault(c *gate.Call, action, resource string, v *Vault, tags map[string]string) gate.Ask {
	a := asking(c, action, resource, tags)
	a.Owner, a.Policy = v.Account, v.named
	if a.Policy == nil && v.Account != c.Caller.Account {
		a.Policy = &silent
	}
	return a
}

// silent is the policy of a vault that has none: nobody of another account comes in.
var silent = estate.Named{Name: "no vault access policy", Document: gate.Document("no vault access policy", `{"Version":"2012-10-17","Statement":[]}`)}

// onVault is what an operation on a vault needs. Account is nil for operations that know
// the caller's vaults only.
func onVault[I any](s *Service, action string, name func(*I) *string, account func(*I) *string) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		owner := c.Caller.Account
		if account != nil {
			if a := account(in); a != nil && *a != "" {
				owner = *a
			}
		}
		v, err := s.vaultOf(c, owner, c.Region, name(in))
		if err != nil {
			return nil, err
		}
		return []gate.Ask{askVault(c, "backup:"+action, v.ARN(), v, v.Tags)}, nil
	}
}

// onPoint is what an operation on a recovery point needs.
func onPoint[I any](s *Service, action string, of func(*I) (vault, point, account *string)) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		name, point, account := of(in)
		owner := c.Caller.Account
		if account != nil && *account != "" {
			owner = *account
		}
		v, err := s.vaultOf(c, owner, c.Region, name)
		if err != nil {
			return nil, err
		}
		p, err := s.pointIn(v, point)
		if err != nil {
			return nil, err
		}
		return []gate.Ask{askVault(c, "backup:"+action, p.ARN, v, p.Tags)}, nil
	}
}

// askPass asks for the right to hand a role to AWS Backup.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/access-control.html.
func askPass(c *gate.Call, role *string) ([]gate.Ask, error) {
	if role == nil || *role == "" {
		return nil, nil
	}
	target, err := arn.ParsePrincipal(*role)
	if err != nil || target.Kind != arn.Role {
		return nil, invalidValue("The IAM role ARN " + *role + " is invalid.") // assumed text
	}
	if target.Account != c.Caller.Account {
		return nil, &wire.Error{Code: "AccessDeniedException", Message: "Cross-account pass role is not allowed.", Status: http.StatusForbidden} // IAM's text, as other services show it
	}
	parsed, err := arn.Parse(*role)
	if err != nil {
		return nil, invalidValue("The IAM role ARN " + *role + " is invalid.") // assumed text
	}
	return []gate.Ask{{
		Action: "iam:PassRole", Resource: *role, Target: parsed, Owner: target.Account,
		Context: estate.Given{estate.NewEntry("iam:passedtoservice", policy.One("backup.amazonaws.com"))},
	}}, nil
}

// askMake asks for the right to make something with tags.
func askMake(c *gate.Call, action, resource string, tags map[string]string) []gate.Ask {
	a := asking(c, action, resource, nil)
	a.Context = gate.RequestTags(tags)
	if len(tags) == 0 {
		return []gate.Ask{a}
	}
	t := a
	t.Action = "backup:TagResource"
	return []gate.Ask{a, t}
}

func vaultARN(region, account, name string) string {
	return behalf.ARN("backup", region, account, "backup-vault:", name)
}
