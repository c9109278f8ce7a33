package iam

import (
	"encoding/json"
	"time"

	"github.com/keyreach/keyreach/awsfacts"
)

// awsPolicies are the managed policies of AWS that the sandbox has.
func awsPolicies() map[string]*Policy {
	list := map[string]*Policy{}
	for name, m := range awsfacts.ManagedPolicies() {
		document, err := json.Marshal(m.Document)
		if err != nil {
			panic("iam: a managed policy of the table: " + err.Error())
		}
		day := time.Date(2015, 2, 6, 18, 39, 46, 0, time.UTC) // assumed: the real days are not in the table
		p := &Policy{
			Account: "aws", Name: name, Path: m.Path, ID: "ANPA" + pad(name), Created: day, Updated: day, Default: "v1",
			Versions: []Version{{ID: "v1", Document: string(document), Created: day}},
		}
		p.ready()
		list[p.arn()] = p
	}
	return list
}

// pad makes 17 letters of a name, so that every policy has an id of its own.
func pad(name string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	b := make([]byte, 17)
	sum := uint64(14695981039346656037)
	for i := range b {
		for _, c := range []byte(name) {
			sum = (sum ^ uint64(c)) * 1099511628211
		}
		b[i] = letters[sum>>32%32]
	}
	return string(b)
}
