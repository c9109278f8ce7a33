package kms

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// managed makes the AWS managed key that an alias names, on first use. It is nil
// when AWS has no such key.
// See https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk.
func (s *Service) managed(c *gate.Call, alias string) (*Alias, error) {
	m, ok := awsfacts.ManagedKeyOf(strings.TrimPrefix(alias, "alias/aws/"))
	if !ok {
		return nil, nil
	}
	if !c.Writing {
		return nil, gate.ErrUpdate
	}
	k := &Key{
		Account: c.Caller.Account, Region: c.Region, ID: s.IDs.UUID(), Created: c.At, Description: m.Description, Spec: types.KeySpecSymmetricDefault,
		Usage: types.KeyUsageTypeEncryptDecrypt, Origin: types.OriginTypeAwsKms, Manager: types.KeyManagerTypeAws, State: types.KeyStateEnabled,
		AliasNames: []string{alias}, Policy: managedPolicy(m, c.Region, c.Caller.Account), Rotates: true,
		PeriodDays: int32(awsfacts.Limits().RotationPeriodDefaultDays),
	}
	k.NextRotation = c.At.AddDate(0, 0, int(k.PeriodDays))
	k.Materials = []Material{{ID: s.newMaterialID(), Secret: random(32), Since: c.At}}
	k.LastMaterial = k.Materials[0].ID
	s.put(k)
	a := &Alias{Name: alias, TargetID: k.ID, Created: c.At, Updated: c.At}
	s.aliases.Put(state.Key(k.Account, k.Region, alias), a)
	return a, nil
}

// managedPolicy is the policy of an AWS managed key: everybody of the account
// through the service, and looking for the account itself.
func managedPolicy(m awsfacts.ManagedKey, region, account string) string {
	quoted := make([]string, len(m.Actions))
	for i, a := range m.Actions {
		quoted[i] = `"` + a + `"`
	}
	return fmt.Sprintf(`{
  "Version" : "2012-10-17",
  "Id" : %q,
  "Statement" : [ {
    "Sid" : %q,
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "*"
    },
    "Action" : [ %s ],
    "Resource" : "*",
    "Condition" : {
      "StringEquals" : {
        "kms:CallerAccount" : %q,
        "kms:ViaService" : %q
      }
    }
  }, {
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:%s:iam::%s:root"
    },
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant" ],
    "Resource" : "*"
  } ]
}`, m.ID, m.Sid, strings.Join(quoted, ", "), account, m.Via+"."+region+".amazonaws.com", awsfacts.PartitionName(region), account)
}
