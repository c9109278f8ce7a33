package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/live"
)

func newIAMPolicy(s *streams) *cobra.Command {
	var purposes []string
	for _, p := range live.Purposes() {
		purposes = append(purposes, string(p))
	}
	for _, role := range store.Roles() {
		purposes = append(purposes, backupPurpose+string(role))
	}
	purpose := string(live.ForReading)
	var backups backupPlaceFlags
	c := &cobra.Command{
		Use:   "iam-policy",
		Short: "Print the IAM policy that Keyreach itself needs",
		Long: `iam-policy prints the identity policy with exactly the rights that Keyreach needs for
a purpose, to give to the role or user that it calls AWS as, in each account. Reading
needs no more than to look: it changes nothing and opens no data.

Those who work with backups need rights on one store and its keys only: the writer makes
backups and can open none, the restorer lists, verifies and opens them, the pruner takes
old ones away, the rewrapper puts them under other keys. Say with --store and --kms-key
which; keys of other accounts have to let them in by their own policies as well.

An inline policy of a role takes it. For a user those to apply and to run are too long
to be inline: make a managed policy of them.`,
		Example: `  keyreach iam-policy --for read > policy.json
  keyreach iam-policy --for backup-writer --store s3://backups/etcd --kms-key arn:aws:kms:…:key/…`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !slices.Contains(purposes, purpose) {
				return misuse(fmt.Errorf("--for %q: it is one of %s", purpose, strings.Join(purposes, ", ")))
			}
			if role, ok := strings.CutPrefix(purpose, backupPurpose); ok {
				needs, err := backups.needs(store.Role(role))
				if err != nil {
					return err
				}
				return printNeeds(s, "Backup"+capital(role), needs)
			}
			if err := backups.none(c.Flags()); err != nil {
				return err
			}
			needs, err := live.Needs(live.Purpose(purpose))
			if err != nil {
				return failure(err)
			}
			return printNeeds(s, capital(purpose), needs)
		},
	}
	backups.add(c.Flags())
	c.Flags().StringVar(&purpose, "for", purpose, "what the rights are for, a `PURPOSE`: "+strings.Join(purposes, ", "))
	return c
}

// identityPolicy is a policy in the order in which people write one.
type identityPolicy struct {
	Version   string
	Statement []identityStatement
}

type identityStatement struct {
	Sid      string
	Effect   string
	Action   []string
	Resource string
	// Condition is an operator, its keys and their values.
	Condition map[string]map[string][]string `json:",omitempty"`
}

func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

func newStatement(sid string, n live.Need) identityStatement {
	s := identityStatement{Sid: sid, Effect: "Allow", Resource: n.Resource}
	if n.If.Key != "" {
		s.Condition = map[string]map[string][]string{"StringLike": {n.If.Key: n.If.Values}}
	}
	return s
}

// printNeeds prints the rights, a statement for each resource and condition. name stands in
// the ids of the statements, which have letters and digits only.
func printNeeds(s *streams, name string, needs []live.Need) error {
	policy := identityPolicy{Version: "2012-10-17"}
	for i, n := range needs {
		if i == 0 || !n.Beside(needs[i-1]) {
			policy.Statement = append(policy.Statement, newStatement(fmt.Sprintf("Keyreach%s%d", name, len(policy.Statement)+1), n))
		}
		last := &policy.Statement[len(policy.Statement)-1]
		last.Action = append(last.Action, n.Action)
	}
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(policy); err != nil {
		return failure(fmt.Errorf("printing the policy: %w", err))
	}
	return nil
}
