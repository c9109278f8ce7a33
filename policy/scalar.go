package policy

import (
	"encoding/base64"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// decimal is a number as the Numeric and Date operators compare them: a float
// where that is exact, a fraction where it is not.
type decimal struct {
	float float64
	exact *big.Rat // nil when float says it all
}

func (d decimal) compare(e decimal) int {
	if d.exact != nil || e.exact != nil {
		return d.rat().Cmp(e.rat())
	}
	switch {
	case d.float < e.float:
		return -1
	case d.float > e.float:
		return 1
	}
	return 0
}

func (d decimal) rat() *big.Rat {
	if d.exact != nil {
		return d.exact
	}
	return new(big.Rat).SetFloat64(d.float)
}

// parseDecimal reads digits with an optional sign, fraction and exponent: 1,
// 01, +1, 1.0 and 1e0 are the same number. Anything else, NaN and Infinity
// included, is no number.
func parseDecimal(s string) (decimal, bool) {
	digits, fraction, ok := decimalShape(s)
	if !ok {
		return decimal{}, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return decimal{}, false
	}
	// An integer of up to 15 digits is exact as a float; the rest is compared as
	// written.
	if digits <= 15 && !fraction {
		return decimal{float: f}, true
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return decimal{}, false
	}
	return decimal{exact: r}, true
}

// decimalShape checks the spelling and counts the digits before any exponent.
// fraction says that there is a point or an exponent. An exponent of more than
// three digits is refused: no policy means it, and it would cost memory.
func decimalShape(s string) (digits int, fraction, ok bool) {
	i := 0
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	start := i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	digits = i - start
	if i < len(s) && s[i] == '.' {
		fraction = true
		i++
		start = i
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		digits += i - start
	}
	if digits == 0 {
		return 0, false, false
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		fraction = true
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		start = i
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		if i == start || i-start > 3 {
			return 0, false, false
		}
	}
	return digits, fraction, i == len(s)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// dateLayouts are the W3C forms of ISO 8601 that AWS documents.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_Date.
var dateLayouts = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02", "2006-01", "2006",
}

// parseDate reads a date, or seconds since 1970, as seconds since 1970. Four
// digits are a year (assumed: AWS documents both readings and no precedence).
func parseDate(s string) (decimal, bool) {
	if _, fraction, ok := decimalShape(s); ok && (len(s) != 4 || fraction) {
		return parseDecimal(s)
	}
	for _, layout := range dateLayouts {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if t.Nanosecond() == 0 {
			return decimal{float: float64(t.Unix())}, true
		}
		r := big.NewRat(int64(t.Nanosecond()), int64(time.Second))
		return decimal{exact: r.Add(r, new(big.Rat).SetInt64(t.Unix()))}, true
	}
	return decimal{}, false
}

// network is an address or a CIDR block.
type network struct{ prefix netip.Prefix }

// contains reports whether the address s lies in the network. Text that is no
// address lies in none.
func (n network) contains(s string) bool {
	a, ok := parseAddress(s)
	return ok && n.prefix.Contains(a)
}

// parseNetwork reads an address or a CIDR block. Host bits are ignored, and
// leading zeroes and a plus sign are taken, in the octets and in the length.
func parseNetwork(s string) (network, bool) {
	text, length, cidr := strings.Cut(s, "/")
	a, ok := parseAddress(text)
	if !ok {
		return network{}, false
	}
	bits := a.BitLen()
	if cidr {
		length = strings.TrimPrefix(length, "+")
		n, err := strconv.ParseUint(length, 10, 16)
		if err != nil || int(n) > bits {
			return network{}, false
		}
		bits = int(n)
	}
	p, err := a.Prefix(bits)
	return network{p}, err == nil
}

// parseAddress reads an IP address; an IPv4 octet may have leading zeroes and
// is decimal all the same.
func parseAddress(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a, a.Zone() == ""
	}
	var octets [4]byte
	for i := range octets {
		part, rest, more := strings.Cut(s, ".")
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || more != (i < 3) {
			return netip.Addr{}, false
		}
		octets[i], s = byte(n), rest
	}
	return netip.AddrFrom4(octets), true
}

// decodeBinary returns the bytes behind base64 text, or the text itself.
func decodeBinary(s string) string {
	if b, err := base64.StdEncoding.DecodeString(s); err == nil {
		return string(b)
	}
	return s
}
