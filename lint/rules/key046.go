package rules

import (
	"cmp"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key046() Rule {
	return Rule{
		ID: "KEY046", Severity: finding.Critical,
		Title: "A database snapshot that cannot be shared or restored as it is",
		Text: "Automated snapshots, snapshots under aws/rds and those with options that stay cannot be shared; an encrypted one never publicly. " +
			"A shared encrypted snapshot is copied before it can be restored.",
		Fix:   "Copy it first: to a manual snapshot, under a customer managed key.",
		Page:  "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/share-encrypted-snapshot.html",
		Check: unsharable,
		Fires: []Example{
			{"script.sh", "aws rds modify-db-snapshot-attribute --db-snapshot-identifier rds:db1-2026-01-31-03-00 --attribute-name restore --values-to-add 111122223333\n"},
			{"guide.md", "RDS encrypts with a CMK. Share the automated snapshot with the other account.\n"},
			{"guide.md", "The RDS snapshot is encrypted. Restore the shared snapshot directly into the backup account.\n"},
		},
		Silent: []Example{
			{"script.sh", "aws rds modify-db-snapshot-attribute --db-snapshot-identifier db1-manual --attribute-name restore --values-to-add 111122223333\n"},
			{"guide.md", "RDS encrypts with a CMK. Automated snapshots cannot be shared: copy the automated snapshot first, then share the manual one. You can't restore a shared snapshot.\n"},
		},
	}
}

var (
	shareAutomated = lazy.Regexp(`\bshare\b.{0,30}\b(automated|automatic|system) snapshots?\b`)
	restoreShared  = lazy.Regexp(`\brestor(e|ing)\b.{0,30}\bshared (encrypted |rds |db )*snapshots?\b|\brestor(e|ing)\b.{0,40}\bdirectly\b.{0,30}\bshared\b`)
	shareSnapshot  = lazy.Regexp(`\bshar(e|ed|ing)\b.{0,50}\bsnapshots?\b`)
	automatedTold  = lazy.Regexp(`\bautomat(ed|ic) (db |rds )?(snapshots?|backups?)\b|\bmanual (db |rds )?snapshots?\b`)
	copyUnderKey   = lazy.Regexp(`\bcop(y|ying)\b.{0,40}\bsnapshot\b.{0,20}\b(with|under|using)\b.{0,30}\b(key|cmk)\b`)
	copyBefore     = lazy.Regexp(`\bcop(y|ied|ying)\b`)
)

func unsharable(m *Material, r *Report) {
	encrypted := m.says(encryption)
	for _, c := range m.Commands {
		if c.Service == "rds" {
			unsharableCommand(c, encrypted, r)
		}
	}
	if !m.says(aboutRDS) || !encrypted {
		return
	}
	var shared, copied *sentence
	for _, s := range m.sentences() {
		switch {
		case s.denies():
		case shareAutomated.MatchString(s.text) && !copyBefore.MatchString(s.text):
			r.Add(s.at, "", "an automated snapshot cannot be shared", "copy it to a manual snapshot first")
		case restoreShared.MatchString(s.text) && !copyBefore.MatchString(s.text) && !strings.HasPrefix(s.text, "although") && !conditional.MatchString(s.text):
			r.Add(s.at, "", "a shared encrypted snapshot cannot be restored as it is", "copy it in the account that restores, then restore the copy")
		case shareSnapshot.MatchString(s.text) && aboutRDS.MatchString(s.text+" "+s.under) && shared == nil:
			shared = &s
		}
		if copyUnderKey.MatchString(s.text) && !s.denies() && copied == nil {
			copied = &s
		}
	}
	if at := cmp.Or(copied, shared); shared != nil && !m.says(automatedTold) {
		r.AddAs(finding.Info, at.at, "", "only manual snapshots can be shared: an automated one is copied first, which the text does not say", "say that automated snapshots are copied first")
	}
}

var conditional = lazy.Regexp(`\b(if|before|in order to)\b`)

func unsharableCommand(c *Command, encrypted bool, r *Report) {
	id, ok := c.Value("--db-snapshot-identifier")
	if !ok {
		id, ok = c.Value("--db-cluster-snapshot-identifier")
	}
	if !ok {
		id, ok = c.Value("--snapshot-identifier")
	}
	if !ok {
		return
	}
	a, err := arn.Parse(id.Text)
	automated := strings.HasPrefix(id.Text, "rds:") || err == nil && (strings.HasPrefix(a.Resource, "snapshot:rds:") || strings.HasPrefix(a.Resource, "cluster-snapshot:rds:"))
	switch c.Operation {
	case "modify-db-snapshot-attribute", "modify-db-cluster-snapshot-attribute":
		if automated && c.has("--values-to-add") {
			r.Add(id.Pos, c.name(), id.Text+" is an automated snapshot, which cannot be shared", "copy it to a manual snapshot first")
		} else if v, _ := c.known("--values-to-add"); v == "all" && encrypted {
			r.AddAs(finding.Warning, id.Pos, c.name(), "an encrypted snapshot cannot be made public", "name the accounts")
		}
	case "restore-db-instance-from-db-snapshot", "restore-db-cluster-from-snapshot":
		if account := c.account(); err == nil && encrypted && account != "" && a.Account != account && accountShape.MatchString(a.Account) {
			r.Add(id.Pos, c.name(), "a shared encrypted snapshot cannot be restored as it is", "copy it under a key of this account, then restore the copy")
		}
	}
}
