package live_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
)

func TestARedactedEstateDecidesAsBefore(t *testing.T) {
	t.Parallel()
	for _, file := range examples(t) {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			e := need(estate.LoadFile(file))(t)
			r := need(live.Redact(e))(t)
			if a, b := need(r.AppendJSON(nil))(t), need(need(live.Redact(e))(t).AppendJSON(nil))(t); string(a) != string(b) {
				t.Error("redacting twice gives two things")
			}
			if len(r.Principals) != len(e.Principals) || len(r.Keys) != len(e.Keys) {
				t.Fatalf("%d principals and %d keys became %d and %d", len(e.Principals), len(e.Keys), len(r.Principals), len(r.Keys))
			}
			asked := 0
			for i := range e.Principals {
				for j := range e.Keys {
					for _, action := range []string{"kms:Decrypt", "kms:CreateGrant", "kms:ReEncryptFrom"} {
						want := decided(t, e, e.Principals[i].ARN, action, e.Keys[j].ARN)
						if got := decided(t, r, r.Principals[i].ARN, action, r.Keys[j].ARN); got != want {
							t.Errorf("%s %s on %s: %v before, %v after", e.Principals[i].ARN, action, e.Keys[j].ARN, want, got)
						}
						asked++
					}
				}
			}
			if asked == 0 {
				t.Error("nothing was asked")
			}
		})
	}
}

func decided(t *testing.T, e *estate.Estate, principal, action, key string) access.Effect {
	t.Helper()
	q := need(estate.NewRequest(principal, action, key))(t)
	c := e.Bind(q)
	return access.Decide(&c)
}

func TestNothingOfTheOldNamesIsLeft(t *testing.T) {
	t.Parallel()
	const text = `{"format_version": 1,
	"organization": {"id": "o-abc1234567", "root": {"id": "r-ab12", "units": [{"id": "ou-ab12-cdefgh34", "name": "Bakery Unit", "scps": ["Bakery rules"], "accounts": [{"id": "111122223333"}]}]},
		"policies": {"Bakery rules": {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::bakery-data/*"}}}},
	"accounts": [{"id": "111122223333", "name": "bakery"}],
	"principals": [{"arn": "arn:aws:iam::111122223333:role/bakers/Allow", "policies": [{"name": "bakery-policy", "kind": "inline", "document": {"Statement": {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}}}]},
		{"arn": "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"}],
	"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "aliases": ["alias/bakery/data"],
		"policy": {"Statement": {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::111122223333:role/bakers/Allow", "arn:aws:iam::999988887777:root"]}, "Action": "kms:*", "Resource": "*", "Condition": {"StringEquals": {"kms:RequestAlias": "alias/bakery/data"}}}}}],
	"resources": [{"type": "s3:Bucket", "id": "bakery-data", "arn": "arn:aws:s3:::bakery-data", "account": "111122223333", "region": "us-east-1",
		"attributes": {"policy": "{\"Statement\": [{\"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"999988887777\"}, \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::bakery-data/*\"}]}"}}]}`
	e := need(estate.Load("estate.json", []byte(text)))(t)
	got := string(need(need(live.Redact(e))(t).AppendJSON(nil))(t))
	for _, old := range []string{"bakery", "Bakery", "bakers", "111122223333", "999988887777", "role/path-1/Allow"} {
		if strings.Contains(got, old) {
			t.Errorf("%s is left in:\n%s", old, got)
		}
	}
	for _, kept := range []string{"AWSServiceRoleForAutoScaling", `"Effect": "Allow"`, "role/path-1/role-1", "alias/alias-1", "arn:aws:s3:::bucket-1/*", `\"Effect\":\"Allow\"`} {
		if !strings.Contains(got, kept) {
			t.Errorf("%s is not in:\n%s", kept, got)
		}
	}
}
