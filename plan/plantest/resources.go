package plantest

import (
	"encoding/json"
	"slices"
)

// template is a replication configuration of Elastic Disaster Recovery, if it is there.
func (w *world) template(a *account, region string, k *key) {
	if w.chance(15) || w.has("drs:ReplicationConfigurationTemplate", a.id, region) {
		return
	}
	t := object{"type": "drs:ReplicationConfigurationTemplate", "id": "rct-00000" + a.id, "account": a.id, "region": region, "attributes": object{"ebsEncryption": "DEFAULT"}}
	if k.held && w.likely(50, 95, 60) {
		t["attributes"], t["key"] = object{"ebsEncryption": "CUSTOM"}, k.arn
	}
	w.things = append(w.things, t)
}

// vault is a backup vault, if it is there.
func (w *world) vault(a *account, region string, k *key) {
	if w.chance(10) || w.has("backup:BackupVault", a.id, region) {
		return
	}
	v := object{"type": "backup:BackupVault", "id": "vault", "account": a.id, "region": region, "attributes": object{"copyIntoAllowedFor": ""}}
	if k.held {
		v["key"] = k.arn
	}
	switch {
	case w.likely(20, 70, 20):
		from := ""
		var roots []string
		for _, o := range w.accounts {
			roots = append(roots, root(o.id))
			from += "," + o.id
		}
		v["attributes"] = object{"copyIntoAllowedFor": from[1:], "accessPolicy": policyText([]object{{"Sid": "Copies", "Effect": "Allow", "Principal": object{"AWS": roots}, "Action": "backup:CopyIntoBackupVault", "Resource": "*"}})}
	case w.chance(40):
		v["attributes"] = object{"copyIntoAllowedFor": "", "accessPolicy": policyText([]object{
			{"Sid": "Keep", "Effect": "Deny", "Principal": "*", "Action": "backup:DeleteRecoveryPoint", "Resource": "*"},
		})}
	}
	w.things = append(w.things, v)
}

func (w *world) has(typ, account, region string) bool {
	return slices.ContainsFunc(w.things, func(o object) bool { return o["type"] == typ && o["account"] == account && o["region"] == region })
}

// policyText is a policy as text.
func policyText(statements []object) string {
	text, err := json.Marshal(object{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err) // texts, lists and maps
	}
	return string(text)
}

// control makes the organization: of all accounts or some, readable or not, with
// policies that deny or lack an allow.
func (w *world) control() {
	if w.chance(25) {
		return
	}
	w.org = object{"id": "o-abc1234567", "management_account": "999999999999"}
	if w.chance(15) {
		w.org["unreadable"] = "access denied"
		w.org["root"] = object{"id": "r-ab12"}
		return
	}
	policies := object{}
	var places []any
	for i, a := range w.accounts {
		if i == 2 && w.chance(30) {
			continue
		}
		a.inOrg = true
		place := object{"id": a.id, "scps": []string{"FullAWSAccess"}}
		if w.mood == broken && w.chance(35) {
			w.scp(policies, place)
		}
		if w.mood == broken && w.chance(25) {
			policies["perimeter"] = perimeter()
			place["rcps"] = []string{"perimeter"}
		}
		places = append(places, place)
	}
	scps := []string{"FullAWSAccess"}
	if w.chance(20) {
		policies["no-deletion"] = document(object{"Sid": "KeepKeys", "Effect": "Deny", "Action": []string{"kms:ScheduleKeyDeletion", "kms:DisableKey"}, "Resource": "*"})
		scps = append(scps, "no-deletion")
	}
	w.org["root"] = object{"id": "r-ab12", "scps": scps, "units": []any{object{"id": "ou-ab12-recovery", "scps": []string{"FullAWSAccess"}, "accounts": places}}}
	if len(policies) > 0 {
		w.org["policies"] = policies
	}
}

// scp attaches a service control policy that is in the way.
func (w *world) scp(policies, place object) {
	switch w.rnd.IntN(3) {
	case 0:
		policies["no-keys"] = document(object{"Sid": "NoKeys", "Effect": "Deny", "Action": "kms:*", "Resource": "*"})
		place["scps"] = []string{"FullAWSAccess", "no-keys"}
	case 1:
		policies["only-compute"] = document(object{"Sid": "OnlyCompute", "Effect": "Allow", "Action": []string{"ec2:*", "rds:*", "s3:*"}, "Resource": "*"})
		place["scps"] = []string{"only-compute"}
	default:
		policies["only-home"] = document(object{"Sid": "OnlyHome", "Effect": "Deny", "Action": "kms:CreateGrant", "Resource": "*", "Condition": object{"StringNotEquals": object{"aws:RequestedRegion": away}}})
		place["scps"] = []string{"FullAWSAccess", "only-home"}
	}
}

// perimeter keeps keys within the organization.
func perimeter() object {
	return document(object{
		"Sid": "Perimeter", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*",
		"Condition": object{"StringNotEqualsIfExists": object{"aws:PrincipalOrgID": "o-other00000"}, "BoolIfExists": object{"aws:PrincipalIsAWSService": "false"}},
	})
}
