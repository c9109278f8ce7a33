package route

import (
	"fmt"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/usage"
)

// Asked is one key use that somebody asks about without declaring a route for it, such as
// one that AWS refused.
type Asked struct {
	Principal string `json:"principal"` // ARN
	Action    string `json:"action"`    // kms:Decrypt
	Key       string `json:"key"`       // ARN
	// Via is the short name of the service that forwards the call; empty for none.
	Via string `json:"via,omitempty"`
	// Grants are the operations that the grant made by a CreateGrant allows.
	Grants []string `json:"grants,omitempty"`
	// About says what the use is for.
	About string `json:"about,omitempty"`
}

// use is the row that the asked use would have in the table of package usage. Nobody
// states its encryption context, so that it is not known.
func (a *Asked) use() usage.Use {
	return usage.Use{
		Operation: a.Action, About: a.About, Action: a.Action, Key: "key", Via: a.Via, Grants: a.Grants, Need: usage.Required, Confidence: usage.Documented,
		Source: "https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html",
	}
}

// Question is the command that asks whether the use is allowed.
func (a *Asked) Question() string {
	text := "keyreach can " + a.Principal + " " + a.Action + " " + a.Key
	if a.Via != "" {
		text += " --via " + a.Via
	}
	return text
}

// Asks returns the uses of a route that Asking made, one for each step; false for a
// declared one.
func (r *Route) Asks() ([]Asked, bool) {
	var list []Asked
	for i := range r.Kind.Steps {
		k := &r.Kind.Steps[i]
		if len(k.uses) == 0 {
			return nil, false
		}
		u := &k.uses[0]
		list = append(list, Asked{Principal: k.Actor, Action: u.Action, Key: k.Keys["key"], Via: u.Via, Grants: u.Grants, About: u.About})
	}
	return list, len(list) > 0
}

// Asking is the route of uses that somebody asks about: a step for each, with no
// preconditions. It is proven and planned for like a declared one. It fails for a
// principal or key that is no ARN.
func Asking(name string, uses []Asked) (Route, error) {
	r := Route{Name: name, Kind: Kind{FormatVersion: 1, Name: "request", About: "uses of keys that no route declares"}, Parties: map[string][]Party{}}
	for i := range uses {
		a := &uses[i]
		who, err := arn.ParsePrincipal(a.Principal)
		if err != nil {
			return r, fmt.Errorf("asking for %s: %w", a.Action, err)
		}
		key, err := arn.Parse(a.Key)
		if err == nil && !key.IsKMSKey() {
			err = fmt.Errorf("%q is no KMS key", a.Key)
		}
		if err != nil {
			return r, fmt.Errorf("asking for %s: %w", a.Action, err)
		}
		party := fmt.Sprintf("caller%d", i+1)
		r.Kind.Parties = append(r.Kind.Parties, PartyKind{Name: party, About: "who was refused"})
		r.Kind.Steps = append(r.Kind.Steps, StepKind{
			Name: fmt.Sprintf("use%d", i+1), About: a.About, Party: party, Actor: a.Principal, Operation: a.Action, Keys: map[string]string{"key": a.Key}, uses: []usage.Use{a.use()},
		})
		r.Parties[party] = []Party{{Account: who.Account, Region: key.Region, Key: a.Key, Actor: Actor{Principal: a.Principal}}}
	}
	return r, nil
}
