package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
)

// name is how messages call a command.
func (c *Command) name() string { return "aws " + c.Service + " " + c.Operation }

// known returns the first value of an option when it is there and nothing is
// still to be put into it.
func (c *Command) known(option string) (string, bool) {
	w, ok := c.Value(option)
	return w.Text, ok && !w.Unknown && w.Text != ""
}

// has reports whether the command has one of the options.
func (c *Command) has(options ...string) bool {
	return slices.ContainsFunc(options, func(o string) bool { return c.Option(o) != nil })
}

// told reports whether the values of the command come from elsewhere: a file
// of parameters, or words of the shell that may hold any option.
func (c *Command) told() bool {
	if c.has("--cli-input-json", "--cli-input-yaml", "--generate-cli-skeleton") {
		return true
	}
	open := func(w Word) bool {
		return strings.Contains(w.Text, "[@]") || strings.Contains(w.Text, "$@") || strings.Contains(w.Text, "...") ||
			strings.Contains(w.Text, "…") || strings.HasPrefix(w.Text, "[") && w.JSON == nil
	}
	for _, w := range c.Args {
		if w.Unknown || open(w) {
			return true
		}
	}
	for _, o := range c.Options {
		if slices.ContainsFunc(o.Values, open) {
			return true
		}
	}
	return false
}

// mentioned reports whether a command stands as code within a sentence, where
// people leave away what is not the point.
func (m *Material) mentioned(c *Command) bool {
	return slices.ContainsFunc(m.Prose, func(p *Prose) bool {
		const lines = 30 // a paragraph is shorter
		return p.Pos.Line <= c.Pos.Line && c.Pos.Line < p.Pos.Line+lines && strings.Contains(p.Text, "`"+c.name())
	})
}

// region returns the Region that the command names.
func (c *Command) region() string {
	r, _ := c.known("--region")
	return r
}

// keyOptions are the options in which commands of the CLI name a key.
func keyOptions() []string {
	return []string{
		"--key-id", "--target-key-id", "--kms-key-id", "--ebs-encryption-key-arn", "--encryption-key-arn",
		"--sse-kms-key-id", "--ssekms-key-id", "--source-key-id", "--destination-key-id",
	}
}

// keys returns the words in which a command names keys, with their options.
func (c *Command) keys() []Option {
	if c.Service == "iam" || c.Service == "cloudfront" {
		return nil // key ids there are those of other keys
	}
	var named []Option
	for _, o := range c.Options {
		if slices.Contains(keyOptions(), o.Name) && len(o.Values) > 0 {
			named = append(named, o)
		}
	}
	return named
}

// isAlias reports whether a name of a key is an alias or the ARN of one. What
// stands after alias/ need not be known.
func isAlias(name string) bool {
	return strings.HasPrefix(name, "alias/") || strings.HasPrefix(name, "arn:") && strings.Contains(name, ":alias/")
}

// isManagedAlias reports whether the name is an alias that AWS keeps for
// itself.
func isManagedAlias(name string) bool {
	return strings.HasPrefix(name, "alias/aws/") || strings.HasPrefix(name, "arn:") && strings.Contains(name, ":alias/aws/")
}

// keyARN parses a word that is the ARN of a key or an alias. Parts of it that
// are not known are empty.
func keyARN(text string) (arn.ARN, bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "kms" {
		return arn.ARN{}, false
	}
	if !regionShape.MatchString(a.Region) {
		a.Region = ""
	}
	if !accountShape.MatchString(a.Account) {
		a.Account = ""
	}
	return a, true
}

var (
	regionShape  = lazy.Regexp(`^[a-z]{2,3}(-[a-z]+)+-\d$`)
	accountShape = lazy.Regexp(`^\d{12}$`)
	accountInIt  = lazy.Regexp(`\b\d{12}\b`)
)

// account returns the account in which a command is said to run: by the
// comment above it, or by the nearest heading that names one account.
func (c *Command) account() string {
	for _, text := range append([]string{c.Comment}, reversed(c.Headings)...) {
		found := slices.Compact(accountInIt.FindAllString(text, -1))
		if len(found) == 1 {
			return found[0]
		}
		if len(found) > 1 {
			return ""
		}
	}
	return ""
}

var wholeVariable = lazy.Regexp(`^\$\{?(\w+)\}?$`)

// variableOf returns the name of the variable that a word is as a whole, or "".
func variableOf(w Word) string {
	if f := wholeVariable.FindStringSubmatch(w.Text); f != nil {
		return f[1]
	}
	return ""
}

func reversed(texts []string) []string {
	texts = slices.Clone(texts)
	slices.Reverse(texts)
	return texts
}

// about is what stands above a command in words.
func (c *Command) about() string {
	return strings.ToLower(strings.Join(c.Headings, ". ") + ". " + c.Comment)
}

// nodeAt gives the position of a value in the file.
func (m *Material) nodeAt(p source.Pos) finding.Position {
	return finding.Position{File: m.File, Line: int(p.Line), Column: int(p.Column)}
}

// nodeOr is nodeAt, or the place of the word where the node has none, as those of
// the CLI's shorthand.
func (m *Material) nodeOr(n *source.Node, w Word) finding.Position {
	if n.Pos.Line == 0 {
		return w.Pos
	}
	return m.nodeAt(n.Pos)
}

// dig returns the values under a path of members. On the way a list stands for
// each of its items, for blocks of Terraform are lists.
func dig(n *source.Node, path ...string) []*source.Node {
	if n == nil {
		return nil
	}
	if len(path) == 0 {
		return []*source.Node{n}
	}
	var found []*source.Node
	switch n.Kind {
	case source.List:
		for i := range n.Items {
			found = append(found, dig(&n.Items[i], path...)...)
		}
	case source.Map:
		found = dig(n.Field(path[0]), path[1:]...)
	}
	return found
}

// digText returns the first text under a path, when nothing in it is unknown.
func digText(n *source.Node, path ...string) (string, *source.Node) {
	for _, f := range dig(n, path...) {
		if f.Kind == source.String && !strings.Contains(f.Text, "${") {
			return f.Text, f
		}
	}
	return "", nil
}

// mentions reports whether a text of the tree has the word.
func mentions(n *source.Node, word string) bool {
	if n == nil {
		return false
	}
	if strings.Contains(n.Text, word) {
		return true
	}
	for i := range n.Items {
		if mentions(&n.Items[i], word) {
			return true
		}
	}
	for i := range n.Fields {
		if mentions(&n.Fields[i].Value, word) {
			return true
		}
	}
	return false
}
