package main

// row is one line of a table. The names are short because there are thousands of
// lines; awsfacts/api.go says what each means.
type row struct {
	Type      string      `json:"type,omitempty"`
	Members   []memberRow `json:"members,omitempty"`
	Member    *memberRow  `json:"member,omitempty"`
	Key       *memberRow  `json:"key,omitempty"`
	Value     *memberRow  `json:"value,omitempty"`
	Min       *float64    `json:"min,omitempty"`
	Max       *float64    `json:"max,omitempty"`
	Pattern   string      `json:"pattern,omitempty"`
	Enum      []string    `json:"enum,omitempty"`
	Sensitive bool        `json:"sensitive,omitempty"`
	Flattened bool        `json:"flattened,omitempty"`
	Streaming bool        `json:"streaming,omitempty"`
	Payload   string      `json:"payload,omitempty"`
	Timestamp string      `json:"timestamp,omitempty"`
	Location  string      `json:"name,omitempty"`
	Prefix    string      `json:"prefix,omitempty"`
	Namespace string      `json:"namespace,omitempty"`
	Code      string      `json:"code,omitempty"`
	Status    int         `json:"status,omitempty"`
}

type memberRow struct {
	Name         string `json:"n,omitempty"`
	Shape        string `json:"s"`
	Required     bool   `json:"r,omitempty"`
	Location     string `json:"l,omitempty"`
	LocationName string `json:"w,omitempty"`
	QueryName    string `json:"q,omitempty"`
	Flattened    bool   `json:"f,omitempty"`
	Streaming    bool   `json:"st,omitempty"`
	Attribute    bool   `json:"a,omitempty"`
}

type opRow struct {
	Method  string   `json:"method,omitempty"` // POST unless said
	URI     string   `json:"uri,omitempty"`    // "/" unless said
	Code    int      `json:"code,omitempty"`
	Input   string   `json:"input,omitempty"`
	Root    string   `json:"root,omitempty"` // the name of the input on the wire
	Output  string   `json:"output,omitempty"`
	Wrapper string   `json:"wrapper,omitempty"`
	Errors  []string `json:"errors,omitempty"`
}

func operationRow(op operation) opRow {
	r := opRow{Method: op.HTTP.Method, URI: op.HTTP.URI, Code: op.HTTP.Code}
	if r.Method == "POST" {
		r.Method = ""
	}
	if r.URI == "/" {
		r.URI = ""
	}
	if op.Input != nil {
		r.Input, r.Root = op.Input.Shape, op.Input.LocationName
	}
	if op.Output != nil {
		r.Output, r.Wrapper = op.Output.Shape, op.Output.ResultWrapper
	}
	for _, e := range op.Errors {
		r.Errors = append(r.Errors, e.Shape)
	}
	return r
}

func shapeRow(s shape) row {
	r := row{
		Type: s.Type, Min: s.Min, Max: s.Max, Pattern: s.Pattern, Enum: s.Enum, Sensitive: s.Sensitive, Flattened: s.Flattened,
		Streaming: s.Streaming, Payload: s.Payload, Timestamp: s.TimestampFormat, Location: s.LocationName,
		Member: use("", s.Member), Key: use("", s.Key), Value: use("", s.Value),
	}
	if s.XMLNamespace != nil {
		r.Prefix, r.Namespace = s.XMLNamespace.Prefix, s.XMLNamespace.URI
	}
	if s.Error != nil {
		r.Code, r.Status = s.Error.Code, s.Error.Status
	}
	if s.Members == nil {
		return r
	}
	for _, name := range s.Members.names {
		inner := s.Members.refs[name]
		m := use(name, &inner)
		for _, required := range s.Required {
			m.Required = m.Required || required == name
		}
		r.Members = append(r.Members, *m)
	}
	return r
}

func use(name string, r *ref) *memberRow {
	if r == nil {
		return nil
	}
	return &memberRow{
		Name: name, Shape: r.Shape, Location: r.Location, LocationName: r.LocationName, QueryName: r.QueryName,
		Flattened: r.Flattened, Streaming: r.Streaming, Attribute: r.XMLAttribute,
	}
}
