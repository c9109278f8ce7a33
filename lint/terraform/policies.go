package terraform

import (
	"errors"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/policy"
)

// gatherer makes material of the blocks of a module.
type gatherer struct {
	*module
	out       *rules.Material
	blocks    map[string]*block // by address
	resources map[*block]*rules.Resource
	// used are the documents that something refers to, by address; placed those
	// that became a policy, by address and kind.
	used   map[string]bool
	placed map[string]*rules.Policy
	seen   map[site]*rules.Policy
	// anywhere holds where policies were read, whatever they were read as.
	anywhere map[source.Pos]bool
	keys     map[string]*rules.Key  // by address
	tied     map[*rules.Policy]bool // key policies whose key is known
}

// site is a place where a policy stands, and what it was read as. A policy in a
// local value may be that of several resources.
type site struct {
	at   source.Pos
	kind rules.Kind
}

// material makes material of everything that the module declares.
func (m *module) material(format string) *rules.Material {
	g := &gatherer{
		module: m, out: &rules.Material{File: m.file}, blocks: map[string]*block{}, resources: map[*block]*rules.Resource{},
		used: map[string]bool{}, placed: map[string]*rules.Policy{}, seen: map[site]*rules.Policy{},
		anywhere: map[source.Pos]bool{}, keys: map[string]*rules.Key{}, tied: map[*rules.Policy]bool{},
	}
	for _, address := range m.linked {
		g.used[address] = true
	}
	for i := range m.blocks {
		b := &m.blocks[i]
		g.blocks[b.address()] = b
		if b.kind != "resource" && b.kind != "data" {
			continue
		}
		r := &rules.Resource{Pos: g.place(b.pos), Format: format, Type: b.typ, Name: b.address(), Body: &b.body, Whole: &b.body}
		g.resources[b] = r
		g.out.Resources = append(g.out.Resources, r)
		g.key(b, r)
		g.grant(b)
	}
	for i := range m.blocks {
		g.alias(&m.blocks[i])
		g.policiesOf(&m.blocks[i])
	}
	for i := range m.blocks {
		if b := &m.blocks[i]; len(holders(b)) == 0 && b.typ != "aws_iam_policy_document" {
			g.search(b.address(), &b.body, 0)
		}
	}
	g.unplaced()
	g.attach()
	return g.out
}

func (g *gatherer) place(at source.Pos) finding.Position {
	return finding.Position{File: g.file, Line: int(at.Line), Column: int(at.Column)}
}

// policiesOf gathers the policies that a resource has, or refers to.
func (g *gatherer) policiesOf(b *block) {
	for _, h := range holders(b) {
		p := g.policy(b, b.body.Field(h.argument), h.kind)
		if p == nil {
			continue
		}
		p.Role = g.named(b, b.body.Field(h.role))
		g.ofKey(b, p)
	}
	if b.kind == "resource" && b.typ == "aws_iam_role" {
		for _, inline := range objects(b.body.Field("inline_policy")) {
			if p := g.policy(b, inline.Field("policy"), rules.IdentityPolicy); p != nil {
				p.Role = plain(b.body.Field("name"))
			}
		}
	}
}

// policy makes a policy of an argument's value; nil when it does not show one.
func (g *gatherer) policy(b *block, v *source.Node, kind rules.Kind) *rules.Policy {
	if v == nil {
		return nil
	}
	if address, exact := documentIn(v); address != "" {
		return g.document(b.path+address, b.address(), kind, exact)
	}
	if v.Kind != source.Map && v.Kind != source.String || v.Kind == source.String && strings.TrimSpace(v.Text) == "" {
		return nil
	}
	if v.Kind == source.String && !strings.ContainsAny(v.Text[:1], "{[ \t\n") {
		return nil // a reference, or the name of a file
	}
	return g.read(v, b.address(), kind, true)
}

// document makes a policy of a data source, once for each kind of use.
func (g *gatherer) document(address, owner string, kind rules.Kind, whole bool) *rules.Policy {
	d := g.blocks[address]
	if d == nil {
		return nil
	}
	g.used[address] = true
	key := address + "#" + string(rune('0'+kind))
	if p := g.placed[key]; p != nil {
		return p
	}
	g.placed[key] = nil
	doc, complete := document(&d.body)
	merged := false
	for _, more := range []string{"source_json", "override_json", "source_policy_documents", "override_policy_documents"} {
		v := given(&d.body, more)
		if v == nil || holdsNothing(v) {
			continue
		}
		merged = true
		for _, n := range listOf(v).Items {
			if inner, _ := documentIn(&n); inner != "" {
				g.document(d.path+inner, owner, kind, false)
			}
		}
	}
	if !saysAnything(&doc) {
		return nil
	}
	shown := &doc
	if statements := doc.Field("Statement"); merged && statements != nil && len(statements.Items) > 0 {
		shown = statements // others add to them: they are no document by themselves
	}
	p := g.read(shown, owner, kind, whole && complete)
	g.placed[key] = p
	return p
}

// read makes a policy of a tree or a text.
func (g *gatherer) read(v *source.Node, owner string, kind rules.Kind, whole bool) *rules.Policy {
	if syntax := g.broken[v.Pos]; syntax != nil && v.Kind == source.String {
		g.fail(syntax.Pos, "the policy of "+owner+" is no JSON: "+syntax.Text)
		return nil
	}
	at := site{v.Pos, kind}
	if p := g.seen[at]; p != nil && v.Pos.Line > 0 && v.Kind == source.Map {
		return p
	}
	doc, found, err := policy.FromNode(g.file, v)
	if err != nil {
		var refused *policy.Error
		if errors.As(err, &refused) && !strings.Contains(v.Text, "${") && !strings.Contains(v.Text, "%{") {
			g.problems = append(g.problems, refused)
		}
		return nil
	}
	p := &rules.Policy{Doc: doc, Kind: kind, Whole: whole, Owner: owner}
	for _, f := range found {
		// What Terraform fills in is not left for a person to fill in.
		if f.Rule != policy.RulePlaceholder || !strings.Contains(f.Text, "${") {
			p.Read = append(p.Read, f)
		}
	}
	for _, t := range g.tolerated[v.Pos] {
		p.Read = append(p.Read, g.toleratedFinding(t))
	}
	for i := range doc.Statements {
		if doc.Statements[i].Opaque {
			p.Whole = false // it may say anything
		}
	}
	g.seen[at] = p
	g.anywhere[v.Pos] = true
	g.out.Policies = append(g.out.Policies, p)
	return p
}

// toleratedFinding tells what a JSON text has that AWS does not take.
func (g *gatherer) toleratedFinding(t source.Problem) finding.Finding {
	f := finding.Finding{Rule: policy.RuleJSON, Severity: finding.Error, Position: g.place(t.Pos)}
	switch t.Kind {
	case source.DuplicateKey:
		f.Rule = policy.RuleDuplicate
		f.Text, f.Fix = `"`+t.Text+`" stands twice here: AWS refuses the policy; the last one is read`, "keep one of the two"
	case source.TrailingComma:
		f.Text, f.Fix = "a comma stands before a closing bracket: AWS refuses it as no JSON", "remove the comma"
	default:
		f.Text, f.Fix = "a comment stands here: AWS refuses it as no JSON", "remove the comment"
	}
	return f
}

// search looks for policies in what has no known place for one: a module call, a
// local value, a resource of another kind.
func (g *gatherer) search(owner string, n *source.Node, depth int) {
	if depth > 20 {
		return
	}
	if isPolicy(n) {
		if g.anywhere[n.Pos] {
			return
		}
		g.read(n, owner, contentKind(n), false)
		return
	}
	for i := range n.Items {
		g.search(owner, &n.Items[i], depth+1)
	}
	for i := range n.Fields {
		g.search(owner, &n.Fields[i].Value, depth+1)
	}
}

// isPolicy recognises a policy by its shape.
func isPolicy(n *source.Node) bool {
	if n.Kind != source.Map {
		return false
	}
	s := n.Field("Statement")
	if s == nil {
		return false
	}
	for _, st := range objects(s) {
		if st.Field("Effect") != nil {
			return true
		}
	}
	return false
}

// unplaced reads the documents that nothing in the text refers to, and what
// stands outside of any resource. Their content tells what they are.
func (g *gatherer) unplaced() {
	for i := range g.module.blocks {
		b := &g.module.blocks[i]
		if b.kind != "data" || b.typ != "aws_iam_policy_document" || g.used[b.address()] {
			continue
		}
		doc, _ := document(&b.body)
		if saysAnything(&doc) {
			g.read(&doc, b.address(), contentKind(&doc), false)
		}
	}
	if len(g.loose.Fields) == 0 {
		return
	}
	g.search("", &g.loose, 0)
	if doc, _ := document(&g.loose); saysAnything(&doc) {
		g.read(&doc, "", contentKind(&doc), false)
	}
}

// saysAnything reports whether a document has statements.
func saysAnything(doc *source.Node) bool {
	s := doc.Field("Statement")
	return s != nil && (s.Kind != source.List || len(s.Items) > 0)
}

// contentKind tells what a policy is by what it says. Statements with principals
// belong to a resource: a key when they speak of KMS only.
func contentKind(doc *source.Node) rules.Kind {
	named, allows, services := false, false, map[string]bool{}
	for _, s := range objects(doc.Field("Statement")) {
		named = named || s.Field("Principal") != nil || s.Field("NotPrincipal") != nil
		allows = allows || plain(s.Field("Effect")) == "Allow"
		for _, element := range []string{"Action", "NotAction"} {
			if v := s.Field(element); v != nil {
				for _, a := range listOf(v).Items {
					service, _, _ := strings.Cut(strings.ToLower(a.Text), ":")
					services[service] = true
				}
			}
		}
	}
	only := func(service string) bool { return len(services) == 1 && services[service] }
	switch {
	case named && only("kms"):
		return rules.KeyPolicy
	case named && only("sts"):
		return rules.TrustPolicy
	case named && only("s3"):
		return rules.BucketPolicy
	case named:
		return rules.ResourcePolicy
	case allows:
		return rules.IdentityPolicy
	}
	return rules.OtherPolicy
}

// named is the name of the role, user or group that an argument names, directly
// or by a resource of the text.
func (g *gatherer) named(by *block, n *source.Node) string {
	if n == nil {
		return ""
	}
	if text := plain(n); text != "" {
		return text
	}
	if b := g.blocks[by.path+target(n)]; b != nil {
		return plain(b.body.Field("name"))
	}
	return ""
}

// attach follows attachments of managed policies: to whom they go, and whether
// as a permissions boundary.
func (g *gatherer) attach() {
	owned := map[string]*rules.Policy{}
	for _, p := range g.out.Policies {
		if p.Kind == rules.IdentityPolicy {
			owned[p.Owner] = p
		}
	}
	for i := range g.module.blocks {
		b := &g.module.blocks[i]
		if p := owned[b.path+target(b.body.Field("permissions_boundary"))]; p != nil {
			p.Kind = rules.BoundaryPolicy
		}
		for _, whose := range []string{"role", "user", "group"} {
			if b.kind == "resource" && b.typ == "aws_iam_"+whose+"_policy_attachment" {
				if p := owned[b.path+target(b.body.Field("policy_arn"))]; p != nil {
					p.Role = g.named(b, b.body.Field(whose))
				}
			}
		}
	}
}

// region is where a resource is, as far as its provider says it.
func (g *gatherer) region(b *block) string {
	if r := given(&b.body, "region"); r != nil {
		return plain(r)
	}
	provider := "aws"
	if p := given(&b.body, "provider"); p != nil {
		provider = p.Text
	}
	return g.regions[provider]
}

// keyARN is what is known of the ARN of a key of the text.
func (g *gatherer) keyARN(b *block) arn.ARN {
	if a, err := arn.Parse(plain(b.body.Field("arn"))); err == nil {
		return a
	}
	return arn.ARN{Region: g.region(b)}
}
