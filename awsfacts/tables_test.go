package awsfacts_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/awsfacts"
)

// docs.aws.amazon.com/general/latest/gr/rande.html
func TestPartitionOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		region, partition, suffix string
	}{
		{"us-east-1", "aws", "amazonaws.com"},
		{"eu-central-2", "aws", "amazonaws.com"},
		{"mx-central-1", "aws", "amazonaws.com"},
		{"cn-northwest-1", "aws-cn", "amazonaws.com.cn"},
		{"us-gov-west-1", "aws-us-gov", "amazonaws.com"},
		{"eusc-de-east-1", "aws-eusc", "amazonaws.eu"},
	}
	for _, tt := range tests {
		p, ok := awsfacts.PartitionOf(tt.region)
		if !ok || p.Name != tt.partition || p.DNSSuffix != tt.suffix || !awsfacts.KnownRegion(tt.region) {
			t.Errorf("PartitionOf(%q) = %+v, %t", tt.region, p, ok)
		}
		if name := awsfacts.PartitionName(tt.region); name != tt.partition {
			t.Errorf("PartitionName(%q) = %q", tt.region, name)
		}
	}
	for _, region := range []string{"us-east-9", "US-EAST-1", "aws-global", ""} {
		if p, ok := awsfacts.PartitionOf(region); ok || awsfacts.KnownRegion(region) {
			t.Errorf("PartitionOf(%q) = %+v", region, p)
		}
		if name := awsfacts.PartitionName(region); name != "aws" {
			t.Errorf("PartitionName(%q) = %q", region, name)
		}
	}
}

func TestPartitionsIsACopyOfSortedRegions(t *testing.T) {
	t.Parallel()
	list := awsfacts.Partitions()
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
		if !slices.IsSorted(p.Regions) || len(p.Regions) == 0 {
			t.Errorf("%s: Regions %v", p.Name, p.Regions)
		}
	}
	if want := []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc"}; !slices.Equal(names, want) {
		t.Errorf("partitions %v, want %v", names, want)
	}
	list[0].Regions[0] = "changed"
	if awsfacts.Partitions()[0].Regions[0] == "changed" {
		t.Error("a change of the copy reached the table")
	}
}

// docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html and
// docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html
func TestLimits(t *testing.T) {
	t.Parallel()
	l := awsfacts.Limits()
	tests := []struct {
		name      string
		got, want int
	}{
		{"a key policy has 32 KiB", l.KeyPolicyBytes, 32768},
		{"a client may send more", l.KeyPolicyRequestBytes, 131072},
		{"a key has 50,000 grants", l.GrantsPerKey, 50000},
		{"a key has 50 aliases", l.AliasesPerKey, 50},
		{"an account has 100,000 keys in a Region", l.KeysPerRegion, 100000},
		{"deletion waits 7 days", l.DeletionWaitMinDays, 7},
		{"to 30 days", l.DeletionWaitMaxDays, 30},
		{"and 30 if not told", l.DeletionWaitDefaultDays, 30},
		{"Encrypt takes 4 KiB", l.PlaintextBytes, 4096},
		{"Decrypt takes 6 KiB", l.CiphertextBytes, 6144},
		{"a grant constraint has 8 pairs", l.GrantConstraintPairs, 8},
		{"of 384 characters", l.GrantConstraintValueChars, 384},
		{"a request has 10 grant tokens", l.GrantTokensPerRequest, 10},
		{"grants show within 5 minutes", l.PropagationMinutes, 5},
		{"CreateGrant runs at 50/s", l.CreateGrantPerSecond, 50},
		{"PutKeyPolicy at 15/s", l.PutKeyPolicyPerSecond, 15},
		{"RevokeGrant at 30/s", l.RevokeGrantPerSecond, 30},
		{"RetireGrant at 30/s", l.RetireGrantPerSecond, 30},
		{"ListGrants at 100/s", l.ListGrantsPerSecond, 100},
		{"GetKeyPolicy at 1000/s", l.GetKeyPolicyPerSecond, 1000},
		{"DescribeKey at 2000/s", l.DescribeKeyPerSecond, 2000},
		{"CreateKey at 5/s", l.CreateKeyPerSecond, 5},
		{"CreateAlias at 5/s", l.CreateAliasPerSecond, 5},
		{"EnableKey at 5/s", l.EnableKeyPerSecond, 5},
		{"symmetric operations at 5,500/s and more", l.SymmetricCryptoPerSecond, 5500},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, tt.got, tt.want)
		}
	}
	if l.Source == "" || l.Date == "" {
		t.Errorf("source %q, date %q", l.Source, l.Date)
	}
}

func TestEveryLimitHasAValueAndASource(t *testing.T) {
	t.Parallel()
	table := reflect.ValueOf(awsfacts.Limits())
	for i := range table.NumField() {
		name := table.Type().Field(i).Name
		if name == "Source" || name == "Date" {
			continue
		}
		source, ok := awsfacts.LimitSource(name)
		if !ok || !strings.HasPrefix(source, "docs.aws.amazon.com/kms/latest/") || table.Field(i).Int() <= 0 {
			t.Errorf("%s = %d, source %q", name, table.Field(i).Int(), source)
		}
	}
	if source, ok := awsfacts.LimitSource("NoSuchLimit"); ok {
		t.Errorf("an unknown limit has source %q", source)
	}
}

// A look-up must not allocate: evaluation calls it for every statement.
func TestLookupsDoNotAllocate(t *testing.T) {
	lookups := map[string]func(){
		"KMSAction":                   func() { awsfacts.KMSAction("kms:GenerateDataKeyWithoutPlaintext") },
		"KMSAction (other case)":      func() { awsfacts.KMSAction("KMS:generatedatakey") },
		"KMSOperation":                func() { awsfacts.KMSOperation("kms:ReEncryptFrom") },
		"LookupConditionKey":          func() { awsfacts.LookupConditionKey("kms:ViaService") },
		"LookupConditionKey (family)": func() { awsfacts.LookupConditionKey("kms:EncryptionContext:aws:ebs:id") },
		"Carries":                     func() { awsfacts.Carries("kms:Decrypt", "kms:EncryptionContext:aws:ebs:id") },
		"Carries (global)":            func() { awsfacts.Carries("kms:Decrypt", "aws:PrincipalTag/team") },
		"InState":                     func() { awsfacts.InState("kms:Decrypt", awsfacts.Enabled) },
		"InState (refused)":           func() { awsfacts.InState("kms:Decrypt", awsfacts.Disabled) },
		"LookupConditionKey (none)":   func() { awsfacts.LookupConditionKey("kms:NoSuchKey") },
		"RCPCovers (other service)":   func() { awsfacts.RCPCovers("s3:GetObject") },
		"RCPCovers":                   func() { awsfacts.RCPCovers("kms:Decrypt") },
		"ViaServiceName":              func() { awsfacts.ViaServiceName("ec2.us-east-1.amazonaws.com") },
		"ServiceLinkedRoleFor":        func() { awsfacts.ServiceLinkedRoleFor("AWSServiceRoleForAutoScaling_web") },
		"PartitionOf":                 func() { awsfacts.PartitionOf("us-east-1") },
		"Limits":                      func() { awsfacts.Limits() },
	}
	for name, lookup := range lookups {
		if n := testing.AllocsPerRun(100, lookup); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
