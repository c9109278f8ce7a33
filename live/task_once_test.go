package live_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/live"
)

// spoilt makes calls, and spoils the answers to some of them.
type spoilt struct {
	// lost are the actions whose answers do not come.
	lost []string
	// blind: what has a tag is not seen by it yet.
	blind bool
}

func (s spoilt) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if s.blind && strings.Contains(string(body), "tag%3Akeyreach%3Atask") {
		empty := "<Answer><requestId>none</requestId></Answer>"
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(empty)), Request: r}, nil
	}
	answer, err := http.DefaultClient.Do(r)
	for _, action := range s.lost {
		if err == nil && strings.Contains(string(body), "Action="+action+"&") {
			answer.Body.Close()
			return nil, errors.New("the connection was lost")
		}
	}
	return answer, err
}

// through is a Cloud whose calls are spoilt.
func (w *taskWorld) through(s spoilt) *live.Cloud {
	o := w.options()
	o.HTTP = s
	return live.Open(o)
}

func TestAnAnswerThatWasLostIsMadeUpForByLooking(t *testing.T) {
	t.Parallel()
	for action, task := range map[string]cloud.Task{
		"CreateSnapshot": {Operation: "ec2:CreateSnapshot"}, "CopySnapshot": {Operation: "ec2:CopySnapshot"}, "CreateVolume": {Operation: "ec2:CreateVolume"}, "CopyImage": {Operation: "ec2:CopyImage"},
		"RunInstances": {Operation: "ec2:RunInstances"}, "CreateFleet": {Operation: "ec2:RunInstances", As: "karpenter"}, "RequestSpotInstances": {Operation: "ec2:RunInstances", As: "spot"},
		"CreateAutoScalingGroup": {Operation: "ec2:RunInstances", As: "auto-scaling"}, "CreateLaunchTemplate": {Operation: "ec2:RunInstances", As: "ec2-fleet"},
		"CreateDBSnapshot": {Operation: "rds:CreateDBSnapshot"},
	} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			w := newTaskWorld(t, task)
			task := w.sourced(task)
			before := w.things()
			if _, err := w.through(spoilt{lost: []string{action}}).Start(t.Context(), task); cloud.KindOf(err) != cloud.Lost {
				t.Fatalf("the lost answer is %v", err)
			}
			if _, err := w.fresh().Start(t.Context(), task); err != nil {
				t.Fatal(err)
			}
			first := w.ends(task)
			again, err := w.fresh().Start(t.Context(), task)
			if err != nil || again.ID != first.ID {
				t.Errorf("once more, it made %s beside %s: %v", again.ID, first.ID, err)
			}
			w.leaves(task, before)
		})
	}
}

// sourced gives a task what it works on.
func (w *taskWorld) sourced(t cloud.Task) cloud.Task {
	w.Helper()
	key := w.key(taskOwner, taskHome)
	t.Key = key
	switch t.Operation {
	case "ec2:CreateSnapshot":
		t.Source = w.aVolume(taskOwner, key)
	case "ec2:CopySnapshot", "ec2:CreateVolume":
		t.Source = w.aSnapshot(taskOwner, key)
	case "rds:CreateDBSnapshot":
		t.Source = w.aDatabase(false)
	default:
		t.Source = w.anImage(taskOwner, key)
	}
	return taskIn(taskOwner, t.Operation, "kr-once", t)
}

// AWS shows by a tag only a little later what was made: then the name or the client
// token keeps it one.
func TestNothingIsMadeTwiceWhileItIsNotSeenYet(t *testing.T) {
	t.Parallel()
	for _, task := range []cloud.Task{
		{Operation: "ec2:CreateVolume"}, {Operation: "ec2:CopyImage"}, {Operation: "ec2:RunInstances"}, {Operation: "ec2:RunInstances", As: "karpenter"},
		{Operation: "ec2:RunInstances", As: "spot"}, {Operation: "ec2:RunInstances", As: "auto-scaling"}, {Operation: "ec2:RunInstances", As: "ec2-fleet"},
	} {
		t.Run(task.Operation+" "+task.As, func(t *testing.T) {
			t.Parallel()
			w := newTaskWorld(t, task)
			task := w.sourced(task)
			before := w.things()
			first, err := w.through(spoilt{blind: true}).Start(t.Context(), task)
			if err != nil {
				t.Fatal(err)
			}
			once := len(w.things())
			second, err := w.through(spoilt{blind: true}).Start(t.Context(), task)
			if err == nil && second.ID != first.ID || err != nil && !strings.Contains(err.Error(), "already in use") {
				t.Errorf("it made %s and %s: %v", first.ID, second.ID, err)
			}
			if twice := len(w.things()); twice != once {
				t.Errorf("starting twice made %d things more", twice-once)
			}
			w.ends(task)
			w.leaves(task, before)
		})
	}
}

// The actor needs the right to do, and whoever has the account the rights to look and to
// take away.
func TestTheActorActsAndTheAccountsWayInLooks(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t)
	task := w.sourced(cloud.Task{Operation: "ec2:CopySnapshot"})
	for role, actions := range map[string]string{
		"Actor": `"ec2:CopySnapshot","ec2:CreateTags","kms:*"`, "Way": `"ec2:DescribeSnapshots","ec2:DeleteSnapshot"`,
	} {
		_, err := iam.NewFromConfig(w.root(taskOwner)).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
			RoleName: &role, PolicyName: new("own"), PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + actions + `],"Resource":"*"}]}`),
		})
		w.well(err)
	}
	before := w.things()
	w.works(task)
	w.leaves(task, before)
}
