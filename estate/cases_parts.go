package estate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

// members says how each member of a map is read into a T.
type members[T any] map[string]func(r *caseReader, to T, n *source.Node)

// readMembers reads a map. A member that is null is the same as none, one that
// nobody reads gives a warning.
func readMembers[T any](r *caseReader, n *source.Node, what string, to T, table members[T]) {
	if n.Kind == source.Null {
		return
	}
	if n.Kind != source.Map {
		r.wrongKind(n, what, "object")
		return
	}
	fields := n.Distinct()
	if len(fields) < len(n.Fields) {
		r.repeated(n, what)
	}
	for i := range fields {
		f := &fields[i]
		read := table[f.Name]
		switch {
		case read == nil:
			r.unread(f, what, slices.Sorted(maps.Keys(table)))
		case f.Value.Kind != source.Null:
			read(r, to, &f.Value)
		}
	}
}

// unread warns of a member that nobody reads. On the outside of a case such
// members are welcome, unless one looks like a slip of the pen.
func (r *caseReader) unread(f *source.Field, what string, known []string) {
	hint := suggest(f.Name, known)
	if what == "case" && hint == "" {
		return
	}
	r.warn(f.Pos, fmt.Sprintf("%q is no member of %s and is passed over", f.Name, what), hint)
}

func (r *caseReader) repeated(n *source.Node, what string) {
	seen := map[string]bool{}
	for i := range n.Fields {
		f := &n.Fields[i]
		if seen[f.Name] {
			r.warn(f.Pos, fmt.Sprintf("%q stands twice in %s; the last counts", f.Name, what), "remove one of the two")
		}
		seen[f.Name] = true
	}
}

// warn notes something that does not keep the case from being decided.
func (r *caseReader) warn(at source.Pos, text, hint string) {
	r.warnings = append(r.warnings, finding.Finding{
		Rule: CaseRule, Severity: finding.Warning, Position: r.Position(at), Text: text, Fix: hint,
	})
}

// CaseRule is the rule of the warnings about the form of a case.
const CaseRule = "CASE001"

// wrongKind tells a value that is not of the type wanted, in the words of a
// schema.
func (r *caseReader) wrongKind(n *source.Node, what, want string) {
	r.add(n.Pos, fmt.Sprintf("%q is %s; it should be %s", what, kindWord(n.Kind), wanted([]string{want})), typeHint(n, []string{want}))
}

func (r *caseReader) text(n *source.Node, name string) string {
	if n.Kind != source.String {
		r.wrongKind(n, name, "string")
		return ""
	}
	return n.Text
}

func (r *caseReader) texts(n *source.Node, name string) []string {
	if n.Kind != source.List {
		r.wrongKind(n, name, "array")
		return nil
	}
	var list []string
	for i := range n.Items {
		list = append(list, r.text(&n.Items[i], name))
	}
	return list
}

func (r *caseReader) pairs(n *source.Node, name string) map[string]string {
	if n.Kind != source.Map {
		r.wrongKind(n, name, "object")
		return nil
	}
	m := make(map[string]string, len(n.Fields))
	for i := range n.Fields {
		m[n.Fields[i].Name] = r.text(&n.Fields[i].Value, n.Fields[i].Name)
	}
	return m
}

func (r *caseReader) bool(n *source.Node, name string) bool {
	if n.Kind != source.Bool {
		r.wrongKind(n, name, "boolean")
	}
	return n.Text == "true"
}

func (r *caseReader) time(n *source.Node, name string) *time.Time {
	s := r.text(n, name)
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		r.Add(n.Pos, fmt.Sprintf("%q is %s, which is not a date and time (RFC 3339)", name, written(n)), "it looks like 2026-01-31T08:00:00Z")
		return nil
	}
	return &t
}

func (r *caseReader) oneOf(n *source.Node, name string, words []string) string {
	s := r.text(n, name)
	if n.Kind == source.String && !slices.Contains(words, s) {
		r.add(n.Pos, fmt.Sprintf("%q is %s, which is none of %s", name, written(n), strings.Join(words, ", ")), suggest(s, words))
	}
	return s
}

// account reads an account number; an empty one is the same as none.
func (r *caseReader) account(n *source.Node, name string) string {
	if n == nil {
		return ""
	}
	s := r.text(n, name)
	if s != "" && !arn.IsAccount(s) {
		r.add(n.Pos, fmt.Sprintf("%q is %s, which is not an account number (twelve digits)", name, written(n)), "")
	}
	return s
}

var policyMembers = members[*Case]{
	"identity": func(r *caseReader, c *Case, n *source.Node) {
		for _, d := range r.documents(n, "identity policy") {
			if d.Unreadable != "" {
				c.IdentityUnread = d.Unreadable
				continue
			}
			c.Identity = append(c.Identity, d)
		}
	},
	"boundary": func(r *caseReader, c *Case, n *source.Node) {
		if c.Boundary = r.document(n, "permissions boundary"); c.Boundary != nil {
			c.BoundaryUnread = c.Boundary.Unreadable
			c.Request.Caller.Bounded = true
		}
	},
	"session": func(r *caseReader, c *Case, n *source.Node) { c.Session = r.documents(n, "session policy") },
	"resource": func(r *caseReader, c *Case, n *source.Node) {
		if d := r.document(n, resourcePolicyName(c)); d != nil {
			if c.ResourceUnread = d.Unreadable; c.ResourceUnread == "" {
				c.Resource = d
			}
		}
	},
	"endpoint": func(r *caseReader, c *Case, n *source.Node) { c.Endpoint = r.document(n, "endpoint policy") },
	"scp":      func(r *caseReader, c *Case, n *source.Node) { c.SCP, c.SCPUnread = r.levels(n, "SCP") },
	"rcp":      func(r *caseReader, c *Case, n *source.Node) { c.RCP, c.RCPUnread = r.levels(n, "RCP") },
}

func resourcePolicyName(c *Case) string {
	switch t := &c.Request.Target; {
	case t.IsKMSKey():
		return "key policy"
	case t.Service == "iam" && t.Type() == "role":
		return "trust policy"
	}
	return "resource policy"
}

// document reads one policy, or returns nil for none.
func (r *caseReader) document(n *source.Node, name string) *Named {
	if n.Kind == source.Null {
		return nil
	}
	d := new(Document)
	if err := d.read(r.File, n); err != nil {
		r.AddDecode(n, err)
		return nil
	}
	r.warnings = append(r.warnings, d.Findings...)
	return &Named{Name: name, Document: d}
}

// documents reads a list of policies; one alone need not stand in a list.
func (r *caseReader) documents(n *source.Node, name string) []Named {
	if n.Kind != source.List {
		if d := r.document(n, name+" 1"); d != nil {
			return []Named{*d}
		}
		return nil
	}
	var list []Named
	for i := range n.Items {
		if d := r.document(&n.Items[i], fmt.Sprintf("%s %d", name, i+1)); d != nil {
			list = append(list, *d)
		}
	}
	return list
}

// levels reads the control policies of an organization, root first. In place
// of a level may stand a single policy, or why the levels could not be read.
func (r *caseReader) levels(n *source.Node, name string) (levels [][]Named, unread string) {
	items := []source.Node{*n}
	if n.Kind == source.List {
		items = n.Items
	}
	for i := range items {
		if items[i].Kind == source.Null {
			continue
		}
		level := r.documents(&items[i], fmt.Sprintf("%s level %d policy", name, len(levels)+1))
		if items[i].Kind != source.List && len(level) == 1 && level[0].Unreadable != "" {
			unread = level[0].Unreadable
			continue
		}
		levels = append(levels, level)
	}
	return levels, unread
}

func (r *caseReader) grants(c *Case, n *source.Node) {
	items := []source.Node{*n}
	switch n.Kind {
	case source.Null:
		return
	case source.List:
		items = n.Items
	case source.Map:
	default:
		r.wrongKind(n, "grants", "array")
		return
	}
	for i := range items {
		item := &items[i]
		if why := item.Field("unreadable"); why != nil {
			c.GrantsUnread = r.text(why, "unreadable")
			continue
		}
		var g Grant
		readMembers(r, item, "grant", &g, grantMembers)
		if item.Kind != source.Map {
			continue
		}
		_ = g.prepare(c.Request.ResourceAccount) // a wrong issuing_account was reported when it was read
		if g.grantee.Kind == arn.Invalid {
			r.warn(item.Pos, "the grant is for nobody: its grantee is no principal", "name one as grantee_principal")
		}
		c.Grants = append(c.Grants, g)
	}
}

var grantMembers = members[*Grant]{
	"grant_id":          func(r *caseReader, g *Grant, n *source.Node) { g.GrantID = r.text(n, "grant_id") },
	"name":              func(r *caseReader, g *Grant, n *source.Node) { g.Name = r.text(n, "name") },
	"token":             func(r *caseReader, g *Grant, n *source.Node) { g.Token = r.text(n, "token") },
	"grantee_principal": func(r *caseReader, g *Grant, n *source.Node) { g.GranteePrincipal = r.text(n, "grantee_principal") },
	"grantee_principal_id": func(r *caseReader, g *Grant, n *source.Node) {
		g.GranteePrincipalID = r.text(n, "grantee_principal_id")
	},
	"grantee_service_principal": func(r *caseReader, g *Grant, n *source.Node) {
		g.GranteeServicePrincipal = r.text(n, "grantee_service_principal")
	},
	"retiring_principal": func(r *caseReader, g *Grant, n *source.Node) {
		g.RetiringPrincipal = r.text(n, "retiring_principal")
		if _, err := arn.ParsePrincipal(g.RetiringPrincipal); err != nil && g.RetiringPrincipal != "" {
			r.warn(n.Pos, fmt.Sprintf("nobody can retire the grant: %s is no principal", written(n)), "")
		}
	},
	"operations": func(r *caseReader, g *Grant, n *source.Node) { g.Operations = r.operations(n) },
	"issuing_account": func(r *caseReader, g *Grant, n *source.Node) {
		if g.IssuingAccount = r.text(n, "issuing_account"); g.IssuingAccount != "" {
			r.checkIssuer(n)
		}
	},
	"created_at": func(r *caseReader, g *Grant, n *source.Node) { g.CreatedAt = r.time(n, "created_at") },
	"constraints": func(r *caseReader, g *Grant, n *source.Node) {
		var c GrantConstraints
		readMembers(r, n, "constraints", &c, constraintMembers)
		if len(c.EncryptionContextEquals) > 0 || len(c.EncryptionContextSubset) > 0 || c.SourceARN != "" {
			g.Constraints = &c
		}
	},
}

func (r *caseReader) operations(n *source.Node) []string {
	list := r.texts(n, "operations")
	for i, name := range list {
		if plain, ok := strings.CutPrefix(name, "kms:"); ok {
			r.warn(n.Items[i].Pos, fmt.Sprintf("%q is no operation of a grant and gives nothing", name), "write "+plain)
		}
	}
	return list
}

var constraintMembers = members[*GrantConstraints]{
	"EncryptionContextEquals": func(r *caseReader, c *GrantConstraints, n *source.Node) {
		c.EncryptionContextEquals = r.pairs(n, "EncryptionContextEquals")
	},
	"EncryptionContextSubset": func(r *caseReader, c *GrantConstraints, n *source.Node) {
		c.EncryptionContextSubset = r.pairs(n, "EncryptionContextSubset")
	},
	"SourceArn": func(r *caseReader, c *GrantConstraints, n *source.Node) { c.SourceARN = r.text(n, "SourceArn") },
}

// The words of DescribeKey.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html.
var (
	keyStates = []string{
		"Enabled", "Disabled", "PendingDeletion", "PendingImport", "PendingReplicaDeletion", "Creating", "Updating", "Unavailable",
	}
	keyManagers = []string{"CUSTOMER", "AWS"}
)

var keyMembers = members[*Key]{
	"arn":           func(*caseReader, *Key, *source.Node) {}, // it is the resource
	"state":         func(r *caseReader, k *Key, n *source.Node) { k.State = r.oneOf(n, "state", keyStates) },
	"manager":       func(r *caseReader, k *Key, n *source.Node) { k.Manager = r.oneOf(n, "manager", keyManagers) },
	"spec":          func(r *caseReader, k *Key, n *source.Node) { k.Spec = r.text(n, "spec") },
	"usage":         func(r *caseReader, k *Key, n *source.Node) { k.Usage = r.text(n, "usage") },
	"origin":        func(r *caseReader, k *Key, n *source.Node) { k.Origin = r.text(n, "origin") },
	"multi_region":  func(r *caseReader, k *Key, n *source.Node) { k.MultiRegion = r.bool(n, "multi_region") },
	"primary_key":   func(r *caseReader, k *Key, n *source.Node) { k.PrimaryKey = r.text(n, "primary_key") },
	"deletion_date": func(r *caseReader, k *Key, n *source.Node) { k.DeletionDate = r.time(n, "deletion_date") },
	"valid_to":      func(r *caseReader, k *Key, n *source.Node) { k.ValidTo = r.time(n, "valid_to") },
	"aliases":       func(r *caseReader, k *Key, n *source.Node) { k.Aliases = r.texts(n, "aliases") },
	"tags":          func(r *caseReader, k *Key, n *source.Node) { k.Tags = r.pairs(n, "tags") },
	"principal_ids": func(r *caseReader, k *Key, n *source.Node) { k.PrincipalIDs = r.pairs(n, "principal_ids") },
}
