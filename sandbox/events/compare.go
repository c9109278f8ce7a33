package events

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
)

// test is a comparison with a scalar of an event.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html.
type test func(value any) bool

// same compares with a value of the same type. Numbers are the same when their texts
// are, as AWS documents: 300 is not 300.0.
func same(wanted any) test { return func(value any) bool { return value == wanted } }

// onText is a comparison that only texts can pass.
func onText(holds func(string) bool) test {
	return func(value any) bool {
		text, ok := value.(string)
		return ok && holds(text)
	}
}

func newTest(kind string, operand any) (test, error) {
	switch kind {
	case "prefix":
		return newAffix(kind, operand, strings.HasPrefix)
	case "suffix":
		return newAffix(kind, operand, strings.HasSuffix)
	case "equals-ignore-case":
		text, ok := operand.(string)
		if !ok {
			return nil, reason("equals-ignore-case match pattern must be a string")
		}
		return onText(func(value string) bool { return strings.EqualFold(value, text) }), nil
	case "wildcard":
		text, ok := operand.(string)
		if !ok {
			return nil, reason("wildcard match pattern must be a string")
		}
		return newWildcard(text)
	case "cidr":
		return newCIDR(operand)
	case "numeric":
		return newNumeric(operand)
	case "anything-but":
		return newAnythingBut(operand)
	}
	return nil, reason("Unrecognized match type " + kind)
}

// newAffix is a prefix or suffix, of which case may not count.
func newAffix(kind string, operand any, has func(text, part string) bool) (test, error) {
	switch part := operand.(type) {
	case string:
		return onText(func(value string) bool { return has(value, part) }), nil
	case map[string]any:
		folded, ok := part["equals-ignore-case"].(string)
		if ok && len(part) == 1 {
			folded = strings.ToLower(folded)
			return onText(func(value string) bool { return has(strings.ToLower(value), folded) }), nil
		}
	}
	return nil, reason(kind + " match pattern must be a string")
}

// newWildcard is a text in which * stands for any characters; \* and \\ are
// themselves.
func newWildcard(text string) (test, error) {
	var parts []string // literals between the stars
	var part strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '*' && i > 0 && text[i-1] == '*' && part.Len() == 0 && len(parts) > 0:
			return nil, reason("Consecutive wildcard characters at pos " + fmt.Sprint(i-1))
		case c == '*':
			parts = append(parts, part.String())
			part.Reset()
		case c == '\\':
			i++
			if i == len(text) || text[i] != '*' && text[i] != '\\' {
				return nil, reason("Invalid escape character at pos " + fmt.Sprint(i-1))
			}
			part.WriteByte(text[i])
		default:
			part.WriteByte(c)
		}
	}
	parts = append(parts, part.String())
	return onText(func(value string) bool { return like(value, parts) }), nil
}

// like reports whether a text begins with the first part, ends with the last and has
// the others in order between.
func like(text string, parts []string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return text == first
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	rest := text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return true
}

func newCIDR(operand any) (test, error) {
	text, ok := operand.(string)
	if !ok {
		return nil, reason("prefix match pattern must be a string")
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, reason("Malformed CIDR, one '/' required")
	}
	return onText(func(value string) bool {
		address, err := netip.ParseAddr(value)
		return err == nil && network.Contains(address)
	}), nil
}

// maxNumber is the largest number that can be compared.
const maxNumber = 5_000_000_000

func newNumeric(operand any) (test, error) {
	list, ok := operand.([]any)
	if !ok || len(list) == 0 || len(list) > 4 || len(list)%2 != 0 {
		return nil, reason("Invalid numeric match: it is one comparison or a range")
	}
	var holds []func(*big.Rat) bool
	for i := 0; i < len(list); i += 2 {
		sign, _ := list[i].(string)
		bound, ok := number(list[i+1])
		if !ok {
			return nil, reason("Value of " + sign + " must be numeric")
		}
		if new(big.Rat).Abs(bound).Cmp(big.NewRat(maxNumber, 1)) > 0 {
			return nil, reason("Value must be between -5.0E9 and 5.0E9, inclusive")
		}
		outcomes := map[string][]int{"=": {0}, "<": {-1}, "<=": {-1, 0}, ">": {1}, ">=": {0, 1}}[sign]
		if outcomes == nil || sign == "=" && len(list) > 2 {
			return nil, reason("Unrecognized numeric range operator: " + sign)
		}
		holds = append(holds, func(value *big.Rat) bool { return slices.Contains(outcomes, value.Cmp(bound)) })
	}
	return func(value any) bool {
		n, ok := number(value)
		return ok && !slices.ContainsFunc(holds, func(h func(*big.Rat) bool) bool { return !h(n) })
	}, nil
}

// maxDigits is the length of the longest number that is compared: a short text can
// stand for a number of many gigabytes.
const maxDigits = 40

func number(value any) (*big.Rat, bool) {
	n, ok := value.(json.Number)
	if !ok || len(n) > maxDigits {
		return nil, false
	}
	if f, err := n.Float64(); err != nil || f > 1e30 || f < -1e30 || f != 0 && f < 1e-30 && f > -1e-30 {
		return nil, false
	}
	return new(big.Rat).SetString(n.String())
}

// newAnythingBut is a value that none of those given is like.
func newAnythingBut(operand any) (test, error) {
	var not []test
	add := func(kind string, operands any) error {
		list, ok := operands.([]any)
		if !ok {
			list = []any{operands}
		}
		if len(list) == 0 {
			return reason("Empty arrays are not allowed")
		}
		for _, one := range list {
			switch one.(type) {
			case string, json.Number:
			default:
				return reason("Inside anything but list, only strings and numbers are supported")
			}
			t, err := same(one), error(nil)
			if kind != "" {
				t, err = newTest(kind, one)
			}
			if err != nil {
				return err
			}
			not = append(not, t)
		}
		return nil
	}
	var err error
	if object, ok := operand.(map[string]any); ok {
		if len(object) != 1 {
			return nil, reason("Only one key allowed in match expression")
		}
		for kind, operands := range object {
			if !slices.Contains([]string{"prefix", "suffix", "equals-ignore-case", "wildcard"}, kind) {
				return nil, reason("Unsupported anything-but pattern: " + kind)
			}
			err = add(kind, operands)
		}
	} else {
		err = add("", operand)
	}
	if err != nil {
		return nil, err
	}
	return func(value any) bool {
		return !slices.ContainsFunc(not, func(t test) bool { return t(value) })
	}, nil
}
