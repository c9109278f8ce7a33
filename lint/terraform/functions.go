package terraform

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/keyreach/keyreach/internal/source"
)

// call works out a function of Terraform where its arguments allow it.
// See https://developer.hashicorp.com/terraform/language/functions.
func (e *evaluator) call(x *hclsyntax.FunctionCallExpr) source.Node {
	unknown := e.unknown(x.Range())
	if x.ExpandFinal || len(x.Args) == 0 {
		return unknown
	}
	args := make([]source.Node, len(x.Args))
	for i, a := range x.Args {
		args[i] = e.eval(a)
	}
	v, ok := function(x.Name, args)
	if !ok || len(v.Text) > maxText {
		return unknown
	}
	e.work += len(v.Items) + len(v.Fields) + len(v.Text)/64
	if v.Pos.Line == 0 {
		v.Pos = unknown.Pos
	}
	return v
}

func function(name string, args []source.Node) (source.Node, bool) {
	one := &args[0]
	switch name {
	case "jsonencode", "jsondecode", "yamlencode", "sensitive", "nonsensitive":
		return *one, len(args) == 1 && (name != "jsondecode" || isCollection(one))
	case "toset", "tolist", "distinct", "sort", "tomap", "tostring", "tonumber", "tobool":
		return *one, one.Kind != source.Intrinsic
	case "concat":
		return concat(args), true
	case "flatten":
		return flatten(one, 0), one.Kind == source.List
	case "compact":
		return compact(one), one.Kind == source.List
	case "coalesce", "try", "coalescelist":
		return *one, known(one) && !holdsNothing(one)
	case "merge":
		return merge(args)
	case "lookup":
		if len(args) > 1 && one.Kind == source.Map && plain(&args[1]) != "" {
			if v := one.Field(args[1].Text); v != nil {
				return *v, true
			}
			return args[len(args)-1], len(args) == 3
		}
	case "element":
		return source.Node{}, false
	case "one":
		if allKnown(one) && len(one.Items) == 1 {
			return one.Items[0], true
		}
	}
	return textFunction(name, args)
}

func textFunction(name string, args []source.Node) (source.Node, bool) {
	n := source.Node{Kind: source.String}
	one := &args[0]
	switch name {
	case "format":
		text, ok := format(args)
		n.Text = text
		return n, ok
	case "formatlist":
		return formatList(args)
	case "join":
		if len(args) != 2 || one.Kind != source.String || !allKnown(&args[1]) {
			return n, false
		}
		var texts []string
		for i := range args[1].Items {
			texts = append(texts, asText(&args[1].Items[i]))
		}
		n.Text = strings.Join(texts, one.Text)
		return n, true
	case "lower", "upper", "trimspace":
		n.Text = map[string]func(string) string{"lower": strings.ToLower, "upper": strings.ToUpper, "trimspace": strings.TrimSpace}[name](one.Text)
		return n, plain(one) != ""
	case "split":
		if len(args) != 2 || plain(one) == "" || plain(&args[1]) == "" {
			return n, false
		}
		n.Kind = source.List
		for _, s := range strings.Split(args[1].Text, one.Text) {
			n.Items = append(n.Items, source.Node{Kind: source.String, Pos: args[1].Pos, Text: s})
		}
		return n, true
	case "keys", "values":
		n.Kind = source.List
		for _, b := range bindings(one) {
			n.Items = append(n.Items, b[map[string]int{"keys": 0, "values": 1}[name]])
		}
		return n, one.Kind == source.Map
	}
	return n, false
}

// known reports whether anything is known of a value.
func known(n *source.Node) bool {
	return isCollection(n) || n.Kind != source.Intrinsic && n.Text != "" && !strings.Contains(n.Text, "${")
}

// concat joins lists; a list that is not known stays as one member.
func concat(args []source.Node) source.Node {
	n := source.Node{Kind: source.List}
	for i := range args {
		switch a := &args[i]; a.Kind {
		case source.List:
			n.Items = append(n.Items, a.Items...)
			if n.Pos.Line == 0 {
				n.Pos = a.Pos
			}
		case source.Null:
		default:
			n.Items = append(n.Items, *a)
		}
	}
	return n
}

func flatten(list *source.Node, depth int) source.Node {
	n := source.Node{Kind: source.List, Pos: list.Pos}
	for i := range list.Items {
		item := &list.Items[i]
		if item.Kind == source.List && depth < maxNested {
			inner := flatten(item, depth+1)
			n.Items = append(n.Items, inner.Items...)
			continue
		}
		n.Items = append(n.Items, *item)
	}
	return n
}

func compact(list *source.Node) source.Node {
	n := source.Node{Kind: source.List, Pos: list.Pos}
	for i := range list.Items {
		if item := &list.Items[i]; item.Kind != source.Null && (item.Kind != source.String || item.Text != "") {
			n.Items = append(n.Items, *item)
		}
	}
	return n
}

// merge joins maps of which each is known.
func merge(args []source.Node) (source.Node, bool) {
	n := source.Node{Kind: source.Map, Pos: args[0].Pos}
	for i := range args {
		switch args[i].Kind {
		case source.Map:
			n.Fields = append(n.Fields, args[i].Fields...)
		case source.Null:
		default:
			return n, false
		}
	}
	n.Fields = n.Distinct()
	return n, true
}

// format puts values into the verbs %s, %d and %v; other verbs are not known.
func format(args []source.Node) (string, bool) {
	if args[0].Kind != source.String {
		return "", false
	}
	var b strings.Builder
	rest, next := args[0].Text, 1
	for {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		switch {
		case strings.HasPrefix(after, "%"):
			b.WriteByte('%')
		case after != "" && strings.IndexByte("sdv", after[0]) >= 0 && next < len(args):
			b.WriteString(asText(&args[next]))
			next++
		default:
			return "", false
		}
		if b.Len() > maxText {
			return "", false
		}
		rest = after[1:]
	}
}

// formatList formats once for each member of the one list among its arguments.
// Where the list is not known, the one member shows the form of all.
func formatList(args []source.Node) (source.Node, bool) {
	n := source.Node{Kind: source.List}
	at := -1
	for i := 1; i < len(args); i++ {
		if args[i].Kind == source.List {
			if at >= 0 {
				return n, false
			}
			at = i
		}
	}
	items := []source.Node{{}}
	if at >= 0 {
		items = args[at].Items
	}
	for i := range items {
		row := append([]source.Node(nil), args...)
		if at >= 0 {
			row[at] = items[i]
		}
		text, ok := format(row)
		if !ok {
			return n, false
		}
		n.Items = append(n.Items, source.Node{Kind: source.String, Pos: args[0].Pos, Text: text})
	}
	return n, true
}
