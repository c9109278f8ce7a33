package estate_test

import (
	"testing"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
)

func TestProvisionalKeys(t *testing.T) {
	t.Parallel()
	home := estate.ProvisionalKey("111122223333", "us-east-1", "shared")
	a, err := arn.Parse(home)
	if err != nil || !a.IsKMSKey() || a.Account != "111122223333" || a.Region != "us-east-1" || a.Partition != "aws" {
		t.Errorf("%s is no ARN of a key of the account: %v", home, err)
	}
	if again := estate.ProvisionalKey("111122223333", "us-east-1", "shared"); again != home {
		t.Errorf("the same name gives %s and %s", home, again)
	}
	if other := estate.ProvisionalKey("111122223333", "us-east-1", "another"); other == home {
		t.Errorf("two names give %s", other)
	}
	if away, err := arn.Parse(estate.ProvisionalKey("111122223333", "cn-north-1", "shared")); err != nil || away.Resource != a.Resource || away.Partition != "aws-cn" {
		t.Errorf("elsewhere the key is %s, want the same id", away)
	}
	for text, want := range map[string]bool{
		home: true,
		"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab":       false,
		"arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab":       false,
		"arn:aws:iam::111122223333:role/00000000-0000-4000-8000-0123456789ab":               false,
		"arn:aws:kms:us-east-1:111122223333:alias/key/00000000-0000-4000-8000-0123456789ab": false,
		"00000000-0000-4000-8000-0123456789ab":                                              false,
	} {
		if got := estate.IsProvisional(text); got != want {
			t.Errorf("IsProvisional(%q) = %t", text, got)
		}
	}
}
