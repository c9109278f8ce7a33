package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key003() Rule {
	return Rule{
		ID: "KEY003", Severity: finding.Critical,
		Title: "Data that is to be shared is under an AWS managed key",
		Text: "The policy of aws/ebs, aws/rds and their like lets in their own account only and cannot be changed. Snapshots and images " +
			"under them cannot be shared, and recovery from another account fails.",
		Fix:   "Use a customer managed key. Changing the key of replication may start a full synchronization.",
		Page:  "https://docs.aws.amazon.com/drs/latest/userguide/multi-account.html",
		Check: managedKeyShared,
		Fires: []Example{
			{"guide.md", "# DRS across accounts\n\nTo be spared this, switch to the AWS managed key (`aws/ebs`).\n"},
			{"guide.md", "# DRS with a staging account\n\n```bash\naws drs update-replication-configuration --source-server-id s-1111111111111111a --ebs-encryption DEFAULT\n```\n"},
			{"main.tf", "resource \"aws_drs_replication_configuration_template\" \"t\" {\n  ebs_encryption = \"DEFAULT\"\n}\n"},
		},
		Silent: []Example{
			{"guide.md", "# DRS across accounts\n\nYou cannot use the AWS managed key (`aws/ebs`); switch from aws/ebs to a customer managed key.\n"},
			{"guide.md", "# DRS across accounts\n\n```bash\naws drs update-replication-configuration --source-server-id s-1111111111111111a --ebs-encryption CUSTOM --ebs-encryption-key-arn arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\n```\n"},
			{"CHANGELOG.md", "# 1.2\n\nRecovery across accounts: servers can switch to the AWS managed key (`aws/ebs`).\n"},
		},
	}
}

const managedKeyName = `(aws/(ebs|rds|s3|backup|fsx)|(aws|amazon)[- ]managed (kms )?(encryption )?keys?|(the )?default (aws |kms |ebs |encryption )*keys?)`

var (
	useManaged   = lazy.Regexp(`\b(use|using|switch(ing)? to|chang(e|ing) to|mov(e|ing) to|migrat(e|ing) to|choos(e|ing)|select(ing)?|prefer|stick (to|with)|stay with|go with|rely on|fall back to|revert to|set\b.{0,30}\bto|encrypt\w*\b.{0,40}\bwith)\b.{0,25}\b` + managedKeyName)
	leaveManaged = lazy.Regexp(`\bfrom\b.{0,25}\b` + managedKeyName + `|\bif\b.{0,40}\buse|\bcustomer[- ]managed key.{0,20}\binstead\b|` + managedKeyName + `.{0,10}\b(of|in) (that|its|their|the (target|destination|receiving|consumer)) (own )?account\b`)
	noVolumeOut  = lazy.Regexp(`\b(can't|cannot|can not|impossible|no way)\b.{0,30}\b(exclude|exempt|leave out|opt out)\b.{0,40}\b(volumes?|disks?)\b.{0,30}\b(default )?encryption\b`)
)

func managedKeyShared(m *Material, r *Report) {
	shared := m.shares()
	managedInDRS(m, r, shared)
	if shared {
		managedInCommands(m, r)
	}
	if !shared {
		return
	}
	for _, s := range m.sentences() {
		if m.tellsOfChanges(&s) {
			continue
		}
		if noVolumeOut.MatchString(s.text) && !keyPerVolume.MatchString(s.text) {
			r.AddAs(finding.Info, s.at, "", "encryption cannot be left out for a volume, and its key can be chosen all the same: KmsKeyId of the volume goes before the default key",
				"name the key for each volume that is to be shared")
		}
		if useManaged.MatchString(s.text) && !s.denies() && !leaveManaged.MatchString(s.text) && !describes(s.text) {
			r.Add(s.at, "", "data under an AWS managed key can be shared with no other account, and recovery from another account needs a customer managed key", "use a customer managed key")
		}
	}
}

var keyPerVolume = lazy.Regexp(`\b(choose|choice|another|own|different|specify) \w*\s?key\b|kmskeyid`)

var telling = lazy.Regexp(`\b(whether|check|reject\w*|fails?|error|cannot|problem|because|was|were|are encrypted|is encrypted|will (now )?be encrypted|(that|which) (use|uses|using))\b`)

// describes reports whether a sentence tells what is the case, or what fails,
// where an advice would tell what to do.
func describes(text string) bool { return telling.MatchString(text) }

func managedInDRS(m *Material, r *Report, shared bool) {
	severity, text := finding.Warning, "servers replicated under the default key can be recovered in this account only"
	if shared {
		severity, text = finding.Critical, "servers replicated under the default key cannot be recovered in another account: its snapshots cannot be shared"
	}
	const fix = "use CUSTOM with a customer managed key; that may start a full synchronization"
	for _, c := range m.Commands {
		if w, ok := c.Value("--ebs-encryption"); ok && c.Service == "drs" && w.Text == "DEFAULT" {
			r.AddAs(severity, w.Pos, c.name(), text, fix)
		}
	}
	managedInResources(m, r)
	for _, res := range m.Resources {
		if res.Type != "aws_drs_replication_configuration_template" {
			continue
		}
		if value, n := digText(res.Body, "ebs_encryption"); value == "DEFAULT" {
			r.AddAs(severity, m.nodeAt(n.Pos), res.Name, text, fix)
		}
	}
}

// managedInResources reports a copy that is declared under an AWS managed key and
// that another declaration shares.
func managedInResources(m *Material, r *Report) {
	shares := []string{"aws_snapshot_create_volume_permission", "aws_ami_launch_permission"}
	for _, res := range m.Resources {
		id, n := digText(res.Body, "kms_key_id")
		if n == nil || !isManagedAlias(id) || !strings.HasPrefix(res.Type, "aws_") {
			continue
		}
		if slices.ContainsFunc(m.Resources, func(by *Resource) bool {
			return slices.Contains(shares, by.Type) && mentions(by.Body, res.Name+".")
		}) {
			r.Add(m.nodeAt(n.Pos), res.Name, "what is under "+id+" cannot be shared", "use a customer managed key")
		}
	}
}

// managedInCommands reports what a script puts under an AWS managed key and
// then shares.
func managedInCommands(m *Material, r *Report) {
	sharing := map[int]bool{}
	for _, c := range m.Commands {
		if strings.HasPrefix(c.Operation, "modify-") && strings.HasSuffix(c.Operation, "-attribute") {
			sharing[c.Script] = true
		}
	}
	made := []string{"copy-snapshot", "copy-image", "create-volume", "copy-db-snapshot", "copy-db-cluster-snapshot"}
	for _, c := range m.Commands {
		if w, ok := c.Value("--kms-key-id"); ok && sharing[c.Script] && slices.Contains(made, c.Operation) && isManagedAlias(w.Text) {
			r.Add(w.Pos, c.name(), "what is under "+w.Text+" cannot be shared", "use a customer managed key")
		}
	}
}
