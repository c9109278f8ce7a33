package plantest

import (
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
)

func root(account string) string { return "arn:aws:iam::" + account + ":root" }

func document(statements ...object) object {
	return object{"Version": "2012-10-17", "Statement": statements}
}

// needed are the actions on keys that routes need, as people know them.
func needed() []string {
	return []string{
		"kms:Decrypt", "kms:DescribeKey", "kms:CreateGrant", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey",
		"kms:GenerateDataKeyWithoutPlaintext", "kms:Encrypt",
	}
}

// roles makes the users and roles of the estate.
func (w *world) roles() {
	for _, a := range w.accounts {
		iam := "arn:aws:iam::" + a.id + ":"
		w.hold(object{"arn": iam + "role/KeyAdmin", "id": w.id("AROA"), "policies": []any{}})
		w.hold(object{"arn": iam + "role/SecondAdmin", "id": w.id("AROA"), "policies": []any{}})
		w.hold(object{"arn": iam + "role/Administrator", "policies": []any{inline("everything", object{"Effect": "Allow", "Action": "*", "Resource": "*"})}})
		w.hold(object{"arn": iam + "role/Auditor", "policies": []any{inline("read", object{"Effect": "Allow", "Action": []string{"kms:Describe*", "kms:List*"}, "Resource": "*"})}})
	}
	for _, actor := range w.actors {
		if w.likely(95, 100, 88) {
			w.hold(w.actorObject(actor))
		}
	}
	for _, role := range w.linked {
		if w.likely(60, 97, 60) {
			known, _ := awsfacts.ServiceLinkedRoleFor(role)
			w.hold(object{"arn": role, "policies": []any{managed(known.ManagedPolicy, "arn:aws:iam::aws:policy/aws-service-role/")}})
		}
	}
	for _, pair := range w.staging {
		if pair[0] != pair[1] && w.likely(50, 97, 50) {
			w.hold(w.stagingRole(pair[0], pair[1]))
		}
	}
}

func (w *world) hold(o object) {
	name := o["arn"].(string)
	if w.known[name] {
		return
	}
	w.known[name] = true
	w.holders = append(w.holders, o)
}

// id invents a unique id.
func (w *world) id(prefix string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	var b strings.Builder
	b.WriteString(prefix)
	for range 17 {
		b.WriteByte(letters[w.rnd.IntN(len(letters))])
	}
	return b.String()
}

func inline(name string, statements ...object) object {
	return object{"name": name, "kind": "inline", "document": document(statements...)}
}

// managed is a managed policy of AWS's as it is attached.
func managed(name, under string) object {
	return object{"name": name, "kind": "managed", "arn": under + name, "document": awsfacts.ManagedPolicies()[name].Document}
}

func (w *world) stagingRole(staging, trusted string) object {
	trust := document(object{
		"Effect": "Allow", "Principal": object{"Service": "drs.amazonaws.com"}, "Action": []string{"sts:AssumeRole", "sts:SetSourceIdentity"},
		"Condition": object{"StringLike": object{"sts:SourceIdentity": trusted, "aws:SourceAccount": staging}},
	})
	policies := []any{managed("AWSElasticDisasterRecoveryStagingAccountPolicy_v2", "arn:aws:iam::aws:policy/service-role/")}
	if w.likely(30, 95, 30) {
		policies = append(policies, inline("keys", object{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}))
	}
	return object{"arn": "arn:aws:iam::" + staging + ":role/service-role/DRSStagingAccountRole_" + trusted, "policies": policies, "trust": trust}
}

// holderOf is the ARN of the user or role behind an actor.
func holderOf(actor string) string {
	p, err := arn.ParsePrincipal(actor)
	if err == nil && p.Kind == arn.AssumedRole {
		return "arn:aws:iam::" + p.Account + ":role/" + p.Name
	}
	return actor
}

// actorObject is one who acts in a route, with what its account lets it do.
func (w *world) actorObject(actor string) object {
	holder := holderOf(actor)
	o := object{"arn": holder}
	prefix := "AROA"
	if strings.Contains(holder, ":user/") {
		prefix = "AIDA"
	}
	if w.chance(50) {
		o["id"] = w.id(prefix)
	}
	if w.chance(4) {
		o["unreadable"] = "access denied"
		return o
	}
	policies := w.identity()
	if prefix == "AIDA" && w.chance(30) {
		policies = append(policies, inline("large", object{"Sid": "Large", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::" + strings.Repeat("a", 1800)}))
	}
	o["policies"] = policies
	switch {
	case w.likely(4, 2, 15):
		o["boundary"] = document(object{"Effect": "Allow", "Action": []string{"ec2:*", "kms:DescribeKey"}, "Resource": "*"})
	case w.chance(8):
		o["boundary"] = document(object{"Effect": "Allow", "Action": "*", "Resource": "*"})
	}
	return o
}

// identity are the identity policies of an actor.
func (w *world) identity() []any {
	list := []any{inline("work", object{"Sid": "Work", "Effect": "Allow", "Action": []string{"ec2:*", "rds:*", "s3:*", "drs:*"}, "Resource": "*"})}
	if w.likely(15, 95, 30) {
		return append(list, inline("keys", object{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}))
	}
	for i, k := range w.keys {
		if w.chance(50) {
			continue
		}
		on := pick(w, k.arn, "*", "arn:aws:kms:*:*:key/*")
		if estate.IsProvisional(on) {
			on = "arn:aws:kms:*:" + k.owner.id + ":key/*" // nobody knows what AWS will call it
		}
		s := object{"Sid": fmt.Sprintf("Key%d", i), "Effect": "Allow", "Action": w.actions(), "Resource": on}
		switch w.rnd.IntN(5) {
		case 0:
			s["Condition"] = object{"StringEquals": object{"kms:ViaService": pick(w, "ec2."+home+".amazonaws.com", "s3."+home+".amazonaws.com")}}
		case 1:
			s["Action"], s["Condition"] = "kms:CreateGrant", object{"Bool": object{"kms:GrantIsForAWSResource": "true"}}
		case 2:
			delete(s, "Action")
			s["NotAction"] = []string{"kms:CreateGrant", "kms:Decrypt", "iam:*"}
		}
		list = append(list, inline(fmt.Sprintf("key-%d", i), s))
	}
	if w.likely(3, 0, 15) {
		list = append(list, inline("never", object{"Sid": "Never", "Effect": "Deny", "Action": pick(w, "kms:CreateGrant", "kms:Re*", "kms:*"), "Resource": "*", "Condition": object{"StringNotLike": object{"kms:ViaService": "rds.*"}}}))
	}
	return list
}

// actions are some of what is needed, written as people do.
func (w *world) actions() any {
	switch w.rnd.IntN(6) {
	case 0:
		return []string{"kms:Decrypt", "kms:DescribeKey", "kms:ReEncrypt*"}
	case 1:
		return []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"}
	case 2:
		return "kms:D*"
	}
	if list := some(w, needed()); len(list) > 0 {
		return list
	}
	return "kms:DescribeKey"
}
