package awsfacts

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"unicode"
	"unicode/utf8"
)

// API is the wire form of an AWS service: its operations and the shapes that
// they send and answer, as AWS's own model of the service gives them.
type API struct {
	// Service is the name under which the API was asked for, as "kms".
	Service string
	// Protocol is json, query, ec2, rest-xml or rest-json.
	Protocol string
	// Version is the day in the API's name, as "2014-11-01"; query requests carry
	// it.
	Version string
	// JSONVersion and TargetPrefix belong to the json protocol, XMLNamespace to
	// those that answer XML.
	JSONVersion, TargetPrefix, XMLNamespace string
	// SigningName is the service in the scope of a signature.
	SigningName string
	Operations  map[string]*APIOperation
	Shapes      map[string]*Shape
	// Others are operations that AWS has and of which the table has the name only.
	Others []string

	errors map[string]*Shape // by code
	from   origin
}

// APIOperation is one operation of an API.
type APIOperation struct {
	Name, Method, URI string
	// Status is the HTTP status of success.
	Status        int
	Input, Output *Shape // nil when there is none
	// Root is the name of the input's document, Wrapper that of the element
	// around the output (in rest-xml its document), where the protocol has them.
	Root, Wrapper string
	Errors        []*Shape
}

// Shape is a type of an API.
type Shape struct {
	Name string
	// Type is structure, list, map, string, blob, boolean, integer, long, float,
	// double or timestamp; character and bigdecimal do not occur.
	Type    string
	Members []*Member // of a structure, in the order of the model
	Elem    *Member   // of a list
	Key     *Member   // of a map
	Value   *Member
	// Min and Max bound a length or a number; nil for no bound.
	Min, Max *float64
	Enum     []string
	// Pattern is the regular expression as AWS writes it; empty for none.
	Pattern string
	// Sensitive values stay out of messages and logs.
	Sensitive bool
	Flattened bool
	Streaming bool
	// Payload names the member that is the HTTP body.
	Payload string
	// Timestamp is iso8601, rfc822 or unixTimestamp when the shape says so.
	Timestamp string
	// Location is the name of the shape's element where it has one of its own.
	Location string
	// Prefix and Namespace are declared at the shape's element, for attributes.
	Prefix, Namespace string
	// Code and Status belong to an exception.
	Code   string
	Status int

	members map[string]*Member
	body    map[string]*Member // by wire name, those that stand in the body
	pattern func() *regexp.Regexp
}

// Member is the use of a shape: by a structure, a list or a map.
type Member struct {
	Name     string
	Shape    *Shape
	Required bool
	// Location is uri, querystring, header, headers or statusCode; empty for the
	// body. LocationName is the name on the wire where it is not Name.
	Location, LocationName string
	// QueryName is the name in the ec2 protocol, where given.
	QueryName string
	Flattened bool
	Streaming bool
	Attribute bool

	lower string
}

// Lower returns the name with a small first letter, as AWS's validation texts and
// CloudTrail have it.
func (m *Member) Lower() string {
	if m.lower != "" {
		return m.lower
	}
	return lowerFirst(m.Name)
}

func lowerFirst(name string) string {
	if name == "" {
		return ""
	}
	r, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(r)) + name[size:]
}

// Wire returns the member's name on the wire.
func (m *Member) Wire() string {
	if m.LocationName != "" {
		return m.LocationName
	}
	return m.Name
}

// Member returns the member of that name, or nil.
func (s *Shape) Member(name string) *Member { return s.members[name] }

// BodyMember returns the member that stands in the body under that name on the
// wire, or nil.
func (s *Shape) BodyMember(wire []byte) *Member {
	if s.body != nil {
		return s.body[string(wire)]
	}
	for _, m := range s.Members { // of a shape that is not from a table
		if m.Location == "" && m.Wire() == string(wire) {
			return m
		}
	}
	return nil
}

// Match reports whether the whole text has the shape's pattern. A pattern that
// Go's regular expressions cannot say matches everything.
func (s *Shape) Match(text string) bool {
	if s.Pattern == "" {
		return true
	}
	re := s.pattern()
	return re == nil || re.MatchString(text)
}

// escape is the way in which Java writes a character by its number.
var escape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

func compilePattern(pattern string) *regexp.Regexp {
	text := escape.ReplaceAllString(pattern, `\x{$1}`)
	re, err := regexp.Compile(`^(?:` + text + `)$`)
	if err != nil {
		return nil
	}
	return re
}

// APIHead is what is to know of an API before its table is read.
type APIHead struct {
	Protocol string `json:"protocol"`
	Version  string `json:"api_version"`
	// SigningName is the service in the scope of a signature.
	SigningName  string `json:"signing_name"`
	TargetPrefix string `json:"target_prefix"`
}

var apiHeads = sync.OnceValue(func() map[string]APIHead { return load[map[string]APIHead]("api/index.json") })

// LookupAPIHead returns what LookupAPI's result begins with, without the table.
func LookupAPIHead(service string) (APIHead, bool) {
	h, ok := apiHeads()[service]
	return h, ok
}

// apis are the tables, each read on first use.
var apis = sync.OnceValue(func() map[string]func() *API {
	m := make(map[string]func() *API, len(apiHeads()))
	for name := range apiHeads() {
		m[name] = sync.OnceValue(func() *API { return readAPI(name) })
	}
	return m
})

// LookupAPI returns the API of a service by the name its model has in botocore,
// as "kms". The tables are read on first use. They come from AWS's models of its
// services: shapes and names, no texts; see APIVersion.
func LookupAPI(service string) (*API, bool) {
	read, ok := apis()[service]
	if !ok {
		return nil, false
	}
	return read(), true
}

// APIVersion says where the table of a service comes from: the package, its
// version and the day on which it was read (YYYY-MM-DD).
func APIVersion(service string) (source, version, date string) {
	a, ok := LookupAPI(service)
	if !ok {
		return "", "", ""
	}
	return a.from.Source, a.from.Version, a.from.Date
}

type apiFile struct {
	origin
	ServiceID    string              `json:"service_id"`
	Protocol     string              `json:"protocol"`
	Version      string              `json:"api_version"`
	Others       []string            `json:"others"`
	JSONVersion  string              `json:"json_version"`
	TargetPrefix string              `json:"target_prefix"`
	XMLNamespace string              `json:"xml_namespace"`
	Operations   map[string]apiOpRow `json:"operations"`
	Shapes       map[string]shapeRow `json:"shapes"`
}

type apiOpRow struct {
	Method  string   `json:"method"`
	URI     string   `json:"uri"`
	Code    int      `json:"code"`
	Input   string   `json:"input"`
	Root    string   `json:"root"`
	Output  string   `json:"output"`
	Wrapper string   `json:"wrapper"`
	Errors  []string `json:"errors"`
}

type shapeRow struct {
	Type      string   `json:"type"`
	Members   []useRow `json:"members"`
	Member    *useRow  `json:"member"`
	Key       *useRow  `json:"key"`
	Value     *useRow  `json:"value"`
	Min       *float64 `json:"min"`
	Max       *float64 `json:"max"`
	Pattern   string   `json:"pattern"`
	Enum      []string `json:"enum"`
	Sensitive bool     `json:"sensitive"`
	Flattened bool     `json:"flattened"`
	Streaming bool     `json:"streaming"`
	Payload   string   `json:"payload"`
	Timestamp string   `json:"timestamp"`
	Location  string   `json:"name"`
	Prefix    string   `json:"prefix"`
	Namespace string   `json:"namespace"`
	Code      string   `json:"code"`
	Status    int      `json:"status"`
}

type useRow struct {
	Name         string `json:"n"`
	Shape        string `json:"s"`
	Required     bool   `json:"r"`
	Location     string `json:"l"`
	LocationName string `json:"w"`
	QueryName    string `json:"q"`
	Flattened    bool   `json:"f"`
	Streaming    bool   `json:"st"`
	Attribute    bool   `json:"a"`
}

func readAPI(service string) *API {
	t := load[apiFile]("api/" + service + ".json")
	a := &API{
		Service: service, from: t.origin, Protocol: t.Protocol, Version: t.Version, JSONVersion: t.JSONVersion, TargetPrefix: t.TargetPrefix,
		XMLNamespace: t.XMLNamespace, SigningName: apiHeads()[service].SigningName, Others: t.Others,
		Operations: make(map[string]*APIOperation, len(t.Operations)), Shapes: make(map[string]*Shape, len(t.Shapes)),
	}
	for name, row := range t.Shapes {
		// Uses of the shape, which may be read before it, ask whether it is flattened.
		a.Shapes[name] = &Shape{Name: name, Flattened: row.Flattened}
	}
	for name, row := range t.Shapes {
		a.fill(a.Shapes[name], &row)
	}
	a.errors = map[string]*Shape{}
	for name, row := range t.Operations {
		op := a.operation(name, &row)
		a.Operations[name] = op
		for _, e := range op.Errors {
			code := e.Code
			if code == "" {
				code = e.Name
			}
			a.errors[code] = e
		}
	}
	return a
}

func (a *API) operation(name string, row *apiOpRow) *APIOperation {
	op := &APIOperation{
		Name: name, Method: row.Method, URI: row.URI, Status: row.Code, Root: row.Root, Wrapper: row.Wrapper,
		Input: a.Shapes[row.Input], Output: a.Shapes[row.Output],
	}
	if op.Method == "" {
		op.Method = "POST"
	}
	if op.URI == "" {
		op.URI = "/"
	}
	if op.Status == 0 {
		op.Status = 200
	}
	for _, e := range row.Errors {
		op.Errors = append(op.Errors, a.Shapes[e])
	}
	return op
}

func (a *API) fill(s *Shape, row *shapeRow) {
	s.Type, s.Min, s.Max, s.Enum, s.Pattern = row.Type, row.Min, row.Max, row.Enum, row.Pattern
	s.Sensitive, s.Streaming, s.Payload = row.Sensitive, row.Streaming, row.Payload
	s.Timestamp, s.Location, s.Code, s.Status = row.Timestamp, row.Location, row.Code, row.Status
	s.Prefix, s.Namespace = row.Prefix, row.Namespace
	s.Elem, s.Key, s.Value = a.use(row.Member), a.use(row.Key), a.use(row.Value)
	s.members, s.body = make(map[string]*Member, len(row.Members)), make(map[string]*Member, len(row.Members))
	for i := range row.Members {
		m := a.use(&row.Members[i])
		s.Members = append(s.Members, m)
		s.members[m.Name] = m
		if m.Location == "" {
			s.body[m.Wire()] = m
		}
	}
	if s.Pattern != "" {
		s.pattern = sync.OnceValue(func() *regexp.Regexp { return compilePattern(s.Pattern) })
	}
}

func (a *API) use(row *useRow) *Member {
	if row == nil {
		return nil
	}
	shape := a.Shapes[row.Shape]
	if shape == nil {
		panic(fmt.Sprintf("awsfacts: the table of %s has no shape %s", a.Service, strconv.Quote(row.Shape)))
	}
	return &Member{
		Name: row.Name, Shape: shape, Required: row.Required, Location: row.Location, LocationName: row.LocationName,
		QueryName: row.QueryName, Flattened: row.Flattened || shape.Flattened, Streaming: row.Streaming, Attribute: row.Attribute,
		lower: lowerFirst(row.Name),
	}
}

// Operation returns the operation of that name, or nil.
func (a *API) Operation(name string) *APIOperation { return a.Operations[name] }

// Error returns the exception with that code, or nil. A code is the name of the
// shape unless the model says otherwise.
func (a *API) Error(code string) *Shape { return a.errors[code] }
