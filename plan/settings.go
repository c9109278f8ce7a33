package plan

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// stagingRole is the role by which Elastic Disaster Recovery shares snapshots with a
// trusted account, whose number ends its name. See
// https://docs.aws.amazon.com/drs/latest/userguide/adding-trusted-account.html.
var stagingRole = regexp.MustCompile(`:role/service-role/DRSStagingAccountRole_(\d{12})$`)

// wantFact notes what makes a precondition true.
func (m *maker) wantFact(name string, c *route.Precondition) {
	if c.Verdict == route.Proven {
		return
	}
	switch c.Check {
	case "principal":
		m.wantRole(name, c.Args["principal"])
	case "attribute", "resource-key":
		switch c.Args["type"] {
		case "drs:ReplicationConfigurationTemplate":
			m.wantReplication(name, c)
		case "backup:BackupVault":
			m.wantCopies(name, c)
		}
	}
}

// foundations notes the roles and keys that have to be there before anything names them.
func (m *maker) foundations() {
	for i := range m.routes {
		r := &m.routes[i]
		for _, party := range slices.Sorted(maps.Keys(r.Parties)) {
			for j := range r.Parties[party] {
				p := &r.Parties[party][j]
				m.wantKey(r.Name, p)
				if role := p.Actor.Principal; parsed(role).IsServiceLinked() {
					m.wantRole(r.Name, role)
				}
			}
		}
	}
	m.wantSharing()
	m.wantDefaults()
	m.wantBuckets()
}

// once notes an op unless its slot has one.
func (m *maker) once(list *[]wanted, w wanted) {
	for i := range *list {
		if old := &(*list)[i]; old.op.Slot() == w.op.Slot() {
			old.routes = union(old.routes, w.routes)
			return
		}
	}
	*list = append(*list, w)
}

// wantRole has a service make its role, or makes the staging role, where the estate
// would hold it if it were there.
func (m *maker) wantRole(name, role string) {
	p := parsed(role)
	if m.base.Principal(role) != nil || !m.base.Holds(p.Account) {
		return
	}
	if known, ok := awsfacts.ServiceLinkedRoleFor(role); ok && p.IsServiceLinked() {
		m.once(&m.first, wanted{op: &estate.LinkedRole{ARN: role, Service: known.Service}, why: "have " + known.Service + " make its role, which has to be there before a policy or grant names it", routes: []string{name}})
		return
	}
	if trusted := stagingRole.FindStringSubmatch(role); trusted != nil {
		op := &estate.NewRole{ARN: role, Trust: stagingTrust(p.Account, trusted[1]), Managed: []string{"arn:" + p.Partition + ":iam::aws:policy/service-role/AWSElasticDisasterRecoveryStagingAccountPolicy_v2"}}
		m.once(&m.first, wanted{op: op, why: "have account " + p.Account + " trust account " + trusted[1] + " as Elastic Disaster Recovery does: by the role that shares staging snapshots", routes: []string{name}})
	}
}

// stagingTrust is the trust policy of the staging role, which the console of Elastic
// Disaster Recovery makes; that AWS takes a role made otherwise with the same policies is
// assumed. See https://docs.aws.amazon.com/drs/latest/userguide/adding-trusted-account.html.
func stagingTrust(staging, trusted string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"drs.amazonaws.com"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"],` +
		`"Condition":{"StringLike":{"sts:SourceIdentity":"` + trusted + `","aws:SourceAccount":"` + staging + `"}}}]}`
}

// wantKey makes the key of a party that is not there: one named by an alias that no key
// has, or the replica of a multi-Region key.
func (m *maker) wantKey(name string, p *route.Party) {
	key := parsedARN(p.Key)
	if p.Key == "" || m.base.Key(p.Key) != nil {
		return
	}
	if p.Alias != "" {
		m.wantNamed(name, p, key)
		return
	}
	if primary := m.primaryOf(key); primary != nil {
		op := &estate.NewKey{ARN: p.Key, Primary: primary.ARN, Document: ownerPolicy(key.Partition, key.Account), Tags: m.tags(name), Description: primaryDescription(primary)}
		m.once(&m.first, wanted{op: op, why: "replicate the multi-Region key into " + key.Region, routes: []string{name}})
	}
}

// wantNamed makes a key with its alias and yearly rotation.
func (m *maker) wantNamed(name string, p *route.Party, key arn.ARN) {
	why := "make the key " + p.Alias + " that the route names and nobody has"
	m.once(&m.first, wanted{op: &estate.NewKey{ARN: p.Key, Document: ownerPolicy(key.Partition, key.Account), Tags: m.tags(name), Description: "made for the route " + name}, why: why, routes: []string{name}})
	m.once(&m.first, wanted{op: &estate.Alias{Name: p.Alias, Account: p.Account, Region: p.Region, Key: p.Key}, why: "give it its name", routes: []string{name}})
	m.once(&m.first, wanted{op: &estate.Rotation{Key: p.Key, On: true}, why: "rotate it yearly", routes: []string{name}})
}

// primaryOf is the key of which a key with this ARN would be the replica.
func (m *maker) primaryOf(key arn.ARN) *estate.Key {
	if !strings.HasPrefix(key.Resource, "key/mrk-") || !m.base.Holds(key.Account) {
		return nil
	}
	for i := range m.base.Keys {
		k := &m.base.Keys[i]
		if a := parsedARN(k.ARN); a.Account == key.Account && a.Resource == key.Resource && k.MultiRegion && k.PrimaryKey == "" {
			return k
		}
	}
	return nil
}

func primaryDescription(k *estate.Key) string { return "replica of " + k.ARN }

// ownerPolicy is the key policy that lets the account's own policies decide, as AWS gives
// it to every new key. See
// https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html.
func ownerPolicy(partition, account string) string {
	return `{"Version":"2012-10-17","Statement":[{"Sid":"EnableIAMUserPermissions","Effect":"Allow","Principal":{"AWS":"arn:` + partition + `:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"}]}`
}

// tags are those of what a plan makes.
func (m *maker) tags(name string) map[string]string {
	t := map[string]string{"keyreach:route": name}
	if m.o.Change != "" {
		t["keyreach:change"] = m.o.Change
	}
	return t
}

// wantState enables a key, when that was asked for.
func (m *maker) wantState(name, key string) {
	if !m.enables(key) {
		return
	}
	m.once(&m.states, wanted{op: &estate.KeyState{Key: key, State: "Enabled"}, why: "enable the key, as asked", routes: []string{name}})
}

// enables reports whether the plan makes a key usable again.
func (m *maker) enables(key string) bool {
	if !m.o.EnableKeys {
		return false
	}
	right, _ := m.unusable(key)
	return right == ""
}

// unusable is the right to make a key usable again that nobody of its account has, and the
// estate in which it is needed; nothing when somebody has what is needed. See
// https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html.
func (m *maker) unusable(key string) (string, *estate.Estate) {
	k := m.base.Key(key)
	if k == nil {
		return "", nil
	}
	needed := []string{"kms:EnableKey"}
	if k.State == "PendingDeletion" {
		needed = []string{"kms:CancelKeyDeletion", "kms:EnableKey"}
	}
	for _, action := range needed {
		at := m.base
		if action == "kms:EnableKey" { // it is Disabled then
			var err error
			if at, err = m.base.Apply(&estate.KeyState{Key: key, State: "Disabled"}); err != nil {
				return "", nil
			}
		}
		if !anybodyMay(at, action, key) {
			return action, at
		}
	}
	return "", nil
}

// wantReplication sets the key of the templates of a staging account.
func (m *maker) wantReplication(name string, c *route.Precondition) {
	key := c.Args["key"]
	for i := range m.routes {
		if m.routes[i].Name == name && key == "" {
			for _, p := range m.routes[i].Parties["staging"] {
				key = p.Key
			}
		}
	}
	for i := range m.base.Resources {
		r := &m.base.Resources[i]
		if r.Type != c.Args["type"] || r.Account != c.Args["account"] || r.Region != c.Args["region"] {
			continue
		}
		m.replicas[[3]string{r.Account, r.Region, r.ID}] = &estate.ReplicationEncryption{Type: r.Type, ID: r.ID, Account: r.Account, Region: r.Region, Encryption: "CUSTOM", Key: key}
	}
}

// wantCopies has a vault let an account copy into it.
func (m *maker) wantCopies(name string, c *route.Precondition) {
	if c.Args["attribute"] != estate.VaultCopyFrom {
		return
	}
	from := c.Args["value"]
	for i := range m.base.Resources {
		r := &m.base.Resources[i]
		if r.Type != c.Args["type"] || r.Account != c.Args["account"] || r.Region != c.Args["region"] || c.Args["key"] != "" && r.Key != "" && r.Key != c.Args["key"] {
			continue
		}
		at := [3]string{r.Account, r.Region, r.ID}
		m.vaults[at] = merge(m.vaults[at], rule{part: vaultPart, principal: "arn:" + awsfacts.PartitionName(r.Region) + ":iam::" + from + ":root", resource: "*", actions: []string{"backup:CopyIntoBackupVault"}, routes: []string{name}})
	}
}

// settingOps are the writes of settings, after everything that policies say.
func (m *maker) settingOps() ([]wanted, error) {
	var ws []wanted
	for _, at := range slices.SortedFunc(maps.Keys(m.replicas), compareThree) {
		ws = append(ws, wanted{op: m.replicas[at], why: "replicate under the key that can be shared", routes: namesOf(m.routes)})
	}
	for _, at := range slices.SortedFunc(maps.Keys(m.vaults), compareThree) {
		op := &estate.VaultPolicy{Account: at[0], Region: at[1], Vault: at[2]}
		was, err := m.now.Current(op)
		if err != nil {
			return nil, fmt.Errorf("planning: %w", err)
		}
		out, err := edit(was.(*estate.VaultPolicy).Document, m.vaults[at], isGone(m.now))
		if err != nil {
			return nil, fmt.Errorf("planning the access policy of the vault %s: %w", at[2], err)
		}
		if len(out.text) > MaxVaultPolicy {
			return nil, &RefusedError{Guard: LengthGuard, Text: fmt.Sprintf("the access policy of the vault %s would have %d characters, and AWS Backup takes %d", at[2], len(out.text), MaxVaultPolicy)}
		}
		op.Document = out.text
		ws = append(ws, wanted{op: op, why: "let " + whom(m.vaults[at]) + " copy recovery points into the vault", routes: routesOf(m.vaults[at]), gone: out.orphans})
	}
	return append(ws, m.last...), nil
}

func compareThree(a, b [3]string) int { return slices.Compare(a[:], b[:]) }
