package sandbox_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox"
)

// The examples of an Auto Scaling group and of Karpenter have the cluster in the first
// account and the images in the second.
const examplesKey = "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// example is a sandbox of an example's estate, with an image under the key of its owner
// that is shared with the cluster's account, and a launch template for it.
func example(t *testing.T, name string) (w *world, template string) {
	t.Helper()
	e, err := estate.LoadFile(filepath.Join("..", "examples", name, "estate.json"))
	if err != nil {
		t.Fatal(err)
	}
	w = newWorldWith(t, sandbox.Options{Estate: e})
	image := w.scalingImage(consumer, examplesKey)
	w.shareImage(consumer, image, owner)
	return w, w.scalingTemplate(owner, "nodes", image, "")
}

// What check says of the examples, the sandbox does: the group and the node launch only in
// the corrected form.
func TestTheExamplesLaunchOnlyWhenCorrected(t *testing.T) {
	t.Parallel()
	for name, well := range map[string]bool{"auto-scaling": false, "auto-scaling-corrected": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, template := example(t, name)
			c := autoscaling.NewFromConfig(w.admin(owner))
			if err := w.scalingGroup(c, "group", template, 1); err != nil {
				t.Fatal(err)
			}
			w.pass(10 * time.Second)
			w.launched(c, "group", well)
		})
	}
	for name, want := range map[string]string{"karpenter": endedByKey, "karpenter-corrected": "running"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, template := example(t, name)
			i := iam.NewFromConfig(w.admin(owner))
			role := new("KarpenterController")
			// The estate does not say who may be the controller, nor what it may do at EC2.
			need(i.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: role, PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + owner + `"},"Action":"sts:AssumeRole"}]}`)}))(t)
			need(i.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: role, PolicyName: new("ec2"), PolicyDocument: new(allow("ec2:*"))}))(t)
			c := ec2.NewFromConfig(w.session(owner, "arn:aws:iam::"+owner+":role/KarpenterController", "node", ""))
			out := need(c.CreateFleet(t.Context(), w.fleet(types.FleetTypeInstant, template, 1)))(t)
			if len(out.Instances) != 1 {
				t.Fatalf("the fleet is %s", jsonText(out))
			}
			w.pass(10 * time.Second)
			if got := w.stateOf(c, out.Instances[0].InstanceIds[0]); got != want {
				t.Errorf("the node is %q, want %q", got, want)
			}
		})
	}
}
