package policy

import "strings"

// operator is one condition operator, taken apart.
type operator struct {
	family   family
	relation relation
	negated  bool
	ifExists bool
	set      set
	known    bool
}

type family uint8

const (
	stringFamily family = iota
	stringFold          // …IgnoreCase
	stringLike
	numericFamily
	dateFamily
	boolFamily
	binaryFamily
	ipFamily
	arnFamily
	nullFamily
)

type relation uint8

const (
	equal relation = iota
	less
	lessOrEqual
	greater
	greaterOrEqual
)

// set is the ForAllValues: or ForAnyValue: in front of an operator.
type set uint8

const (
	noSet set = iota
	forAll
	forAny
)

// baseOperators are the operators without prefix and suffix, in lower case.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html.
func baseOperator(name string) (operator, bool) {
	switch name {
	case "stringequals":
		return operator{family: stringFamily}, true
	case "stringnotequals":
		return operator{family: stringFamily, negated: true}, true
	case "stringequalsignorecase":
		return operator{family: stringFold}, true
	case "stringnotequalsignorecase":
		return operator{family: stringFold, negated: true}, true
	case "stringlike":
		return operator{family: stringLike}, true
	case "stringnotlike":
		return operator{family: stringLike, negated: true}, true
	case "bool":
		return operator{family: boolFamily}, true
	case "binaryequals":
		return operator{family: binaryFamily}, true
	case "ipaddress":
		return operator{family: ipFamily}, true
	case "notipaddress":
		return operator{family: ipFamily, negated: true}, true
	case "arnequals", "arnlike":
		return operator{family: arnFamily}, true
	case "arnnotequals", "arnnotlike":
		return operator{family: arnFamily, negated: true}, true
	case "null":
		return operator{family: nullFamily}, true
	}
	return orderedOperator(name)
}

// orderedOperator reads the Numeric and Date operators, which share their
// endings.
func orderedOperator(name string) (operator, bool) {
	o := operator{family: numericFamily}
	ending, ok := strings.CutPrefix(name, "numeric")
	if !ok {
		o.family = dateFamily
		if ending, ok = strings.CutPrefix(name, "date"); !ok {
			return operator{}, false
		}
	}
	switch ending {
	case "equals":
	case "notequals":
		o.negated = true
	case "lessthan":
		o.relation = less
	case "lessthanequals":
		o.relation = lessOrEqual
	case "greaterthan":
		o.relation = greater
	case "greaterthanequals":
		o.relation = greaterOrEqual
	default:
		return operator{}, false
	}
	return o, true
}

// operatorNamed reads an operator with its prefix and suffix. Letter case does
// not count.
func operatorNamed(name string) (operator, bool) {
	name = strings.ToLower(name)
	var quantifier set
	if rest, ok := strings.CutPrefix(name, "forallvalues:"); ok {
		name, quantifier = rest, forAll
	} else if rest, ok := strings.CutPrefix(name, "foranyvalue:"); ok {
		name, quantifier = rest, forAny
	}
	base, ifExists := strings.CutSuffix(name, "ifexists")
	o, ok := baseOperator(base)
	if !ok || (ifExists && o.family == nullFamily) {
		return operator{}, false
	}
	o.set, o.ifExists, o.known = quantifier, ifExists, true
	return o, true
}

// wildcards reports whether * and ? are wildcards under the operator: they are
// under the Like and Arn operators and nowhere else.
func (o operator) wildcards() bool { return o.family == stringLike || o.family == arnFamily }

// variables reports whether policy variables are filled in under the operator.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-wheretouse.
func (o operator) variables() bool {
	switch o.family {
	case stringFamily, stringFold, stringLike, arnFamily:
		return true
	}
	return false
}

// condition is one operator and key, compiled.
type condition struct {
	op       operator
	key      string // lower case
	operands []operand
	source   *Key
	operator *Operator
}

// operand is one value to compare with. Which member counts depends on the
// operator's family; valid is false for a value the family cannot read, which
// then equals nothing.
type operand struct {
	pattern pattern
	number  decimal
	network network
	valid   bool
	vague   bool
	truth   bool // of Bool and Null
}

func compileConditions(s *Statement, variables bool) []condition {
	if len(s.Conditions) == 0 {
		return nil
	}
	var cs []condition
	for i := range s.Conditions {
		op, _ := operatorNamed(s.Conditions[i].Name)
		for j := range s.Conditions[i].Keys {
			k := &s.Conditions[i].Keys[j]
			c := condition{op: op, key: strings.ToLower(k.Name), source: k, operator: &s.Conditions[i]}
			if strings.ContainsAny(k.Name, "${<") && hasPlaceholder(k.Name) {
				c.key = "" // which key is meant is not known
			}
			for v := range k.Values.Values {
				c.operands = append(c.operands, compileOperand(op, &k.Values.Values[v], variables))
			}
			cs = append(cs, c)
		}
	}
	return cs
}

func compileOperand(op operator, v *Value, variables bool) operand {
	o := operand{valid: true, vague: v.Unknown || v.Kind == OpaqueValue}
	switch op.family {
	case numericFamily:
		o.number, o.valid = parseDecimal(v.Text)
	case dateFamily:
		o.number, o.valid = parseDate(v.Text)
	case ipFamily:
		o.network, o.valid = parseNetwork(v.Text)
	case boolFamily, nullFamily:
		o.truth = strings.EqualFold(v.Text, "true")
		o.valid = o.truth || strings.EqualFold(v.Text, "false")
	case binaryFamily:
		o.pattern.text = decodeBinary(v.Text)
	default:
		o.pattern = compilePattern(v, compileOptions{
			fold: op.family == stringFold, wild: op.wildcards(), variables: variables && op.variables(),
		})
	}
	return o
}

// eval returns whether the condition holds.
func (c *condition) eval(ctx Context) Truth {
	if !c.op.known || c.key == "" {
		return Unknown // an operator or a key that nobody can read
	}
	v := ctx.Lookup(c.key)
	if c.op.family == nullFamily {
		return c.null(v)
	}
	switch v.Presence {
	case NotKnown:
		return Unknown
	case Absent:
		return c.absent()
	}
	switch c.op.set {
	case forAll:
		return c.all(v, ctx)
	case forAny:
		return c.any(v, ctx)
	}
	if v.Multi {
		return False // a scalar operator never matches a multivalued key
	}
	return c.one(v.One, ctx)
}

// absent is the outcome for a key that the request does not have.
func (c *condition) absent() Truth {
	switch c.op.set {
	case forAll:
		return True
	case forAny:
		return truth(c.op.ifExists)
	}
	return truth(c.op.negated || c.op.ifExists)
}

func (c *condition) null(v ContextValue) Truth {
	if v.Presence == NotKnown {
		return Unknown
	}
	result := False
	for i := range c.operands {
		o := &c.operands[i]
		t := truth(o.valid && o.truth == (v.Presence == Absent))
		if o.vague {
			t = Unknown
		}
		result = result.Or(t)
	}
	return result
}

func (c *condition) all(v ContextValue, ctx Context) Truth {
	if !v.Multi {
		return c.one(v.One, ctx)
	}
	result := True
	for _, s := range v.Many {
		result = result.And(c.one(s, ctx))
	}
	return result
}

func (c *condition) any(v ContextValue, ctx Context) Truth {
	if !v.Multi {
		return c.one(v.One, ctx)
	}
	result := False
	for _, s := range v.Many {
		result = result.Or(c.one(s, ctx))
	}
	return result
}

// one compares one value of the request with all values of the policy: any of
// them will do for an operator, none may match for its negation.
func (c *condition) one(s string, ctx Context) Truth {
	result := False
	for i := range c.operands {
		result = result.Or(c.compare(&c.operands[i], s, ctx))
		if result == True {
			break
		}
	}
	if c.op.negated {
		return result.Not()
	}
	return result
}

func (c *condition) compare(o *operand, s string, ctx Context) Truth {
	switch c.op.family {
	case stringFamily, stringFold, stringLike:
		return o.pattern.match(s, ctx)
	case arnFamily:
		return o.pattern.matchARN(s, ctx)
	}
	if o.vague {
		return Unknown
	}
	if !o.valid {
		return False
	}
	switch c.op.family {
	case numericFamily:
		n, ok := parseDecimal(s)
		return truth(ok && c.op.relation.holds(n.compare(o.number)))
	case dateFamily:
		n, ok := parseDate(s)
		return truth(ok && c.op.relation.holds(n.compare(o.number)))
	case ipFamily:
		return truth(o.network.contains(s))
	case boolFamily:
		return truth(strings.EqualFold(s, "true") && o.truth || strings.EqualFold(s, "false") && !o.truth)
	case binaryFamily:
		return truth(decodeBinary(s) == o.pattern.text)
	}
	return Unknown
}

// holds reports whether a comparison result (-1, 0, 1) satisfies the relation.
func (r relation) holds(cmp int) bool {
	switch r {
	case less:
		return cmp < 0
	case lessOrEqual:
		return cmp <= 0
	case greater:
		return cmp > 0
	case greaterOrEqual:
		return cmp >= 0
	}
	return cmp == 0
}
