package access_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/access"
)

// A stored unique id that is not the caller's makes a statement or grant dead,
// though the ARN looks right (KEY117).
func TestAPrincipalThatWasMadeAgainIsNotTheOneThatWasMeant(t *testing.T) {
	t.Parallel()
	stored := func(id string, statement string) question {
		return question{
			by: sess, id: roleID + ":one", do: "kms:Decrypt", resource: doc(statement, to(user, "kms:*")),
			key: map[string]any{"principal_ids": map[string]string{role: id}},
		}
	}
	run(t, []row{
		{"the id is the role's", pageIDs, stored(roleID, to(role, "kms:*")), access.Allow, ""},
		{"the id is of a role that is gone", pageIDs, stored("AROAOLDOLDOLDOLDOLDOL", to(role, "kms:*")), access.ImplicitDeny, "key-policy"},
		{"so is the deny of it", pageIDs, func() question {
			q := stored("AROAOLDOLDOLDOLDOLDOL", denyTo(role, "kms:*"))
			q.grants = grants{grant(sess, "Decrypt")}
			return q
		}(), access.Allow, ""},
		{"the account is not affected", pageIDs, func() question {
			q := stored("AROAOLDOLDOLDOLDOLDOL", to(root, "kms:*"))
			q.identity = []raw{decrypt}
			return q
		}(), access.Allow, ""},
	})
	d := decide(t, stored("AROAOLDOLDOLDOLDOLDOL", to(role, "kms:*")))
	if text := fmt.Sprint(d.Blockers); !strings.Contains(text, "KEY117") || !strings.Contains(text, "AROAOLDOLDOLDOLDOLDOL") {
		t.Errorf("the blocker does not say why: %s", text)
	}
}

func TestADecisionEnds(t *testing.T) {
	t.Parallel()
	const at = "2026-06-01T00:00:00Z"
	ask := func(condition string, key map[string]any) question {
		s := to(role, "kms:*")
		if condition != "" {
			s = when(s, condition)
		}
		return question{by: sess, do: "kms:Decrypt", resource: doc(s), key: key, ctx: map[string]any{"aws:CurrentTime": at}}
	}
	tests := []struct {
		name string
		q    question
		want string
		why  string
	}{
		{"never, as far as known", ask("", nil), "", ""},
		{"with the key's deletion", ask("", map[string]any{"deletion_date": "2026-12-01T00:00:00Z"}), "2026-12-01T00:00:00Z", "the key is deleted"},
		{"with its imported material", ask("", map[string]any{"valid_to": "2026-11-01T00:00:00Z", "deletion_date": "2026-12-01T00:00:00Z"}), "2026-11-01T00:00:00Z", "imported key material"},
		{"with a date condition", ask(`{"DateLessThan":{"aws:CurrentTime":"2026-07-01T00:00:00Z"}}`, nil), "2026-07-01T00:00:00Z", "date condition"},
		{"with the last of several dates", ask(`{"DateLessThan":{"aws:CurrentTime":["2026-07-01T00:00:00Z","2026-08-01T00:00:00Z"]}}`, nil), "2026-08-01T00:00:00Z", "date condition"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := decide(t, tt.q)
			got := ""
			if !d.ValidUntil.IsZero() {
				got = d.ValidUntil.Format(time.RFC3339)
			}
			if d.Effect != access.Allow || got != tt.want || !strings.Contains(d.ValidWhy, tt.why) {
				t.Errorf("%v until %q (%s), want %q (%s)", d.Effect, got, d.ValidWhy, tt.want, tt.why)
			}
		})
	}
}

// The evidence goes down to the element, with the expected and the actual value.
func TestEvidenceNamesTheElement(t *testing.T) {
	t.Parallel()
	d := decide(t, question{
		by: sess, do: "kms:Decrypt", ctx: map[string]any{"aws:PrincipalOrgID": "o-2"},
		resource: doc(
			when(`{"Sid":"Via","Effect":"Allow","Principal":{"AWS":"`+role+`"},"Action":"kms:*","Resource":"*"}`, `{"StringEquals":{"kms:ViaService":["s3.us-east-1.amazonaws.com","sqs.us-east-1.amazonaws.com"]}}`),
			when(`{"Sid":"Perimeter","Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}`, `{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}}`),
			`{"Sid":"Slip","Effect":"Allow","Principal":{"AWS":"`+role+`"},"Action":"kms:Decryp","Resource":"*"}`),
	})
	if d.Effect != access.ExplicitDeny || len(d.Blockers) != 2 {
		t.Fatalf("%v with %+v", d.Effect, d.Blockers)
	}
	deny := d.Blockers[0]
	if !deny.Explicit || deny.Layer != access.KeyPolicy || deny.Owner != owner || deny.Statement != `"Perimeter"` || deny.Position.Line != 1 {
		t.Errorf("the Deny is told as %+v", deny)
	}
	var texts []string
	for _, e := range d.Blockers[1].NearMisses {
		texts = append(texts, e.String())
	}
	want := []string{
		`key policy "Via" would match but for kms:ViaService absent (StringEquals asks for s3.us-east-1.amazonaws.com, sqs.us-east-1.amazonaws.com)`,
		`key policy "Slip" would match but for Action names kms:Decryp, not kms:Decrypt`,
	}
	if !slices.Equal(texts, want) {
		t.Errorf("near misses\n%s\nwant\n%s", strings.Join(texts, "\n"), strings.Join(want, "\n"))
	}
}

// What rests on a value nobody knows names the key and how to find out.
func TestAnUnknownNamesItsKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		q    question
		key  string
		text string
	}{
		{"in an Allow", question{by: sess, do: "kms:Decrypt", ctx: map[string]any{"aws:SourceIp": nil}, resource: doc(when(to(role, "kms:*"), `{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`))}, "aws:SourceIp", "allows this or not"},
		{"in a Deny", question{by: sess, do: "kms:Decrypt", ctx: map[string]any{"aws:SourceVpce": nil}, resource: doc(to(role, "kms:*"), when(denyTo("*", "kms:*"), `{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}`))}, "aws:SourceVpce", "denies this or not"},
		{"in a policy variable", question{by: sess, do: "kms:Decrypt", ctx: map[string]any{"aws:PrincipalTag/team": nil, "kms:RequestAlias": "alias/x"}, resource: doc(when(to(role, "kms:*"), `{"StringEquals":{"kms:RequestAlias":"alias/${aws:PrincipalTag/team}"}}`))}, "aws:principaltag/team", "allows this or not"},
		{"a placeholder", question{by: sess, do: "kms:Decrypt", resource: doc(to("arn:aws:iam::${account}:role/app", "kms:*"))}, "", "depending on what arn:aws:iam::${account}:role/app becomes"},
		{"NotPrincipal that names the role without its session", question{by: sess, do: "kms:Decrypt", resource: doc(to(root, "kms:*"), to(role, "kms:*"), `{"Effect":"Deny","NotPrincipal":{"AWS":["`+root+`","`+role+`"]},"Action":"kms:*","Resource":"*"}`)}, "", "NotPrincipal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := decide(t, tt.q)
			if d.Effect != access.Unknown || len(d.Unknown) == 0 {
				t.Fatalf("%v with %+v", d.Effect, d.Unknown)
			}
			if u := d.Unknown[0]; u.Key != tt.key || !strings.Contains(u.Text, tt.text) || u.Settle == "" {
				t.Errorf("doubt %+v, want the key %q and %q", u, tt.key, tt.text)
			}
		})
	}
}

// A decision that rests on an assumption says so.
func TestAssumptionsAreTold(t *testing.T) {
	t.Parallel()
	d := decide(t, question{by: user, do: "kms:Decrypt", boundary: nothing, resource: doc(to("*", "kms:*"))})
	if d.Effect != access.ImplicitDeny || len(d.Notes) != 1 || !strings.HasPrefix(d.Notes[0], "assumed: ") {
		t.Errorf("%v with notes %q", d.Effect, d.Notes)
	}
	d = decide(t, question{by: user, do: "kms:Decrypt", boundary: doc(allow("*")), resource: doc(to("*", "kms:*"))})
	if d.Effect != access.Allow || len(d.Notes) != 0 {
		t.Errorf("%v with notes %q", d.Effect, d.Notes)
	}
	d = decide(t, question{by: user, do: "kms:Decrypt", resource: doc(to(user, "kms:*")), ctx: map[string]any{"kms:Colour": "blue"}})
	if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "kms:Colour is not one Keyreach knows") {
		t.Errorf("an unrecognised context key is not mentioned: %q", d.Notes)
	}
}
