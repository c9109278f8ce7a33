// Package arn reads, prints and matches Amazon Resource Names and the
// principals that policies and requests name. It knows the shape of names and
// nothing about what they may do.
package arn

import (
	"fmt"
	"strings"
)

// ARN is one Amazon Resource Name, split at its first five colons.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html.
type ARN struct {
	Partition string // aws, aws-cn, aws-us-gov, …
	Service   string // kms, iam, …
	Region    string // empty for global services
	Account   string // twelve digits, or empty where AWS leaves it out (S3, EBS snapshots)
	Resource  string // everything after the fifth colon
}

// ParseError says why a text is no ARN.
type ParseError struct {
	Text   string // what was read
	Reason string // why it is no ARN
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("reading ARN %q: %s", e.Text, e.Reason)
}

// Parse reads an ARN. It asks for the six parts and for a partition, a service
// and a resource; it does not ask whether such a service exists. The error is
// a *ParseError.
func Parse(s string) (ARN, error) {
	a, reason := split(s)
	if reason != "" {
		return ARN{}, &ParseError{Text: s, Reason: reason}
	}
	return a, nil
}

func split(s string) (a ARN, reason string) {
	rest, ok := strings.CutPrefix(s, "arn:")
	if !ok {
		return a, "it does not begin with arn:"
	}
	for _, part := range []*string{&a.Partition, &a.Service, &a.Region, &a.Account} {
		*part, rest, ok = strings.Cut(rest, ":")
		if !ok {
			return a, "it has fewer than six parts (arn:partition:service:region:account:resource)"
		}
	}
	a.Resource = rest
	switch {
	case a.Partition == "":
		return a, "the partition is empty"
	case a.Service == "":
		return a, "the service is empty"
	case a.Resource == "":
		return a, "the resource is empty"
	}
	return a, ""
}

// String prints the ARN; it is the inverse of Parse.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Type returns the resource part up to the first slash or colon: "key" for a
// KMS key, "role" for a role. A resource without either is all type.
func (a ARN) Type() string {
	if i := strings.IndexAny(a.Resource, "/:"); i >= 0 {
		return a.Resource[:i]
	}
	return a.Resource
}

// IsAccount reports whether s is an account number: twelve digits.
func IsAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// IsKMSKey reports whether a is a KMS key (not an alias).
func (a ARN) IsKMSKey() bool {
	return a.Service == "kms" && strings.HasPrefix(a.Resource, "key/") && len(a.Resource) > len("key/")
}

// IsKMSAlias reports whether a is a KMS alias.
func (a ARN) IsKMSAlias() bool {
	return a.Service == "kms" && strings.HasPrefix(a.Resource, "alias/") && len(a.Resource) > len("alias/")
}
