package estate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

// FileError says all that is wrong with a file.
type FileError struct {
	File     string
	Problems []Problem // in the order of the file; never empty
}

// Problem is one thing that keeps a file from being read.
type Problem struct {
	Position finding.Position
	Text     string // what is wrong
	Hint     string // what to do; empty when the text says it
	// Excerpt is the line with a caret below the place; of the first problems
	// only, which a message shows.
	Excerpt string
}

// String returns the problem over several lines: place and text, the line of
// the file, the hint.
func (p *Problem) String() string {
	var b strings.Builder
	if at := p.Position.String(); at != "" {
		b.WriteString(at + ": ")
	}
	b.WriteString(p.Text)
	if p.Excerpt != "" {
		b.WriteString("\n" + p.Excerpt)
	}
	if p.Hint != "" {
		b.WriteString("\n  " + p.Hint)
	}
	return b.String()
}

// shown is how many problems a message tells; nobody mends more at once.
const shown = 20

func (e *FileError) Error() string {
	var b strings.Builder
	for i := range e.Problems[:min(shown, len(e.Problems))] {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(e.Problems[i].String())
	}
	if more := len(e.Problems) - shown; more > 0 {
		fmt.Fprintf(&b, "\nand %d more", more)
	}
	return b.String()
}

// loader reads one text.
type loader struct{ Problems }

// LoadFile reads the estate file at path.
func LoadFile(path string) (*Estate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading estate: %w", err)
	}
	return Load(path, data)
}

// Load reads an estate from the text of an estate file, in JSON or YAML; file
// is its name for messages. The estate is ready for Bind. An error about what
// the text says is a *FileError with everything that is wrong.
//
// A policy that the reader of policies finds odd is no error: see Findings.
func Load(file string, data []byte) (*Estate, error) {
	l := &loader{Problems{File: file, Data: data}}
	root, _, err := source.Parse(data)
	if err != nil {
		var syntax *source.SyntaxError
		if errors.As(err, &syntax) {
			l.add(syntax.Pos, syntax.Text, "")
			return nil, l.Err()
		}
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if !l.version(root) {
		return nil, l.Err()
	}
	l.validate(root)
	l.check(root)
	e := new(Estate)
	l.decode(root, e)
	if err := l.Err(); err != nil {
		return nil, err
	}
	if err := e.Index(); err != nil {
		l.add(root.Pos, err.Error(), "")
		return nil, l.Err()
	}
	return e, nil
}

// version reports whether the text is of the form that this package reads. Of
// another form nothing else is said, because it may be right in that one.
func (l *loader) version(root *source.Node) bool {
	if root.Kind != source.Map {
		l.add(root.Pos, "an estate is a map with format_version and the rest; this is "+kindWord(root.Kind), "")
		return false
	}
	v := root.Field("format_version")
	switch {
	case v == nil && root.Field("request") != nil:
		l.add(root.Pos, "this is a case, not an estate", "give a case file with --cases")
		return false
	case v == nil:
		l.add(root.Pos, "the estate has no format_version", fmt.Sprintf(`begin it with "format_version": %d`, FormatVersion))
	case v.Kind == source.Number && v.Text == "1":
	case v.Kind == source.Number:
		l.add(v.Pos, fmt.Sprintf("the estate is of format_version %s, and this program reads %d", v.Text, FormatVersion), "read it with the program that wrote it, or collect it again")
		return false
	default:
		l.add(v.Pos, "format_version is "+written(v), fmt.Sprintf(`write "format_version": %d`, FormatVersion))
	}
	return true
}

// check looks for what no schema can say: what stands twice, what points at
// nothing, principals that are none. It looks at the tree, so that it can say
// where.
func (l *loader) check(root *source.Node) {
	l.unique(items(root, "accounts"), "id", "account")
	l.unique(items(root, "endpoints"), "id", "endpoint")
	l.unique(items(root, "principals"), "arn", "principal")
	l.uniqueNames(items(root, "principals"))
	keys := items(root, "keys")
	l.unique(keys, "arn", "key")
	l.uniqueAliases(keys)
	for i := range keys {
		grants := items(&keys[i], "grants")
		for j := range grants {
			l.checkGrant(&grants[j])
		}
	}
	if o := root.Field("organization"); o != nil && o.Kind == source.Map {
		w := unitWalk{loader: l, policies: map[string]bool{"FullAWSAccess": true, "RCPFullAWSAccess": true}, placed: map[string]source.Pos{}}
		if p := o.Field("policies"); p != nil {
			for i := range p.Fields {
				w.policies[p.Fields[i].Name] = true
			}
		}
		if r := o.Field("root"); r != nil {
			w.unit(r)
		}
	}
}

// items returns the members of a list that is a member of n.
func items(n *source.Node, name string) []source.Node {
	if m := n.Field(name); m != nil && m.Kind == source.List {
		return m.Items
	}
	return nil
}

// text returns a text that is a member of n, or nil when it is none or empty.
func text(n *source.Node, name string) *source.Node {
	if m := n.Field(name); m != nil && m.Kind == source.String && m.Text != "" {
		return m
	}
	return nil
}

// unique tells the members of a list that have the same name as an earlier one.
func (l *loader) unique(list []source.Node, name, what string) {
	first := make(map[string]source.Pos, len(list))
	for i := range list {
		n := text(&list[i], name)
		if n == nil {
			continue
		}
		if at, twice := first[n.Text]; twice {
			l.Add(n.Pos, fmt.Sprintf("%s %s is listed twice", what, n.Text), fmt.Sprintf("the first time was on line %d; keep one of the two", at.Line))
			continue
		}
		first[n.Text] = n.Pos
	}
}

// uniqueNames tells users and roles of the same name: within an account a name
// is taken whatever the path and the letter case, so one of the two is not there.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
func (l *loader) uniqueNames(principals []source.Node) {
	type name struct {
		kind          arn.Kind
		account, fold string
	}
	first := make(map[name]*source.Node, len(principals))
	for i := range principals {
		n := text(&principals[i], "arn")
		if n == nil {
			continue
		}
		p, err := arn.ParsePrincipal(n.Text)
		if err != nil {
			continue
		}
		key := name{p.Kind, p.Account, strings.ToLower(p.Name)}
		if before := first[key]; before != nil {
			l.Add(n.Pos, fmt.Sprintf("account %s cannot have %s and %s", p.Account, before.Text, n.Text),
				fmt.Sprintf("the first stands on line %d; AWS takes a name once, whatever its path and letter case", before.Pos.Line))
			continue
		}
		first[key] = n
	}
}

// uniqueAliases tells aliases that two keys of one account and Region have: an
// alias is that of one key, so which key it means would not be known.
// See https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html.
func (l *loader) uniqueAliases(keys []source.Node) {
	first := map[string]source.Pos{}
	for i := range keys {
		n := text(&keys[i], "arn")
		if n == nil {
			continue
		}
		place, _, _ := strings.Cut(n.Text, ":key/")
		aliases := items(&keys[i], "aliases")
		for j := range aliases {
			a := &aliases[j]
			if at, twice := first[place+":"+a.Text]; twice {
				l.Add(a.Pos, fmt.Sprintf("the alias %s is listed twice in one account and Region", a.Text), fmt.Sprintf("the first time was on line %d; an alias is that of one key", at.Line))
				continue
			}
			first[place+":"+a.Text] = a.Pos
		}
	}
}

func (l *loader) checkGrant(g *source.Node) {
	for _, name := range []string{"grantee_principal", "retiring_principal"} {
		n := text(g, name)
		if n == nil {
			continue
		}
		switch p, err := arn.ParsePrincipal(n.Text); {
		case err != nil:
			l.Add(n.Pos, fmt.Sprintf("%q is %s: %s", name, written(n), whyNot(err, "it is no principal")), "name a user, role, session, federated user, account or service, or a unique id (AROA…)")
		case p.Kind == arn.Everyone:
			l.Add(n.Pos, fmt.Sprintf("%q is everyone, and a grant has one principal", name), "")
		}
	}
	if n := text(g, "issuing_account"); n != nil {
		l.checkIssuer(n)
	}
}

func (l *loader) checkIssuer(n *source.Node) {
	if p, err := arn.ParsePrincipal(n.Text); err != nil || p.Kind != arn.AccountRoot || !arn.IsAccount(p.Account) {
		l.Add(n.Pos, fmt.Sprintf("\"issuing_account\" is %q, which is not an account", n.Text), "write its number, or its root ARN as ListGrants shows it")
	}
}

// whyNot is the reason in a parse error, and otherwise what is true of an error
// that gives none.
func whyNot(err error, otherwise string) string {
	var parse *arn.ParseError
	if errors.As(err, &parse) {
		return parse.Reason
	}
	return otherwise
}

// unitWalk goes down the organization.
type unitWalk struct {
	*loader
	policies map[string]bool
	placed   map[string]source.Pos // accounts and units met so far
}

func (w *unitWalk) unit(u *source.Node) {
	w.place(u)
	w.attached(u)
	accounts, units := items(u, "accounts"), items(u, "units")
	for i := range accounts {
		w.place(&accounts[i])
		w.attached(&accounts[i])
	}
	for i := range units {
		w.unit(&units[i])
	}
}

func (w *unitWalk) place(n *source.Node) {
	id := text(n, "id")
	if id == nil {
		return
	}
	if at, twice := w.placed[id.Text]; twice {
		w.Add(id.Pos, id.Text+" stands twice in the organization", fmt.Sprintf("the first time was on line %d; an account or unit has one place", at.Line))
		return
	}
	w.placed[id.Text] = id.Pos
}

func (w *unitWalk) attached(target *source.Node) {
	for _, kind := range []string{"scps", "rcps"} {
		names := items(target, kind)
		for i := range names {
			n := &names[i]
			if n.Kind != source.String || w.policies[n.Text] {
				continue
			}
			hint := suggest(n.Text, slices.Sorted(maps.Keys(w.policies)))
			w.Add(n.Pos, fmt.Sprintf("organization.policies has no policy called %q", n.Text), cmp.Or(hint, "add it there, or write {\"unreadable\": \"why\"} for it"))
		}
	}
}

// Findings returns what the reader noticed in the policies of the estate,
// with the ARN or id of the owner of each policy as the subject, sorted.
func (e *Estate) Findings() []finding.Finding {
	var fs []finding.Finding
	e.documents(func(owner string, d *Document) {
		if d == nil {
			return
		}
		for _, f := range d.Findings {
			f.Subject = owner
			fs = append(fs, f)
		}
	})
	finding.Sort(fs)
	return fs
}
