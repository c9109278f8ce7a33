package rules

import (
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
)

func key023() Rule {
	return Rule{
		ID: "KEY023", Severity: finding.Critical,
		Title: "A key that something depends on is about to be deleted",
		Text: "KMS refuses to use a key that waits for its deletion, and when the wait of 7 to 30 days is over, " +
			"everything encrypted under it is lost, with the key's aliases and grants. No one can bring it back.",
		Fix:   "Call CancelKeyDeletion, and then EnableKey: a key that was saved is Disabled.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html",
		Check: aboutToGo,
		Fires: []Example{{"estate.json", `{
  "format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "state": "PendingDeletion", "aliases": ["alias/data"]}],
  "resources": [{"type": "ec2:Snapshot", "id": "snap-0123456789abcdef0", "account": "111122223333", "region": "eu-west-1", "key": "alias/data"}]
}`}, {"script.sh", `aws kms schedule-key-deletion --key-id "$OLD_KEY" --pending-window-in-days 7
aws kms re-encrypt --source-key-id "$OLD_KEY" --destination-key-id "$NEW_KEY" --ciphertext-blob fileb://secret.bin
`}},
		Silent: []Example{{"estate.json", `{
  "format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "state": "PendingDeletion"}]
}`}, {"script.sh", `aws kms re-encrypt --source-key-id "$OLD_KEY" --destination-key-id "$NEW_KEY" --ciphertext-blob fileb://secret.bin
aws kms schedule-key-deletion --key-id "$OLD_KEY" --pending-window-in-days 30
aws kms describe-key --key-id "$OLD_KEY"
`}},
	}
}

// aboutToGo reports keys that wait for their deletion while something hangs on
// them.
func aboutToGo(m *Material, r *Report) {
	const fix = "call CancelKeyDeletion and then EnableKey, or copy what is under it under another key first"
	for _, k := range m.Keys {
		state := awsfacts.KeyState(k.State)
		if m.Estate == nil || k.Resource != nil || k.Manager == "AWS" || state != awsfacts.PendingDeletion && state != awsfacts.PendingReplicaDeletion {
			continue
		}
		d := dependantsOf(m.Estate, k)
		words := d.words()
		if words == "" {
			continue
		}
		sev, when := finding.Warning, ""
		if d.any() {
			sev = finding.Critical
		}
		if found := m.Estate.Key(k.ARN.String()); found != nil && found.DeletionDate != nil {
			when = ", and is gone from " + found.DeletionDate.Format("2006-01-02") + " on"
		}
		r.AddAs(sev, k.Pos, k.Name, "the key is "+k.State+when+". On it hang "+words, fix)
	}
	for _, u := range m.stateUses() {
		if u.state == awsfacts.PendingDeletion {
			r.AddAs(finding.Error, u.command.Pos, "", "kms:"+u.action+" is refused here: since "+u.cause.Operation+" the key is PendingDeletion",
				"use the key before its deletion is scheduled, or call cancel-key-deletion and enable-key first")
		}
	}
}
