package rules

import (
	"slices"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key044() Rule {
	return Rule{
		ID: "KEY044", Severity: finding.Warning,
		Title: "A changed replication key may start a full synchronization",
		Text: "When the encryption of replicating servers changes, Elastic Disaster Recovery may have to send all their data again. Until it has, " +
			"there is no new point of recovery.",
		Fix:   "Plan the change, and say so where it is written down.",
		Page:  "https://docs.aws.amazon.com/drs/latest/userguide/individual-replication-settings.html",
		Check: replicationKeyChange,
		Fires: []Example{{"script.sh", "aws drs update-replication-configuration --source-server-id s-1111111111111111a --ebs-encryption CUSTOM --ebs-encryption-key-arn arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\n"}},
		Silent: []Example{
			{"guide.md", "This starts a full resync of the server.\n\n```bash\naws drs update-replication-configuration --source-server-id s-1111111111111111a --ebs-encryption CUSTOM --ebs-encryption-key-arn arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\n```\n"},
			{"script.sh", "aws drs update-replication-configuration --source-server-id s-1111111111111111a --bandwidth-throttling 100\n"},
		},
	}
}

var resyncTold = lazy.Regexp(`\bfull(y)? (re-?)?sync\w*|\bre-?sync\w*|\binitial sync\w*|\bre-?replicat\w+|\brescan\w*`)

func replicationKeyChange(m *Material, r *Report) {
	updates := []string{"update-replication-configuration", "update-replication-configuration-template"}
	if m.says(resyncTold) {
		return
	}
	for _, c := range m.Commands {
		if c.Service == "drs" && slices.Contains(updates, c.Operation) && c.has("--ebs-encryption", "--ebs-encryption-key-arn") {
			r.Add(c.Pos, c.name(), "changing the key of replication may start a full synchronization of the servers", "tell whoever runs it, and choose a time for it")
		}
	}
}
