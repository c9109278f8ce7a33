package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key048() Rule {
	return Rule{
		ID: "KEY048", Severity: finding.Critical,
		Title: "A backup vault that takes copies has a key that they cannot be written under",
		Text: "A copy into a vault is written under the vault's key, by the service-linked role AWSServiceRoleForBackup of the vault's account. " +
			"Where the key does not let that role in, copies of volumes, instances and databases fail after the copy job has started. " +
			"What lies under an AWS managed key can never be copied on to another account.",
		Fix:   "Give the vault a customer managed key, whose policy lets the vault's account or AWSServiceRoleForBackup use it.",
		Page:  "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
		Check: copyVaults,
		Assumed: "That a vault whose access policy lets other accounts copy into it is meant for copies. " +
			"Which managed keys of other services do for copies into a vault is not looked at.",
		Fires:  []Example{{"estate.json", vaultEstate(`"Action": "kms:*", "Principal": {"AWS": "arn:aws:iam::111122223333:role/admin"}`)}},
		Silent: []Example{{"estate.json", vaultEstate(`"Action": "kms:*", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}`)}},
	}
}

// vaultEstate is an estate with a vault that takes copies, whose key has one
// statement.
func vaultEstate(statement string) string {
	return `{
  "format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [{"arn": "arn:aws:iam::111122223333:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup", "policies": [
    {"name": "backup", "document": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}}]}],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", ` + statement + `, "Resource": "*"}]}}],
  "resources": [{"type": "backup:BackupVault", "id": "safe", "account": "111122223333", "region": "eu-west-1",
    "key": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "attributes": {"copyIntoAllowedFor": "444455556666"}}]
}`
}

// copyVaults looks at the vaults of an estate that let other accounts copy into
// them.
func copyVaults(m *Material, r *Report) {
	if m.Estate == nil {
		return
	}
	for i := range m.Estate.Resources {
		v := &m.Estate.Resources[i]
		if v.Type != "backup:BackupVault" || !takesCopies(v) {
			continue
		}
		for _, k := range m.Keys {
			if k.Resource == nil && namesKey(v, k) {
				vaultKey(m, r, v, k)
			}
		}
	}
}

// takesCopies reports whether a vault lets another account copy into it.
func takesCopies(v *estate.Resource) bool {
	from := strings.FieldsFunc(v.Attributes[estate.VaultCopyFrom], func(c rune) bool { return c == ',' })
	return slices.ContainsFunc(from, func(account string) bool { return arn.IsAccount(account) && account != v.Account })
}

func vaultKey(m *Material, r *Report, v *estate.Resource, k *Key) {
	at := m.placeOf(v.ID)
	if k.Manager == "AWS" {
		r.AddAs(finding.Warning, at, v.ID, "the vault takes copies of other accounts and is under the AWS managed key "+k.Name+
			": what is in it can never be copied on to another account", "give the copies a vault under a customer managed key")
		return
	}
	role := "arn:" + k.ARN.Partition + ":iam::" + v.Account + ":role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
	if k.State != "" && k.State != "Enabled" || m.Estate.Principal(role) == nil {
		return
	}
	for _, action := range []string{"kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"} {
		if q, err := estate.NewRequest(role, action, k.ARN.String()); err == nil {
			q.Context.Set("kms:ViaService", policy.One("ec2."+k.ARN.Region+".amazonaws.com"))
			q.Context.Set("kms:GrantIsForAWSResource", policy.One("true"))
			c := m.Estate.Bind(q)
			if effect := access.Decide(&c); effect == access.ImplicitDeny || effect == access.ExplicitDeny {
				r.Add(at, v.ID, "the vault takes copies of other accounts, and "+role+" lacks "+action+" on its key "+k.Name,
					"let the account or that role use the key in the key policy")
				return
			}
		}
	}
}
