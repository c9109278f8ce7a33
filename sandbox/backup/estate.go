package backup

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// The type of vaults in an estate, and their attributes.
const (
	vaultType = "backup:BackupVault"
	// settingsType is what an organization's management account chose for all of it.
	settingsType = "backup:GlobalSettings"

	accessPolicy = "accessPolicy"
	copyFrom     = "copyIntoAllowedFor"
)

// Kept are the types that the service takes from an estate. See behalf.Filler.
func (s *Service) Kept() map[string][]string {
	return map[string][]string{vaultType: {accessPolicy, copyFrom}, settingsType: {crossAccount}}
}

// Fill makes a vault of an estate, under aws/backup if no key is named. When it is only
// known from which accounts the vault takes copies, its access policy lets these in. See
// behalf.Filler.
func (s *Service) Fill(w behalf.World, r *estate.Resource) error {
	if r.Type == settingsType {
		return s.fillSettings(w, r)
	}
	if r.ID = behalf.NameIn(r, "backup-vault:"); r.ID == "" {
		r.ID = "vault-" + s.IDs.Hex(8)
	}
	k, err := w.Keys.Named(r.Account, r.Region, cmp.Or(r.Key, "alias/aws/backup"), w.Now)
	if err != nil {
		return err
	}
	v := &Vault{
		Account: r.Account, Region: r.Region, Name: r.ID, KeyARN: k.ARN, Managed: k.Managed, Created: w.Now, Policy: r.Attributes[accessPolicy],
	}
	if list := r.Attributes[copyFrom]; v.Policy == "" && list != "" {
		v.Policy = takingFrom(strings.Split(list, ","), v.Region)
	}
	s.vaults.Put(v.key(), v)
	return nil
}

// fillSettings takes the settings of the organization of an account; of an account that
// is in none there is nothing to take.
func (s *Service) fillSettings(w behalf.World, r *estate.Resource) error {
	id := s.Organizations.Standing(r.Account).Place.Organization
	if id == "" {
		return behalf.ErrNotHeld
	}
	g := &GlobalSettings{Values: globalDefaults(), At: w.Now}
	g.Values[crossAccount] = cmp.Or(r.Attributes[crossAccount], "false")
	s.global.Put(id, g)
	r.ID = id
	return nil
}

// takingFrom is an access policy that lets accounts copy into a vault.
func takingFrom(accounts []string, region string) string {
	roots := make([]string, len(accounts))
	for i, account := range accounts {
		roots[i] = strconv.Quote("arn:" + awsfacts.PartitionName(region) + ":iam::" + strings.TrimSpace(account) + ":root")
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":[` + strings.Join(roots, ",") + `]},"Action":"backup:CopyIntoBackupVault","Resource":"*"}]}`
}

// Resources are the vaults, with the accounts that their access policies let copy into
// them. It is called in View.
func (s *Service) Resources(now time.Time) []estate.Resource {
	var list []estate.Resource
	for _, v := range s.vaults.All("") {
		r := estate.Resource{
			Type: vaultType, ID: v.Name, ARN: v.ARN(), Account: v.Account, Region: v.Region, Key: v.KeyARN,
			Attributes: map[string]string{copyFrom: strings.Join(s.letIn(v, now), ",")},
		}
		if v.Policy != "" {
			r.Attributes[accessPolicy] = v.Policy
		}
		list = append(list, r)
	}
	for _, account := range s.Accounts() {
		if !s.Organizations.Manages(account) {
			continue
		}
		id := s.Organizations.Standing(account).Place.Organization
		if g := s.global.Get(id); g != nil {
			list = append(list, estate.Resource{Type: settingsType, ID: id, Account: account, Attributes: map[string]string{crossAccount: g.Values[crossAccount]}})
		}
	}
	return list
}

// accountNumber is what an account looks like in a policy.
var accountNumber = regexp.MustCompile(`\b\d{12}\b`)

// letIn are the accounts whose principals a vault's policy lets copy into it, of those
// that the sandbox has seen and those that the policy names.
func (s *Service) letIn(v *Vault, now time.Time) []string {
	var list []string
	for _, account := range slices.Compact(slices.Sorted(slices.Values(append(s.Accounts(), accountNumber.FindAllString(v.Policy, -1)...)))) {
		root, err := arn.ParsePrincipal("arn:" + awsfacts.PartitionName(v.Region) + ":iam::" + account + ":root")
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
