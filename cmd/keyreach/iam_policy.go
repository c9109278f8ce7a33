package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/live"
)

func newIAMPolicy(s *streams) *cobra.Command {
	var purposes []string
	for _, p := range live.Purposes() {
		purposes = append(purposes, string(p))
	}
	purpose := string(live.ForReading)
	c := &cobra.Command{
		Use:   "iam-policy",
		Short: "Print the IAM policy that Keyreach itself needs",
		Long: `iam-policy prints the identity policy with exactly the rights that Keyreach needs for
a purpose, to give to the role or user that it calls AWS as, in each account. Reading
needs no more than to look: it changes nothing and opens no data.

An inline policy of a role takes it. For a user those to apply and to run are too long
to be inline: make a managed policy of them.`,
		Example: "  keyreach iam-policy --for read > policy.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !slices.Contains(purposes, purpose) {
				return misuse(fmt.Errorf("--for %q: it is one of %s", purpose, strings.Join(purposes, ", ")))
			}
			return printNeeds(s, live.Purpose(purpose))
		},
	}
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
}

// printNeeds prints the rights, a statement for each kind of resource.
func printNeeds(s *streams, p live.Purpose) error {
	needs, err := live.Needs(p)
	if err != nil {
		return failure(err)
	}
	policy := identityPolicy{Version: "2012-10-17"}
	for _, n := range needs { // sorted by resource
		last := len(policy.Statement) - 1
		if last < 0 || policy.Statement[last].Resource != n.Resource {
			sid := fmt.Sprintf("Keyreach%s%s%d", strings.ToUpper(string(p[:1])), p[1:], last+2)
			policy.Statement = append(policy.Statement, identityStatement{Sid: sid, Effect: "Allow", Resource: n.Resource})
			last++
		}
		policy.Statement[last].Action = append(policy.Statement[last].Action, n.Action)
	}
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(policy); err != nil {
		return failure(fmt.Errorf("printing the policy: %w", err))
	}
	return nil
}
