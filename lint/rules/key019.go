package rules

import (
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key019() Rule {
	return Rule{
		ID: "KEY019", Severity: finding.Error,
		Title: "A key of another account is named by its id or an alias",
		Text: "KMS looks a bare key id and an alias name up in the caller's own account. A key of another account is found by its " +
			"key ARN, and by an alias ARN where the operation takes aliases.",
		Fix:   "Pass the key ARN.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html",
		Check: bareForeignKey,
		Fires: []Example{{"guide.md", "The key is `arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab`.\n\n```bash\n" +
			"# In account 111122223333\naws kms describe-key --key-id 1234abcd-12ab-34cd-56ef-1234567890ab\n```\n"}},
		Silent: []Example{{"guide.md", "The key is `arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab`.\n\n```bash\n" +
			"# In account 444455556666\naws kms describe-key --key-id 1234abcd-12ab-34cd-56ef-1234567890ab\n```\n"}},
	}
}

var keyARNInIt = lazy.Regexp(`arn:aws[a-z-]*:kms:[a-z0-9-]+:(\d{12}):((?:key|alias)/[A-Za-z0-9/_-]+)`)

// owners says whose the keys are that a text names by ARN; a name that two
// accounts have is nobody's.
func (m *Material) owners() map[string]string {
	owner := map[string]string{}
	note := func(text string) {
		for _, f := range keyARNInIt.FindAllStringSubmatch(text, -1) {
			name := strings.TrimPrefix(f[2], "key/")
			if had, ok := owner[name]; ok && had != f[1] {
				f[1] = ""
			}
			owner[name] = f[1]
		}
	}
	for _, p := range m.Prose {
		note(p.Text)
	}
	for _, c := range m.Commands {
		for _, o := range c.Options {
			for _, w := range o.Values {
				note(w.Text)
			}
		}
	}
	for _, k := range m.Keys {
		note(k.ARN.String())
	}
	return owner
}

func bareForeignKey(m *Material, r *Report) {
	owners := m.owners()
	for _, c := range m.Commands {
		caller := c.account()
		for _, o := range c.keys() {
			owner := owners[o.Values[0].Text]
			if strings.HasPrefix(o.Values[0].Text, "alias/") {
				continue // both accounts may have the alias
			}
			if owner != "" && caller != "" && owner != caller {
				r.Add(o.Pos, c.name(), fmt.Sprintf("%s is a key of account %s, and the command runs in account %s: it is looked up there and not found",
					o.Values[0].Text, owner, caller), "pass the key's ARN")
			}
		}
	}
	for _, g := range m.Grants {
		issuer := accountInIt.FindString(g.Issuer)
		if owner := owners[g.Key]; owner != "" && issuer != "" && owner != issuer {
			r.Add(g.Pos, g.Key, fmt.Sprintf("%s is a key of account %s, and account %s issues the grant: it does not find the key by this name", g.Key, owner, issuer), "pass the key's ARN")
		}
	}
}
