package live_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/cloud"
)

// linkedAs are the services whose roles launch for a kind of consumer, and the roles.
func linkedAs(as string) (service, role string) {
	switch as {
	case "auto-scaling", "eks-managed-node-group":
		return "autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling"
	case "spot":
		return "spot.amazonaws.com", "AWSServiceRoleForEC2Spot"
	case "ec2-fleet":
		return "ec2fleet.amazonaws.com", "AWSServiceRoleForEC2Fleet"
	case "image-builder":
		return "imagebuilder.amazonaws.com", "AWSServiceRoleForImageBuilder"
	}
	return "", ""
}

// launcher is who launches for a kind of consumer. A service's role has a grant on the
// key of the image, which is another account's.
func (w *taskWorld) launcher(as, key string) string {
	w.Helper()
	service, role := linkedAs(as)
	if service == "" {
		return taskRole(taskConsumer, "Actor")
	}
	principal := taskRole(taskConsumer, "aws-service-role/"+service+"/"+role)
	if as == "image-builder" {
		return principal // launches as the account's way in
	}
	_, err := iam.NewFromConfig(w.root(taskConsumer)).CreateServiceLinkedRole(w.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: &service})
	w.well(err)
	_, err = kms.NewFromConfig(w.made[taskConsumer]).CreateGrant(w.Context(), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &principal, Operations: []kmstypes.GrantOperation{
		kmstypes.GrantOperationDecrypt, kmstypes.GrantOperationDescribeKey, kmstypes.GrantOperationReEncryptFrom, kmstypes.GrantOperationReEncryptTo,
		kmstypes.GrantOperationGenerateDataKeyWithoutPlaintext, kmstypes.GrantOperationCreateGrant,
	}})
	w.well(err)
	return principal
}

// volumesOf are the keys of the volumes that an account has.
func (w *taskWorld) volumesOf(account string) (keys []string) {
	w.Helper()
	out, err := ec2.NewFromConfig(w.root(account)).DescribeVolumes(w.Context(), &ec2.DescribeVolumesInput{})
	w.well(err)
	for _, v := range out.Volumes {
		if v.State != types.VolumeStateDeleting {
			keys = append(keys, *v.KmsKeyId)
		}
	}
	return keys
}

// Every kind of consumer launches a shared image under its own key, leaves nothing, and
// tells why it does not when the key refuses.
func TestEveryKindOfConsumerLaunchesByATask(t *testing.T) {
	t.Parallel()
	for _, as := range []string{"", "role", "image-builder", "karpenter", "eks-auto-mode", "auto-scaling", "eks-managed-node-group", "spot", "ec2-fleet"} {
		t.Run("as "+as, func(t *testing.T) {
			t.Parallel()
			share := cloud.Task{Operation: "ec2:ModifyImageAttribute"}
			w := newTaskWorld(t, cloud.Task{Operation: "ec2:RunInstances", As: as}, share)
			key, own, no := w.key(taskOwner, taskHome), w.key(taskConsumer, taskHome), w.disabled(taskConsumer)
			image := w.anImage(taskOwner, key)
			w.works(taskIn(taskOwner, share.Operation, "kr-share", cloud.Task{Source: image, With: []string{taskConsumer}}))
			before := w.things()

			launch := taskIn(taskConsumer, "ec2:RunInstances", "kr-launch", cloud.Task{Source: image, Key: own, As: as, Scenario: "shared"})
			launch.Actor = w.launcher(as, key)
			for range 2 {
				w.works(launch)
				got := w.volumesOf(taskConsumer)
				if len(got) != 2 || got[0] != own || got[1] != own {
					t.Errorf("the volumes are under %v, want both under %s", got, own)
				}
				w.leaves(launch, before)
			}
			closed := launch
			closed.Name, closed.Key = "kr-closed", no
			w.fails(closed, "Client.InvalidKMSKey.InvalidState")
			w.leaves(closed, before)
		})
	}
}

func TestARefusedLaunchOfAnInstantFleetIsAnError(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, cloud.Task{Operation: "ec2:RunInstances", As: "karpenter"})
	key := w.key(taskConsumer, taskHome)
	image := w.anImage(taskConsumer, key)
	before := w.things()
	var may []string
	for _, action := range w.may[taskConsumer] {
		if action != "ec2:RunInstances" {
			may = append(may, action)
		}
	}
	w.allow(taskConsumer, append(may, "kms:*")...)
	launch := taskIn(taskConsumer, "ec2:RunInstances", "kr-launch", cloud.Task{Source: image, Key: key, As: "karpenter"})
	if _, err := w.mover.Start(t.Context(), launch); cloud.KindOf(err) != cloud.Denied || !strings.Contains(err.Error(), "ec2:RunInstances") && !strings.Contains(err.Error(), "not authorized") {
		t.Errorf("the launch fails with %v", err)
	}
	w.leaves(launch, before)
}

func TestAGroupThatIsTriedAgainTellsItsNewestFailure(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, cloud.Task{Operation: "ec2:RunInstances", As: "auto-scaling"})
	key := w.key(taskConsumer, taskHome)
	image := w.anImage(taskConsumer, key)
	launch := taskIn(taskConsumer, "ec2:RunInstances", "kr-group", cloud.Task{Source: image, Key: key, As: "auto-scaling"})
	w.disable(key)
	w.begins(launch)
	if p := w.ends(launch); p.Failed == "" {
		t.Fatalf("the group launches under a key that is disabled: %+v", p)
	}
	_, err := kms.NewFromConfig(w.root(taskConsumer)).EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &key})
	w.well(err)
	w.pass(10 * time.Minute)
	if p := w.ends(launch); !p.Done || p.Failed != "" {
		t.Errorf("with its key back, the group is %+v", p)
	}
}
