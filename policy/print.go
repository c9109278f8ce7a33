package policy

import "github.com/keyreach/keyreach/internal/source"

// AppendJSON appends the document as compact JSON, in the order and the form
// in which it was written: reading it again gives the same document, apart
// from positions.
func (d *Document) AppendJSON(dst []byte) []byte {
	p := printer{dst}
	if d.Form == BareStatements {
		p.statements(d.Statements)
		return p.b
	}
	m := p.open()
	done, extra := uint(0), 0
	for n := 0; n < 16 && d.order.at(n) != noElement; n++ {
		e := d.order.at(n)
		done |= 1 << e
		extra = p.documentElement(&m, d, e, extra)
	}
	for _, e := range [...]int{versionElement, idElement, statementElement} {
		if done&(1<<e) == 0 {
			p.documentElement(&m, d, e, extra)
		}
	}
	for ; extra < len(d.Extra); extra++ {
		p.node(&m, d.Extra[extra].Name, &d.Extra[extra].Node)
	}
	p.b = append(p.b, '}')
	return p.b
}

// String returns the document as compact JSON.
func (d *Document) String() string { return string(d.AppendJSON(nil)) }

// MarshalJSON returns the document as AppendJSON does.
func (d *Document) MarshalJSON() ([]byte, error) { return d.AppendJSON(nil), nil }

// AppendJSON appends the statement as compact JSON.
func (s *Statement) AppendJSON(dst []byte) []byte {
	p := printer{dst}
	p.statement(s)
	return p.b
}

// printer appends JSON to b.
type printer struct{ b []byte }

// member counts the members of one map, for the commas between them.
type member int

func (p *printer) open() member {
	p.b = append(p.b, '{')
	return 0
}

func (p *printer) name(m *member, name string) {
	if *m++; *m > 1 {
		p.b = append(p.b, ',')
	}
	p.text(name)
	p.b = append(p.b, ':')
}

func (p *printer) text(s string) {
	p.b = source.AppendJSON(p.b, &source.Node{Kind: source.String, Text: s})
}

func (p *printer) node(m *member, name string, n *source.Node) {
	p.name(m, name)
	p.b = source.AppendJSON(p.b, n)
}

// documentElement prints one element of a document, when it has it, and
// returns how many of the extra elements are printed.
func (p *printer) documentElement(m *member, d *Document, element, extra int) int {
	switch element {
	case versionElement:
		p.optional(m, "Version", d.Version)
	case idElement:
		p.optional(m, "Id", d.ID)
	case statementElement:
		switch {
		case d.Form == NoStatement:
		case d.Form == SingleStatement && len(d.Statements) == 1:
			p.name(m, "Statement")
			p.statement(&d.Statements[0])
		default:
			p.name(m, "Statement")
			p.statements(d.Statements)
		}
	case extraElement:
		if extra < len(d.Extra) {
			p.node(m, d.Extra[extra].Name, &d.Extra[extra].Node)
			extra++
		}
	}
	return extra
}

func (p *printer) statements(ss []Statement) {
	p.b = append(p.b, '[')
	for i := range ss {
		if i > 0 {
			p.b = append(p.b, ',')
		}
		p.statement(&ss[i])
	}
	p.b = append(p.b, ']')
}

func (p *printer) statement(s *Statement) {
	if s.Opaque {
		if len(s.Extra) == 0 {
			p.b = append(p.b, "{}"...)
			return
		}
		p.b = source.AppendJSON(p.b, &s.Extra[0].Node)
		return
	}
	m := p.open()
	done, extra := uint(0), 0
	for n := 0; n < 16 && s.order.at(n) != noElement; n++ {
		e := s.order.at(n)
		done |= 1 << e
		if e == extraElement && extra < len(s.Extra) {
			p.node(&m, s.Extra[extra].Name, &s.Extra[extra].Node)
			extra++
			continue
		}
		p.element(&m, s, e)
	}
	for e := sidElement; e <= conditionElement; e++ {
		if done&(1<<e) == 0 {
			p.element(&m, s, e)
		}
	}
	for ; extra < len(s.Extra); extra++ {
		p.node(&m, s.Extra[extra].Name, &s.Extra[extra].Node)
	}
	p.b = append(p.b, '}')
}

// element prints one element of a statement, when it has it.
func (p *printer) element(m *member, s *Statement, element int) {
	switch element {
	case sidElement:
		p.optional(m, "Sid", s.Sid)
	case effectElement:
		p.optional(m, "Effect", s.Effect)
	case principalElement:
		p.principal(m, "Principal", s.Principal)
	case notPrincipalElement:
		p.principal(m, "NotPrincipal", s.NotPrincipal)
	case actionElement:
		p.optionalList(m, "Action", s.Action)
	case notActionElement:
		p.optionalList(m, "NotAction", s.NotAction)
	case resourceElement:
		p.optionalList(m, "Resource", s.Resource)
	case notResourceElement:
		p.optionalList(m, "NotResource", s.NotResource)
	case conditionElement:
		if s.HasCondition || len(s.Conditions) > 0 {
			p.name(m, "Condition")
			p.conditions(s.Conditions)
		}
	}
}

func (p *printer) optional(m *member, name string, v *Value) {
	if v != nil {
		p.name(m, name)
		p.value(v)
	}
}

func (p *printer) optionalList(m *member, name string, l *List) {
	if l != nil {
		p.name(m, name)
		p.list(l)
	}
}

func (p *printer) principal(m *member, name string, e *PrincipalElement) {
	if e == nil {
		return
	}
	p.name(m, name)
	if e.Text != nil {
		p.value(e.Text)
		return
	}
	groups := p.open()
	for i := range e.Groups {
		p.name(&groups, e.Groups[i].Type)
		p.list(&e.Groups[i].Names)
	}
	p.b = append(p.b, '}')
}

func (p *printer) conditions(os []Operator) {
	if len(os) == 1 && os[0].Name == "" && len(os[0].Keys) == 1 {
		p.list(&os[0].Keys[0].Values) // the whole Condition is an expression
		return
	}
	operators := p.open()
	for i := range os {
		o := &os[i]
		p.name(&operators, o.Name)
		if len(o.Keys) == 1 && o.Keys[0].isOpaque() {
			p.list(&o.Keys[0].Values)
			continue
		}
		keys := p.open()
		for j := range o.Keys {
			p.name(&keys, o.Keys[j].Name)
			p.list(&o.Keys[j].Values)
		}
		p.b = append(p.b, '}')
	}
	p.b = append(p.b, '}')
}

// isOpaque reports whether the key stands for all keys of an operator, which
// are an expression of a template language.
func (k *Key) isOpaque() bool {
	return k.Name == "" && k.Values.Single && len(k.Values.Values) == 1 && k.Values.Values[0].Kind == OpaqueValue
}

func (p *printer) list(l *List) {
	if l.Single && len(l.Values) == 1 {
		p.value(&l.Values[0])
		return
	}
	p.b = append(p.b, '[')
	for i := range l.Values {
		if i > 0 {
			p.b = append(p.b, ',')
		}
		p.value(&l.Values[i])
	}
	p.b = append(p.b, ']')
}

func (p *printer) value(v *Value) {
	switch v.Kind {
	case StringValue:
		p.text(v.Text)
	case NullValue:
		p.b = append(p.b, "null"...)
	default: // the literal, or the source of an expression
		p.b = append(p.b, v.Text...)
	}
}
