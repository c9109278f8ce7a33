package input

import (
	"strings"

	"github.com/keyreach/keyreach/internal/source"
)

// expression takes an expression of CloudFormation apart: !Sub x and
// {"Fn::Sub": x} are Sub and x. The name of what is none is empty.
func expression(n *source.Node) (name string, arg *source.Node) {
	switch {
	case n.Kind == source.Intrinsic && strings.HasPrefix(n.Text, "!") && len(n.Items) == 1:
		return n.Text[1:], &n.Items[0]
	case n.Kind == source.Map && len(n.Fields) == 1 && n.Fields[0].Name == "Ref":
		return "Ref", &n.Fields[0].Value
	case n.Kind == source.Map && len(n.Fields) == 1:
		if name, ok := strings.CutPrefix(n.Fields[0].Name, "Fn::"); ok {
			return name, &n.Fields[0].Value
		}
	}
	return "", n
}

// isNoValue reports whether a value is AWS::NoValue, which is no value.
func isNoValue(n *source.Node) bool {
	name, arg := expression(n)
	return name == "Ref" && arg.Text == "AWS::NoValue"
}

// lower writes the expressions of a tree that become texts as texts, in which
// what is not known stands as ${…}. Other expressions stay. Statements and
// conditions that are expressions stay too, because no text can stand there.
func (r *reader) lower(n *source.Node) source.Node {
	c := *n
	if name, arg := expression(n); name != "" {
		if text, ok := lowered(n, 0); ok {
			if r.lowered == nil {
				r.lowered = map[source.Pos]bool{}
			}
			at := n.Pos
			if name == "Sub" && mayHoldPolicy(arg) {
				at = arg.Pos // so that the places in the policy are found
			}
			r.lowered[r.place(at)] = true
			return source.Node{Kind: source.String, Pos: at, Text: text}
		}
	}
	if name, arg := expression(n); name == "If" {
		return replaced(n, r.lowerBranches(arg, r.lower))
	}
	c.Items, c.Fields = nil, nil
	for i := range n.Items {
		if !isNoValue(&n.Items[i]) {
			c.Items = append(c.Items, r.lower(&n.Items[i]))
		}
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		switch {
		case isNoValue(&f.Value):
		case f.Name == "Statement":
			c.Fields = append(c.Fields, source.Field{Name: f.Name, Pos: f.Pos, Value: r.lowerStatements(&f.Value)})
		default:
			c.Fields = append(c.Fields, source.Field{Name: f.Name, Pos: f.Pos, Value: r.lower(&f.Value)})
		}
	}
	return c
}

// lowerStatements lowers what stands in statements, and not the statements.
func (r *reader) lowerStatements(n *source.Node) source.Node {
	switch name, arg := expression(n); name {
	case "":
	case "If":
		return replaced(n, r.lowerBranches(arg, r.lowerStatements))
	default:
		return *n
	}
	if n.Kind != source.List {
		return r.lower(n)
	}
	c := *n
	c.Items = nil
	for i := range n.Items {
		if isNoValue(&n.Items[i]) {
			continue
		}
		c.Items = append(c.Items, r.lowerStatements(&n.Items[i]))
	}
	return c
}

// lowerBranches lowers what an Fn::If chooses from, and keeps all three parts
// where they are.
func (r *reader) lowerBranches(arg *source.Node, lower func(*source.Node) source.Node) source.Node {
	c := *arg
	c.Items = make([]source.Node, len(arg.Items))
	for i := range arg.Items {
		c.Items[i] = arg.Items[i]
		if i > 0 && !isNoValue(&arg.Items[i]) {
			c.Items[i] = lower(&arg.Items[i])
		}
	}
	return c
}

// replaced returns an expression with another argument.
func replaced(n *source.Node, arg source.Node) source.Node {
	c := *n
	if n.Kind == source.Intrinsic {
		c.Items = []source.Node{arg}
	} else {
		c.Fields = []source.Field{{Name: n.Fields[0].Name, Pos: n.Fields[0].Pos, Value: arg}}
	}
	return c
}

// deepest is how many expressions inside one another are lowered.
const deepest = 20

// lowered returns the text of an expression, and false for one that becomes no
// text or of which nothing is known.
func lowered(n *source.Node, depth int) (string, bool) {
	name, arg := expression(n)
	if depth > deepest {
		return "", false
	}
	switch name {
	case "":
		return n.Text, n.Kind == source.String || n.Kind == source.Number || n.Kind == source.Bool
	case "Ref":
		return "${" + arg.Text + "}", arg.Kind == source.String && arg.Text != ""
	case "GetAtt":
		if arg.Kind == source.List {
			parts := make([]string, len(arg.Items))
			for i := range arg.Items {
				parts[i] = part(&arg.Items[i], depth)
			}
			return "${" + bare(strings.Join(parts, ".")) + "}", len(parts) > 0
		}
		return "${" + arg.Text + "}", arg.Kind == source.String
	case "ImportValue":
		return "${ImportValue." + bare(part(arg, depth)) + "}", true
	case "Sub":
		return substituted(arg, depth)
	case "Join":
		return joined(arg, depth)
	case "Select":
		return selected(arg, depth)
	}
	return "", false
}

// part returns the text of a part of a larger text: what is not known stands as
// the name of its function.
func part(n *source.Node, depth int) string {
	if text, ok := lowered(n, depth+1); ok {
		return text
	}
	name, _ := expression(n)
	return "${" + bare(name) + "}"
}

// bare keeps of a text what can stand in a name.
func bare(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("._-", r):
			return r
		case r == ':':
			return '.'
		}
		return -1
	}, text)
	if text == "" {
		return "Value"
	}
	return text
}

// substituted reads the argument of Fn::Sub. ${!x} is the text ${x}.
// See https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-sub.html.
func substituted(arg *source.Node, depth int) (string, bool) {
	if arg.Kind == source.List && len(arg.Items) == 2 && arg.Items[0].Kind == source.String {
		text := arg.Items[0].Text
		for _, f := range arg.Items[1].Fields {
			if value, ok := lowered(&f.Value, depth+1); ok && !strings.Contains(value, "${") {
				text = strings.ReplaceAll(text, "${"+f.Name+"}", value)
			}
		}
		return strings.ReplaceAll(text, "${!", "${"), true
	}
	return strings.ReplaceAll(arg.Text, "${!", "${"), arg.Kind == source.String
}

// joined reads the argument of Fn::Join.
func joined(arg *source.Node, depth int) (string, bool) {
	if arg.Kind != source.List || len(arg.Items) != 2 || arg.Items[0].Kind != source.String || arg.Items[1].Kind != source.List {
		return "", false
	}
	items := arg.Items[1].Items
	parts := make([]string, 0, len(items))
	for i := range items {
		if !isNoValue(&items[i]) {
			parts = append(parts, part(&items[i], depth))
		}
	}
	return strings.Join(parts, arg.Items[0].Text), true
}

// selected reads the argument of Fn::Select where the list stands there.
func selected(arg *source.Node, depth int) (string, bool) {
	if arg.Kind != source.List || len(arg.Items) != 2 || arg.Items[1].Kind != source.List {
		return "", false
	}
	index, ok := lowered(&arg.Items[0], depth+1)
	if n := arg.Items[1].At([]string{index}); ok && n != nil {
		return lowered(n, depth+1)
	}
	return "", false
}
