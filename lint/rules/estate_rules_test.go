package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

// found runs one rule and writes what it finds on one line each.
func foundBy(rule Rule, m *Material) string {
	var lines []string
	for _, f := range Check(m, []Rule{rule}) {
		lines = append(lines, f.Severity.String()+" "+f.Text)
	}
	return strings.Join(lines, "\n")
}

func materialOf(t *testing.T, text string) *Material {
	t.Helper()
	m, err := ReadEstate("estate.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEstateRulesFireOnTheirExamplesOnly(t *testing.T) {
	t.Parallel()
	for _, rule := range estateRules() {
		for _, x := range rule.Fires {
			if x.Name != "estate.json" {
				continue
			}
			found := Check(materialOf(t, x.Text), []Rule{rule})
			if len(found) == 0 {
				t.Errorf("%s stays silent on its example", rule.ID)
			}
			for _, f := range found {
				if f.Position.Line < 2 {
					t.Errorf("%s is at %s, which is no place in its example", rule.ID, f.Position)
				}
			}
		}
		for _, x := range rule.Silent {
			if x.Name != "estate.json" {
				continue
			}
			if got := foundBy(rule, materialOf(t, x.Text)); got != "" {
				t.Errorf("%s fires on its look-alike: %s", rule.ID, got)
			}
		}
		if rule.Page == "" || rule.Text == "" || rule.Fix == "" {
			t.Errorf("%s says too little", rule.ID)
		}
	}
}

func script(lines ...string) *Material {
	m := &Material{}
	for i, line := range lines {
		words := strings.Fields(line)
		c := &Command{Service: "kms", Operation: words[0], Pos: finding.Position{Line: i + 1}}
		for j := 1; j+1 < len(words); j += 2 {
			c.Options = append(c.Options, Option{Name: words[j], Values: []Word{{Text: words[j+1], Unknown: strings.HasPrefix(words[j+1], "$")}}})
		}
		m.Commands = append(m.Commands, c)
	}
	return m
}

func TestScriptsThatUseAKeyTheyTookOutOfUse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines      []string
		k022, k023 string
	}{
		"encrypting after disabling": {
			[]string{"disable-key --key-id a", "encrypt --key-id a"},
			"error kms:Encrypt is refused here: since disable-key the key is Disabled", "",
		},
		"saving a key and not enabling it": {
			[]string{"cancel-key-deletion --key-id $K", "generate-data-key --key-id $K"},
			"error kms:GenerateDataKey is refused here: since cancel-key-deletion the key is Disabled", "",
		},
		"enabling a key that is to be deleted": {
			[]string{"schedule-key-deletion --key-id a", "enable-key --key-id a"},
			"", "error kms:EnableKey is refused here: since schedule-key-deletion the key is PendingDeletion",
		},
		"another key":                       {[]string{"disable-key --key-id a", "encrypt --key-id b"}, "", ""},
		"a key nobody knows":                {[]string{"disable-key --key-id $(f)", "encrypt --key-id $(f)"}, "", ""},
		"enabled between":                   {[]string{"disable-key --key-id a", "enable-key --key-id a", "encrypt --key-id a"}, "", ""},
		"changing the policy when disabled": {[]string{"disable-key --key-id a", "put-key-policy --key-id a"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := script(c.lines...)
			if got := foundBy(key022(), m); got != c.k022 {
				t.Errorf("KEY022 says %q, want %q", got, c.k022)
			}
			if got := foundBy(key023(), m); got != c.k023 {
				t.Errorf("KEY023 says %q, want %q", got, c.k023)
			}
		})
	}
}

func TestADisabledKeyOfATemplate(t *testing.T) {
	t.Parallel()
	body := source.Node{Kind: source.Map, Fields: []source.Field{{Name: "Enabled", Value: source.Node{Kind: source.Bool, Text: "false", Pos: source.Pos{Line: 7, Column: 3}}}}}
	m := &Material{Keys: []*Key{{Name: "Data", Resource: &Resource{Type: "AWS::KMS::Key", Body: &body}}}}
	if got := foundBy(key022(), m); !strings.HasPrefix(got, "warning the key is declared disabled") {
		t.Errorf("got %q", got)
	}
	body.Fields[0].Value = source.Node{Kind: source.Intrinsic, Text: "!Ref"}
	if got := foundBy(key022(), m); got != "" {
		t.Errorf("a value that is not known fires: %q", got)
	}
}

func TestManyGrants(t *testing.T) {
	t.Parallel()
	m := &Material{}
	add := func(key string, n int, aws bool) {
		for i := range n {
			m.Grants = append(m.Grants, &Grant{ID: fmt.Sprint(i), Key: key, FromAWS: aws})
		}
	}
	add("full", 40_000, true)
	add("free", 39_999, true)
	add("declared", 40_000, false)
	if got := foundBy(key038(), m); got != "warning the key has 40000 of the 50000 grants that it may have" {
		t.Errorf("got %q", got)
	}
}

func TestAGrantForAUniqueID(t *testing.T) {
	t.Parallel()
	g := &Grant{ID: "g", Key: "k", Grantee: "AROAOLDOLDOLDOLDOLDOL", FromAWS: true}
	if got := foundBy(key037(), &Material{Grants: []*Grant{g}}); !strings.HasPrefix(got, "error grant g is for AROAOLDOLDOLDOLDOLDOL") {
		t.Errorf("got %q", got)
	}
	g.FromAWS = false
	if got := foundBy(key037(), &Material{Grants: []*Grant{g}}); got != "" {
		t.Errorf("a grant that nobody made yet fires: %q", got)
	}
}

func TestMaterialOfAnEstate(t *testing.T) {
	t.Parallel()
	const doc = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}`
	const key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	m := materialOf(t, `{
  "format_version": 1,
  "organization": {"id": "o-abcdefghij", "policies": {"scp": `+doc+`, "rcp": `+doc+`},
    "root": {"id": "r-abcd", "scps": ["scp"], "units": [{"id": "ou-abcd-abcdefgh", "rcps": ["rcp"]}]}},
  "accounts": [{"id": "111122223333"}],
  "principals": [
    {"arn": "arn:aws:iam::111122223333:role/app", "boundary": `+doc+`, "trust": `+doc+`,
     "policies": [{"name": "own", "document": `+doc+`}, {"name": "aws", "arn": "arn:aws:iam::aws:policy/ReadOnlyAccess", "document": `+doc+`}],
     "not_attached": [{"name": "meant", "reason": "refused", "document": `+doc+`}]},
    {"arn": "arn:aws:iam::111122223333:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup", "policies": [{"name": "slr", "document": `+doc+`}]}],
  "keys": [
    {"arn": "`+key+`", "state": "Disabled", "policy": `+doc+`,
     "grants": [{"grant_id": "g", "operations": ["Decrypt"], "grantee_principal": "arn:aws:iam::111122223333:role/app",
      "constraints": {"EncryptionContextEquals": {"a": "b"}}}]},
    {"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ac", "manager": "AWS", "policy": `+doc+`}],
  "endpoints": [{"id": "vpce-0123456789abcdef0", "account": "111122223333", "region": "eu-west-1", "service": "kms", "policy": `+doc+`}],
  "resources": [{"type": "s3:Bucket", "id": "data", "account": "111122223333", "attributes": {"policy": "{\"Version\": \"2012-10-17\", \"Statement\": []}"}}]
}`)
	var got []string
	for _, p := range m.Policies {
		if !p.Whole {
			t.Errorf("the policy of %s is no whole one", p.Owner)
		}
		got = append(got, fmt.Sprintf("%d %s %s", p.Kind, p.Owner, p.Role))
	}
	app := "arn:aws:iam::111122223333:role/app"
	want := []string{
		fmt.Sprintf("%d %s ", KeyPolicy, key),
		fmt.Sprintf("%d %s app", IdentityPolicy, app), fmt.Sprintf("%d %s app", IdentityPolicy, app),
		fmt.Sprintf("%d %s ", BoundaryPolicy, app), fmt.Sprintf("%d %s ", TrustPolicy, app),
		fmt.Sprintf("%d o-abcdefghij/rcp ", ResourceControlPolicy), fmt.Sprintf("%d o-abcdefghij/scp ", ControlPolicy),
		fmt.Sprintf("%d vpce-0123456789abcdef0 ", EndpointPolicy), fmt.Sprintf("%d data ", BucketPolicy),
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	k := m.Policies[0]
	if a, _ := arn.Parse(key); k.Key != a || k.Doc.Position(k.Doc.Statements[0].Pos).Line != 12 || m.File != "estate.json" {
		t.Errorf("the key policy is of %v at %v", k.Key, k.Doc.Position(k.Doc.Statements[0].Pos))
	}
	if len(m.Keys) != 2 || len(m.Grants) != 1 || !m.Grants[0].FromAWS || m.Grants[0].Constraints.At([]string{"EncryptionContextEquals", "a"}).Text != "b" {
		t.Errorf("%d keys and grants %+v", len(m.Keys), m.Grants)
	}
}

func TestWhatHangsOnAKeyDecidesHowBadItsStateIs(t *testing.T) {
	t.Parallel()
	const head = `{"format_version": 1, "accounts": [{"id": "111122223333"}], "principals": [], "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", `
	for text, want := range map[string]string{
		head + `"state": "Disabled"}]}`: "warning the key is Disabled",
		head + `"state": "PendingImport", "grants": [{"grant_id": "g", "operations": ["Decrypt"], "grantee_principal": "arn:aws:iam::111122223333:role/a"}]}]}`: "critical the key is PendingImport",
		head + `"state": "PendingDeletion", "aliases": ["alias/a"]}]}`:                                                                                          "warning the key is PendingDeletion. On it hang alias/a",
		head + `"state": "PendingDeletion", "deletion_date": "2026-05-01T00:00:00Z", "aliases": ["alias/a"]}], "resources": [{"type": "ec2:Volume", "id": "vol-1", "account": "111122223333", "region": "eu-west-1", "key": "arn:aws:kms:eu-west-1:111122223333:alias/a"}]}`: "critical the key is PendingDeletion, and is gone from 2026-05-01 on. On it hang ec2:Volume vol-1; alias/a",
		head + `"state": "PendingDeletion", "aliases": ["alias/a"], "manager": "AWS"}]}`: "",
		head + `"state": "Enabled", "origin": "AWS_CLOUDHSM"}]}`:                         "info the key is in a CloudHSM key store",
	} {
		m := materialOf(t, text)
		got := foundBy(key022(), m) + foundBy(key023(), m)
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAVaultUnderAManagedKey(t *testing.T) {
	t.Parallel()
	text := vaultEstate(`"Action": "kms:*", "Principal": {"AWS": "*"}`)
	text = strings.Replace(text, `"policy": {`, `"manager": "AWS", "policy": {`, 1)
	if got := foundBy(key048(), materialOf(t, text)); !strings.HasPrefix(got, "warning the vault takes copies") {
		t.Errorf("got %q", got)
	}
	text = strings.Replace(text, `"444455556666"`, `"111122223333"`, 1)
	if got := foundBy(key048(), materialOf(t, text)); got != "" {
		t.Errorf("a vault for its own account fires: %q", got)
	}
}
