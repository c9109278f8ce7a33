package autoscaling

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// kept is how long activities are shown.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html.
const kept = 6 * 7 * 24 * time.Hour

// stamp is a time as causes have it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// userRequest is the part of a cause that tells who changed the capacity.
func userRequest(at time.Time, what string, from, to int) string {
	return fmt.Sprintf("At %s a user request %s from %d to %d.", stamp(at), what, from, to)
}

func fullStop(text string) string {
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// details is where an activity happens, as AWS's examples have it.
func details(at place) string {
	v := struct {
		Subnet string `json:"Subnet ID,omitempty"`
		Zone   string `json:"Availability Zone,omitempty"`
	}{at.subnet, at.zone}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts can be JSON
	}
	return string(text)
}

// begin is a new activity of a group, which is not stored yet.
func (s *Service) begin(ctx context.Context, g *Group, what, cause string) *Activity {
	now := gate.From(ctx).At
	a := &Activity{Account: g.Account, Region: g.Region, Shown: types.Activity{
		ActivityId: new(s.IDs.UUID()), AutoScalingGroupName: new(g.name()), AutoScalingGroupARN: g.Shown.AutoScalingGroupARN,
		Cause: &cause, Description: &what, Details: new("{}"), Progress: new(int32(0)),
		StartTime: new(now.Truncate(time.Millisecond)), StatusCode: types.ScalingActivityStatusCodeInProgress,
	}}
	for key, old := range s.activities.All(state.Key(g.Account, g.Region, g.name(), "")) {
		if now.Sub(*old.Shown.StartTime) > kept {
			s.activities.Delete(key)
		}
	}
	return a
}

// activityOf is a copy of what is being done with an instance.
func (s *Service) activityOf(g *Group, m *Member) *Activity {
	a := s.activities.Get(state.Key(g.Account, g.Region, g.name(), m.Activity))
	if a == nil {
		return nil
	}
	next := *a
	return &next
}

// finish stores an activity that is over, and tells it to EventBridge.
func (s *Service) finish(ctx context.Context, g *Group, a *Activity, code types.ScalingActivityStatusCode) {
	now := gate.From(ctx).At
	a.Shown.StatusCode, a.Shown.EndTime, a.Shown.Progress = code, new(now.Truncate(time.Second)), new(int32(100))
	s.activities.Put(a.key(), a)
	if s.Events == nil {
		return
	}
	what, well := "Launch", code == types.ScalingActivityStatusCodeSuccessful
	if strings.HasPrefix(*a.Shown.Description, "Terminating") {
		what = "Terminate"
	}
	kind := "EC2 Instance " + what + " Successful"
	if !well {
		kind = "EC2 Instance " + what + " Unsuccessful"
	}
	resources := []string{*g.Shown.AutoScalingGroupARN}
	if a.Instance != "" {
		resources = append(resources, behalf.ARN("ec2", g.Region, g.Account, "instance/", a.Instance))
	}
	s.Events.Emit(gate.Event{
		At: now, Account: g.Account, Region: g.Region, Source: "aws.autoscaling", DetailType: kind, Resources: resources, Detail: a.event(gate.From(ctx).ID),
	})
}

// event is an activity as EventBridge tells it.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-event-reference.html.
func (a *Activity) event(request string) map[string]any {
	where := map[string]string{}
	_ = json.Unmarshal([]byte(*a.Shown.Details), &where) // details wrote it
	code := a.Shown.StatusCode
	if code == types.ScalingActivityStatusCodeSuccessful {
		code = types.ScalingActivityStatusCodeInProgress // AWS's example has it so
	}
	return map[string]any{
		"StatusCode": code, "Description": a.Shown.Description, "AutoScalingGroupName": a.Shown.AutoScalingGroupName,
		"ActivityId": a.Shown.ActivityId, "Details": where, "RequestId": request, "StatusMessage": aws.ToString(a.Shown.StatusMessage),
		"StartTime": a.Shown.StartTime, "EndTime": a.Shown.EndTime, "EC2InstanceId": a.Instance, "Cause": a.Shown.Cause,
		"Origin": "EC2", "Destination": "AutoScalingGroup",
	}
}

// DescribeScalingActivities lists what was done, what is being done first and then the
// latest.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html.
func (s *Service) DescribeScalingActivities(ctx context.Context, in *autoscaling.DescribeScalingActivitiesInput) (*autoscaling.DescribeScalingActivitiesOutput, error) {
	c := gate.From(ctx)
	within := state.Key(c.Caller.Account, c.Region, "")
	deleted := aws.ToBool(in.IncludeDeletedGroups)
	if in.AutoScalingGroupName != nil {
		if _, err := s.group(c, in.AutoScalingGroupName); err != nil && !deleted {
			return nil, err
		}
		within = state.Key(c.Caller.Account, c.Region, *in.AutoScalingGroupName, "")
	}
	var list []types.Activity
	for _, a := range s.activities.All(within) {
		if len(in.ActivityIds) > 0 && !slices.Contains(in.ActivityIds, *a.Shown.ActivityId) || a.Shown.AutoScalingGroupState != nil && !deleted {
			continue
		}
		if c.At.Sub(*a.Shown.StartTime) <= kept {
			list = append(list, a.Shown)
		}
	}
	slices.SortStableFunc(list, func(a, b types.Activity) int {
		if a, b := a.EndTime == nil, b.EndTime == nil; a != b {
			if a {
				return -1
			}
			return 1
		}
		return b.StartTime.Compare(*a.StartTime)
	})
	out, next, err := page(list, in.NextToken, in.MaxRecords, 100)
	return &autoscaling.DescribeScalingActivitiesOutput{Activities: out, NextToken: next}, err
}
