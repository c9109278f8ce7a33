package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func TestWhatAConditionCanComeTo(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		condition string
		scene     scene
		want      policy.Truth
	}{
		"a user who calls KMS himself has no kms:ViaService":    {`{"StringLike": {"kms:ViaService": "*"}}`, scene{world: directCall}, policy.False},
		"a call that is passed on may have any":                 {`{"StringEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}}`, scene{world: forwardedCall}, policy.Unknown},
		"IfExists is content without the key":                   {`{"StringEqualsIfExists": {"kms:ViaService": "x"}}`, scene{world: directCall}, policy.True},
		"Null asks for its absence":                             {`{"Null": {"kms:ViaService": "true"}}`, scene{world: directCall}, policy.True},
		"Null asks for its presence":                            {`{"Null": {"aws:SourceAccount": "false"}}`, scene{world: directCall}, policy.False},
		"a negated operator holds without the key":              {`{"StringNotEquals": {"aws:SourceOrgID": "o-a1b2c3d4e5"}}`, scene{world: forwardedCall}, policy.True},
		"a service is a service":                                {`{"Bool": {"aws:PrincipalIsAWSService": "true"}}`, scene{world: serviceCall}, policy.True},
		"a user is none":                                        {`{"Bool": {"aws:PrincipalIsAWSService": "true"}}`, scene{world: forwardedCall}, policy.False},
		"a service is of no organization":                       {`{"StringLike": {"aws:PrincipalOrgID": "o-*"}}`, scene{world: serviceCall}, policy.False},
		"a list is no single value":                             {`{"StringEquals": {"kms:ResourceAliases": "alias/x"}}`, scene{world: directCall}, policy.False},
		"without values it satisfies a negation":                {`{"StringNotEquals": {"kms:ResourceAliases": "alias/x"}}`, scene{world: directCall}, policy.True},
		"a list may hold a value":                               {`{"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/x"}}`, scene{world: directCall}, policy.Unknown},
		"Decrypt is about no grant":                             {`{"Bool": {"kms:GrantIsForAWSResource": "true"}}`, scene{world: forwardedCall, action: "kms:Decrypt"}, policy.False},
		"CreateGrant may be for a service":                      {`{"Bool": {"kms:GrantIsForAWSResource": "true"}}`, scene{world: forwardedCall, action: "kms:CreateGrant"}, policy.Unknown},
		"but not when a person makes the grant":                 {`{"Bool": {"kms:GrantIsForAWSResource": "true"}}`, scene{world: directCall, action: "kms:CreateGrant"}, policy.False},
		"what is still to be filled in may be anything":         {`{"StringEquals": {"kms:CallerAccount": "${account}"}}`, *stranger(directCall), policy.Unknown},
		"an operator that AWS does not have says nothing":       {`{"StringMatches": {"kms:CallerAccount": "1"}}`, *stranger(directCall), policy.Unknown},
		"an account that is named is not the stranger's":        {`{"StringEquals": {"kms:CallerAccount": "111122223333"}}`, *stranger(directCall), policy.False},
		"an address that is not ours, for a call by AWS itself": {`{"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}`, scene{world: forwardedCall}, policy.True},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": ` + tt.condition + `}]}`
			m := readExample(t, "policy.json", text)
			p := m.statements()[0]
			if got := best(p.asks(), &tt.scene); got != tt.want {
				t.Errorf("%s comes to %v, want %v", tt.condition, got, tt.want)
			}
		})
	}
}

const estateText = `{"format_version": 1, "accounts": [{"id": "111122223333"}],
  "principals": [{"arn": "arn:aws:iam::111122223333:role/app", "id": "AROAJQABLZS4A3QDU576Q"}, {"arn": "arn:aws:iam::111122223333:role/other"}],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "principal_ids": {"arn:aws:iam::111122223333:role/app": "%s"},
    "grants": [{"grant_id": "g1", "grantee_principal": "arn:aws:iam::111122223333:role/app", "grantee_principal_id": "%s", "operations": ["Decrypt"]}]}]}`

func estateMaterial(t *testing.T, policyID, grantID, principal string) *Material {
	t.Helper()
	file := filepath.Join(t.TempDir(), "estate.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, estateText, policyID, grantID), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := estate.LoadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := readExample(t, "key-policy.json", `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "`+principal+`"}, "Action": "kms:Decrypt", "Resource": "*"}]}`)
	m.Estate = e
	key, err := arn.Parse(e.Keys[0].ARN)
	if err != nil {
		t.Fatal(err)
	}
	m.Keys = []*Key{{ARN: key, Name: e.Keys[0].ARN, Pos: finding.Position{File: "estate.json", Line: 3, Column: 12}}}
	return m
}

func TestTheIDsOfAnEstate(t *testing.T) {
	t.Parallel()
	const now, before = "AROAJQABLZS4A3QDU576Q", "AROAIIAV2LTBGDXZ4OXYZ"
	tests := map[string]struct {
		inPolicy, inGrant, principal string
		want                         []string
	}{
		"all are as they were":                    {now, now, "arn:aws:iam::111122223333:role/app", nil},
		"the policy is of the role's predecessor": {before, now, "arn:aws:iam::111122223333:role/app", []string{"KEY117"}},
		"an id that lives":                        {now, now, now, nil},
		"an id that is gone":                      {now, now, before, []string{"KEY020"}},
		"a role that the account does not have":   {now, now, "arn:aws:iam::111122223333:role/ap", []string{"KEY020"}},
		"a role of an account that is not known":  {now, now, "arn:aws:iam::444455556666:role/ap", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range Check(estateMaterial(t, tt.inPolicy, tt.inGrant, tt.principal), []Rule{key020(), key117()}) {
				got = append(got, f.Rule)
				if f.Position.Line == 0 {
					t.Errorf("%v has no place", f)
				}
			}
			if strings.Join(got, " ") != strings.Join(tt.want, " ") {
				t.Errorf("found %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAdviceThatNarrows(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		heading, text string
		want          int
	}{
		"to add a condition":              {"AccessDeniedException", "Add the `kms:ViaService` condition to the statement", 1},
		"to see that one is there":        {"Issue: access denied", "Check that `aws:SourceAccount` is present", 1},
		"to remove one":                   {"AccessDeniedException", "Remove the `kms:ViaService` condition, or add the Region", 0},
		"to widen one":                    {"AccessDeniedException", "Ensure `kms:ViaService` condition includes the target Region", 0},
		"to add a permission":             {"AccessDeniedException", "Add `kms:CreateGrant` to the key policy", 0},
		"where nobody is denied anything": {"Hardening", "Add the `kms:ViaService` condition to the statement", 0},
	}
	for name, tt := range tests {
		m := &Material{Prose: []*Prose{{Headings: []string{"Guide", tt.heading}, Text: tt.text}}}
		if got := len(Check(m, []Rule{key107()})); got != tt.want {
			t.Errorf("advice %s: %d findings, want %d", name, got, tt.want)
		}
	}
}

func TestTooManyAliases(t *testing.T) {
	t.Parallel()
	const byAlias = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/x"}}}]}`
	for n, want := range map[int]int{50: 0, 51: 1} {
		m := readExample(t, "policy.json", byAlias)
		m.Keys = []*Key{{Name: "key", Aliases: make([]string, n)}}
		if got := len(Check(m, []Rule{key027()})); got != want {
			t.Errorf("%d aliases: %d findings, want %d", n, got, want)
		}
	}
}
