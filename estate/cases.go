package estate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
)

// CaseLine is one line of a case file as it was read.
type CaseLine struct {
	Line int // from 1
	// Case is nil when Err is set.
	Case *Case
	// Warnings are members that nobody reads, such as a misspelt one, and what
	// the reader noticed in the policies. The case stands all the same.
	Warnings []finding.Finding
	// Err is a *FileError with all that is wrong with the line, or the error of
	// the reader, after which no line follows.
	Err error
}

// maxLine is the length of the longest line that is read.
const maxLine = 16 << 20

// ReadCases reads the cases in r one by one, a case on each line; file is its
// name for messages. Blank lines are passed over, and a line that is no case
// does not keep the next from being read.
func ReadCases(file string, r io.Reader) iter.Seq[CaseLine] {
	return func(yield func(CaseLine) bool) {
		in := lineReader{Reader: bufio.NewReaderSize(r, 64<<10)}
		for {
			line, err := in.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(CaseLine{Line: in.line, Err: fmt.Errorf("reading %s: %w", file, err)})
				return
			}
			if len(bytes.TrimSpace(line)) > 0 || in.long {
				if !yield(readCase(file, in.line, line, in.long)) {
					return
				}
			}
		}
	}
}

// lineReader cuts a stream into lines and keeps one at a time in memory.
type lineReader struct {
	*bufio.Reader
	line int
	long bool // the line was longer than maxLine, and its end was dropped
	room []byte
}

// next returns the next line without its end. It is valid until the next call.
func (r *lineReader) next() ([]byte, error) {
	r.line++
	r.long = false
	part, err := r.ReadSlice('\n')
	if err == nil {
		return bytes.TrimRight(part, "\r\n"), nil
	}
	r.room = r.room[:0]
	for err == bufio.ErrBufferFull {
		r.keep(part)
		part, err = r.ReadSlice('\n')
	}
	r.keep(part)
	if err == io.EOF && len(r.room) > 0 {
		err = nil // the last line has no end
	}
	return bytes.TrimRight(r.room, "\r\n"), err
}

func (r *lineReader) keep(part []byte) {
	if len(r.room)+len(part) > maxLine {
		part = part[:maxLine-len(r.room)]
		r.long = true
	}
	r.room = append(r.room, part...)
}

// caseReader turns one line into a case.
type caseReader struct {
	loader
	warnings []finding.Finding
}

func readCase(file string, number int, line []byte, long bool) CaseLine {
	r := &caseReader{loader: loader{Problems{File: file, Data: line, skipped: int32(number - 1)}}}
	result := CaseLine{Line: number}
	if c := r.read(number, line, long); c != nil {
		result.Case = c
	}
	if result.Err = r.Err(); result.Err != nil {
		result.Case = nil
	}
	finding.Sort(r.warnings)
	result.Warnings = r.warnings
	return result
}

func (r *caseReader) read(number int, line []byte, long bool) *Case {
	start := source.Pos{Line: int32(number), Column: 1}
	if long {
		r.add(start, fmt.Sprintf("the line is longer than %d MiB", maxLine>>20), "is it a case file, with a case on each line?")
		return nil
	}
	root, _, err := source.Parse(line)
	if err != nil {
		r.addSyntax(start, err)
		return nil
	}
	if root.Kind != source.Map {
		r.add(start, "a case is a map with id and request; this is "+kindWord(root.Kind), "write each case on a line of its own, from { to }")
		return nil
	}
	root.Relocate(func(at source.Pos) source.Pos { return source.Pos{Line: start.Line, Column: at.Column} })
	return r.build(root)
}

// addSyntax tells why a line cannot be read at all.
func (r *caseReader) addSyntax(start source.Pos, err error) {
	var syntax *source.SyntaxError
	if !errors.As(err, &syntax) {
		r.add(start, err.Error(), "")
		return
	}
	hint := ""
	if text := bytes.TrimSpace(r.Data); len(text) == 1 && bytes.ContainsAny(text, "{[]}") {
		hint = "a case stands on one line, from { to }; join the lines of each case"
	}
	r.add(source.Pos{Line: start.Line, Column: max(syntax.Pos.Column, 1)}, syntax.Text, hint)
}

// lineParts are the members of a line before a case is made of them.
type lineParts struct {
	id, expect                     string
	request, policies, grants, key *source.Node
}

var lineMembers = members[*lineParts]{
	"id":             func(r *caseReader, p *lineParts, n *source.Node) { p.id = r.text(n, "id") },
	"expect":         func(r *caseReader, p *lineParts, n *source.Node) { p.expect = r.oneOf(n, "expect", decisions) },
	"request":        func(_ *caseReader, p *lineParts, n *source.Node) { p.request = n },
	"policies":       func(_ *caseReader, p *lineParts, n *source.Node) { p.policies = n },
	"grants":         func(_ *caseReader, p *lineParts, n *source.Node) { p.grants = n },
	"key":            func(_ *caseReader, p *lineParts, n *source.Node) { p.key = n },
	"format_version": (*caseReader).formatVersion,
}

// decisions are what expect may say. Deny is either of the two denials.
var decisions = []string{"Allow", "Deny", "ImplicitDeny", "ExplicitDeny", "Unknown"}

func (r *caseReader) formatVersion(_ *lineParts, n *source.Node) {
	switch {
	case n.Kind != source.Number:
		r.add(n.Pos, "format_version is "+written(n), fmt.Sprintf(`write "format_version": %d`, FormatVersion))
	case n.Text != "1":
		r.add(n.Pos, fmt.Sprintf("the case is of format_version %s, and this program reads %d", n.Text, FormatVersion), "read it with the program that wrote it")
	}
}

// build makes the case. The parts that depend on the request come after it,
// because it says whose accounts they are.
func (r *caseReader) build(root *source.Node) *Case {
	var p lineParts
	readMembers(r, root, "case", &p, lineMembers)
	switch id := root.Field("id"); {
	case id == nil || id.Kind == source.Null:
		r.add(root.Pos, "this case has no id", `name it: "id": "…"`)
	case p.id == "":
		r.Add(id.Pos, `"id" is empty`, "fill it in")
	}
	if p.request == nil {
		r.add(root.Pos, "this case has no request", `ask something: "request": {"principal": "…", "action": "…", "resource": "…"}`)
		return nil
	}
	c := &Case{ID: p.id, Expect: p.expect}
	r.request(c, p.request)
	if p.policies != nil {
		readMembers(r, p.policies, "policies", c, policyMembers)
	}
	if p.grants != nil {
		r.grants(c, p.grants)
	}
	if p.key != nil {
		c.Key = new(Key)
		readMembers(r, p.key, "key", c.Key, keyMembers)
		if c.OnKMSKey() {
			c.Key.ARN = c.Request.Resource
		}
	}
	for i := range r.warnings {
		r.warnings[i].Subject = c.ID
	}
	return c
}

// requestParts are the members of the request as they stand.
type requestParts struct {
	principal, account, id, role, action, resource, resourceAccount, context *source.Node
	tokens                                                                   []string
}

var requestMembers = members[*requestParts]{
	"principal":         func(_ *caseReader, p *requestParts, n *source.Node) { p.principal = n },
	"principal_account": func(_ *caseReader, p *requestParts, n *source.Node) { p.account = n },
	"principal_id":      func(_ *caseReader, p *requestParts, n *source.Node) { p.id = n },
	"role_arn":          func(_ *caseReader, p *requestParts, n *source.Node) { p.role = n },
	"action":            func(_ *caseReader, p *requestParts, n *source.Node) { p.action = n },
	"resource":          func(_ *caseReader, p *requestParts, n *source.Node) { p.resource = n },
	"resource_account":  func(_ *caseReader, p *requestParts, n *source.Node) { p.resourceAccount = n },
	"context":           func(_ *caseReader, p *requestParts, n *source.Node) { p.context = n },
	"grant_tokens":      func(r *caseReader, p *requestParts, n *source.Node) { p.tokens = r.texts(n, "grant_tokens") },
}

func (r *caseReader) request(c *Case, n *source.Node) {
	var p requestParts
	readMembers(r, n, "request", &p, requestMembers)
	principal, action, resource := r.needed(n, p.principal, "principal"), r.needed(n, p.action, "action"), r.needed(n, p.resource, "resource")
	account, owner := r.account(p.account, "principal_account"), r.account(p.resourceAccount, "resource_account")
	given := r.context(p.context)
	if principal == "" || action == "" || resource == "" {
		return
	}
	request, err := NewRequest(principal, action, resource)
	if err != nil {
		r.explainRequest(&p)
		return
	}
	caller := &request.Caller
	if account != "" {
		caller.Account = account
		if request.Target.Account == "" {
			request.ResourceAccount = account
		}
	}
	if owner != "" {
		request.ResourceAccount = owner
	}
	if p.id != nil {
		caller.ID = r.text(p.id, "principal_id")
	}
	if p.role != nil {
		r.role(caller, p.role)
	}
	request.Context, request.GrantTokens = given, p.tokens
	c.Request = request
}

// needed returns the text of a member that a request must have.
func (r *caseReader) needed(request, n *source.Node, name string) string {
	if n == nil {
		if request.Kind == source.Map {
			r.add(request.Pos, fmt.Sprintf("this request has no %q", name), "add it")
		}
		return ""
	}
	s := r.text(n, name)
	if s == "" {
		r.Add(n.Pos, fmt.Sprintf("%q is empty", name), "fill it in")
	}
	return s
}

// explainRequest tells which members no request can be made of: each is tried
// with others that are right.
func (r *caseReader) explainRequest(p *requestParts) {
	const account, action = "111122223333", "kms:Decrypt"
	if _, err := NewRequest(p.principal.Text, action, "*"); err != nil {
		r.add(p.principal.Pos, "the principal is "+written(p.principal)+": "+whyNot(err, "it is no caller"), "name a user, role, session, federated user, account or service")
	}
	if _, err := NewRequest(account, p.action.Text, "*"); err != nil {
		r.add(p.action.Pos, fmt.Sprintf("the action is %q: it is no single action", p.action.Text), "write one such as kms:Decrypt, without wildcards")
	}
	if _, err := NewRequest(account, action, p.resource.Text); err != nil {
		r.add(p.resource.Pos, "the resource is "+written(p.resource)+": "+whyNot(err, "it is no ARN"), "write its ARN, or * for an action without a resource")
	}
}

func (r *caseReader) role(caller *policy.Caller, n *source.Node) {
	role := r.text(n, "role_arn")
	if role == "" {
		return
	}
	with := caller.WithRole(role)
	if with.RoleARN != role {
		r.warn(n.Pos, fmt.Sprintf("role_arn is passed over: %s is no session of the role %s", caller.Text, role), "")
	}
	caller.Principal = with
}

// context reads the given values of condition keys. The last of two that
// differ only in letter case counts.
func (r *caseReader) context(n *source.Node) Given {
	if n == nil {
		return nil
	}
	if n.Kind != source.Map {
		r.wrongKind(n, "context", "object")
		return nil
	}
	fields := n.Distinct()
	given := make(Given, 0, len(fields))
	at := make(map[string]int, len(fields))
	for i := range fields {
		f := &fields[i]
		e := NewEntry(f.Name, r.contextValue(&f.Value, f.Name))
		if before, twice := at[e.fold]; twice {
			r.warn(f.Pos, fmt.Sprintf("the context has %q and %q, which are one key; the last counts", given[before].Name, f.Name), "remove one of the two")
			given[before] = e
			continue
		}
		at[e.fold] = len(given)
		given = append(given, e)
	}
	return given
}

func (r *caseReader) contextValue(n *source.Node, name string) policy.ContextValue {
	switch n.Kind {
	case source.Null:
		return policy.NotGiven()
	case source.String, source.Bool, source.Number:
		return policy.One(n.Text)
	case source.List:
		values := make([]string, 0, len(n.Items))
		for i := range n.Items {
			item := &n.Items[i]
			if item.Kind != source.String && item.Kind != source.Bool && item.Kind != source.Number {
				r.add(item.Pos, fmt.Sprintf("a value of %q is %s", name, kindWord(item.Kind)), "the values of a list are texts; null for the whole list says that nobody knows it")
				continue
			}
			values = append(values, item.Text)
		}
		return policy.Many(values...)
	}
	r.add(n.Pos, fmt.Sprintf("the value of %q is %s", name, kindWord(n.Kind)), "a value is a text, a list of texts, or null for not known")
	return policy.ContextValue{}
}
