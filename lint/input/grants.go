package input

import (
	"strconv"
	"time"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/policy"
)

// grants reads the answer of kms:ListGrants, one grant of it, or a request for
// kms:CreateGrant.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListGrants.html.
func (r *reader) grants(n *source.Node) bool {
	list := n
	if n.Kind == source.Map {
		if list = n.Field("Grants"); list == nil {
			if !isGrant(n) {
				return false
			}
			list = &source.Node{Kind: source.List, Items: []source.Node{*n}}
		}
	}
	if list.Kind != source.List || len(list.Items) > 0 && !isGrant(&list.Items[0]) || n.Kind == source.List && len(n.Items) == 0 {
		return false
	}
	r.is(Grants)
	for i := range list.Items {
		if g := &list.Items[i]; g.Kind == source.Map {
			r.grant(g, grantNames)
		}
	}
	return true
}

func isGrant(n *source.Node) bool {
	if n.Kind != source.Map {
		return false
	}
	grantee := n.Field("GranteePrincipal") != nil || n.Field("GranteeServicePrincipal") != nil
	return grantee && (n.Field("Operations") != nil || n.Field("GrantId") != nil || n.Field("KeyId") != nil)
}

// grantMembers are the names that a format has for the members of a grant.
type grantMembers struct {
	id, name, key, issuer, created, operations, constraints string
	grantee, retiring                                       []string
	// elsewhere are members that say that the grantee is looked up.
	elsewhere []string
}

var grantNames = &grantMembers{
	id: "GrantId", name: "Name", key: "KeyId", issuer: "IssuingAccount", created: "CreationDate", operations: "Operations", constraints: "Constraints",
	grantee: []string{"GranteePrincipal", "GranteeServicePrincipal"}, retiring: []string{"RetiringPrincipal", "RetiringServicePrincipal"},
}

// grant reads one grant from the map that is it.
func (r *reader) grant(n *source.Node, names *grantMembers) *rules.Grant {
	g := &rules.Grant{
		Pos: r.position(n.Pos), ID: text(n, names.id), Name: text(n, names.name), Key: text(n, names.key),
		Issuer: text(n, names.issuer), Created: created(n.Field(names.created)),
	}
	g.Grantee, g.UnknownGrantee = party(n, names.grantee)
	g.Retiring, g.RetiringIsUnknown = party(n, names.retiring)
	if g.Grantee == "" {
		for _, name := range names.elsewhere {
			g.UnknownGrantee = g.UnknownGrantee || n.Field(name) != nil
		}
	}
	g.FromAWS = g.ID != "" || g.Created != "" || g.Issuer != ""
	if c := n.Field(names.constraints); c != nil {
		at := clone(c, r.at)
		g.Constraints, g.ConstraintsUnknown = &at, isExpression(c) || c.Kind == source.String
	}
	switch ops := n.Field(names.operations); {
	case ops == nil:
	case ops.Kind == source.String:
		g.Operations, g.UnknownOperations = []string{ops.Text}, policy.HasPlaceholder(ops.Text)
	case ops.Kind == source.List:
		for i := range ops.Items {
			op := &ops.Items[i]
			if op.Kind != source.String || policy.HasPlaceholder(op.Text) {
				g.UnknownOperations = true
				continue
			}
			g.Operations = append(g.Operations, op.Text)
		}
	default:
		g.UnknownOperations = true
	}
	r.m.Grants = append(r.m.Grants, g)
	return g
}

// party reads a principal of a grant, and whether it is still to be filled in.
func party(n *source.Node, names []string) (who string, unknown bool) {
	for _, name := range names {
		v := n.Field(name)
		switch {
		case v == nil:
		case v.Kind != source.String:
			return "", true
		case v.Text == "": // as the CLI's skeletons have it
			unknown = true
		default:
			return v.Text, policy.HasPlaceholder(v.Text)
		}
	}
	return "", unknown
}

// created writes the time of a grant, which the CLI gives as a number or as a
// text, in one way.
func created(n *source.Node) string {
	if n == nil {
		return ""
	}
	if n.Kind == source.Number {
		seconds, err := strconv.ParseFloat(n.Text, 64)
		if err != nil || seconds < 0 || seconds > 1e11 {
			return ""
		}
		return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339)
	}
	t, err := time.Parse(time.RFC3339, n.Text)
	if err != nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
