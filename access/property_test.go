package access_test

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyreach/keyreach/access"
)

// statementOf draws a statement that has something to do with the request.
func statementOf(t *rapid.T, label string, names bool) map[string]any {
	s := map[string]any{
		"Effect": rapid.SampledFrom([]string{"Allow", "Allow", "Deny"}).Draw(t, label+" effect"),
	}
	action := rapid.SampledFrom([]any{"kms:Decrypt", "kms:*", "kms:Encrypt", []string{"kms:De*", "s3:*"}, "*"}).Draw(t, label+" action")
	s[rapid.SampledFrom([]string{"Action", "Action", "Action", "NotAction"}).Draw(t, label+" action element")] = action
	resource := rapid.SampledFrom([]any{"*", key, "arn:aws:kms:*:111111111111:key/*", "arn:aws:kms:us-west-2:*:key/*"}).Draw(t, label+" resource")
	s[rapid.SampledFrom([]string{"Resource", "Resource", "Resource", "NotResource"}).Draw(t, label+" resource element")] = resource
	if names {
		who := rapid.SampledFrom([]any{"*", map[string]any{"AWS": root}, map[string]any{"AWS": xroot}, map[string]any{"AWS": []string{role, xrole}}, map[string]any{"AWS": sess}, map[string]any{"AWS": user}, map[string]any{"Service": "ec2.amazonaws.com"}})
		s["Principal"] = who.Draw(t, label+" principal")
	}
	if c := conditionOf(t, label); c != nil {
		s["Condition"] = c
	}
	return s
}

var conditionKeys = []string{"kms:ViaService", "aws:PrincipalOrgID", "kms:EncryptionContext:x", "aws:SourceIp", "kms:CallerAccount"}

func conditionOf(t *rapid.T, label string) map[string]any {
	n := rapid.IntRange(0, 2).Draw(t, label+" conditions")
	if n == 0 {
		return nil
	}
	c := map[string]any{}
	for range n {
		op := rapid.SampledFrom([]string{"StringEquals", "StringNotEquals", "StringLike", "StringEqualsIfExists", "StringNotEqualsIfExists", "ForAnyValue:StringEquals", "ForAllValues:StringLike", "Null", "IpAddress"}).Draw(t, label+" operator")
		value := rapid.SampledFrom([]string{"a", "b*", owner, "true", "false", "10.0.0.0/8"}).Draw(t, label+" value")
		c[op] = map[string]any{rapid.SampledFrom(conditionKeys).Draw(t, label+" key"): value}
	}
	return c
}

func documentOf(t *rapid.T, label string, names bool) []map[string]any {
	var ss []map[string]any
	for range rapid.IntRange(1, 3).Draw(t, label+" statements") {
		ss = append(ss, statementOf(t, label, names))
	}
	return ss
}

func encode(ss []map[string]any) raw {
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": ss})
	if err != nil {
		panic(err)
	}
	return b
}

// world is a random question whose documents can still be changed.
type world struct {
	q         question
	documents map[string][]map[string]any // by layer
}

var layerNames = []string{"identity", "resource", "boundary", "session", "scp", "rcp", "endpoint"}

func worldOf(t *rapid.T) *world {
	w := &world{documents: map[string][]map[string]any{}}
	w.q.by = rapid.SampledFrom([]string{role, sess, user, root, fed, xrole, xsess, xroot, "ec2.amazonaws.com", asgSLR}).Draw(t, "caller")
	w.q.do = rapid.SampledFrom([]string{"kms:Decrypt", "kms:Encrypt", "kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant"}).Draw(t, "action")
	for _, layer := range layerNames {
		if layer == "identity" || layer == "resource" || rapid.IntRange(0, 3).Draw(t, layer+"?") == 0 {
			w.documents[layer] = documentOf(t, layer, slices.Contains([]string{"resource", "rcp", "endpoint"}, layer))
		}
	}
	w.q.ctx = map[string]any{}
	for _, k := range conditionKeys {
		if v := rapid.SampledFrom([]any{"", "a", "bc", "10.1.2.3", nil}).Draw(t, "context "+k); v != "" {
			w.q.ctx[k] = v
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "grants") {
		g := grant(rapid.SampledFrom([]string{role, sess, user, fed, xrole, xsess, root, xroot}).Draw(t, "grantee"), "Decrypt", "RetireGrant", "CreateGrant")
		if rapid.Bool().Draw(t, "issued by the consumer") {
			g = with(g, "issuing_account", other)
		}
		if rapid.Bool().Draw(t, "constrained") {
			g = with(g, "constraints", map[string]any{"EncryptionContextSubset": map[string]string{"x": "a"}})
		}
		w.q.grants = append(w.q.grants, g)
	}
	return w
}

func (w *world) question() question {
	q := w.q
	for layer, ss := range w.documents {
		d := encode(ss)
		switch layer {
		case "identity":
			q.identity = []raw{d}
		case "resource":
			q.resource = d
		case "boundary":
			q.boundary = d
		case "session":
			q.session = d
		case "scp":
			q.scp = [][]raw{{d}}
		case "rcp":
			q.rcp = [][]raw{{d}}
		case "endpoint":
			q.endpoint = d
		}
	}
	return q
}

// order says how open a decision is.
func order(e access.Effect) int {
	switch e {
	case access.Allow:
		return 2
	case access.Unknown:
		return 1
	}
	return 0
}

func TestAddingADenyNeverWidens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := worldOf(rt)
		before := decide(t, w.question()).Effect
		layer := rapid.SampledFrom(layerNames).Filter(func(l string) bool { return w.documents[l] != nil }).Draw(rt, "layer")
		s := statementOf(rt, "deny", slices.Contains([]string{"resource", "rcp", "endpoint"}, layer))
		s["Effect"] = "Deny"
		w.documents[layer] = append(w.documents[layer], s)
		if after := decide(t, w.question()).Effect; order(after) > order(before) {
			rt.Fatalf("a Deny in the layer %s turned %v into %v: %s", layer, before, after, w.question().line())
		}
	})
}

func TestRemovingAGrantNeverWidens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := worldOf(rt)
		before := decide(t, w.question()).Effect
		if len(w.q.grants) == 0 {
			return
		}
		w.q.grants = w.q.grants[1:]
		if after := decide(t, w.question()).Effect; order(after) > order(before) {
			rt.Fatalf("removing a grant turned %v into %v: %s", before, after, w.question().line())
		}
	})
}

func TestTheOrderOfStatementsDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := worldOf(rt)
		before := decide(t, w.question())
		for layer, ss := range w.documents {
			ss = slices.Clone(ss)
			slices.Reverse(ss)
			w.documents[layer] = ss
		}
		slices.Reverse(w.q.grants)
		after := decide(t, w.question())
		if after.Effect != before.Effect || !slices.Equal(after.BlockedBy(), before.BlockedBy()) {
			rt.Fatalf("%v %v became %v %v: %s", before.Effect, before.BlockedBy(), after.Effect, after.BlockedBy(), w.question().line())
		}
	})
}

// What is decided although a value is not known stays so whatever it turns out
// to be.
func TestUnknownMeansAnyOutcome(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := worldOf(rt)
		k := rapid.SampledFrom(conditionKeys).Draw(rt, "unknown key")
		w.q.ctx[k] = nil
		before := decide(t, w.question()).Effect
		for _, v := range []any{"a", "bc", owner, "10.1.2.3", "", []string{"a", "b"}, "absent"} {
			w.q.ctx[k] = v
			if v == "absent" {
				delete(w.q.ctx, k)
			}
			after := decide(t, w.question()).Effect
			if before != access.Unknown && after != access.Unknown && (before == access.Allow) != (after == access.Allow) {
				rt.Fatalf("with %s unknown %v, with %v it is %v: %s", k, before, v, after, w.question().line())
			}
		}
	})
}

// A denial always names a blocker and an open question what is open.
func TestEveryRefusalHasAReason(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := worldOf(rt)
		d := decide(t, w.question())
		switch {
		case d.Effect == access.Unknown && len(d.Unknown) == 0:
			rt.Fatalf("nothing named for an unknown decision: %s", w.question().line())
		case (d.Effect == access.ImplicitDeny || d.Effect == access.ExplicitDeny) && len(d.Blockers) == 0:
			rt.Fatalf("no blocker for %v: %s", d.Effect, w.question().line())
		case d.Effect == access.Allow && len(d.Evidence) == 0 && w.q.by != root && w.q.by != xroot:
			rt.Fatalf("no evidence for an Allow: %s", w.question().line())
		}
		for _, b := range d.Blockers {
			if b.Text == "" || b.Explicit && b.Statement == "" {
				rt.Fatalf("an empty blocker %+v", b)
			}
		}
	})
}
