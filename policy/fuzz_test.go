package policy_test

import (
	"testing"
	"unicode/utf8"

	"github.com/keyreach/keyreach/policy"
)

var seeds = []string{
	`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Principal":{"AWS":["111122223333","arn:aws:iam::111122223333:role/x"]},"Action":["kms:Decrypt","kms:ReEncrypt*"],"Resource":"*","Condition":{"StringEquals":{"kms:ViaService":["ec2.us-east-1.amazonaws.com"]},"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/*"}}}]}`,
	`{"Statement":{"Effect":"Deny","NotPrincipal":{"Service":"x"},"NotAction":"*","NotResource":[],"Condition":{"Bool":{"aws:SecureTransport":false},"DateLessThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"NumericEquals":{"x":[1,2.5]},"Null":{"y":true}}}}`,
	`[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"},]`,
	`{"Statement":[{"Fn::If":["a",{"Effect":"Allow"},{"Ref":"AWS::NoValue"}]},null,1,"x",[[]]]}`,
	`{"Statement":[{"Principal":"*","Condition":{"Fn::If":1,"StringEquals":{"Ref":"x"},"Wrong":{"a":null},"Bool":[]}}]}`,
	"Version: 2012-10-17\nStatement:\n- Effect: Allow\n  Action: [kms:*]\n  Resource: !Sub 'arn:${AWS::Partition}:x'\n  Condition: {Bool: {a: yes}}\n",
	`"{\"Statement\":[]}"`, `{`, `{"Statement":{"Effect":"Allow","Effect":"Deny"}}`, "// c\n{}", `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":1,"k":2,"l":3,"m":4,"n":5,"o":6,"p":7,"Statement":[]}`,
}

// FuzzRead holds the reader and the printer to their word: nothing panics,
// what is printed is read back as the same document, and can be evaluated.
func FuzzRead(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	who := caller(f, "arn:aws:sts::111122223333:assumed-role/x/s")
	f.Fuzz(func(t *testing.T, text string) {
		d, fs, err := policy.Read("p", []byte(text))
		if err != nil {
			return
		}
		for i := range fs {
			if fs[i].Rule == "" || fs[i].Text == "" {
				t.Fatalf("an empty finding %+v", fs[i])
			}
		}
		same(t, d)
		q := &policy.Query{
			Caller: who, Action: "kms:Decrypt", Resource: "arn:aws:kms:us-east-1:111122223333:key/k",
			Context: testContext{"kms:viaservice": policy.One("ec2.us-east-1.amazonaws.com"), "aws:sourceip": policy.NotGiven()}, Names: true,
		}
		p := policy.Compile(d)
		o, _ := p.Explain(q)
		if o != p.Eval(q) {
			t.Fatalf("Explain and Eval differ on %s", text)
		}
	})
}

// FuzzPrint prints documents made of any parts.
func FuzzPrint(f *testing.F) {
	f.Add("Allow", "kms:Decrypt", "arn:aws:kms:*:*:key/*", "StringEquals", "kms:ViaService", "\x00\u2028\"\\<", true, uint8(0))
	f.Add("", "", "", "", "", "", false, uint8(1))
	f.Add("Deny", "${x}", "é", "ForAnyValue:StringLike", "aws:TagKeys", "true", true, uint8(2))
	f.Fuzz(func(t *testing.T, effect, action, resource, operator, key, value string, single bool, form uint8) {
		for _, s := range []string{effect, action, resource, operator, key, value} {
			if !utf8.ValidString(s) {
				t.Skip("no policy holds it")
			}
		}
		v := func(s string) []policy.Value { return []policy.Value{{Text: s}} }
		d := policy.Whole(policy.Statement{
			Effect: &policy.Value{Text: effect}, Action: &policy.List{Single: single, Values: v(action)}, NotResource: &policy.List{Values: v(resource)},
			NotPrincipal: &policy.PrincipalElement{Groups: []policy.PrincipalGroup{{Type: key, Names: policy.List{Values: v(value)}}}},
			Conditions:   []policy.Operator{{Name: operator + "x", Keys: []policy.Key{{Name: key + "y", Values: policy.List{Single: single, Values: v(value)}}}}},
		})
		if d.Form = policy.Form(form % 3); d.Form == policy.BareStatements {
			d.Version = nil // it has no place there
		}
		same(t, d)
	})
}
