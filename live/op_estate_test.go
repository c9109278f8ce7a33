package live_test

import (
	"slices"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox"
)

// estateOf is the estate of a world before an op, with the resource of the op as
// somebody who collects finds it, where the sandbox tells of none.
func (w *opWorld) estateOf(op estate.Op) *estate.Estate {
	w.Helper()
	e := opNeed(w.Estate())(w)
	r := estate.Resource{Account: opOwner, Region: opHome, Attributes: map[string]string{}}
	switch o := op.(type) {
	case *estate.BucketSetting: // a new bucket
		r.Type, r.ID = "s3:Bucket", o.Bucket
		r.Attributes[estate.BucketEncryption], r.Attributes[estate.BucketPublicAccess] = "AES256", "true"
	case *estate.Share:
		r.Type, r.ID = o.Type, o.ID
	case *estate.ReplicationEncryption:
		r.Type, r.ID = o.Type, o.ID
		r.Attributes["ebsEncryption"] = "DEFAULT"
	default:
		return e
	}
	e.Resources = append(slices.DeleteFunc(e.Resources, func(other estate.Resource) bool { return other.Type == r.Type && other.ID == r.ID }), r)
	if err := e.Index(); err != nil {
		w.Fatal(err)
	}
	return e
}

func TestAnEstateSaysWhatAWSSays(t *testing.T) {
	t.Parallel()
	for _, tt := range opCases() {
		if tt.changesRole {
			continue // an estate leaves a role that it has as it is
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newOpWorld(t, sandbox.Options{})
			op := tt.prepare(w)
			e := w.estateOf(op)
			agree := func(when string) {
				t.Helper()
				inEstate, onAWS := opNeed(e.Current(op))(t), w.current(op)
				if !opIs(onAWS, inEstate) {
					t.Errorf("%s, %s is %q in the estate and %q on AWS", when, op.Slot(), inEstate.Value(), onAWS.Value())
				}
			}
			agree("before")
			w.perform(op)
			e = opNeed(e.Apply(op))(t)
			agree("after")
			switch op.(type) { // with which a sandbox is not filled, as it is not with the rotation of keys
			case *estate.Rotation, *estate.BucketSetting, *estate.NewBucket, *estate.Share, *estate.ReplicationEncryption, *estate.VaultPolicy:
				return
			}
			w = newOpWorld(t, sandbox.Options{Estate: e})
			if onAWS := w.current(op); op.Slot().Kind != "key" && !estate.SameOp(onAWS, op) {
				t.Errorf("filled from the estate, %s is %q, want %q", op.Slot(), onAWS.Value(), op.Value())
			}
		})
	}
}
