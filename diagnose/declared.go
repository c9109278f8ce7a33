package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/route"
)

// Declared fills in who was refused on which key, where the text does not tell and one
// step of the declared routes is the only one that fits: its operation is the text's, and
// its key or its actor is. It returns what it took from where; nothing when it took none.
func Declared(in *Incident, proofs []route.Proof) string {
	if in.Principal != "" && in.Key != "" || in.Operation == "" {
		return ""
	}
	type taken struct{ who, key string }
	var fits []taken
	var from []string
	for i := range proofs {
		for j := range proofs[i].Steps {
			s := &proofs[i].Steps[j]
			for k := range s.Requests {
				q := &s.Requests[k]
				if s.Operation != in.Service+":"+in.Operation || in.Principal != "" && in.Principal != q.Caller || !namesKey(in.Key, q.Key) || strings.HasPrefix(in.Action, "kms:") && in.Action != q.Use.Action {
					continue
				}
				t := taken{q.Caller, q.Key}
				if in.Key != "" {
					t.key = in.Key
				}
				if !slices.Contains(fits, t) {
					fits = append(fits, t)
				}
				if where := fmt.Sprintf("step %s of the route %s", s.Name, proofs[i].Route); !slices.Contains(from, where) {
					from = append(from, where)
				}
			}
		}
	}
	if len(fits) != 1 {
		return ""
	}
	in.Principal, in.Key = fits[0].who, fits[0].key
	in.PrincipalKind = kindOf(in.Principal)
	return fmt.Sprintf("the text does not tell it all: that %s was refused on %s is taken from %s", in.Principal, in.Key, strings.Join(from, " and "))
}

// namesKey reports whether what a text has for a key may be this one.
func namesKey(text, keyARN string) bool {
	return text == "" || text == keyARN || idOfKey(keyARN) == text
}
