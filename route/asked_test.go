package route_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

func TestUsesThatNoRouteDeclaresAreProvenAsARoute(t *testing.T) {
	t.Parallel()
	e, err := estate.LoadFile("../examples/drs-cross-account/estate.json")
	if err != nil {
		t.Fatal(err)
	}
	const key = "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	uses := []route.Asked{
		{Principal: "arn:aws:iam::444455556666:role/service-role/DRSStagingAccountRole_111122223333", Action: "kms:ReEncryptFrom", Key: key, Via: "ec2", About: "sharing"},
		{Principal: "arn:aws:iam::111122223333:root", Action: "kms:GetKeyPolicy", Key: key},
	}
	r, err := route.Asking("refused", uses)
	if err != nil {
		t.Fatal(err)
	}
	p, err := route.Prove(&r, e, time.Time{})
	if err != nil || len(p.Steps) != 2 || p.Verdict != route.Blocked {
		t.Fatalf("the proof is %+v, %v", p, err)
	}
	if q := p.Steps[0].Requests[0]; q.Caller != uses[0].Principal || q.Key != key || q.Use.Via != "ec2" || q.Verdict != route.Blocked || p.Steps[0].Account != "444455556666" {
		t.Errorf("the first use is %+v", q)
	}
	if back, asked := r.Asks(); !asked || !cmp.Equal(back, uses) {
		t.Errorf("the route asks for %+v", back)
	}
	if got, want := uses[0].Question(), "keyreach can "+uses[0].Principal+" kms:ReEncryptFrom "+key+" --via ec2"; got != want {
		t.Errorf("it is asked by %s", got)
	}
	f, err := route.LoadFile("../examples/drs-cross-account/keyreach.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if list, asked := f.Routes[0].Asks(); asked {
		t.Errorf("a declared route asks for %+v", list)
	}
}
