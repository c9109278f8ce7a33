package arn_test

import (
	"fmt"

	"github.com/keyreach/keyreach/arn"
)

func ExampleParse() {
	a, err := arn.Parse("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")
	fmt.Println(a.Region, a.Account, a.IsKMSKey(), err)
	// Output: us-east-1 111122223333 true <nil>
}

func ExampleParsePrincipal() {
	session, _ := arn.ParsePrincipal("arn:aws:sts::111122223333:assumed-role/app/i-0abc")
	role, _ := arn.ParsePrincipal("arn:aws:iam::111122223333:role/service-role/app")
	fmt.Println(session.Kind, session.SameRole(role))
	// Output: role session true
}

func ExampleLike() {
	fmt.Println(arn.Like("arn:aws:iam::*:role/backup-*", "arn:aws:iam::111122223333:role/backup-nightly"))
	// Output: true
}
