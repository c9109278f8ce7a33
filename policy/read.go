package policy

import (
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

// The rules by which the reader reports what AWS would refuse or what does not
// mean what it seems to.
const (
	RuleJSON        = "POL001" // a trailing comma or a comment: no JSON, AWS refuses it
	RuleDuplicate   = "POL002" // a member that stands twice
	RuleOperator    = "POL003" // a condition operator that AWS does not have
	RuleEffect      = "POL004" // no Effect, or another word than Allow and Deny
	RuleShape       = "POL005" // a value of a kind that cannot stand there
	RuleStatement   = "POL006" // a document without statements
	RuleElement     = "KEY008" // an unknown element
	RuleIncomplete  = "KEY042" // no Action or no Resource
	RuleVersion     = "KEY060" // no Version, or the old one
	RulePlaceholder = "KEY105" // something is still to be filled in
	RuleEmpty       = "KEY113" // an empty Principal, Action or Resource
	RuleSid         = "KEY028" // a Sid that stands twice
)

// Error says where and why a text is no policy at all.
type Error struct {
	Position finding.Position
	Text     string
}

func (e *Error) Error() string {
	if at := e.Position.String(); at != "" {
		return at + ": " + e.Text
	}
	return e.Text
}

// Read reads a policy document from JSON or YAML; file is its name for
// positions. It takes every form people really write, and reports what AWS
// would refuse as findings; the rest is read all the same. The error is an
// *Error: the text is no JSON or YAML, or nothing that could be a policy.
func Read(file string, data []byte) (*Document, []finding.Finding, error) {
	n, problems, err := source.Parse(data)
	if err != nil {
		e := &Error{Position: finding.Position{File: file}, Text: err.Error()}
		if syntax, ok := err.(*source.SyntaxError); ok {
			e.Text = syntax.Text
			e.Position.Line, e.Position.Column = int(syntax.Pos.Line), int(syntax.Pos.Column)
		}
		return nil, nil, e
	}
	return fromNode(file, n, problems)
}

// FromNode reads a policy document that is part of a larger text. A string is
// read as the text of a policy, which is how AWS's APIs return policies; all
// its positions are that of the string.
func FromNode(file string, n *source.Node) (*Document, []finding.Finding, error) {
	return fromNode(file, n, nil)
}

// FromTree is FromNode for a tree of which it is known what was tolerated when
// it was read: that too becomes findings.
func FromTree(file string, n *source.Node, problems []source.Problem) (*Document, []finding.Finding, error) {
	return fromNode(file, n, problems)
}

func fromNode(file string, n *source.Node, problems []source.Problem) (*Document, []finding.Finding, error) {
	if n.Kind == source.String {
		return fromString(file, n)
	}
	d := &Document{File: file, Pos: n.Pos}
	r := reader{doc: d}
	for _, p := range problems {
		r.problem(p)
	}
	switch n.Kind {
	case source.Map:
		r.document(n)
	case source.List:
		d.Form = BareStatements
		r.statements(n.Items)
		r.version()
	default:
		return nil, nil, &Error{Position: d.Position(n.Pos), Text: fmt.Sprintf("a policy is a map with Statement; this is %s", n.Kind)}
	}
	r.finish()
	return d, r.findings, nil
}

// fromString reads a policy out of a string.
func fromString(file string, n *source.Node) (*Document, []finding.Finding, error) {
	place := (&Document{File: file}).Position(n.Pos)
	inner, problems, err := source.Parse([]byte(n.Text))
	if err != nil {
		return nil, nil, &Error{Position: place, Text: "this string holds no policy: " + err.Error()}
	}
	if inner.Kind == source.String {
		return nil, nil, &Error{Position: place, Text: "this string holds no policy: it is plain text"}
	}
	inner.Relocate(func(source.Pos) source.Pos { return n.Pos })
	for i := range problems {
		problems[i].Pos = n.Pos
	}
	return fromNode(file, inner, problems)
}

// reader fills a Document and gathers findings.
type reader struct {
	doc          *Document
	findings     []finding.Finding
	placeholders int
	first        *Value // the first value with a placeholder
}

func (r *reader) add(rule string, severity finding.Severity, at Pos, text, fix string) {
	r.findings = append(r.findings, finding.Finding{Rule: rule, Severity: severity, Position: r.doc.Position(at), Text: text, Fix: fix})
}

func (r *reader) problem(p source.Problem) {
	switch p.Kind {
	case source.DuplicateKey:
		r.add(RuleDuplicate, finding.Error, p.Pos, fmt.Sprintf("%q stands twice here: AWS refuses the policy; the last one is read", p.Text), "keep one of the two")
	case source.TrailingComma:
		r.add(RuleJSON, finding.Error, p.Pos, "a comma stands before a closing bracket: AWS refuses it as no JSON", "remove the comma")
	case source.Comment:
		r.add(RuleJSON, finding.Error, p.Pos, "a comment stands here: AWS refuses it as no JSON", "remove the comment")
	}
}

// The elements of a document, by which their order is kept.
const (
	noElement = iota
	versionElement
	idElement
	statementElement
	sidElement
	effectElement
	principalElement
	notPrincipalElement
	actionElement
	notActionElement
	resourceElement
	notResourceElement
	conditionElement
	extraElement
)

// order remembers in which order up to sixteen elements were written: one in
// each four bits, the first lowest.
type order uint64

func (o *order) note(n int, element uint64) {
	if n < 16 {
		*o |= order(element << (4 * n))
	}
}

func (o order) at(n int) int { return int(o >> (4 * n) & 0xf) }

func (r *reader) document(n *source.Node) {
	d := r.doc
	found := false
	for i, f := range n.Distinct() {
		var element uint64
		switch f.Name {
		case "Version":
			element, d.Version = versionElement, r.value(&f.Value, "Version")
		case "Id":
			element, d.ID = idElement, r.value(&f.Value, "Id")
		case "Statement":
			element, found = statementElement, true
			r.statementsOf(&f.Value)
		default:
			element = extraElement
			d.Extra = append(d.Extra, Element{Name: f.Name, Pos: f.Pos, Node: f.Value})
			r.unknown(f.Pos, f.Name, "a policy", documentElements)
		}
		d.order.note(i, element)
	}
	if !found {
		d.Form = NoStatement
		r.add(RuleStatement, finding.Error, n.Pos, "the document has no Statement, so it says nothing", "")
	}
	r.version()
}

func (r *reader) statementsOf(n *source.Node) {
	switch n.Kind {
	case source.List:
		r.statements(n.Items)
	default:
		r.doc.Form = SingleStatement
		r.doc.Statements = make([]Statement, 1)
		r.statement(&r.doc.Statements[0], n)
	}
}

func (r *reader) statements(items []source.Node) {
	r.doc.Statements = make([]Statement, len(items))
	for i := range items {
		r.statement(&r.doc.Statements[i], &items[i])
	}
	if len(items) == 0 {
		r.add(RuleStatement, finding.Error, r.doc.Pos, "the document has an empty list of statements, so it says nothing", "")
	}
}

// version reports a Version under which policy variables are plain text.
func (r *reader) version() {
	d := r.doc
	switch v := d.Version; {
	case v == nil:
		r.add(RuleVersion, finding.Warning, d.Pos, "the document has no Version, so it is read as "+Version2008+": policy variables are plain text in it", `add "Version": "`+Version2012+`"`)
	case v.Unknown || v.Text == Version2012:
	case v.Text == Version2008:
		r.add(RuleVersion, finding.Warning, v.Pos, "Version is "+Version2008+": policy variables are plain text in it", "write "+Version2012)
	default:
		r.add(RuleVersion, finding.Error, v.Pos, fmt.Sprintf("Version %q is none that AWS has", v.Text), "write "+Version2012)
	}
}

var (
	documentElements  = []string{"Version", "Id", "Statement"}
	statementElements = []string{
		"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
	}
)

// unknown reports a member that the policy language does not have.
func (r *reader) unknown(at Pos, name, where string, known []string) {
	fix := "remove it; " + where + " has " + strings.Join(known, ", ")
	if near := source.Suggest(name, known); near != "" {
		fix = "did you mean " + near + "?"
	}
	r.add(RuleElement, finding.Critical, at, fmt.Sprintf("%q is no element of %s: AWS refuses the policy, and here it has no effect", name, where), fix)
}

// finish reports what can be said of the whole document only.
func (r *reader) finish() {
	if r.first != nil {
		text := fmt.Sprintf("%q is still to be filled in; what depends on it is not known", r.first.Text)
		if more := r.placeholders - 1; more > 0 {
			text = fmt.Sprintf("%q and %d more are still to be filled in; what depends on them is not known", r.first.Text, more)
		}
		r.add(RulePlaceholder, finding.Info, r.first.Pos, text, "render the template, and read what it gives")
	}
	r.repeatedSids()
	finding.Sort(r.findings)
}

func (r *reader) repeatedSids() {
	ss := r.doc.Statements
	if len(ss) < 2 {
		return
	}
	seen := make(map[string]Pos, len(ss))
	for i := range ss {
		sid := ss[i].Sid
		if sid == nil || sid.Text == "" || sid.Kind == OpaqueValue {
			continue
		}
		if at, twice := seen[sid.Text]; twice {
			r.add(RuleSid, finding.Info, sid.Pos, fmt.Sprintf("the Sid %q stands twice, first on line %d", sid.Text, at.Line), "give each statement a Sid of its own: IAM refuses the policy")
			continue
		}
		seen[sid.Text] = sid.Pos
	}
}
