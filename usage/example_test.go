package usage_test

import (
	"fmt"

	"github.com/keyreach/keyreach/usage"
)

// The key uses of a volume made from an encrypted snapshot.
func Example() {
	for _, u := range usage.Of("ec2:CreateVolume", "from-snapshot") {
		fmt.Printf("%s key: %s (%s, %s)\n", u.Key, u.Action, u.Need, u.Confidence)
	}
	// Output:
	// snapshot key: kms:ReEncryptFrom (required, recorded)
	// snapshot key: kms:ReEncryptTo (asked, documented)
	// volume key: kms:ReEncryptTo (required, recorded)
	// volume key: kms:GenerateDataKeyWithoutPlaintext (required, recorded)
	// volume key: kms:CreateGrant (required, recorded)
	// volume key: kms:DescribeKey (asked, documented)
	// snapshot key: kms:DescribeKey (asked, documented)
	// snapshot key: kms:CreateGrant (asked, documented)
	// snapshot key: kms:Decrypt (asked, documented)
}
