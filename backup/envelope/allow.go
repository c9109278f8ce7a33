package envelope

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
)

// AllowList says which KMS keys a file may have called. The ARN stands in the file, and a
// file that somebody else wrote must not choose which key is called, or where.
type AllowList struct {
	// Keys are ARNs of keys. A multi-Region key is one key in all its Regions: a file
	// under any of its replicas is opened with the ones that are listed. See
	// https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html.
	Keys []string `json:"keys,omitempty"`
	// Accounts are account numbers of which every key is allowed.
	Accounts []string `json:"accounts,omitempty"`
	// Partition is that of the accounts; empty is aws.
	Partition string `json:"partition,omitempty"`
	// Regions are where replicas of the accounts' multi-Region keys are tried when the
	// key of the file does not answer.
	Regions []string `json:"regions,omitempty"`
}

// Empty reports whether it allows nothing.
func (l AllowList) Empty() bool { return len(l.Keys) == 0 && len(l.Accounts) == 0 }

// Calls returns the keys that are to be called for a file key under the key of the ARN,
// in their order: that key itself first, then its replicas. None means that the list
// does not allow the key.
func (l AllowList) Calls(key string) []string {
	a, err := readKey(key)
	if err != nil {
		return nil
	}
	var calls []string
	add := func(key string) {
		if !slices.Contains(calls, key) {
			calls = append(calls, key)
		}
	}
	account := l.account(a)
	if account || slices.Contains(l.Keys, key) {
		add(key)
	}
	if !strings.HasPrefix(a.Resource, "key/mrk-") {
		return calls
	}
	for _, listed := range l.Keys {
		if b, err := readKey(listed); err == nil && sameKey(a, b) {
			add(listed)
		}
	}
	if account {
		for _, r := range l.Regions {
			if regionForm.MatchString(r) {
				a.Region = r
				add(a.String())
			}
		}
	}
	return calls
}

// account reports whether all keys of the key's account are allowed.
func (l AllowList) account(a arn.ARN) bool {
	partition := l.Partition
	if partition == "" {
		partition = "aws"
	}
	return a.Partition == partition && slices.Contains(l.Accounts, a.Account)
}

// sameKey reports whether two ARNs differ in their Region at most.
func sameKey(a, b arn.ARN) bool {
	a.Region = b.Region
	return a == b
}
