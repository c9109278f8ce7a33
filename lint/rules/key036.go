package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
)

func key036() Rule {
	return Rule{
		ID: "KEY036", Severity: finding.Warning,
		Title: "A grant without a name, or twice",
		Text:  "CreateGrant with a name gives the same grant again when all else is the same. Without one, every retry makes another grant, and each counts against the key's quota.",
		Fix:   "Give the grant a name; revoke those that are there twice.",
		Page:  "https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html",
		Check: unnamedGrant,
		Fires: []Example{
			{"script.sh", "aws kms create-grant --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --grantee-principal arn:aws:iam::111122223333:role/app --operations Decrypt\n"},
			{"guide.md", "```python\nkms.create_grant(KeyId=key, GranteePrincipal=role, Operations=['Decrypt'])\n```\n"},
		},
		Silent: []Example{
			{"guide.md", "```python\nkms.create_grant(KeyId=key, GranteePrincipal=role, Operations=['Decrypt'], Name='app')\n```\n"},
			{"script.sh", "aws kms create-grant --name app --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --grantee-principal arn:aws:iam::111122223333:role/app --operations Decrypt\n"},
		},
	}
}

var (
	grantAdvice = lazy.Regexp(`\b(use|using|create|creating|make|making|issue|issuing|add|adding|set up)\b.{0,20}\b(kms |key )+grants?\b|\b(create|creating|make|making|issue|issuing|add|adding|set up)\b (a |one |the |new )?grants?\b`)
	grantNamed  = lazy.Regexp(`\bgrants?\b.{0,60}\bnames?\b|\bnames?\b.{0,60}\bgrants?\b|--name\b|\bidempoten`)
)

var (
	createGrantCall = lazy.Regexp(`\b(create_grant|createGrant|CreateGrantCommand)\(`)
	grantNameIn     = lazy.Regexp(`(^|[^A-Za-z])Name\b["']?\s*[=:]`)
)

func unnamedGrant(m *Material, r *Report) {
	shown := false
	lines := map[int]bool{}
	for _, c := range m.Commands {
		if !c.Is("kms", "create-grant") {
			continue
		}
		shown, lines[c.Pos.Line] = true, true
		if !c.has("--name") && !c.told() && len(c.Options) > 0 && !m.mentioned(c) {
			r.Add(c.Pos, c.name(), "the grant has no name: every further run makes another grant", "add --name")
		}
	}
	for _, code := range m.Code {
		for _, call := range code.calls(createGrantCall) {
			shown = true
			if !strings.Contains(call.args, "**") && !strings.Contains(call.args, "...") && strings.Contains(call.args, "GranteePrincipal") && !grantNameIn.MatchString(call.args) {
				r.Add(code.at(call.at), "CreateGrant", "the grant has no name: every further run makes another grant", "pass Name")
			}
		}
	}
	for _, g := range m.Grants {
		if g.Name == "" && !g.FromAWS && !lines[g.Pos.Line] {
			r.Add(g.Pos, g.Grantee, "the grant has no name: every retry makes another grant", "give it a name")
		}
		shown = true
	}
	sameGrants(m, r)
	if !shown && !m.says(grantNamed) {
		grantsUntold(m, r)
	}
}

// sameGrants reports grants that AWS has and that say what another one says.
// Those of AWS's services are theirs to retire.
func sameGrants(m *Material, r *Report) {
	first := map[string]*Grant{}
	for _, g := range m.Grants {
		if !g.FromAWS || g.UnknownGrantee || g.UnknownOperations || !strings.HasPrefix(g.Grantee, "arn:aws") || strings.Contains(g.Grantee, "/aws:") {
			continue
		}
		ops := slices.Sorted(slices.Values(g.Operations))
		same := strings.Join([]string{g.Key, g.Grantee, g.Retiring, strings.Join(ops, ",")}, "|")
		if g.Constraints != nil {
			same += string(source.AppendJSON(nil, g.Constraints))
		}
		if had := first[same]; had != nil {
			r.Add(g.Pos, g.ID, fmt.Sprintf("grant %s says the same as grant %s", g.ID, had.ID), "revoke one of them")
		} else {
			first[same] = g
		}
	}
}

// grantsUntold reports a text that has grants made and does not show how: the
// name is what gets left out. Once is enough.
func grantsUntold(m *Material, r *Report) {
	for _, s := range m.sentences() {
		if !grantAdvice.MatchString(s.text) || s.denies() || !strings.Contains(s.text+s.under, "kms") || strings.Contains(s.text, "kms:") || strings.Contains(s.text, "services") {
			continue
		}
		r.AddAs(finding.Info, s.at, "", "grants are to be made, and nothing shows how: without a name every retry makes another one",
			"show the call of create-grant with --name")
		return
	}
}
