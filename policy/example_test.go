package policy_test

import (
	"fmt"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
)

// A document is read with the place of everything that is wrong, compiled once,
// and asked as often as needed.
func Example() {
	d, findings, err := policy.Read("key.json", []byte(`{
  "Version": "2012-10-17",
  "Statement": {
    "Effect": "Allow",
    "Principal": {"AWS": "111122223333"},
    "Action": "kms:Decrypt",
    "Resources": "*"
  }
}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range findings {
		fmt.Println(f)
	}
	caller, _ := arn.ParsePrincipal("arn:aws:iam::111122223333:user/alice")
	outcome := policy.Compile(d).Eval(&policy.Query{
		Caller: &policy.Caller{Principal: caller}, Action: "kms:Decrypt", Resource: "arn:aws:kms:us-east-1:111122223333:key/k",
		Context: testContext{}, Names: true,
	})
	fmt.Println("allowed:", outcome.Allow(policy.Any))
	// Output:
	// key.json:7:5: critical KEY008: "Resources" is no element of a statement: AWS refuses the policy, and here it has no effect; did you mean Resource?
	// allowed: false
}

// Two spellings of the same policy have the same hash.
func ExampleDocument_Hash() {
	a, _, _ := policy.Read("a", []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt"],"Resource":"*"}}`))
	b, _, _ := policy.Read("b", []byte(`{"Statement":[{"Sid":"x","Resource":["*"],"Action":["KMS:decrypt","kms:Encrypt"],"Effect":"Allow"}],"Version":"2012-10-17"}`))
	fmt.Println(a.Hash() == b.Hash())
	// Output: true
}
