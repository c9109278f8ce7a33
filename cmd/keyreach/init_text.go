package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/route"
)

// yamlFile is keyreach.yaml as it is written, with comments for whoever changes it.
type yamlFile struct{ strings.Builder }

func (y *yamlFile) line(indent int, format string, args ...any) {
	y.WriteString(strings.Repeat(" ", indent) + fmt.Sprintf(format, args...) + "\n")
}

// comment writes a comment over as many lines as it needs.
func (y *yamlFile) comment(indent int, text string) {
	for _, l := range wrap(visible(text), 88-indent) {
		y.line(indent, "# %s", strings.TrimSpace(l))
	}
}

func (d *draft) text() string {
	y := &yamlFile{}
	y.comment(0, strings.ToUpper(d.kind.About[:1])+d.kind.About[1:]+".")
	y.comment(0, "keyreach routes "+d.kind.Name+" shows its steps; see "+d.kind.Source)
	y.line(0, "format_version: 1\n")
	y.line(0, "accounts:")
	y.comment(2, "How to get into an account, where the credentials at hand are not its own: access: {profile: NAME}, or access: {role_arn: ARN, external_id: TEXT, via: NAME OF ANOTHER ACCOUNT HERE}.")
	for i := range d.accounts {
		a := &d.accounts[i]
		y.line(2, "%s:", a.name)
		y.line(4, "id: %q", a.id)
		if a.region != "" {
			y.line(4, "region: %s", a.region)
		}
		y.line(4, "# access: {profile: %s}", a.name)
	}
	y.line(0, "\nroutes:")
	y.line(2, "- name: %s", d.name)
	y.line(4, "kind: %s", d.kind.Name)
	for i := range d.kind.Parties {
		d.partyText(y, &d.kind.Parties[i])
	}
	if d.kind.Name == "backup" {
		backupText(y)
	}
	return y.String()
}

// backupText offers the part that says what is backed up.
func backupText(y *yamlFile) {
	y.comment(4, "backup: what is backed up, where to, and what opens it; keyreach backup reads it (optional)")
	for _, l := range []string{
		"backup:",
		"  store: s3://BUCKET/PREFIX           # or a directory",
		"  source: {kind: step-ca, path: /etc/step-ca}   # or etcd with endpoints:, or files",
		"  keys: [{account: NAME, key: alias/NAME}]   # each opens a backup by itself; have one in another account",
		"  recipients: [age1…]                 # whose identity lies outside AWS",
		"  retention: {keep: {last: 7, daily: 14, monthly: 12}}",
		"  max_age: 36h",
	} {
		y.line(4, "# %s", l)
	}
}

func (d *draft) partyText(y *yamlFile, kind *route.PartyKind) {
	y.comment(4, kind.Name+": "+kind.About+" ("+terms(kind)+")")
	ps := d.parties[kind.Name]
	switch {
	case len(ps) == 0:
		y.line(4, "# %s:", kind.Name)
		y.line(4, "#   account: NAME")
		if kind.Key != "" {
			y.line(4, "#   key: ARN or alias/NAME")
		}
		if kind.Actor != "" {
			y.line(4, "#   actor: {role: NAME}")
		}
	case kind.Many:
		y.line(4, "%s:", kind.Name)
		for i := range ps {
			for j, l := range ps[i].lines() {
				y.line(6, "%s%s", pick(j == 0, "- ", "  "), l)
			}
		}
	default:
		y.line(4, "%s:", kind.Name)
		for _, l := range ps[0].lines() {
			y.line(6, "%s", l)
		}
	}
}

// lines are the members of a party.
func (p *draftParty) lines() []string {
	lines := []string{"account: " + p.account}
	for _, m := range [][2]string{{"region", p.region}, {"as", p.consumer}, {"key", p.key}} {
		if m[1] != "" {
			lines = append(lines, m[0]+": "+scalar(m[1]))
		}
	}
	if p.actor != "" {
		kind, name := "role", p.actor
		if user, ok := strings.CutPrefix(name, "user/"); ok {
			kind, name = "user", user
		} else if strings.Contains(name, ":user/") {
			kind = "user"
		}
		lines = append(lines, fmt.Sprintf("actor: {%s: %s}", kind, scalar(name)))
	}
	return lines
}

// scalar is a text as YAML reads it back as a text, within braces too.
func scalar(s string) string {
	if validName(s) == nil || slices.Contains(consumerNames(), s) {
		return s
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(quoted)
}
