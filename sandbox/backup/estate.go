package backup

import (
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// Resources are the vaults under customers' keys, with the accounts that their access
// policies let copy into them. It is called in View.
func (s *Service) Resources(now time.Time) []estate.Resource {
	var list []estate.Resource
	for _, v := range s.vaults.All("") {
		if v.Managed {
			continue
		}
		list = append(list, estate.Resource{
			Type: "backup:BackupVault", ID: v.Name, ARN: v.ARN(), Account: v.Account, Region: v.Region, Key: v.KeyARN,
			Attributes: map[string]string{"copyIntoAllowedFor": strings.Join(s.letIn(v, now), ",")},
		})
	}
	return list
}

// letIn are the accounts whose principals a vault's policy lets copy into it.
func (s *Service) letIn(v *Vault, now time.Time) []string {
	var list []string
	for _, account := range s.Accounts() {
		root, err := arn.ParsePrincipal("arn:" + behalf.Partition(v.Region) + ":iam::" + account + ":root")
		if err != nil || v.named == nil || account == v.Account {
			continue
		}
		c := &gate.Call{Service: "backup", Region: v.Region, At: now, Caller: gate.Caller{Caller: policy.Caller{Principal: root, ID: account}}}
		a := askVault(c, "backup:CopyIntoBackupVault", v.ARN(), v, v.Tags)
		if s.Gate.Would(c, &a) {
			list = append(list, account)
		}
	}
	return list
}
