package access_test

import (
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
)

// A case holds a request with everything that bears on it. The decision names
// every layer that stands against it, and whose account can change it.
func Example() {
	line := `{"id": "restore",
 "request": {"principal": "arn:aws:iam::222222222222:role/restore", "action": "kms:Decrypt", "resource": "arn:aws:kms:us-east-1:111111111111:key/k"},
 "policies": {"resource": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "kms:Decrypt", "Resource": "*",
   "Condition": {"StringEquals": {"kms:ViaService": "rds.us-east-1.amazonaws.com"}}}}}}`
	for l := range estate.ReadCases("example", strings.NewReader(strings.ReplaceAll(line, "\n", " "))) {
		if l.Err != nil {
			fmt.Println(l.Err)
			return
		}
		d := access.Authorize(l.Case)
		fmt.Println(d.Effect, d.BlockedBy())
		for _, b := range d.Blockers {
			fmt.Printf("%s, account %s: %s\n", b.Layer, b.Owner, b.Text)
			for _, miss := range b.NearMisses {
				fmt.Println(" ", miss)
			}
		}
	}
	// Output:
	// ImplicitDeny [key-policy identity]
	// key-policy, account 111111111111: the key policy allows kms:Decrypt neither to arn:aws:iam::222222222222:role/restore nor to account 222222222222
	//   key policy statement 1 would match but for kms:ViaService absent (StringEquals asks for rds.us-east-1.amazonaws.com)
	// identity, account 222222222222: no identity policy of arn:aws:iam::222222222222:role/restore allows kms:Decrypt on arn:aws:kms:us-east-1:111111111111:key/k
}
