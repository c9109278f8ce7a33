package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
)

// part is what a statement of the plan is for.
type part string

const (
	usePart   part = "Use"   // uses of the key
	grantPart part = "Grant" // grants that a service makes for its resources
	issuePart part = "Issue" // the grant that an account makes for a service-linked role
	vaultPart part = "Copy"  // copies into a vault
)

// rule is a statement in the making: one principal, one way, several actions.
type rule struct {
	part part
	// principal is an ARN; empty in an identity policy, and for the members of an
	// organization.
	principal string
	org       string   // an organization id or path, in place of the principal
	resource  string   // the key's ARN in an identity policy, * in a resource policy
	via       string   // value of kms:ViaService; empty for a direct call
	account   string   // value of kms:CallerAccount, in a key policy
	app       string   // value of kms:EncryptionContext:app; empty for any
	grantee   string   // of issuePart
	grantOps  []string // of issuePart
	actions   []string
	routes    []string
}

// same reports whether two rules are one statement with more actions.
func (r *rule) same(o *rule) bool {
	return r.part == o.part && r.principal == o.principal && r.org == o.org && r.resource == o.resource && r.via == o.via && r.grantee == o.grantee && r.app == o.app
}

// merge adds the rule to the list, into the rule that it is one statement with.
func merge(list []rule, r rule) []rule {
	for i := range list {
		if o := &list[i]; o.same(&r) {
			o.actions, o.routes = union(o.actions, r.actions), union(o.routes, r.routes)
			o.grantOps = union(o.grantOps, r.grantOps)
			return list
		}
	}
	return append(list, r)
}

// union is both lists, sorted, each word once.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// sid names the statement: by it a later plan finds it again, and people see where it
// is from. It has letters and digits only, as IAM asks. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html.
func (r *rule) sid() string {
	parts := []string{string(r.part), r.principal, r.org, r.resource, r.via, r.grantee}
	if r.app != "" {
		parts = append(parts, r.app)
	}
	h := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	name := ""
	if len(r.routes) > 0 {
		name = camel(r.routes[0])
	}
	return sidPrefix + string(r.part) + hex.EncodeToString(h[:4]) + name
}

// sidPrefix begins the Sid of every statement, and the name of every policy and grant,
// that Keyreach wrote.
const sidPrefix = "Keyreach"

// sameSid reports whether a Sid is that of the rule, whatever route it was written for.
func (r *rule) sameSid(sid string) bool {
	plain := rule{part: r.part, principal: r.principal, org: r.org, resource: r.resource, via: r.via, grantee: r.grantee, app: r.app}
	return strings.HasPrefix(sid, plain.sid())
}

// camel is a route's name in letters and digits.
func camel(name string) string {
	var b strings.Builder
	up := true
	for _, c := range name {
		if c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			up = true
			continue
		}
		if up {
			c = unicode.ToUpper(c)
		}
		b.WriteRune(c)
		up = false
	}
	return b.String()
}

// statement is a statement as it is written.
type statement struct {
	Sid       string
	Effect    string
	Principal any                       `json:",omitempty"`
	Action    any                       // a text or a list
	Resource  string                    `json:",omitempty"`
	Condition map[string]map[string]any `json:",omitempty"`
}

// statement spells the rule out.
func (r *rule) statement() statement {
	s := statement{Sid: r.sid(), Effect: "Allow", Action: oneOrMany(r.actions), Resource: r.resource, Condition: r.conditions()}
	switch {
	case r.org != "":
		s.Principal = map[string]string{"AWS": "*"}
	case r.principal != "":
		s.Principal = map[string]string{"AWS": r.principal}
	}
	return s
}

func (r *rule) conditions() map[string]map[string]any {
	c := map[string]map[string]any{}
	set := func(operator, key string, value any) {
		if c[operator] == nil {
			c[operator] = map[string]any{}
		}
		c[operator][key] = value
	}
	if r.via != "" {
		set("StringEquals", "kms:ViaService", r.via)
	}
	if r.app != "" {
		set("StringEquals", contextApp, r.app)
	}
	if r.account != "" && r.org == "" {
		set("StringEquals", "kms:CallerAccount", r.account)
	}
	switch {
	case strings.Contains(r.org, "/"):
		set("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", orgPattern(r.org))
	case r.org != "":
		set("StringEquals", "aws:PrincipalOrgID", r.org)
	}
	switch r.part {
	case grantPart:
		// A service makes the grant for its resource, with the caller's rights.
		set("Bool", "kms:GrantIsForAWSResource", "true")
	case issuePart:
		// The account makes this grant itself, so GrantIsForAWSResource would block it:
		// who gets it and what it allows are fixed instead.
		set("StringEquals", "kms:GranteePrincipal", r.grantee)
		set("ForAllValues:StringEquals", "kms:GrantOperations", r.grantOps)
	}
	if len(c) == 0 {
		return nil
	}
	return c
}

// contextApp is the condition key of the value that the encryption context of an envelope
// has for app. See
// https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-encryption-context.
const contextApp = "kms:EncryptionContext:app"

func oneOrMany(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// edited is a document after an edit.
type edited struct {
	text string
	// orphans are principals that are gone, which AWS does not take back.
	orphans []string
}

// edit returns the text of a policy with the statements of the rules put in, each in
// the place of the statement with its Sid or at the end. Everything else stays as it is,
// but for principals that are gone.
func edit(text string, rules []rule, gone func(principal string) bool) (edited, error) {
	root, list, err := statementsOf(text)
	if err != nil {
		return edited{}, err
	}
	var out edited
	for i := 0; i < len(list.Items); i++ {
		dropped, empty := dropOrphans(&list.Items[i], gone)
		out.orphans = append(out.orphans, dropped...)
		if empty {
			list.Items = slices.Delete(list.Items, i, i+1)
			i--
		}
	}
	for i := range rules {
		put(list, rules[i])
	}
	out.text = string(source.AppendJSON(nil, root))
	return out, nil
}

// statementsOf parses a policy and returns its list of statements, made when there is
// only one.
func statementsOf(text string) (root, list *source.Node, err error) {
	if text == "" {
		text = `{"Version":"2012-10-17","Statement":[]}`
	}
	if root, _, err = source.Parse([]byte(text)); err != nil {
		return nil, nil, fmt.Errorf("reading the policy that is there: %w", err)
	}
	if list = root.Field("Statement"); list == nil {
		return nil, nil, fmt.Errorf("reading the policy that is there: it has no Statement")
	}
	if list.Kind == source.Map {
		*list = source.Node{Kind: source.List, Items: []source.Node{*list}}
	}
	return root, list, nil
}

// put puts the rule's statement into the list.
func put(list *source.Node, r rule) {
	at := slices.IndexFunc(list.Items, func(n source.Node) bool { sid := n.Field("Sid"); return sid != nil && r.sameSid(sid.Text) })
	if at >= 0 {
		r.actions = union(r.actions, textsOf(list.Items[at].Field("Action")))
		if ops := list.Items[at].At([]string{"Condition", "ForAllValues:StringEquals", "kms:GrantOperations"}); ops != nil {
			r.grantOps = union(r.grantOps, textsOf(ops))
		}
		kept := list.Items[at].Field("Sid").Text
		list.Items[at] = nodeOf(r.statement())
		list.Items[at].Field("Sid").Text = kept
		return
	}
	list.Items = append(list.Items, nodeOf(r.statement()))
}

// nodeOf is a value as a tree.
func nodeOf(v any) source.Node {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // statements are texts, lists and maps
	}
	n, _, err := source.Parse(text)
	if err != nil {
		panic(err) // it was just written
	}
	return *n
}

// textsOf are the texts of a node that is a text or a list of them.
func textsOf(n *source.Node) []string {
	switch {
	case n == nil:
		return nil
	case n.Kind == source.String:
		return []string{n.Text}
	}
	var list []string
	for i := range n.Items {
		list = append(list, n.Items[i].Text)
	}
	return list
}

// WithoutGone returns the text of a policy without principals that are gone, and without
// the statements that named nobody else.
func WithoutGone(text string, gone []string) (string, error) {
	out, err := edit(text, nil, func(p string) bool { return slices.Contains(gone, p) })
	return out.text, err
}

// isGone reports whether a policy that is written cannot name a principal any more: AWS
// shows a user or role that is gone by its unique id, and refuses to take the id back, or
// the ARN of one that is not there. The estate knows that of accounts whose users and
// roles it holds. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.
func isGone(e *estate.Estate) func(string) bool {
	return func(text string) bool {
		switch p := parsed(text); p.Kind {
		case arn.UniqueID:
			return true
		case arn.User, arn.Role:
			return e.Holds(p.Account) && e.Principal(text) == nil
		}
		return false
	}
}

// dropOrphans takes principals that are gone out of a statement, and reports whether
// nobody is left.
func dropOrphans(s *source.Node, isGone func(string) bool) (gone []string, empty bool) {
	aws := s.At([]string{"Principal", "AWS"})
	if aws == nil {
		return nil, false
	}
	if aws.Kind == source.String {
		if isGone(aws.Text) {
			return []string{aws.Text}, len(s.Field("Principal").Fields) == 1
		}
		return nil, false
	}
	aws.Items = slices.DeleteFunc(aws.Items, func(n source.Node) bool {
		if isGone(n.Text) {
			gone = append(gone, n.Text)
			return true
		}
		return false
	})
	return gone, len(gone) > 0 && len(aws.Items) == 0 && len(s.Field("Principal").Fields) == 1
}
