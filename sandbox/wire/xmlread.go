package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
)

const (
	// maxXMLDepth is deeper than any document of AWS.
	maxXMLDepth = 32
	// maxXMLNodes leaves room for the largest document, the ten thousand parts of
	// an upload with all their checksums.
	maxXMLNodes = 1 << 18
)

// node is an element of a document. Namespaces are not kept: no document of AWS
// has two elements that only they tell apart.
type node struct {
	name       string
	attributes []xml.Attr
	text       []byte
	children   []*node
}

// parseXML reads a document, up to a depth and a size. Document types, which AWS
// has none of, are refused.
func parseXML(body []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	root := &node{} // stands above the document
	open := []*node{root}
	for count := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, malformed("the body is not an XML document")
		}
		at := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if count++; len(open) > maxXMLDepth || count > maxXMLNodes {
				return nil, malformed("the XML document is too deep or too large")
			}
			child := &node{name: t.Name.Local, attributes: t.Attr}
			at.children = append(at.children, child)
			open = append(open, child)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			// Between elements there is only layout.
			if len(at.children) == 0 {
				at.text = append(at.text, t...)
			}
		case xml.Directive:
			return nil, malformed("the XML document has a document type")
		}
	}
	if len(root.children) != 1 || len(bytes.TrimSpace(root.text)) != 0 {
		return nil, malformed("the body is not one XML document")
	}
	return root.children[0], nil
}

func (n *node) structure(s *awsfacts.Shape, path string) (map[string]any, error) {
	out := map[string]any{}
	for _, m := range s.Members {
		if m.Location != "" {
			continue
		}
		v, err := n.member(m, join(path, m.Name))
		if err != nil {
			return nil, err
		}
		if v != nil {
			out[m.Name] = v
		}
	}
	return out, nil
}

func (n *node) member(m *awsfacts.Member, path string) (any, error) {
	if m.Attribute {
		_, name, _ := cutPrefix(m.Wire())
		for _, a := range n.attributes {
			if a.Name.Local == name {
				return plain(m.Shape, a.Value, path)
			}
		}
		return nil, nil
	}
	if m.Flattened && (m.Shape.Type == "list" || m.Shape.Type == "map") {
		found := n.named(flatName(m.Wire(), m.Shape))
		switch {
		case len(found) == 0:
			return nil, nil
		case m.Shape.Type == "map":
			return pairsFromXML(m.Shape, found, path)
		}
		return listFromXML(m.Shape, found, path)
	}
	for _, child := range n.children {
		if child.name == m.Wire() {
			return child.value(m.Shape, path)
		}
	}
	return nil, nil
}

// cutPrefix splits the name of an attribute at its colon.
func cutPrefix(name string) (prefix, local string, found bool) {
	if prefix, local, found = strings.Cut(name, ":"); found {
		return prefix, local, true
	}
	return "", name, false
}

// flatName is the name of the elements of a flattened list or map: the one that
// the list's elements have of their own, else the member's.
func flatName(name string, s *awsfacts.Shape) string {
	if s.Type == "list" && s.Elem.LocationName != "" {
		return s.Elem.LocationName
	}
	return name
}

func (n *node) named(name string) []*node {
	var out []*node
	for _, child := range n.children {
		if child.name == name {
			out = append(out, child)
		}
	}
	return out
}

func (n *node) value(s *awsfacts.Shape, path string) (any, error) {
	switch s.Type {
	case "structure":
		return n.structure(s, path)
	case "list":
		name := "member"
		if s.Elem.LocationName != "" {
			name = s.Elem.LocationName
		}
		return listFromXML(s, n.named(name), path)
	case "map":
		return pairsFromXML(s, n.named("entry"), path)
	case "string":
		return plain(s, string(n.text), path)
	}
	return plain(s, string(bytes.TrimSpace(n.text)), path)
}

func listFromXML(s *awsfacts.Shape, nodes []*node, path string) (any, error) {
	out := make([]any, len(nodes))
	for i, n := range nodes {
		v, err := n.value(s.Elem.Shape, join(path, strconv.Itoa(i+1)))
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func pairsFromXML(s *awsfacts.Shape, nodes []*node, path string) (any, error) {
	key, value := pairNames(s)
	out := make(map[string]any, len(nodes))
	for _, n := range nodes {
		keys, values := n.named(key), n.named(value)
		if len(keys) == 0 || len(values) == 0 {
			return nil, unfit(path, s)
		}
		name := string(keys[0].text)
		v, err := values[0].value(s.Value.Shape, join(path, name))
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

// pairNames are the names of a map's keys and values.
func pairNames(s *awsfacts.Shape) (key, value string) {
	key, value = "key", "value"
	if s.Key.LocationName != "" {
		key = s.Key.LocationName
	}
	if s.Value.LocationName != "" {
		value = s.Value.LocationName
	}
	return key, value
}
