package diagnose

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/access"
)

// fix is what mends a true cause, with the names of the estate and all actions that are
// missing; empty for one of which the text's own fix says as much.
func (a *asker) fix(code, action string) string {
	key, who := cmp.Or(a.j.Key, a.in.Key), Holder(a.j.Principal, a.e)
	if a.decoded != nil && len(a.j.Asked) > 0 {
		key = a.j.Asked[0].Key
	}
	owner := a.keyAt.Account
	switch code {
	case iamMissing:
		return fmt.Sprintf("in account %s, allow %s on %s in an IAM policy of %s", a.who.Account, action, key, who)
	case crossAccount:
		if !a.who.IsServiceLinked() {
			return a.fixAcross(action)
		}
		return a.fix(slrMissing, action)
	case keyPrincipal, keyAction:
		return fmt.Sprintf("in account %s, allow %s to %s in the policy of %s", owner, action, who, key)
	case keyRoot:
		return fmt.Sprintf("in account %s, have the policy of %s allow %s to arn:%s:iam::%s:root, or to %s itself", owner, key, action, cmp.Or(a.keyAt.Partition, "aws"), a.who.Account, who)
	case keyService:
		return fmt.Sprintf("in account %s, allow %s to the service %s in the policy of %s, with aws:SourceAccount or aws:SourceArn", owner, action, who, key)
	case slrMissing:
		if a.crossAccount() {
			return fmt.Sprintf("from account %s, make a grant on %s to %s; a service-linked role of another account takes no other way", a.who.Account, key, who)
		}
		return fmt.Sprintf("in account %s, name %s in the policy of %s", owner, who, key)
	case staleGrant:
		return fmt.Sprintf("make the grant on %s anew for %s, and revoke the old one", key, who)
	case condition:
		return "make the condition hold, or add a statement whose condition does: " + strings.Join(a.facts[code].why, "; ")
	case defaultKey, managedKey:
		return "encrypt under a customer managed key: copy the data to one, and use the copy"
	case keyDisabled:
		return "in account " + owner + ", enable the key: aws kms enable-key --key-id " + key
	case keyDeletion:
		return "in account " + owner + ", cancel the deletion and enable the key: aws kms cancel-key-deletion --key-id " + key + ", then aws kms enable-key --key-id " + key
	case aliasMisuse:
		return "write " + key + " in the Resource of the IAM policy in place of the alias"
	case explicitDeny, scpDeny, rcpDeny, endpointDeny, boundaryDeny, sessionDeny:
		return a.fixCeiling(code, action)
	case wrongRegion:
		return "use a key of the Region in which the work is done: " + strings.Join(a.facts[code].why, "; ")
	case wrongKey:
		return "name the key by its ARN, and the one that encrypted the data"
	case keyUsage:
		return "use a symmetric key for ENCRYPT_DECRYPT, or the operation that is for this kind of key"
	}
	return ""
}

// fixAcross says which side of two accounts is missing.
func (a *asker) fixAcross(action string) string {
	var parts []string
	for _, q := range a.j.Asked {
		for _, b := range q.Decision.Blockers {
			switch {
			case b.Explicit:
			case b.Layer == access.KeyPolicy:
				parts = append(parts, fmt.Sprintf("in account %s, allow %s to %s in the key policy", b.Owner, action, Holder(a.j.Principal, a.e)))
			case b.Layer == access.Identity:
				parts = append(parts, fmt.Sprintf("in account %s, allow %s on %s in an IAM policy of it", b.Owner, action, a.j.Key))
			}
		}
		if len(parts) > 0 {
			return strings.Join(parts, ", and ")
		}
	}
	return ""
}

// fixCeiling says who has to change what limits from above, and where it stands.
func (a *asker) fixCeiling(code, action string) string {
	for _, q := range a.j.Asked {
		for _, b := range q.Decision.Blockers {
			codes := codesOf(b.Layer)
			if code == explicitDeny && b.Explicit || len(codes) == 1 && codes[0] == code {
				where := strings.TrimSpace(b.Document + " " + b.Statement)
				if where == "" {
					where = "the " + string(b.Layer) + " layer"
				}
				return fmt.Sprintf("have %s changed, which account %s is bound by, so that it lets %s through", where, cmp.Or(b.Owner, "?"), action)
			}
		}
	}
	return ""
}
