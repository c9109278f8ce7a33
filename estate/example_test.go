package estate_test

import (
	"fmt"

	"github.com/keyreach/keyreach/estate"
)

// An estate is loaded once; Bind gathers all that bears on a request.
func Example() {
	e, err := estate.Load("estate.json", []byte(`{
  "format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [{"arn": "arn:aws:iam::111122223333:role/app", "tags": {"team": "dr"}}],
  "keys": [{"arn": "arn:aws:kms:us-east-1:111122223333:key/k", "aliases": ["alias/app"]}]
}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := estate.NewRequest("arn:aws:iam::111122223333:role/app", "kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/k")
	if err != nil {
		fmt.Println(err)
		return
	}
	c := e.Bind(r)
	for _, name := range []string{"kms:CallerAccount", "aws:PrincipalTag/team", "aws:SourceIp"} {
		v, origin := c.Describe(name)
		fmt.Printf("%s %q: %s\n", name, v.One, origin)
	}
	// Output:
	// kms:CallerAccount "111122223333": derived
	// aws:PrincipalTag/team "dr": derived
	// aws:SourceIp "": not known
}

// What is wrong with a file is told with its place and the line.
func ExampleFileError() {
	_, err := estate.Load("estate.json", []byte("{\n  \"format_version\": 1,\n  \"acounts\": []\n}"))
	fmt.Println(err.(*estate.FileError).Problems[0].String())
	// Output:
	// estate.json:3:3: "acounts" is no member of this estate
	//     3 |   "acounts": []
	//       |   ^
	//   did you mean accounts?
}
