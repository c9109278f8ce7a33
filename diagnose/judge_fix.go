package diagnose

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/awsfacts"
)

// fix is what mends a true cause, with the names of the estate and all actions that are
// missing; empty for one of which the text's own fix says as much.
func (a *asker) fix(code, action string) string {
	key, who := cmp.Or(a.j.Key, a.in.Key), Holder(a.j.Principal, a.e)
	if a.decoded != nil && len(a.j.Asked) > 0 {
		key = a.j.Asked[0].Key
	}
	owner := a.keyAt.Account
	if strings.Contains(action, "kms:CreateGrant") && a.via() != "" { // without it whoever may make grants gives the key to anybody
		action += " (kms:CreateGrant on condition that kms:GrantIsForAWSResource is true)"
	}
	switch code {
	case iamMissing:
		if strings.Contains(who, ":role/aws-reserved/sso.amazonaws.com/") || strings.Contains(who, "/AWSReservedSSO_") { // whose policies IAM does not let be changed
			return fmt.Sprintf("in IAM Identity Center, allow %s on %s in the permission set of %s", action, key, who)
		}
		return fmt.Sprintf("in account %s, allow %s on %s in an IAM policy of %s", a.who.Account, action, key, who)
	case crossAccount:
		if a.who.IsServiceLinked() {
			return a.fixLinked(action, key, who)
		}
		return a.fixAcross(action)
	case keyPrincipal, keyAction:
		return fmt.Sprintf("in account %s, allow %s to %s in the policy of %s", owner, action, who, key)
	case keyRoot:
		root, itself := fmt.Sprintf("arn:%s:iam::%s:root", cmp.Or(a.keyAt.Partition, "aws"), a.who.Account), ""
		if who != root {
			itself = ", or to " + who + " itself"
		}
		return fmt.Sprintf("in account %s, have the policy of %s allow %s to %s%s", owner, key, action, root, itself)
	case keyService:
		return fmt.Sprintf("in account %s, allow %s to the service %s in the policy of %s, with aws:SourceAccount or aws:SourceArn", owner, action, who, key)
	case slrMissing:
		return a.fixLinked(action, key, who)
	case staleGrant:
		return fmt.Sprintf("make the grant on %s anew for %s, and revoke the old one", key, who)
	case condition:
		return "make the condition hold, or add a statement whose condition does: " + strings.Join(a.facts[code].why, "; ")
	case defaultKey, managedKey:
		return "encrypt under a customer managed key: copy the data to one, and use the copy"
	case keyDisabled, keyDeletion, keyUsage:
		return a.fixKey(code, key)
	case aliasMisuse:
		return "write " + key + " in the Resource of the IAM policy in place of the alias"
	case explicitDeny, scpDeny, rcpDeny, endpointDeny, boundaryDeny, sessionDeny:
		return a.fixCeiling(code, action)
	case wrongRegion:
		return "use a key of the Region in which the work is done: " + strings.Join(a.facts[code].why, "; ")
	case wrongKey:
		return "name the key by its ARN, " + cmp.Or(a.meant, "and the one that encrypted the data")
	}
	return ""
}

// fixLinked gives a service-linked role the key: by the key's policy in its own account,
// and where its own policy allows it the use of keys; elsewhere it takes a grant only.
func (a *asker) fixLinked(action, key, who string) string {
	role, known := awsfacts.ServiceLinkedRoleFor(who)
	switch {
	case !a.crossAccount():
		return fmt.Sprintf("in account %s, allow %s to %s in the policy of %s", a.keyAt.Account, cmp.Or(action, "the use"), who, key)
	case known && role.KMSUse:
		return fmt.Sprintf("in account %s, allow %s to %s in the policy of %s; its own policy allows it the use of keys through a service", a.keyAt.Account, action, who, key)
	}
	return fmt.Sprintf("from account %s, make a grant on %s to %s; this service-linked role of another account takes no other way", a.who.Account, key, who)
}

// fixKey makes a key usable that is not as it is.
func (a *asker) fixKey(code, key string) string {
	in := "in account " + a.keyAt.Account + ", "
	switch state := awsfacts.KeyState(a.key.State); { // these causes are true of keys that the estate holds
	case code == keyDisabled:
		return in + "enable the key: aws kms enable-key" + a.named(key)
	case code == keyDeletion:
		return in + "cancel the deletion and enable the key: aws kms cancel-key-deletion" + a.named(key) + ", then aws kms enable-key" + a.named(key)
	case state == awsfacts.PendingImport:
		return in + "import the key's material, the same as before where data lies under it: aws kms get-parameters-for-import" + a.named(key) + " --wrapping-algorithm RSAES_OAEP_SHA_256 --wrapping-key-spec RSA_2048"
	case state == awsfacts.Unavailable:
		return in + "connect the key store of the key again: aws kms describe-key" + a.named(key)
	}
	return "use a symmetric key for ENCRYPT_DECRYPT, or the operation that is for this kind of key"
}

// named are the parameters of a command of KMS that name the key and its Region.
func (a *asker) named(key string) string { return " --key-id " + key + " --region " + a.keyAt.Region }

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
			if code == boundaryDeny && b.Layer == access.Boundary && !b.Explicit {
				return fmt.Sprintf("in account %s, allow %s on %s in the permissions boundary of %s", b.Owner, action, a.j.Key, Holder(a.j.Principal, a.e))
			}
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
