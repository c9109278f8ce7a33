package policy

// Presence says what is known of a context key.
type Presence uint8

// A key is absent from the request, present with a value, or nobody can say.
const (
	Absent Presence = iota
	Present
	NotKnown
)

// ContextValue is the value of one context key in one request. A multivalued
// key is multivalued also when it has a single value: scalar operators never
// match it.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html.
type ContextValue struct {
	Presence Presence
	Multi    bool
	One      string   // the value of a single-valued key
	Many     []string // the values of a multivalued key
}

// One returns the value of a single-valued key.
func One(v string) ContextValue { return ContextValue{Presence: Present, One: v} }

// Many returns the value of a multivalued key. No values at all is absence.
func Many(vs ...string) ContextValue {
	if len(vs) == 0 {
		return ContextValue{}
	}
	return ContextValue{Presence: Present, Multi: true, Many: vs}
}

// NotGiven returns the value of a key of which nobody can say whether the
// request has it.
func NotGiven() ContextValue { return ContextValue{Presence: NotKnown} }

// Context answers for the condition keys of one request.
type Context interface {
	// Lookup returns the value of the key with this name, given in lower case.
	// It must be cheap, free of side effects and safe for concurrent use.
	Lookup(name string) ContextValue
}
