package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/keyreach/keyreach/policy"
)

// tenThousand makes as many different policies of the sizes that people write:
// key policies with conditions and identity policies with long action lists.
func tenThousand() (texts [][]byte, size int64) {
	for i := range 10_000 {
		text := fmt.Sprintf(`{
  "Version": "2012-10-17",
  "Id": "key-policy-%d",
  "Statement": [
    {
      "Sid": "Enable IAM policies",
      "Effect": "Allow",
      "Principal": {"AWS": "arn:aws:iam::%012d:root"},
      "Action": "kms:*",
      "Resource": "*"
    },
    {
      "Sid": "Allow use of the key",
      "Effect": "Allow",
      "Principal": {
        "AWS": [
          "arn:aws:iam::%012d:role/service-role/app-%d",
          "arn:aws:iam::%012d:user/backup"
        ]
      },
      "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
      "Resource": "*",
      "Condition": {
        "StringEquals": {
          "kms:ViaService": ["ec2.us-east-1.amazonaws.com", "rds.us-east-1.amazonaws.com"],
          "kms:CallerAccount": "%012d"
        }
      }
    },
    {
      "Sid": "Allow attachment of persistent resources",
      "Effect": "Allow",
      "Principal": {"AWS": "arn:aws:iam::%012d:root"},
      "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
      "Resource": "*",
      "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    }
  ]
}`, i, i, i+1, i, i+2, i+3, i+4)
		texts = append(texts, []byte(text))
		size += int64(len(text))
	}
	return texts, size
}

func BenchmarkRead10000(b *testing.B) {
	texts, size := tenThousand()
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			if _, fs, err := policy.Read("policy.json", text); err != nil || len(fs) > 0 {
				b.Fatal(err, fs)
			}
		}
	}
}

// Without white space a policy has more to it in each byte.
func BenchmarkRead10000Compact(b *testing.B) {
	texts, _ := tenThousand()
	var size int64
	for i, text := range texts {
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			b.Fatal(err)
		}
		texts[i] = compact.Bytes()
		size += int64(compact.Len())
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			if _, _, err := policy.Read("policy.json", text); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkReadAndCompile(b *testing.B) {
	texts, size := tenThousand()
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			d, _, err := policy.Read("policy.json", text)
			if err != nil {
				b.Fatal(err)
			}
			policy.Compile(d)
		}
	}
}
