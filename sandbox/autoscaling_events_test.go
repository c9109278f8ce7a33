package sandbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// EventBridge gets what a group does, with AWS's members.
func TestAGroupTellsWhatItDoes(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	b.rule(b.root(owner), "default", "groups", `{"source":["aws.autoscaling"]}`, ebtypes.Target{})
	key := b.key(owner, "") // lets no role in
	good, bad := b.scalingTemplate(owner, "plain", b.scalingImage(owner, ""), ""), b.scalingTemplate(owner, "locked", b.scalingImage(owner, key), "")
	c := autoscaling.NewFromConfig(b.admin(owner))
	for _, g := range []struct{ name, template, kind, has string }{
		{"good", good, "EC2 Instance Launch Successful", `"StatusCode":"InProgress"`},
		{"bad", bad, "EC2 Instance Launch Unsuccessful", `"StatusMessage":"` + keyNotUsable + `"`},
	} {
		if err := b.scalingGroup(c, g.name, g.template, 1); err != nil {
			t.Fatal(err)
		}
		b.pass(10 * time.Second)
		d := b.next()
		text := string(d.Event.Detail)
		if d.Event.DetailType != g.kind || len(d.Event.Resources) != 2 || !strings.Contains(text, `"AutoScalingGroupName":"`+g.name+`"`) || !strings.Contains(text, g.has) || !strings.Contains(text, `"EC2InstanceId":"i-`) {
			t.Errorf("delivered %s of %v: %s", d.Event.DetailType, d.Event.Resources, text)
		}
	}
	need(c.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: new("good"), DesiredCapacity: new(int32(0))}))(t)
	b.pass(10 * time.Second)
	if d := b.next(); d.Event.DetailType != "EC2 Instance Terminate Successful" {
		t.Errorf("delivered %s", d.Event.DetailType)
	}
}

// The history of calls has the role of the group as who launches, and as who uses the
// key.
func TestTheHistoryTellsThatTheRoleOfAGroupLaunches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	need(iam.NewFromConfig(w.admin(owner)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("autoscaling.amazonaws.com")}))(t)
	key := w.key(owner, keyPolicyOf(owner, lets(scalingRole(owner), "kms:GenerateDataKey*")))
	template := w.scalingTemplate(owner, "own", w.scalingImage(owner, key), "")
	c := autoscaling.NewFromConfig(w.admin(owner))
	if err := w.scalingGroup(c, "web", template, 1); err != nil {
		t.Fatal(err)
	}
	w.pass(10 * time.Second)
	w.launched(c, "web", false)
	for event, has := range map[string]string{"RunInstances": `"invokedBy":"autoscaling.amazonaws.com"`, "CreateGrant": `"errorCode":"AccessDenied"`} {
		out := need(cloudtrail.NewFromConfig(w.admin(owner)).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyEventName, AttributeValue: &event}}}))(t)
		found := false
		for _, e := range out.Events {
			text := aws.ToString(e.CloudTrailEvent)
			found = found || strings.Contains(text, "assumed-role/AWSServiceRoleForAutoScaling/AutoScaling") && strings.Contains(text, has)
		}
		if !found {
			t.Errorf("no record of %s by the role with %s: %s", event, has, jsonText(out.Events))
		}
	}
}

// A group that is kept in a file goes on when the sandbox is started again.
func TestAGroupGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	o := sandbox.Options{State: t.TempDir() + "/state"}
	w := &world{TB: t, Server: sandboxtest.Start(t, o), admins: map[string]aws.Config{}}
	template := w.scalingTemplate(owner, "plain", w.scalingImage(owner, ""), "")
	if err := w.scalingGroup(autoscaling.NewFromConfig(w.root(owner)), "web", template, 2); err != nil {
		t.Fatal(err)
	}
	need(0, w.Close())(t)
	again := &world{TB: t, Server: sandboxtest.Start(t, o), admins: map[string]aws.Config{}}
	again.pass(10 * time.Second)
	if ids := again.inService(autoscaling.NewFromConfig(again.root(owner)), "web"); len(ids) != 2 {
		t.Errorf("after the restart %d instances are in service, want 2", len(ids))
	}
}
