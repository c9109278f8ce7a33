package estate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/estate"
)

// refused are estates with one thing wrong on their second line, and all that
// is said about it: place, text, and after a bar what to do.
var refused = []struct {
	name, member string
	want         []string
}{
	{"a misspelt member", `"key": []`,
		[]string{`2:1: "key" is no member of this estate | did you mean keys?`}},
	{"null for a list", `"keys": null`,
		[]string{`2:9: "keys" is null; it should be a list | leave it out when there is none`}},
	{"a map for a list", `"keys": {}`,
		[]string{`2:9: "keys" is a map; it should be a list`}},
	{"a number among the keys", `"keys": [1]`,
		[]string{`2:10: a member of "keys" is a number; it should be a map`}},
	{"a member twice", `"keys": [], "keys": []`,
		[]string{`2:13: "keys" stands twice in this map | remove one of the two`}},
	{"a member in another letter case", `"Keys": []`,
		[]string{`2:1: "Keys" is no member of this estate | did you mean keys?`}},
	{"a member that nobody knows", `"zebra": 1`,
		[]string{`2:1: "zebra" is no member of this estate | its members are accounts, collected_at, endpoints, format_version, keys, organization, principals, resources`}},
	{"a time in words", `"collected_at": "yesterday"`,
		[]string{`2:17: "collected_at" is "yesterday", which is not a date and time (RFC 3339) | it looks like 2026-01-31T08:00:00Z`}},
	{"a leap second", `"collected_at": "2016-12-31T23:59:60Z"`,
		[]string{`2:17: collected_at: this is not a date and time (RFC 3339) | it looks like 2026-01-31T08:00:00Z`}},
	{"an account without a number", `"accounts": [{"name": "x"}]`,
		[]string{`2:14: this account has no "id" | add it`}},
	{"an account number without quotes", `"accounts": [{"id": 111122223333}]`,
		[]string{`2:21: "id" is a number; it should be a text | put it in quotes: "111122223333"`}},
	{"an account number with dashes", `"accounts": [{"id": "1111-2222-3333"}]`,
		[]string{`2:21: "id" is "1111-2222-3333", which is not an account number (twelve digits) | it looks like 111122223333`}},
	{"an account twice", `"accounts": [{"id": "111122223333"}, {"id": "111122223333"}]`,
		[]string{`2:45: account 111122223333 is listed twice | the first time was on line 2; keep one of the two`}},
	{"a partition that is none", `"accounts": [{"id": "111122223333", "partition": "china"}]`,
		[]string{`2:50: "partition" is "china", which is not a partition | it looks like aws-us-gov`}},
	{"one Region without a list", `"accounts": [{"id": "111122223333", "regions": "us-east-1"}]`,
		[]string{`2:48: "regions" is a text; it should be a list | put it in a list: ["us-east-1"]`}},
	{"a Region that is none", `"accounts": [{"id": "111122223333", "regions": ["useast1"]}]`,
		[]string{`2:49: a member of "regions" is "useast1", which is not a Region | it looks like us-east-1`}},
	{"EBS settings of a Region that is none", `"accounts": [{"id": "111122223333", "ebs_defaults": {"useast1": {"encrypt": true}}}]`,
		[]string{`2:54: a name in "ebs_defaults" is "useast1", which is not a Region | it looks like us-east-1`}},
	{"a word for a truth value", `"accounts": [{"id": "111122223333", "ebs_defaults": {"us-east-1": {"encrypt": "yes"}}}]`,
		[]string{`2:79: "encrypt" is a text; it should be true or false | write true or false without quotes`}},
	{"EBS settings without what they are for", `"accounts": [{"id": "111122223333", "ebs_defaults": {"us-east-1": {"key": "alias/x"}}}]`,
		[]string{`2:67: this EBS default has no "encrypt" | add it`, `2:75: "key" is "alias/x", which is not the ARN of a KMS key or alias | it looks like arn:aws:kms:us-east-1:111122223333:alias/data`}},
	{"a principal that is no ARN", `"principals": [{"arn": "role/a"}]`,
		[]string{`2:24: "arn" is "role/a", which is not the ARN of a user or role | it looks like arn:aws:iam::111122223333:role/app`}},
	{"a principal twice", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a"}, {"arn": "arn:aws:iam::111122223333:role/a"}]`,
		[]string{`2:69: principal arn:aws:iam::111122223333:role/a is listed twice | the first time was on line 2; keep one of the two`}},
	{"two roles that differ in path and letter case", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a"}, {"arn": "arn:aws:iam::111122223333:role/path/A"}]`,
		[]string{`2:69: account 111122223333 cannot have arn:aws:iam::111122223333:role/a and arn:aws:iam::111122223333:role/path/A | the first stands on line 2; AWS takes a name once, whatever its path and letter case`}},
	{"a unique id that is none", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "id": "AIDA1"}]`,
		[]string{`2:66: "id" is "AIDA1", which is not the unique id of a user or role | it looks like AROAEXAMPLEEXAMPLE01`}},
	{"a tag that is a number", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "tags": {"a": 1}}]`,
		[]string{`2:74: "a" is a number; it should be a text | put it in quotes: "1"`}},
	{"an identity policy without its text", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "policies": [{"name": "p"}]}]`,
		[]string{`2:73: this identity policy has no "document" | add it`}},
	{"a kind of policy that is none", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "policies": [{"name": "p", "document": {}, "kind": "inlin"}]}]`,
		[]string{`2:111: "kind" is "inlin", which is none of inline, managed, group | did you mean inline?`}},
	{"a policy without a name", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "policies": [{"name": "", "document": {}}]}]`,
		[]string{`2:82: "name" is empty | fill it in, or leave it out`}},
	{"a misspelt boundary", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "boundry": {}}]`,
		[]string{`2:60: "boundry" is no member of this principal | did you mean boundary?`}},
	{"a document that is not in force, and nobody says why", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "not_attached": [{"name": "n", "document": {}}]}]`,
		[]string{`2:77: this unattached document has no "reason" | add it`}},
	{"an empty reason", `"principals": [{"arn": "arn:aws:iam::111122223333:role/a", "unreadable": ""}]`,
		[]string{`2:74: "unreadable" is empty | fill it in, or leave it out`}},
	{"an alias in place of a key", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:alias/k"}]`,
		[]string{`2:18: "arn" is "arn:aws:kms:us-east-1:111122223333:alias/k", which is not the ARN of a KMS key | it looks like arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab`}},
	{"a key twice", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k"}, {"arn": "arn:aws:kms:us-east-1:111122223333:key/k"}]`,
		[]string{`2:71: key arn:aws:kms:us-east-1:111122223333:key/k is listed twice | the first time was on line 2; keep one of the two`}},
	{"a key state in small letters", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "state": "enabled"}]`,
		[]string{`2:71: "state" is "enabled", which is none of Enabled, Disabled, PendingDeletion, PendingImport, PendingReplicaDeletion, Creating, Updating, Unavailable | did you mean Enabled?`}},
	{"a manager that is none", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "manager": "Customer"}]`,
		[]string{`2:73: "manager" is "Customer", which is none of CUSTOMER, AWS | did you mean CUSTOMER?`}},
	{"a spec that is none", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "spec": "symmetric"}]`,
		[]string{`2:70: "spec" is "symmetric", which is not a constant of the KMS API (capitals, digits and underscores) | it looks like SYMMETRIC_DEFAULT`}},
	{"a truth value in quotes", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "multi_region": "true"}]`,
		[]string{`2:78: "multi_region" is a text; it should be true or false | write true or false without quotes`}},
	{"a primary key that is no ARN", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "primary_key": "k"}]`,
		[]string{`2:77: "primary_key" is "k", which is not the ARN of a KMS key | it looks like arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab`}},
	{"a date in words", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "deletion_date": "soon"}]`,
		[]string{`2:79: "deletion_date" is "soon", which is not a date and time (RFC 3339) | it looks like 2026-01-31T08:00:00Z`}},
	{"an alias without alias/", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "aliases": ["k"]}]`,
		[]string{`2:74: a member of "aliases" is "k", which is not the name of an alias | it looks like alias/data`}},
	{"an alias of two keys", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "aliases": ["alias/a"]}, {"arn": "arn:aws:kms:us-east-1:111122223333:key/l", "aliases": ["alias/b", "alias/a"]}]`,
		[]string{`2:162: the alias alias/a is listed twice in one account and Region | the first time was on line 2; an alias is that of one key`}},
	{"a unique id stored for what is no ARN", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "principal_ids": {"a": "b"}}]`,
		[]string{`2:80: a name in "principal_ids" is "a", which is not an ARN | it looks like arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0`}},
	{"a policy that is a number", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": 5}]`,
		[]string{`2:72: "policy" is a number; it should be a text or a list or a map | write the policy itself, or {"unreadable": "why"}`}},
	{"a policy that is plain text", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": "hello"}]`,
		[]string{`2:72: keys[0].policy: this string holds no policy: it is plain text`}},
	{"a policy that is an empty text", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": ""}]`,
		[]string{`2:72: keys[0].policy: this string holds no policy: line 1, column 1: the text is empty: a JSON or YAML document is expected`}},
	{"a text with a broken policy", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": "{\"Statement\": [}"}]`,
		[]string{`2:72: keys[0].policy: this string holds no policy: line 1, column 16: '}' stands where a value should: write the value, or remove the comma or colon before it`}},
	{"a URL-encoded text with a broken policy", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": "%7B%22a%22"}]`,
		[]string{`2:72: keys[0].policy: this string holds no policy: line 1, column 5: the text ends after the name "a": write a colon and a value`}},
	{"a policy that is an empty list", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": []}]`,
		[]string{`2:72: keys[0].policy: an empty list is no policy: leave it out when there is none`}},
	{"a policy inside a list", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": [{"Version": "2012-10-17", "Statement": []}]}]`,
		[]string{`2:73: keys[0].policy: this is a list of policies, and one policy stands here: take it out of the list`}},
	{"an unreadable policy inside a list", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": [{"unreadable": "x"}]}]`,
		[]string{`2:73: keys[0].policy: this is a list of policies, and one policy stands here: take it out of the list`}},
	{"a map that is no policy", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": {"hello": 1}}]`,
		[]string{`2:73: keys[0].policy: this is no policy: it has no Statement, and a policy has no "hello"`}},
	{"what a command of AWS printed, whole", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": {"PolicyName": "default", "Policy": "{}"}}]`,
		[]string{`2:98: keys[0].policy: this is no policy: what is under "Policy" is; leave the rest out`}},
	{"a statement in place of a policy", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}}]`,
		[]string{`2:72: keys[0].policy: this is a statement: a policy has it under "Statement"`}},
	{"an empty reason for a policy", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": {"unreadable": ""}}]`,
		[]string{`2:87: "unreadable" is empty | fill it in, or leave it out`}},
	{"a number as the reason for a policy", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": {"unreadable": 5}}]`,
		[]string{`2:87: "unreadable" is a number; it should be a text | put it in quotes: "5"`}},
	{"a reason beside statements", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": {"unreadable": "a", "Statement": []}}]`,
		[]string{`2:92: "Statement" is no member of this unreadable policy | its only member is unreadable`}},
	{"two reasons", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "policy": {"unreadable": "a", "unreadable": "b"}}]`,
		[]string{`2:92: "unreadable" stands twice in this map | remove one of the two`}},
	{"a grant for everyone", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "grants": [{"grant_id": "g", "grantee_principal": "*", "operations": []}]}]`,
		[]string{`2:112: "grantee_principal" is everyone, and a grant has one principal`}},
	{"a grant for nobody", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "grants": [{"grant_id": "g", "grantee_principal": "nobody", "operations": []}]}]`,
		[]string{`2:112: "grantee_principal" is "nobody": it is no principal: no ARN, account number, service name or unique id | name a user, role, session, federated user, account or service, or a unique id (AROA…)`}},
	{"a grant without a grantee", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "grants": [{"grant_id": "g", "operations": []}]}]`,
		[]string{`2:73: this grant has none of grantee_principal, grantee_service_principal | add one of them`}},
	{"a grant without an id", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "grants": [{"grantee_principal": "111122223333", "operations": []}]}]`,
		[]string{`2:73: this grant has no "grant_id" | add it`}},
	{"a grant's operation with its service", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "grants": [{"grant_id": "g", "grantee_principal": "111122223333", "operations": ["kms:Decrypt"]}]}]`,
		[]string{`2:143: a member of "operations" is "kms:Decrypt", which is not a KMS operation without kms: in front | it looks like Decrypt`}},
	{"a grant issued by what is no account", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "grants": [{"grant_id": "g", "grantee_principal": "111122223333", "operations": [], "issuing_account": "12"}]}]`,
		[]string{`2:165: "issuing_account" is "12", which is not an account | write its number, or its root ARN as ListGrants shows it`}},
	{"a constraint that KMS does not have", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "grants": [{"grant_id": "g", "grantee_principal": "111122223333", "operations": [], "constraints": {"EncryptionContext": {}}}]}]`,
		[]string{`2:162: "EncryptionContext" is no member of this grant constraint | its members are EncryptionContextEquals, EncryptionContextSubset, SourceArn`}},
	{"an empty reason for the grants", `"keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "grants_unreadable": ""}]`,
		[]string{`2:83: "grants_unreadable" is empty | fill it in, or leave it out`}},
	{"a resource that nobody owns", `"resources": [{"type": "ec2:Snapshot"}]`,
		[]string{`2:15: this resource has no "account" | add it`}},
	{"a resource under what is no key", `"resources": [{"type": "ec2:Snapshot", "account": "111122223333", "key": "k"}]`,
		[]string{`2:74: "key" is "k", which is not the ARN of a KMS key or alias, or the alias itself | it looks like arn:aws:kms:us-east-1:111122223333:alias/data`}},
	{"a resource's ARN that is none", `"resources": [{"type": "ec2:Snapshot", "account": "111122223333", "arn": "snap-1"}]`,
		[]string{`2:74: "arn" is "snap-1", which is not an ARN | it looks like arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0`}},
	{"an endpoint's id that is none", `"endpoints": [{"id": "e", "account": "111122223333", "region": "us-east-1", "service": "kms"}]`,
		[]string{`2:22: "id" is "e", which is not the id of a VPC endpoint | it looks like vpce-0123456789abcdef0`}},
	{"an endpoint for no service", `"endpoints": [{"id": "vpce-1", "account": "111122223333", "region": "us-east-1"}]`,
		[]string{`2:15: this endpoint has no "service" | add it`}},
	{"an organization without a root", `"organization": {"id": "o-a", "policies": {}}`,
		[]string{`2:17: this organization has no "root" | add it`}},
	{"a root without an id", `"organization": {"id": "o-a", "root": {}}`,
		[]string{`2:39: this unit has no "id" | add it`}},
	{"a root's id that is none", `"organization": {"id": "o-a", "root": {"id": "root"}}`,
		[]string{`2:46: "id" is "root", which is not the id of an organization's root or unit | it looks like ou-ab12-cdefgh34`}},
	{"an organization's id that is none", `"organization": {"id": "a", "root": {"id": "r-a"}}`,
		[]string{`2:24: "id" is "a", which is not the id of an organization | it looks like o-a1b2c3d4e5`}},
	{"a control policy with a misspelt name", `"organization": {"id": "o-a", "root": {"id": "r-a", "scps": ["gard"]}, "policies": {"guard": {}}}`,
		[]string{`2:62: organization.policies has no policy called "gard" | did you mean guard?`}},
	{"a control policy that is not there", `"organization": {"id": "o-a", "root": {"id": "r-a", "rcps": ["x"]}}`,
		[]string{`2:62: organization.policies has no policy called "x" | add it there, or write {"unreadable": "why"} for it`}},
	{"an account in two units", `"organization": {"id": "o-a", "root": {"id": "r-a", "units": [{"id": "ou-a", "accounts": [{"id": "111122223333"}]}], "accounts": [{"id": "111122223333"}]}}`,
		[]string{`2:98: 111122223333 stands twice in the organization | the first time was on line 2; an account or unit has one place`}},
	{"a unit inside itself", `"organization": {"id": "o-a", "root": {"id": "r-a", "units": [{"id": "r-a"}]}}`,
		[]string{`2:70: r-a stands twice in the organization | the first time was on line 2; an account or unit has one place`}},
	{"a control policy that is a number", `"organization": {"id": "o-a", "root": {"id": "r-a"}, "policies": {"x": 5}}`,
		[]string{`2:72: "x" is a number; it should be a text or a list or a map | write the policy itself, or {"unreadable": "why"}`}},
	{"a unit's member in another letter case", `"organization": {"id": "o-a", "root": {"id": "r-a", "Units": []}}`,
		[]string{`2:53: "Units" is no member of this unit | did you mean units?`}},
}

func TestARefusedEstate(t *testing.T) {
	t.Parallel()
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := "{\"format_version\": 1,\n" + tt.member + "}"
			if got := problems(t, text); !slices.Equal(got, tt.want) {
				t.Errorf("%s\ngives\n%s\nwant\n%s", tt.member, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// problems are what is said about an estate that is refused.
func problems(t testing.TB, text string) []string {
	t.Helper()
	_, err := estate.Load("estate.json", []byte(text))
	var file *estate.FileError
	if !errors.As(err, &file) {
		t.Fatalf("the error is %v, want a *FileError", err)
	}
	var told []string
	for _, p := range file.Problems {
		line, found := strings.CutPrefix(p.Position.String(), "estate.json:")
		if !found || p.Excerpt == "" {
			t.Errorf("%s: no place or no excerpt: %q", p.Text, p.Excerpt)
		}
		line += ": " + p.Text
		if p.Hint != "" {
			line += " | " + p.Hint
		}
		told = append(told, line)
	}
	return told
}
