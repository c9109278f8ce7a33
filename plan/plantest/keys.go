package plantest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
)

// key is a key of a world.
type key struct {
	owner       *account
	region      string
	arn         string
	written     string // in keyreach.yaml: the ARN or the alias
	alias       string
	multiRegion bool
	primary     string // ARN, of a replica
	held        bool   // by the estate
	manager     string
}

// keyOf is a key of the account in a Region that the estate holds, if any.
func (w *world) keyOf(a *account, region string) *key {
	i := slices.IndexFunc(w.keys, func(k *key) bool { return k.owner == a && k.region == region && k.held })
	if i < 0 {
		return nil
	}
	return w.keys[i]
}

// key returns a key of the account: one of another route, or a new one.
func (w *world) key(a *account, region string) *key {
	if k := w.keyOf(a, region); k != nil && w.chance(60) {
		return k
	}
	n := len(w.keys) + 1
	id := fmt.Sprintf("%08d-0a1b-4c2d-8e3f-%012d", n, w.rnd.Int64N(1_000_000_000_000))
	k := &key{owner: a, region: region, held: true}
	if w.chance(20) {
		k.multiRegion, id = true, fmt.Sprintf("mrk-%032d", w.rnd.Int64N(1_000_000_000_000))
	}
	k.arn = "arn:aws:kms:" + region + ":" + a.id + ":key/" + id
	k.written = k.arn
	switch {
	case w.likely(4, 0, 10):
		k.held = false // nobody collected it
	case w.chance(15):
		k.alias = fmt.Sprintf("alias/recovery-%d", n)
		k.written = k.alias
	case w.likely(12, 2, 8) && !k.multiRegion: // nobody made it
		k.written, k.held = fmt.Sprintf("alias/planned-%d", n), false
		k.arn = estate.ProvisionalKey(a.id, region, a.id+" "+k.written)
	case w.likely(0, 0, 10) && !k.multiRegion && !slices.ContainsFunc(w.keys, func(o *key) bool { return o.manager == "AWS" && o.owner == a && o.region == region }):
		k.manager, k.alias = "AWS", "alias/aws/ebs"
	}
	w.keys = append(w.keys, k)
	return k
}

// replica is the replica of a multi-Region key of the account in another Region.
func (w *world) replica(primary *key, a *account, region string) *key {
	if primary == nil || !primary.multiRegion || primary.owner != a || primary.region == region || !primary.held {
		return nil
	}
	at := strings.Replace(primary.arn, ":"+primary.region+":", ":"+region+":", 1)
	if i := slices.IndexFunc(w.keys, func(k *key) bool { return k.arn == at }); i >= 0 {
		return w.keys[i]
	}
	k := &key{owner: a, region: region, arn: at, written: at, multiRegion: true, primary: primary.arn, held: w.likely(50, 95, 60)}
	w.keys = append(w.keys, k)
	return k
}

// keyObject is the key as the estate has it.
func (w *world) keyObject(k *key) object {
	o := object{"arn": k.arn}
	if k.multiRegion {
		o["multi_region"] = true
	}
	if k.primary != "" {
		o["primary_key"] = k.primary
	}
	if k.alias != "" {
		o["aliases"] = []string{k.alias}
	}
	if k.manager != "" {
		o["manager"] = k.manager
		o["policy"] = document(object{"Effect": "Allow", "Principal": object{"AWS": "*"}, "Action": []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"}, "Resource": "*", "Condition": object{"StringEquals": object{"kms:CallerAccount": k.owner.id, "kms:ViaService": "ec2." + k.region + ".amazonaws.com"}}})
		return o
	}
	if w.likely(5, 1, 15) {
		o["state"] = pick(w, "Disabled", "PendingDeletion")
	}
	if w.chance(25) {
		o["rotation"] = pick(w, "on", "off")
	}
	if w.likely(4, 0, 5) {
		o["policy"] = object{"unreadable": "access denied"}
	} else {
		o["policy"] = w.keyPolicy(k, o)
	}
	if w.likely(4, 0, 5) {
		o["grants_unreadable"] = "access denied"
	} else if grants := w.grants(k); len(grants) > 0 {
		o["grants"] = grants
	}
	return o
}

// keyPolicy is a key policy of any make-up.
func (w *world) keyPolicy(k *key, o object) object {
	list := w.administrators(k)
	for _, who := range slices.Concat(w.actors, w.linked) {
		if slices.Contains(w.linked, who) && !w.known[who] {
			continue // AWS takes no policy that names a role before it is there
		}
		if w.mood == open {
			list = append(list, w.generous(k, who))
			continue
		}
		if w.chance(45) {
			list = append(list, w.letIn(k, who, len(list)))
		}
	}
	for _, pair := range w.staging {
		if w.likely(15, 95, 15) && w.known[stagingARN(pair)] {
			list = append(list, object{"Effect": "Allow", "Principal": object{"AWS": stagingARN(pair)}, "Action": "kms:*", "Resource": "*"})
		}
	}
	if w.likely(10, 0, 10) {
		orphan := w.id("AROA")
		list = append(list, object{"Sid": "Gone", "Effect": "Allow", "Principal": object{"AWS": pick[any](w, orphan, []string{orphan, k.iam("role/Auditor")})}, "Action": "kms:Decrypt", "Resource": "*"})
	}
	if w.likely(5, 0, 40) {
		list = append(list, w.denial(k))
	}
	if w.chance(5) {
		o["principal_ids"] = object{k.iam("role/KeyAdmin"): "AROAGONEGONEGONEGONE2"}
	}
	if len(list) == 1 && w.chance(50) {
		return object{"Version": "2012-10-17", "Statement": list[0]}
	}
	return document(list...)
}

func stagingARN(pair [2]string) string {
	return "arn:aws:iam::" + pair[0] + ":role/service-role/DRSStagingAccountRole_" + pair[1]
}

func (k *key) iam(resource string) string { return "arn:aws:iam::" + k.owner.id + ":" + resource }

// administrators are the statements by which somebody keeps the key.
func (w *world) administrators(k *key) []object {
	admin := []string{"kms:Create*", "kms:Describe*", "kms:Enable*", "kms:Put*", "kms:Get*", "kms:List*", "kms:ScheduleKeyDeletion"}
	if w.chance(30) {
		admin = []string{"kms:*"}
	}
	switch n := w.rnd.IntN(100); {
	case n < 72 || w.mood == open:
		return []object{{"Sid": "EnableIAMUserPermissions", "Effect": "Allow", "Principal": object{"AWS": root(k.owner.id)}, "Action": "kms:*", "Resource": "*"}}
	case n < 90:
		return []object{{"Sid": "Administrators", "Effect": "Allow", "Principal": object{"AWS": []string{k.iam("role/KeyAdmin"), k.iam("role/SecondAdmin")}}, "Action": admin, "Resource": "*"}}
	}
	return []object{{"Sid": "Administrator", "Effect": "Allow", "Principal": object{"AWS": k.iam("role/KeyAdmin")}, "Action": admin, "Resource": "*"}}
}

// generous is a statement that lets somebody do everything it may need.
func (w *world) generous(k *key, who string) object {
	if strings.Contains(who, ":role/aws-service-role/") {
		return object{"Effect": "Allow", "Principal": object{"AWS": who}, "Action": pick[any](w, "kms:*", []string{"kms:*"}), "Resource": "*"}
	}
	p, _ := arn.ParsePrincipal(who)
	return object{"Effect": "Allow", "Principal": object{"AWS": pick(w, holderOf(who), root(p.Account))}, "Action": "kms:*", "Resource": "*"}
}

// letIn is a statement that gives some of what is needed.
func (w *world) letIn(k *key, who string, n int) object {
	p, _ := arn.ParsePrincipal(who)
	s := object{"Sid": fmt.Sprintf("LetIn%d", n), "Effect": "Allow", "Principal": object{"AWS": pick(w, who, who, root(p.Account))}, "Action": w.actions(), "Resource": "*"}
	switch w.rnd.IntN(7) {
	case 0:
		s["Condition"] = object{"StringEquals": object{"kms:ViaService": pick(w, "ec2.", "rds.", "s3.") + k.region + ".amazonaws.com"}}
	case 1:
		s["Condition"] = object{"Bool": object{"kms:GrantIsForAWSResource": "true"}}
	case 2:
		delete(s, "Action")
		s["NotAction"] = []string{"kms:CreateGrant", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"}
	case 3:
		s["Sid"] = "LetIn" // with others of the same name
	case 4:
		delete(s, "Sid")
		s["Condition"] = object{"StringEquals": object{"kms:CallerAccount": p.Account}}
	}
	return s
}

// denial is a statement with a condition under which it denies.
func (w *world) denial(k *key) object {
	s := object{"Sid": "Deny", "Effect": "Deny", "Principal": object{"AWS": "*"}, "Action": pick(w, "kms:*", "kms:CreateGrant", "kms:Decrypt", "kms:ReEncrypt*"), "Resource": "*"}
	switch w.rnd.IntN(4) {
	case 0:
		s["Action"], s["Condition"] = pick(w, "kms:CreateGrant", "kms:Decrypt"), object{"StringNotEquals": object{"kms:ViaService": []string{"ec2." + k.region + ".amazonaws.com", "rds." + k.region + ".amazonaws.com"}}}
	case 1:
		s["Action"], s["Condition"] = pick(w, "kms:Decrypt", "kms:ReEncrypt*"), object{"StringEquals": object{"aws:PrincipalTag/team": "guests"}}
	case 2:
		s["Action"], s["Condition"] = "kms:*", object{"StringNotEqualsIfExists": object{"aws:PrincipalOrgID": "o-abc1234567"}}
	default:
		s["Action"], s["Condition"] = []string{"kms:Decrypt", "kms:CreateGrant"}, object{"ArnLike": object{"aws:PrincipalArn": "arn:aws:iam::*:user/*"}}
	}
	return s
}

// grants are those on the key: of service-linked roles in part, and others.
func (w *world) grants(k *key) []object {
	var list []object
	all := []string{"Decrypt", "DescribeKey", "CreateGrant", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "Encrypt"}
	add := func(name, grantee, issuer string, operations []string) {
		g := object{"grant_id": fmt.Sprintf("grant-%d", len(list)+1), "grantee_principal": grantee, "issuing_account": issuer, "operations": operations}
		if name != "" {
			g["name"] = name
		}
		list = append(list, g)
	}
	for _, role := range w.linked {
		p, _ := arn.ParsePrincipal(role)
		if p.Account == k.owner.id || !w.known[role] {
			continue
		}
		switch {
		case w.likely(0, 95, 10):
			add("launches", role, p.Account, all)
		case w.chance(30): // an earlier plan's
			add("Keyreach-"+p.Account+"-"+k.region+"-"+p.Name, role, p.Account, []string{"Decrypt"})
		case w.chance(20):
			add("", role, p.Account, []string{"DescribeKey", "Decrypt"})
		}
	}
	for _, actor := range w.actors {
		if holder := holderOf(actor); w.known[holder] && w.chance(8) {
			add("by-hand", holder, k.owner.id, some(w, all[:6]))
			if last := list[len(list)-1]; len(last["operations"].([]string)) == 0 {
				last["operations"] = []string{"Decrypt"}
			}
		}
	}
	return list
}
