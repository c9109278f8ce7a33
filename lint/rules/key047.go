package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key047() Rule {
	return Rule{
		ID: "KEY047", Severity: finding.Critical,
		Title: "The backup opens with a key of the account that it is to outlive",
		Text: "A copy in another account that is encrypted under the source account's key is lost when that account or its key is: nobody else " +
			"can open it.",
		Fix:   "Make the copy under a key that the account of the copy owns.",
		Page:  "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_CopySnapshot.html",
		Check: hostageBackup,
		Fires: []Example{
			{"guide.md", "# In the backup account\n\n```bash\n# account 111122223333\naws rds copy-db-snapshot --source-db-snapshot-identifier arn:aws:rds:us-east-1:444455556666:snapshot:db1 --target-db-snapshot-identifier db1 --kms-key-id arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\n```\n"},
			{"guide.md", "We share encrypted snapshots with a second account in case we lose the production account. There, copy the shared snapshot.\n"},
		},
		Silent: []Example{
			{"guide.md", "# In the backup account\n\n```bash\n# account 111122223333\naws rds copy-db-snapshot --source-db-snapshot-identifier arn:aws:rds:us-east-1:444455556666:snapshot:db1 --target-db-snapshot-identifier db1 --kms-key-id arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\n```\n"},
			{"guide.md", "We share encrypted snapshots with a second account in case we lose the production account. There, copy the shared snapshot under that account's own key.\n"},
		},
	}
}

var (
	outlive     = lazy.Regexp(`\b(los(e|es|ing|t)|loss of|compromis\w+|delet\w+|destroy\w*|hack\w*|wiped?|gone)\b.{0,40}\baccounts?\b|\baccounts?\b.{0,30}\b(is|are|gets?|was|be|been|becomes?) (lost|compromised|deleted|destroyed|gone|hacked|wiped)\b`)
	ownedThere  = lazy.Regexp(`\bown (kms |cmk|customer|encryption |key)|\b(key|cmk)\b.{0,30}\b(of|in|owned by|from|created in|that belongs to) (the|that|our|this|your) (own |second |other )?(backup|target|destination|recovery|copying|second|other)?\s?account\b|\b(backup|target|destination|recovery|copying|second|other) account's (own )?(kms |customer )?(managed )?key|\btarget-owned\b`)
	carefree    = lazy.Regexp(`\bno (key|keys) (management )?(burden|hassle|overhead|worr\w+)\b|\bno key management\b|\b(keys?) (can never|cannot|can't|never) (be|get) lost\b|\bnothing to manage\b|\bno (personal )?keys? to (manage|lose)\b`)
	keyLossTold = lazy.Regexp(`\bpending deletion\b|\bdeletion (window|protection)\b|\bscheduled? (for )?(key )?deletion\b|\b(second|another|other|separate) account\b|\boff-?account\b`)
)

func hostageBackup(m *Material, r *Report) {
	for _, c := range m.Commands {
		if !strings.HasPrefix(c.Operation, "copy-") && c.Operation != "create-backup-vault" && c.Operation != "create-db-snapshot" {
			continue
		}
		foreignKeyOfCopy(c, r)
	}
	if m.says(encryption) && outlives(m) && m.shares() && !ownedKeyTold(m) {
		for _, s := range m.sentences() {
			if copyShared.MatchString(s.text) && !s.denies() && !notACopyStep.MatchString(s.text) {
				r.Add(s.at, "", "the copy is to outlive the source account, and nothing says that it is made under a key of the account it is in: under the source's key it is lost with it",
					"copy under a key that the copying account owns")
				break
			}
		}
	}
	if m.says(keptBackups) && !m.says(keyLossTold) {
		for _, s := range m.sentences() {
			if carefree.MatchString(s.text) {
				r.AddAs(finding.Info, s.at, "", "a KMS key has to be looked after too: when the key is deleted or the account is lost, every backup under it is", "keep a copy in another account under a key of that account")
				break
			}
		}
	}
}

// foreignKeyOfCopy reports a copy that a command makes in one account under a
// key of another.
func foreignKeyOfCopy(c *Command, r *Report) {
	here := c.account()
	for _, o := range c.keys() {
		a, ok := keyARN(o.Values[0].Text)
		if !ok || a.Account == "" || here == "" || a.Account == here {
			continue
		}
		r.Add(o.Pos, c.name(), fmt.Sprintf("account %s keeps the copy, and account %s owns its key: with that account the copy is lost", here, a.Account),
			"use a key of account "+here)
		return
	}
}

// ownedKeyTold reports whether the text names a key of the account that keeps
// the copy. A key that is shared with that account is none.
func ownedKeyTold(m *Material) bool {
	for _, s := range m.sentences() {
		if ownedThere.MatchString(s.text) && !strings.Contains(s.text, "shared cmk") && !strings.Contains(s.text, "shared key") && !strings.Contains(s.text, "shared kms key") {
			return true
		}
	}
	return false
}

// outlives reports whether the text keeps copies against the loss of an
// account: whether one sentence has the loss and what is kept.
func outlives(m *Material) bool {
	return slices.ContainsFunc(m.sentences(), func(s sentence) bool {
		return outlive.MatchString(s.text) && kept.MatchString(s.text)
	})
}

var kept = lazy.Regexp(`\b(backups?|snapshots?|cop(y|ies)|data|restor\w+|worst[- ]case)\b`)
