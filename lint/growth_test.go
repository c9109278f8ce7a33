package lint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/lint"
	"github.com/keyreach/keyreach/lint/input"
	"github.com/keyreach/keyreach/lint/rules"
)

// longPolicies are statements of which a policy has many; %[1]d is the number of the
// statement, and %[2]d one that is as long as an account's.
func longPolicies() map[string]string {
	return map[string]string{
		"roles of other accounts":             `{"Sid":"S%[1]d","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%[2]d:role/R%[1]d"},"Action":["kms:Decrypt","kms:CreateGrant","kms:PutKeyPolicy"],"Resource":"*"}`,
		"the account under conditions":        `{"Sid":"S%[1]d","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com","aws:PrincipalTag/t%[1]d":"x%[2]d"}}}`,
		"denials":                             `{"Sid":"S%[1]d","Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalArn":"arn:aws:iam::%[2]d:role/R%[1]d"}}}`,
		"a service":                           `{"Sid":"S%[1]d","Effect":"Allow","Principal":{"Service":"drs.amazonaws.com"},"Action":["kms:Decrypt","kms:GenerateDataKey*"],"Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"%[2]d"}}}`,
		"service-linked roles":                `{"Sid":"S%[1]d","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_%[2]d"},"Action":["kms:Decrypt","kms:GenerateDataKeyWithoutPlaintext","kms:ReEncrypt*"],"Resource":"*"}`,
		"one role":                            `{"Sid":"S%[1]d","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/App"},"Action":["kms:Decrypt","kms:DescribeKey"],"Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:a":"%[2]d"}}}`,
		"everybody through a service":         `{"Sid":"S%[1]d","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"%[2]d","kms:ViaService":"ec2.us-east-1.amazonaws.com"}}}`,
		"keys of an identity policy":          `{"Sid":"S%[1]d","Effect":"Allow","Action":["kms:Decrypt","kms:CreateGrant","ec2:CopySnapshot"],"Resource":"arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-%[2]d"}`,
		"denials of a service control policy": `{"Sid":"S%[1]d","Effect":"Deny","Action":["kms:Decrypt","kms:ScheduleKeyDeletion"],"Resource":"arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-%[2]d"}`,
	}
}

// A rule that looks at all statements again for each of them makes seconds of a policy
// that is generated. What it allocates tells, and does not change with the machine.
func TestRulesGrowWithThePolicyAndNotWithItsSquare(t *testing.T) { //nolint:paralleltest // allocations are counted for the whole process
	const few, more = 200, 4
	for name, statement := range longPolicies() {
		short, long := longPolicy(t, statement, few), longPolicy(t, statement, few*more)
		for _, r := range lint.Known() {
			one := func(m *rules.Material) float64 {
				return testing.AllocsPerRun(1, func() { rules.Check(m, []rules.Rule{r}) })
			}
			if a, b := one(short), one(long); b > 2*more*max(a, few) {
				t.Errorf("%s allocates %.0f times for %d statements of %s, and %.0f times for %d", r.ID, a, few, name, b, few*more)
			}
		}
	}
}

// longPolicy reads a policy of many statements.
func longPolicy(t *testing.T, statement string, n int) *rules.Material {
	t.Helper()
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(statement, i, 100_000_000_000+i)
	}
	m, err := input.Read("policy.json", []byte(`{"Version":"2012-10-17","Statement":[`+strings.Join(list, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
