package plan

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/usage"
)

// allowance is what a plan for the routes may open at most: to one principal, the
// account of one, or the members of an organization.
type allowance struct {
	principal string // ARN
	account   string // any principal of the account
	partition string // of account
	org       string
	actions   []string
	resource  string
	via       string // value of kms:ViaService
	part      part
	app       string   // value of kms:EncryptionContext:app
	grantee   string   // of issuePart
	grantOps  []string // of issuePart
	// byGrant is set for what a grant opens: a grant cannot be bound to a service, and one
	// that allows CreateGrant lets its grantee hand on what it allows.
	byGrant bool
}

// allowances are everything that plans for the routes may open. They follow from the
// routes alone, not from a plan.
func allowances(routes []route.Route, e *estate.Estate, o Options) ([]allowance, error) {
	proofs, err := prove(routes, e, o.At)
	if err != nil {
		return nil, err
	}
	var list []allowance
	for i := range proofs {
		for j := range proofs[i].Steps {
			s := &proofs[i].Steps[j]
			for k := range s.Requests {
				list = append(list, allowancesOf(&s.Requests[k], o)...)
			}
			for k := range s.Preconditions {
				c := &s.Preconditions[k]
				list = append(list, vaultAllowance(c, e)...)
				if c.Check == "principal" { // a role that has to be there, and may use nothing by that
					list = append(list, allowance{principal: c.Args["principal"]})
				}
			}
		}
	}
	m := newMaker(routes, e, o)
	for i := range routes {
		for _, bucket := range m.bucketsOf(&routes[i]) {
			for _, r := range slices.Concat(m.bucketRules(&routes[i], bucket), m.ownRules(&routes[i], bucket)) {
				list = append(list, allowance{principal: r.principal, actions: r.actions, resource: r.resource, part: r.part})
			}
		}
	}
	return list, nil
}

func allowancesOf(r *route.RequestProof, o Options) []allowance {
	caller, key := parsed(r.Caller), parsedARN(r.Key)
	if caller.Account == "" || !key.IsKMSKey() || o.Tight && r.Use.Need == usage.Asked {
		return nil
	}
	a := allowance{principal: r.Caller, actions: []string{r.Use.Action}, resource: r.Key, part: usePart, app: appOf(r)}
	if r.Use.Via != "" {
		a.via = usage.ViaService(r.Use.Via, key.Region)
		if r.Use.Action == "kms:CreateGrant" {
			a.part = grantPart
		}
	}
	list := []allowance{a}
	if needsGrant(caller, key) {
		ops := operationsOf(r)
		list = append(list, allowance{principal: r.Caller, actions: actionsOf(ops), resource: r.Key, part: usePart, byGrant: true})
		list = append(list, allowance{account: caller.Account, partition: caller.Partition, actions: []string{"kms:CreateGrant"}, resource: r.Key, part: issuePart, grantee: r.Caller, grantOps: ops})
	}
	if o.Org != "" && caller.Account != key.Account {
		open := a
		open.principal, open.org = "", o.Org
		list = append(list, open)
	}
	return list
}

// actionsOf are the actions of a grant's operations.
func actionsOf(operations []string) []string {
	var actions []string
	for _, op := range operations {
		actions = append(actions, "kms:"+op)
	}
	return actions
}

func vaultAllowance(c *route.Precondition, e *estate.Estate) []allowance {
	if c.Check != "attribute" || c.Args["attribute"] != estate.VaultCopyFrom {
		return nil
	}
	var list []allowance
	for i := range e.Resources {
		r := &e.Resources[i]
		if r.Type == c.Args["type"] && r.Account == c.Args["account"] && r.Region == c.Args["region"] {
			list = append(list, allowance{account: c.Args["value"], partition: awsfacts.PartitionName(r.Region), actions: []string{"backup:CopyIntoBackupVault"}, resource: vaultARN(r.Account, r.Region, r.ID), part: vaultPart})
		}
	}
	return list
}

// covers reports whether a statement of a resource's policy says no more than
// allowances do. The statement is taken apart by what may stand in one: every element
// that is not expected, and every condition that is not there, makes it wider.
func covers(list []allowance, s *statement, resource string, holder string) bool {
	principals, ok := principalsOf(s, holder)
	if !ok || s.Effect != "Allow" {
		return false
	}
	for _, p := range principals {
		for _, action := range wordsOf(s.Action) {
			if !slices.ContainsFunc(list, func(a allowance) bool { return a.covers(s, p, action, resource) }) {
				return false
			}
		}
	}
	return len(principals) > 0 && len(wordsOf(s.Action)) > 0
}

// principalsOf are those whom a statement names by ARN; a statement of an identity
// policy names its holder.
func principalsOf(s *statement, holder string) ([]string, bool) {
	if holder != "" {
		return []string{holder}, s.Principal == nil
	}
	m, ok := s.Principal.(map[string]any)
	if !ok || len(m) != 1 || m["AWS"] == nil {
		return nil, false
	}
	return wordsOf(m["AWS"]), true
}

// wordsOf are the texts of a value that is a text or a list of them.
func wordsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []string:
		return v
	case []any:
		var words []string
		for _, w := range v {
			text, _ := w.(string)
			words = append(words, text)
		}
		return words
	}
	return nil
}

func (a *allowance) covers(s *statement, principal, action, resource string) bool {
	if a.byGrant || !slices.Contains(a.actions, action) || a.resource != resource || !a.names(s, principal) {
		return false
	}
	if a.via != "" && !only(s, "StringEquals", "kms:ViaService", []string{a.via}) {
		return false
	}
	if a.app != "" && !only(s, "StringEquals", contextApp, []string{a.app}) {
		return false
	}
	switch a.part {
	case grantPart:
		return only(s, "Bool", "kms:GrantIsForAWSResource", []string{"true"})
	case issuePart:
		return only(s, "StringEquals", "kms:GranteePrincipal", []string{a.grantee}) && has(s, "ForAllValues:StringEquals", "kms:GrantOperations")
	}
	return true
}

// names reports whether the allowance is for whom the statement names.
func (a *allowance) names(s *statement, principal string) bool {
	switch {
	case a.org != "":
		if strings.Contains(a.org, "/") {
			return principal == "*" && only(s, "ForAnyValue:StringLike", "aws:PrincipalOrgPaths", []string{orgPattern(a.org)})
		}
		return principal == "*" && only(s, "StringEquals", "aws:PrincipalOrgID", []string{a.org})
	case a.account != "":
		p := parsed(principal)
		return p.Account == a.account && p.Partition == a.partition
	}
	return a.is(principal)
}

// is reports whether a principal is the allowed one, or the role of the allowed session.
func (a *allowance) is(principal string) bool {
	if principal == a.principal {
		return true
	}
	own := parsed(a.principal)
	p := parsed(principal)
	return own.Kind == arn.AssumedRole && p.Kind == arn.Role && p.Account == own.Account && p.Name == own.Name
}

// only reports whether the statement's condition holds for nothing but the values.
func only(s *statement, operator, key string, values []string) bool {
	got := wordsOf(s.Condition[operator][key])
	return len(got) > 0 && !slices.ContainsFunc(got, func(v string) bool { return !slices.Contains(values, v) })
}

func has(s *statement, operator, key string) bool {
	return len(wordsOf(s.Condition[operator][key])) > 0
}
