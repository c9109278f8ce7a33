package access_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// stranger is a caller that is no probe: what it may by itself is drawn.
type stranger struct {
	by       string
	identity *estate.Document // nil: as the estates say
	session  *estate.Document
}

var freeKeys = []string{"kms:ViaService", "kms:EncryptionContext:x", "aws:SourceIp", "aws:PrincipalTag/t", "aws:UserAgent"}

// changedStatement draws a statement about keys with conditions that a request
// is free to meet, or on who asks.
func changedStatement(t *rapid.T, label string, names bool) map[string]any {
	s := statementOf(t, label, names)
	delete(s, "Condition")
	if names {
		who := rapid.SampledFrom([]any{
			"*", map[string]any{"AWS": root}, map[string]any{"AWS": xroot}, map[string]any{"AWS": []string{plain, xrole}},
			map[string]any{"AWS": sess}, map[string]any{"AWS": user}, map[string]any{"AWS": "444444444444"},
			map[string]any{"Service": "ec2.amazonaws.com"}, map[string]any{"AWS": "arn:aws:iam::111111111111:user/gone"},
		}).Draw(t, label+" who")
		delete(s, "Principal")
		s[rapid.SampledFrom([]string{"Principal", "Principal", "Principal", "NotPrincipal"}).Draw(t, label+" principal element")] = who
	}
	conditions := map[string]any{}
	for range rapid.IntRange(0, 3).Draw(t, label+" conditions") {
		op := rapid.SampledFrom([]string{
			"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIfExists", "StringNotEqualsIfExists",
			"ForAnyValue:StringLike", "ForAllValues:StringEquals", "Null", "IpAddress", "NotIpAddress", "ArnLike",
		}).Draw(t, label+" operator")
		k := rapid.SampledFrom(freeKeys).Draw(t, label+" key")
		var v string
		switch {
		case op == "Null":
			v = rapid.SampledFrom([]string{"true", "false"}).Draw(t, label+" null")
		case strings.HasSuffix(op, "IpAddress"):
			k, v = "aws:SourceIp", rapid.SampledFrom([]string{"10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0"}).Draw(t, label+" network")
		case op == "ArnLike":
			k, v = "aws:PrincipalArn", rapid.SampledFrom([]string{"arn:aws:iam::*:role/dr-*", "arn:aws:iam::111111111111:*", "arn:aws:iam::*:user/*"}).Draw(t, label+" arn")
		default:
			v = rapid.SampledFrom([]string{"a", "b*", "*c", "b?", "${aws:PrincipalTag/t}"}).Draw(t, label+" value")
			if rapid.IntRange(0, 5).Draw(t, label+" about the caller") == 0 {
				k, v = "aws:PrincipalOrgID", rapid.SampledFrom([]string{"o-abc1234567", "o-other12345"}).Draw(t, label+" organization")
			}
		}
		conditions[op] = map[string]any{k: v}
	}
	if len(conditions) > 0 {
		s["Condition"] = conditions
	}
	return s
}

func changedDocument(t *rapid.T, label string, names bool) raw {
	var ss []map[string]any
	for i := range rapid.IntRange(1, 4).Draw(t, label+" size") {
		ss = append(ss, changedStatement(t, label+string(rune('0'+i)), names))
	}
	return encode(ss)
}

// scenes draws an estate and the same estate with one or two things changed.
func scenes(t *rapid.T) (b, a scene) {
	b = base()
	b.orgless = rapid.SampledFrom([]string{"", "", "none"}).Draw(t, "organization")
	grants := func(label string) []map[string]any {
		var gs []map[string]any
		for range rapid.IntRange(0, 2).Draw(t, label) {
			g := grant(rapid.SampledFrom([]string{plain, sess, user, xrole, "arn:aws:iam::444444444444:role/far", root}).Draw(t, label+" grantee"), "Decrypt", "CreateGrant")
			if kind := rapid.SampledFrom([]string{"", "EncryptionContextSubset", "EncryptionContextEquals"}).Draw(t, label+" constraint"); kind != "" {
				g = with(g, "constraints", map[string]any{kind: map[string]string{"x": "a"}})
			}
			if rapid.Bool().Draw(t, label+" issued elsewhere") {
				g = with(g, "issuing_account", other)
			}
			gs = append(gs, g)
		}
		for i := range gs {
			gs[i] = with(gs[i], "grant_id", "g"+string(rune('0'+i)))
		}
		return gs
	}
	draw := func(s *scene, label string) {
		switch rapid.IntRange(0, 5).Draw(t, label) {
		case 0, 1:
			s.key = changedDocument(t, label+" key", true)
		case 2:
			s.app = changedDocument(t, label+" app", false)
		case 3:
			s.boundary = changedDocument(t, label+" boundary", false)
		case 4:
			s.grants = grants(label + " grants")
		case 5:
			s.scp = changedDocument(t, label+" scp", false)
		}
	}
	draw(&b, "first")
	draw(&b, "second")
	a = b
	draw(&a, "change")
	if rapid.Bool().Draw(t, "more") {
		draw(&a, "other change")
	}
	return b, a
}

func strangerOf(t *rapid.T) stranger {
	s := stranger{by: rapid.SampledFrom([]string{
		role, sess, user, root, plain, xrole, xsess, xroot, "ec2.amazonaws.com",
		"arn:aws:iam::111111111111:role/dr-new", "arn:aws:iam::111111111111:user/new", "arn:aws:iam::222222222222:role/dr-new",
		"arn:aws:iam::555555555555:role/dr-new", "arn:aws:iam::444444444444:role/far", "arn:aws:sts::111111111111:assumed-role/dr-new/s",
		"arn:aws:iam::111111111111:user/gone",
	}).Draw(t, "caller")}
	if p := s.by; strings.Contains(p, "new") || strings.Contains(p, "far") || strings.Contains(p, "gone") {
		s.identity = read(changedDocument(t, "own", false))
	}
	if strings.Contains(s.by, ":assumed-role/") && rapid.Bool().Draw(t, "session policy") {
		s.session = read(changedDocument(t, "session", false))
	}
	return s
}

func read(text raw) *estate.Document {
	d, _, err := policy.Read("drawn", text)
	if err != nil {
		panic(err)
	}
	return estate.NewDocument(d)
}

// ask decides a request of the stranger whose context is wholly known.
func (s stranger) ask(t testing.TB, e *estate.Estate, action string, context map[string]string) access.Effect {
	r, err := estate.NewRequest(s.by, action, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range freeKeys {
		v := policy.ContextValue{}
		if text := context[k]; text != "" {
			v = policy.One(text)
		}
		r.Context.Set(k, v)
	}
	if s.session != nil {
		r.SessionPolicies = []*estate.Document{s.session}
	}
	c := e.Bind(r)
	if s.identity != nil {
		c.Identity, c.IdentityUnread = []estate.Named{{Name: "own", Document: s.identity}}, ""
	}
	return access.Decide(&c)
}

// Whoever asks, and however: what was denied and is allowed is a gain of the
// action.
func TestWhatOpensForAnybodyIsAGain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b, a := scenes(rt)
		before, after := b.load(t), a.load(t)
		var gains []access.Gain
		asked := false
		for range 40 {
			s := strangerOf(rt)
			action := rapid.SampledFrom([]string{"kms:Decrypt", "kms:Encrypt"}).Draw(rt, "action")
			context := map[string]string{}
			for _, k := range freeKeys {
				context[k] = rapid.SampledFrom([]string{"", "a", "bc", "bd", "xc", "10.1.2.3", "10.9.9.9"}).Draw(rt, k)
			}
			if strings.Contains(s.by, "user/") || strings.HasSuffix(s.by, ":root") || !strings.HasPrefix(s.by, "arn:") {
				context["aws:PrincipalTag/t"] = "" // the estate's users have no tags; these callers none at all
			}
			if strings.HasSuffix(s.by, ".amazonaws.com") {
				context["kms:ViaService"] = "" // a service that calls for itself carries none
			}
			was, is := s.ask(t, before, action, context), s.ask(t, after, action, context)
			if was >= access.Unknown || is != access.Allow {
				continue
			}
			if !asked {
				gains, asked = access.Gains(before, after, access.Probes{}), true
			}
			if !slices.ContainsFunc(gains, func(g access.Gain) bool { return slices.Contains(g.Actions, action) || g.Incomplete }) {
				rt.Fatalf("%s may %s now in %v, and Gains says %v\nbefore %+v\nafter %+v", s.by, action, context, lines(gains), texts(b), texts(a))
			}
		}
	})
}

// texts shows a scene.
func texts(s scene) map[string]any {
	return map[string]any{
		"key": string(s.key), "app": string(s.app), "boundary": string(s.boundary), "scp": string(s.scp),
		"grants": s.grants, "organization": s.orgless == "",
	}
}

// What is said to be a gain is one: the request described is decided as said.
func TestEveryGainIsOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b, a := scenes(rt)
		if rapid.IntRange(0, 2).Draw(rt, "asked") > 0 {
			return // one in three does: each is a whole comparison
		}
		before, after := b.load(t), a.load(t)
		for _, g := range access.Gains(before, after, access.Probes{}) {
			if g.Kind != access.GainPrincipal || g.Uncertain || g.Incomplete || strings.Contains(g.Resource, "keyreach-unnamed") {
				continue
			}
			// An invented action stands for those to come: which keys it carries nobody knows.
			g.Actions = slices.DeleteFunc(g.Actions, func(a string) bool { return strings.Contains(a, "keyreach-unnamed") })
			if len(g.Actions) == 0 {
				continue
			}
			r, err := estate.NewRequest(g.Principal, g.Actions[0], g.Resource)
			if err != nil {
				rt.Fatal(err)
			}
			for k, v := range g.Context {
				switch len(v) {
				case 0:
					r.Context.Set(k, policy.ContextValue{})
				case 1:
					r.Context.Set(k, policy.One(v[0]))
				default:
					r.Context.Set(k, policy.Many(v...))
				}
			}
			if strings.Contains(g.Principal, "assumed-role") {
				continue // some are told of a session with session policies
			}
			if !opensSomehow(before, after, &g, r) {
				rt.Fatalf("%v opens in no context\nbefore %+v\nafter %+v", lines([]access.Gain{g}), texts(b), texts(a))
			}
		}
	})
}

// opensSomehow reports whether a request opens with some values of the context keys that
// the gain does not name. Most often it does with all; where conditions hang on two keys
// at once a gain may say too much, which refuses rather than opens.
func opensSomehow(before, after *estate.Estate, g *access.Gain, r estate.Request) bool {
	var free []string
	for _, k := range freeKeys {
		tag := strings.HasPrefix(k, "aws:PrincipalTag/") && strings.Contains(g.Principal, ":user/")
		_, named := g.Context[k]
		switch {
		case named || tag:
		case fits(g, k):
			free = append(free, k)
		default:
			r.Context.Set(k, policy.ContextValue{}) // the action has no such key
		}
	}
	values := []string{"", "a", "bc", "10.1.2.3", "198.51.100.7"}
	total := 1
	for range free {
		total *= len(values)
	}
	for n := range total {
		q := r
		q.Context = slices.Clone(r.Context)
		for i, left := 0, n; i < len(free); i, left = i+1, left/len(values) {
			v := policy.ContextValue{}
			if text := values[left%len(values)]; text != "" {
				v = policy.One(text)
			}
			q.Context.Set(free[i], v)
		}
		cb, ca := before.Bind(q), after.Bind(q)
		if access.Decide(&ca) == access.Allow && access.Decide(&cb) != access.Allow {
			return true
		}
	}
	return false
}

// fits reports whether a request that gains can have the context key; keys of
// KMS belong to its actions only.
func fits(g *access.Gain, key string) bool {
	carries, known := awsfacts.Carries(g.Actions[0], key)
	return (carries || !known) && (g.Resource == "*" || strings.HasPrefix(g.Actions[0], "kms:") || !strings.HasPrefix(key, "kms:"))
}

func TestNothingIsGainedAndLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b, a := scenes(rt)
		if rapid.IntRange(0, 2).Draw(rt, "asked") > 0 {
			return // one in three does: each is a whole comparison
		}
		before, after := b.load(t), a.load(t)
		// A session or a named principal of whom nothing is known is asked for in
		// several forms, which may gain and lose.
		certain := func(gains []access.Gain) []string {
			var out []string
			for _, g := range gains {
				if g.Kind == access.GainPrincipal && !g.Uncertain && !g.Incomplete && !strings.Contains(g.Principal, "assumed-role") {
					for _, l := range lines([]access.Gain{g}) {
						out = append(out, g.Resource+" | "+l)
					}
				}
			}
			return out
		}
		losses := certain(access.Gains(after, before, access.Probes{}))
		for _, l := range certain(access.Gains(before, after, access.Probes{})) {
			if slices.Contains(losses, l) {
				rt.Fatalf("gained and lost: %s\nbefore %+v\nafter %+v", l, texts(b), texts(a))
			}
		}
	})
}
