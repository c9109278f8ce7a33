package ec2

import "strings"

// wellFormed reports whether an id has the form of those of a kind: eight or seventeen
// hexadecimal digits after the prefix.
func wellFormed(prefix, id string) bool {
	digits, ok := strings.CutPrefix(id, prefix)
	if !ok || len(digits) != 8 && len(digits) != 17 {
		return false
	}
	return strings.Trim(digits, "0123456789abcdef") == ""
}

// missing refuses for ids that there are not, in the form that instances have; nil when
// there are none.
func missing(code, what string, ids []string) error {
	switch len(ids) {
	case 0:
		return nil
	case 1:
		return refuse(code, what+" '"+ids[0]+"' does not exist")
	}
	return refuse(code, what+"s '"+strings.Join(ids, ", ")+"' do not exist")
}
