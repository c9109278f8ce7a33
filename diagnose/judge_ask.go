package diagnose

import (
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/usage"
)

// ask puts the requests of the text to the estate.
func (a *asker) ask() {
	if a.askDecoded() || a.j.Principal == "" || a.j.Key == "" {
		return
	}
	allowed := true
	for _, u := range a.uses() {
		if q, ok := a.request(u); ok {
			allowed = allowed && q.Verdict == route.Proven
			a.j.Asked = append(a.j.Asked, q)
		}
	}
	a.j.Allowed = allowed && len(a.j.Asked) > 0
}

// request puts one use of the key to the estate.
func (a *asker) request(u usage.Use) (route.RequestProof, bool) {
	q := route.RequestProof{Use: u, Caller: a.j.Principal, Key: a.j.Key}
	r, err := u.Request(q.Caller, q.Key)
	if err != nil {
		a.note("the request could not be asked: %v", err)
		return q, false
	}
	r.At = a.at
	if u.Via == "" && a.mayBeForwarded() {
		r.Context.Set("kms:ViaService", policy.NotGiven())
	}
	c := a.e.Bind(r)
	q.Decision = access.Authorize(&c)
	q.Verdict = verdictOf(&q.Decision)
	return q, true
}

// lookAhead asks for the other uses that the operation surely makes of the key.
func (a *asker) lookAhead() {
	if len(a.j.Asked) != 1 || a.j.Asked[0].Verdict != route.Blocked || a.decoded != nil {
		return
	}
	for _, u := range others(a.operations(), a.j.Asked[0].Use.Action) {
		if q, ok := a.request(a.told(u)); ok && q.Verdict == route.Blocked {
			a.j.Next = append(a.j.Next, q)
		}
	}
}

// others are the required uses that are made of the same key as the action, whatever the
// circumstances: in every scenario of the operations in which a key has the action.
func others(operations []string, action string) []usage.Use {
	type part struct{ operation, scenario, key string }
	parts := map[part][]usage.Use{}
	for _, u := range rowsOf(operations) {
		if u.Need == usage.Required {
			at := part{u.Operation, u.Scenario, u.Key}
			parts[at] = append(parts[at], u)
		}
	}
	has := func(list []usage.Use, action string) bool {
		return slices.ContainsFunc(list, func(u usage.Use) bool { return u.Action == action })
	}
	maps.DeleteFunc(parts, func(_ part, list []usage.Use) bool { return !has(list, action) })
	var sure []usage.Use
	for _, u := range rowsOf(operations) {
		if _, ok := parts[part{u.Operation, u.Scenario, u.Key}]; !ok || u.Need != usage.Required || u.Action == action || has(sure, u.Action) {
			continue
		}
		everywhere := true
		for _, other := range parts {
			everywhere = everywhere && has(other, u.Action)
		}
		if everywhere {
			sure = append(sure, u)
		}
	}
	return sure
}

func verdictOf(d *access.Decision) route.Verdict {
	switch {
	case d.Open():
		return route.Proven
	case d.Effect == access.Unknown && d.Usable:
		return route.OpenIf
	}
	return route.Blocked
}

// mayBeForwarded reports whether a service may have made the call for the caller without
// the text telling: a text that names an operation of KMS itself is about a direct call.
func (a *asker) mayBeForwarded() bool {
	if a.who.Kind == arn.Service {
		return false
	}
	_, direct := awsfacts.KMSOperation("kms:" + a.in.Operation)
	return !direct
}

// uses are the key uses that the text is about: the action that it names, or those that
// its operation needs.
func (a *asker) uses() []usage.Use {
	var list []usage.Use
	if actions := kmsActions(a.in.Action); len(actions) > 0 {
		for _, action := range actions {
			list = append(list, a.use(action))
		}
		return list
	}
	if op, ok := awsfacts.KMSOperation("kms:" + a.in.Operation); ok && (a.in.Service == "kms" || a.in.Service == "") {
		for _, action := range op.Actions {
			list = append(list, a.use(action))
		}
		return list
	}
	rows := rowsOf(a.operations())
	if len(rows) == 0 {
		a.note("the text names no action on the key")
	} else {
		a.note("the text names no action: everything was asked that %s needs of its keys, though the key may be only one of them", strings.Join(a.operations(), " and "))
	}
	for _, u := range rows {
		if u.Need == usage.Required && !slices.ContainsFunc(list, func(have usage.Use) bool { return have.Action == u.Action && have.Via == u.Via }) {
			list = append(list, a.told(u))
		}
	}
	return list
}

func kmsActions(action string) []string {
	if !strings.HasPrefix(strings.ToLower(action), "kms:") {
		return nil
	}
	return awsfacts.ActionsMatching(action)
}

// operations are those of the text, or where it names none those that fail in its way.
func (a *asker) operations() []string {
	_, own := awsfacts.KMSOperation("kms:" + a.in.Operation)
	if a.in.Operation != "" && !(own && a.in.Service == "kms") {
		return []string{a.in.Service + ":" + a.in.Operation}
	}
	if name := a.who.Name; strings.HasPrefix(name, "AWSServiceRoleForAutoScaling") || name == "AWSServiceRoleForEC2Spot" || name == "AWSServiceRoleForEC2Fleet" {
		return []string{"ec2:RunInstances"} // all that these roles do with keys
	}
	switch a.in.Service {
	case "autoscaling":
		return []string{"ec2:RunInstances"}
	case "backup":
		return []string{"backup:StartCopyJob"}
	case "drs":
		return []string{"drs:StartRecovery", "ec2:ModifySnapshotAttribute"}
	}
	return nil
}

func rowsOf(operations []string) []usage.Use {
	return slices.DeleteFunc(usage.All(), func(u usage.Use) bool { return !slices.Contains(operations, u.Operation) })
}

// use is the use of one action: as the table has it for the operation, else as the text
// tells.
func (a *asker) use(action string) usage.Use {
	for _, u := range rowsOf(a.operations()) {
		if u.Action == action {
			return a.told(u)
		}
	}
	return a.told(usage.Use{
		Operation: action, About: "the use that was refused", Action: action, Key: "key", Via: a.via(), Need: usage.Required, Confidence: usage.Documented,
		Source: "https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html",
	})
}

// told is a use with the encryption context that the text tells.
func (a *asker) told(u usage.Use) usage.Use {
	if len(a.in.Context) > 0 {
		u.Context = a.in.Context
	}
	if a.who.Kind == arn.Service {
		u.Via = "" // a service that acts for itself forwards nothing
	}
	return u
}

// via is the short name of the service that forwarded the call: none did for a service
// that acts for itself.
func (a *asker) via() string {
	if a.who.Kind == arn.Service {
		return ""
	}
	return a.in.forwarder()
}

// Holder is the user or role whose rights a caller has: the role of a session, as the
// estate has it.
func Holder(caller string, e *estate.Estate) string {
	p, err := arn.ParsePrincipal(caller)
	if err != nil || p.Kind != arn.AssumedRole {
		return caller
	}
	for i := range e.Principals {
		if role, err := arn.ParsePrincipal(e.Principals[i].ARN); err == nil && p.SameRole(role) {
			return role.Text
		}
	}
	if linked, ok := awsfacts.ServiceLinkedRoleFor(p.Name); ok { // whose path a session's ARN does not tell
		return "arn:" + p.Partition + ":iam::" + p.Account + ":role" + linked.Path + p.Name
	}
	return p.RoleARN
}
