package sandbox

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

func TestAnEncodedMessageTellsWhoWasRefusedWhat(t *testing.T) {
	t.Parallel()
	s := newSealer()
	who := arn.Principal{Kind: arn.User, Text: "arn:aws:iam::111122223333:user/u", Account: "111122223333"}
	encoded := s.close(&gate.Denied{
		Action: "ec2:CopySnapshot", Decision: access.Decision{Effect: access.ExplicitDeny},
		Case: &estate.Case{Request: estate.Request{Caller: policy.Caller{Principal: who, ID: "AIDA1"}, Resource: "arn:aws:ec2:us-east-1::snapshot/snap-1", Context: estate.Given{
			estate.NewEntry("ec2:region", policy.One("us-east-1")), estate.NewEntry("aws:tagkeys", policy.Many("a", "b")), estate.NewEntry("ec2:none", policy.NotGiven()),
		}}},
	})
	text, ok := s.open(encoded)
	if !ok {
		t.Fatal("a message of the sandbox's own does not open")
	}
	var m message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	var want message
	want.ExplicitDeny = true
	want.Context.Principal.ID, want.Context.Principal.ARN = "AIDA1", who.Text
	want.Context.Action, want.Context.Resource = "ec2:CopySnapshot", "arn:aws:ec2:us-east-1::snapshot/snap-1"
	want.Context.Conditions.Items = []condition{{"aws:tagkeys", list[value]{[]value{{"a"}, {"b"}}}}, {"ec2:region", list[value]{[]value{{"us-east-1"}}}}}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got %s", text)
	}
	if _, ok := newSealer().open(encoded); ok {
		t.Error("a message of another sandbox opens")
	}
	for i := range encoded {
		changed := []byte(encoded)
		changed[i] ^= 1
		if _, ok := s.open(string(changed)); ok && string(changed) != encoded {
			t.Fatalf("a message whose character %d was changed opens", i)
		}
	}
}
