package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// model is what Keyreach reads of a service model.
type model struct {
	Metadata struct {
		APIVersion     string `json:"apiVersion"`
		EndpointPrefix string `json:"endpointPrefix"`
		JSONVersion    string `json:"jsonVersion"`
		Protocol       string `json:"protocol"`
		ServiceID      string `json:"serviceId"`
		SigningName    string `json:"signingName"`
		TargetPrefix   string `json:"targetPrefix"`
		XMLNamespace   string `json:"xmlNamespace"`
	} `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]shape     `json:"shapes"`

	roots  map[string]string // in additions
	others []string          // operations that were left out
}

// head is what is needed of an API before its table is.
type head struct {
	Protocol     string `json:"protocol"`
	Version      string `json:"api_version"`
	SigningName  string `json:"signing_name"`
	TargetPrefix string `json:"target_prefix,omitempty"`
}

func (m *model) head() head {
	h := head{m.Metadata.Protocol, m.Metadata.APIVersion, m.Metadata.SigningName, m.Metadata.TargetPrefix}
	if h.SigningName == "" {
		h.SigningName = m.Metadata.EndpointPrefix
	}
	return h
}

// keep leaves the named operations, and the names of the others. No names keep all.
func (m *model) keep(names []string) error {
	if len(names) == 0 {
		return nil
	}
	for _, name := range names {
		if _, ok := m.Operations[name]; !ok {
			return fmt.Errorf("the model has no operation %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Operations)) {
		if !slices.Contains(names, name) {
			m.others = append(m.others, name)
			delete(m.Operations, name)
		}
	}
	return nil
}

type operation struct {
	Deprecated bool `json:"deprecated"`
	HTTP       struct {
		Method string `json:"method"`
		URI    string `json:"requestUri"`
		Code   int    `json:"responseCode"`
	} `json:"http"`
	Input  *ref  `json:"input"`
	Output *ref  `json:"output"`
	Errors []ref `json:"errors"`
}

// at is where requests for an operation go.
func (op *operation) at() [2]string { return [2]string{op.HTTP.Method, op.HTTP.URI} }

// ref is the use of a shape by a member, a list, a map or an operation.
type ref struct {
	Shape         string     `json:"shape"`
	Location      string     `json:"location,omitempty"`
	LocationName  string     `json:"locationName,omitempty"`
	QueryName     string     `json:"queryName,omitempty"`
	Flattened     bool       `json:"flattened,omitempty"`
	Streaming     bool       `json:"streaming,omitempty"`
	XMLAttribute  bool       `json:"xmlAttribute,omitempty"`
	ResultWrapper string     `json:"resultWrapper,omitempty"`
	XMLNamespace  *namespace `json:"xmlNamespace,omitempty"`
}

type namespace struct {
	Prefix string `json:"prefix"`
	URI    string `json:"uri"`
}

type shape struct {
	Type            string         `json:"type"`
	Required        []string       `json:"required"`
	Optional        []string       `json:"optional"` // in additions: required no more
	Members         *members       `json:"members"`
	Member          *ref           `json:"member"`
	Key             *ref           `json:"key"`
	Value           *ref           `json:"value"`
	Min             *float64       `json:"min"`
	Max             *float64       `json:"max"`
	Pattern         string         `json:"pattern"`
	Enum            []string       `json:"enum"`
	Sensitive       bool           `json:"sensitive"`
	Flattened       bool           `json:"flattened"`
	Streaming       bool           `json:"streaming"`
	Payload         string         `json:"payload"`
	TimestampFormat string         `json:"timestampFormat"`
	LocationName    string         `json:"locationName"`
	XMLNamespace    *namespace     `json:"xmlNamespace"`
	Exception       bool           `json:"exception"`
	Error           *exceptionInfo `json:"error"`
}

type exceptionInfo struct {
	Code   string `json:"code"`
	Status int    `json:"httpStatusCode"`
}

// members keeps the order of the model, which is the order on the wire.
type members struct {
	names []string
	refs  map[string]ref
}

// UnmarshalJSON reads an object and keeps the order of its members.
func (m *members) UnmarshalJSON(text []byte) error {
	m.refs = map[string]ref{}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var r ref
		if err := d.Decode(&r); err != nil {
			return err
		}
		m.names = append(m.names, name.(string))
		m.refs[name.(string)] = r
	}
	return nil
}

// merge adds what a newer release has: operations and shapes that are missing,
// members that a structure lacks and values that an enumeration lacks.
func (m *model) merge(added model) error {
	for name, op := range added.Operations {
		if _, there := m.Operations[name]; there {
			return fmt.Errorf("the model has the operation %s by now", name)
		}
		m.Operations[name] = op
	}
	for name, root := range added.roots {
		op, there := m.Operations[name]
		if !there || op.Output == nil || op.Output.ResultWrapper != "" {
			return fmt.Errorf("the model has no operation %s whose answer lacks a name", name)
		}
		op.Output.ResultWrapper = root
	}
	for name, s := range added.Shapes {
		old, there := m.Shapes[name]
		if !there {
			m.Shapes[name] = s
			continue
		}
		if s.Type != "" {
			old.Type = s.Type // as the SDKs have it, where botocore has another
		}
		if s.Pattern != "" {
			old.Pattern = s.Pattern // as AWS itself uses it, where the model has another
		}
		if s.Members != nil && old.Members != nil {
			for _, member := range s.Members.names {
				if _, there := old.Members.refs[member]; there {
					return fmt.Errorf("the model has the member %s of %s by now", member, name)
				}
				old.Members.names = append(old.Members.names, member)
				old.Members.refs[member] = s.Members.refs[member]
			}
		}
		old.Enum = append(old.Enum, s.Enum...)
		old.Required = slices.DeleteFunc(old.Required, func(r string) bool { return slices.Contains(s.Optional, r) })
		m.Shapes[name] = old
	}
	return nil
}

// settle brings a model into the form of the tables. Operations that AWS has
// replaced, and kept under the same method and path, would only make two of one
// request. S3's namespace stands at its members and nowhere else.
func (m *model) settle() {
	current := map[[2]string]bool{}
	for _, op := range m.Operations {
		if !op.Deprecated {
			current[op.at()] = true
		}
	}
	maps.DeleteFunc(m.Operations, func(_ string, op operation) bool { return op.Deprecated && current[op.at()] })
	if m.Metadata.XMLNamespace != "" {
		return
	}
	for _, s := range m.Shapes {
		if s.Members == nil {
			continue
		}
		for _, r := range s.Members.refs {
			if r.XMLNamespace != nil && r.XMLNamespace.Prefix == "" {
				m.Metadata.XMLNamespace = r.XMLNamespace.URI
			}
		}
	}
}

// reachable are the shapes that some operation uses, so that the others stay
// out.
func (m *model) reachable() map[string]bool {
	seen := map[string]bool{}
	var visit func(r *ref)
	visit = func(r *ref) {
		if r == nil || seen[r.Shape] {
			return
		}
		seen[r.Shape] = true
		s := m.Shapes[r.Shape]
		for _, inner := range []*ref{s.Member, s.Key, s.Value} {
			visit(inner)
		}
		if s.Members != nil {
			for _, name := range s.Members.names {
				inner := s.Members.refs[name]
				visit(&inner)
			}
		}
	}
	for _, op := range m.Operations {
		visit(op.Input)
		visit(op.Output)
		for i := range op.Errors {
			visit(&op.Errors[i])
		}
	}
	return seen
}

// print writes the table, a row a line.
func (m *model) print(from origin) []byte {
	var b bytes.Buffer
	b.WriteString("{\n")
	head := []struct{ name, value string }{
		{"source", from.source}, {"version", from.version}, {"licence", from.licence}, {"date", from.date},
		{"service_id", m.Metadata.ServiceID}, {"protocol", m.Metadata.Protocol}, {"api_version", m.Metadata.APIVersion},
		{"json_version", m.Metadata.JSONVersion}, {"target_prefix", m.Metadata.TargetPrefix}, {"xml_namespace", m.Metadata.XMLNamespace},
	}
	for _, h := range head {
		if h.value != "" {
			fmt.Fprintf(&b, "%q:%q,\n", h.name, h.value)
		}
	}
	if len(m.others) > 0 {
		text, err := json.Marshal(m.others)
		if err != nil {
			panic("models: unprintable names: " + err.Error())
		}
		fmt.Fprintf(&b, "\"others\":%s,\n", text)
	}
	b.WriteString(`"operations":{`)
	rows(&b, slices.Sorted(maps.Keys(m.Operations)), func(name string) any { return operationRow(m.Operations[name]) })
	b.WriteString("},\n\"shapes\":{")
	rows(&b, slices.Sorted(maps.Keys(m.reachable())), func(name string) any { return shapeRow(m.Shapes[name]) })
	b.WriteString("}\n}\n")
	return b.Bytes()
}

func rows(b *bytes.Buffer, names []string, row func(string) any) {
	for i, name := range names {
		text, err := json.Marshal(row(name))
		if err != nil {
			panic("models: unprintable row: " + err.Error())
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "\n%q:%s", name, text)
	}
	b.WriteByte('\n')
}
