package sandbox_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// EventBridge hears of every state of an instance and of an image, in their order.
func TestStatesOfInstancesAndImagesAreTold(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	config := b.root(owner)
	c, key := ec2.NewFromConfig(config), b.key(owner, "")
	b.rule(config, "default", "compute", `{"source":["aws.ec2"],"detail-type":["EC2 Instance State-change Notification","EC2 AMI State Change"]}`, ebtypes.Target{})
	told := func(kind, resource, state, member string) {
		t.Helper()
		d := b.next().Event
		var detail map[string]string
		if err := json.Unmarshal(d.Detail, &detail); err != nil {
			t.Fatal(err)
		}
		if d.DetailType != kind || fmt.Sprint(d.Resources) != "["+resource+"]" || detail[member] != state {
			t.Errorf("told is %s of %v: %v; want %s of %s", d.DetailType, d.Resources, detail, state, resource)
		}
	}
	image := b.image(config, "base", "")
	b.pass(time.Second)
	told("EC2 AMI State Change", "arn:aws:ec2:us-east-1::image/"+image, "available", "State")
	instance := func(id string, states ...string) {
		t.Helper()
		for _, state := range states {
			told("EC2 Instance State-change Notification", "arn:aws:ec2:us-east-1:"+owner+":instance/"+id, state, "state")
		}
	}
	id := *need(b.run(config, image, rootKey(key)))(t).InstanceId
	b.pass(3 * time.Second)
	instance(id, "pending", "running")
	need(c.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}}))(t)
	b.pass(3 * time.Second)
	instance(id, "shutting-down", "terminated")
	need(b.kmsOf(config).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))(t)
	id = *need(b.run(config, image, rootKey(key)))(t).InstanceId
	b.pass(3 * time.Second)
	instance(id, "pending", "shutting-down", "terminated")
	need(c.DeregisterImage(t.Context(), &ec2.DeregisterImageInput{ImageId: &image}))(t)
	told("EC2 AMI State Change", "arn:aws:ec2:us-east-1::image/"+image, "deregistered", "State")
	b.none("after all")
}
