package rules

import (
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key045() Rule {
	return Rule{
		ID: "KEY045", Severity: finding.Critical,
		Title: "A copy of a shared encrypted snapshot without a key of its own",
		Text: "Copying an encrypted database snapshot that another account shares needs KmsKeyId, and so does copying one into another Region. " +
			"The key has to be in the Region of the copy.",
		Fix:   "Pass a key of the copying account, in the copy's Region.",
		Page:  "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_CopySnapshot.html",
		Check: copyWithoutKey,
		Fires: []Example{
			{"guide.md", "The snapshots are encrypted with a CMK.\n\n```bash\naws rds copy-db-snapshot --region us-east-1 --source-db-snapshot-identifier arn:aws:rds:us-east-1:444455556666:snapshot:db1 --target-db-snapshot-identifier db1\n```\n"},
			{"guide.md", "Share the encrypted RDS snapshot with the backup account. There, copy the shared snapshot and restore it.\n"},
		},
		Silent: []Example{
			{"guide.md", "The snapshots are encrypted with a CMK.\n\n```bash\naws rds copy-db-snapshot --region us-east-1 --source-db-snapshot-identifier arn:aws:rds:us-east-1:444455556666:snapshot:db1 --target-db-snapshot-identifier db1 --kms-key-id alias/backup\n```\n"},
			{"guide.md", "Share the encrypted RDS snapshot with the backup account. There, copy the shared snapshot under a key of the backup account and restore it.\n"},
		},
	}
}

// The sentences of this rule and of KEY046 and KEY047.
var (
	copyShared   = lazy.Regexp(`\b(copy|copying|duplicate)\b.{0,30}\bshared\b.{0,20}\b(rds |db |encrypted )*snapshots?\b|\bcopy(ing)?\b.{0,30}\bsnapshots?\b.{0,20}\bshared (with|by|from)\b|\bcopy(ing)?\b.{0,30}\bsnapshots?\b.{0,10}\b(that|which) (was|were|is|are) shared\b`)
	withKey      = lazy.Regexp(`\b(with|under|using|by|specify\w*|choos\w+|select\w*|pick\w*)\b.{0,40}\b(key|cmk)s?\b|kms-?key-?id`)
	encryption   = lazy.Regexp(`encrypt|\bcmk\b|\bkms\b`)
	notACopyStep = lazy.Regexp(`^(after|once|when|as soon as)\b`)
)

func copyWithoutKey(m *Material, r *Report) {
	encrypted := m.says(encryption)
	for _, c := range m.Commands {
		if c.Service != "rds" || c.Operation != "copy-db-snapshot" && c.Operation != "copy-db-cluster-snapshot" {
			continue
		}
		source, ok := c.Value("--source-db-snapshot-identifier")
		if !ok {
			source, ok = c.Value("--source-db-cluster-snapshot-identifier")
		}
		if key, has := c.Value("--kms-key-id"); has {
			keyOfCopy(c, key, r)
			continue
		}
		if a, err := arn.Parse(source.Text); ok && err == nil && a.Service == "rds" && !c.told() {
			severity, text := finding.Warning, "the snapshot is another account's or Region's: if it is encrypted, the copy needs a key"
			if encrypted {
				severity, text = finding.Critical, "an encrypted snapshot of another account or Region is copied without a key for the copy: RDS refuses it"
			}
			r.AddAs(severity, c.Pos, c.name(), text, "add --kms-key-id with a key of the copying account")
		}
	}
	if !encrypted || !m.says(aboutRDS) || m.keyOfCopyTold() {
		return
	}
	for _, s := range m.sentences() {
		if copyShared.MatchString(s.text) && !withKey.MatchString(s.text) && !s.denies() && !notACopyStep.MatchString(s.text) {
			r.AddAs(finding.Warning, s.at, "", "the copy of a shared encrypted snapshot needs a key of the Region that the copy is in, and nothing says which", "say under which key the copy is made: one that the copying account owns, in the Region of the copy")
			return
		}
	}
}

// keyOfCopyTold reports whether a command copies with a key.
func (m *Material) keyOfCopyTold() bool {
	for _, c := range m.Commands {
		if strings.HasPrefix(c.Operation, "copy-") && c.has("--kms-key-id") {
			return true
		}
	}
	return false
}

func keyOfCopy(c *Command, key Word, r *Report) {
	a, ok := keyARN(key.Text)
	if region := c.region(); ok && a.Region != "" && regionShape.MatchString(region) && a.Region != region {
		r.Add(key.Pos, c.name(), fmt.Sprintf("the copy is made in %s, and its key is in %s", region, a.Region), "use a key of "+region)
	}
}
