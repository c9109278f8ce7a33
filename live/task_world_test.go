package live_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// The two accounts of the tests of tasks, and two Regions.
const (
	taskOwner    = "111122223333"
	taskConsumer = "444455556666"
	taskHome     = "us-east-1"
	taskAway     = "eu-west-1"
)

// taskWorld is a sandbox in which tasks are performed. In each account the role Actor
// performs, and the role Way is the way in: both have what TaskActions says and the use
// of keys, and no other right.
type taskWorld struct {
	testing.TB
	*sandboxtest.Server
	mover *live.Cloud
	made  map[string]aws.Config // admins, by account
	may   map[string][]string   // actions, by account
}

func newTaskWorld(t testing.TB, operations ...cloud.Task) *taskWorld {
	t.Helper()
	w := &taskWorld{TB: t, Server: sandboxtest.Start(t, sandbox.Options{}), made: map[string]aws.Config{}, may: map[string][]string{}}
	w.mover = w.fresh()
	for _, account := range []string{taskOwner, taskConsumer} {
		w.admin(account)
		for _, role := range []string{"Actor", "Way"} {
			trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}]}`
			_, err := iam.NewFromConfig(w.root(account)).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &role, AssumeRolePolicyDocument: &trust})
			w.well(err)
		}
		w.permit(account, operations...)
	}
	return w
}

// permit lets both roles of an account do what tasks need.
func (w *taskWorld) permit(account string, tasks ...cloud.Task) {
	w.Helper()
	for _, t := range tasks {
		w.may[account] = append(w.may[account], live.TaskActions(t.Operation, t.Scenario, t.As)...)
	}
	w.allow(account, append([]string{"kms:*"}, w.may[account]...)...)
}

func (w *taskWorld) allow(account string, actions ...string) {
	w.Helper()
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []map[string]any{{"Effect": "Allow", "Action": actions, "Resource": "*"}}})
	w.well(err)
	for _, role := range []string{"Actor", "Way"} {
		_, err := iam.NewFromConfig(w.root(account)).PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new("own"), PolicyDocument: new(string(text))})
		w.well(err)
	}
}

// fresh is a Cloud that knows nothing yet.
func (w *taskWorld) fresh() *live.Cloud { return live.Open(w.options()) }

func (w *taskWorld) options() live.Options {
	return live.Options{Endpoint: w.URL, Region: taskHome, MaxAttempts: 1, SignIn: func(ctx context.Context, principal string) (live.Keys, error) {
		account, role := principal, taskRole(principal, "Way")
		if strings.HasPrefix(principal, "arn:") {
			account, role = strings.Split(principal, ":")[4], principal
		}
		out, err := sts.NewFromConfig(w.made[account]).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: new("keyreach")})
		if err != nil {
			return live.Keys{}, err
		}
		return live.Keys{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}, nil
	}}
}

func taskRole(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }

func (w *taskWorld) well(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *taskWorld) root(account string) aws.Config { return w.Root(account, taskHome) }

func (w *taskWorld) rootIn(account, region string) aws.Config { return w.Root(account, region) }

// admin is a user with all rights: roots assume no roles.
func (w *taskWorld) admin(account string) {
	w.Helper()
	c := iam.NewFromConfig(w.root(account))
	_, err := c.CreateUser(w.Context(), &iam.CreateUserInput{UserName: new("admin")})
	w.well(err)
	_, err = c.AttachUserPolicy(w.Context(), &iam.AttachUserPolicyInput{UserName: new("admin"), PolicyArn: new("arn:aws:iam::aws:policy/AdministratorAccess")})
	w.well(err)
	k, err := c.CreateAccessKey(w.Context(), &iam.CreateAccessKeyInput{UserName: new("admin")})
	w.well(err)
	w.made[account] = w.Server.As(taskHome, *k.AccessKey.AccessKeyId, *k.AccessKey.SecretAccessKey, "")
}

// key makes a key that everybody in both accounts may use.
func (w *taskWorld) key(account, region string) string {
	w.Helper()
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":["` + taskOwner + `","` + taskConsumer + `"]}}}]}`
	out, err := kms.NewFromConfig(w.rootIn(account, region)).CreateKey(w.Context(), &kms.CreateKeyInput{Policy: &policy})
	w.well(err)
	return *out.KeyMetadata.Arn
}

// disabled is a key that nobody can use.
func (w *taskWorld) disabled(account string) string {
	w.Helper()
	key := w.key(account, taskHome)
	w.disable(key)
	return key
}

func (w *taskWorld) disable(key string) {
	w.Helper()
	_, err := kms.NewFromConfig(w.root(strings.Split(key, ":")[4])).DisableKey(w.Context(), &kms.DisableKeyInput{KeyId: &key})
	w.well(err)
}

// closed is a key that its account may look at and not use.
func (w *taskWorld) closed(account string) string {
	w.Helper()
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":["kms:DescribeKey","kms:PutKeyPolicy"],"Resource":"*"}]}`
	out, err := kms.NewFromConfig(w.root(account)).CreateKey(w.Context(), &kms.CreateKeyInput{Policy: &policy})
	w.well(err)
	return *out.KeyMetadata.Arn
}

func (w *taskWorld) pass(d time.Duration) {
	w.Helper()
	w.well(w.Advance(d))
}

// begins starts a task twice, which makes one thing.
func (w *taskWorld) begins(t cloud.Task) cloud.Progress {
	w.Helper()
	if p, found, err := w.mover.Look(w.Context(), t); err != nil || found {
		w.Fatalf("%s is there before: %+v, %v", t.Operation, p, err)
	}
	first, err := w.mover.Start(w.Context(), t)
	if err != nil {
		w.Fatalf("starting %s: %v", t.Operation, err)
	}
	second, err := w.fresh().Start(w.Context(), t)
	if err != nil || first.ID != "" && second.ID != first.ID || first.Made["job"] != second.Made["job"] {
		w.Fatalf("%s, started twice, made %+v and %+v: %v", t.Operation, first, second, err)
	}
	return first
}

// ends waits, on the sandbox's clock, for the end of a task, as somebody who only has
// the task.
func (w *taskWorld) ends(t cloud.Task) cloud.Progress {
	w.Helper()
	c := w.fresh()
	for range 90 {
		p, found, err := c.Look(w.Context(), t)
		if err != nil || !found {
			w.Fatalf("%s is not found: %v", t.Operation, err)
		}
		if p.Done && p.Failed != "" {
			w.Fatalf("%s is done and failed: %+v", t.Operation, p)
		}
		if p.Done || p.Failed != "" {
			return p
		}
		w.pass(time.Second)
	}
	w.Fatalf("%s does not end", t.Operation)
	return cloud.Progress{}
}

// works performs a task to its end.
func (w *taskWorld) works(t cloud.Task) cloud.Progress {
	w.Helper()
	w.begins(t)
	p := w.ends(t)
	if !p.Done || p.State == "" || p.ID == "" {
		w.Fatalf("%s ends as %+v", t.Operation, p)
	}
	return p
}

// fails performs a task that fails with a text, at once or later.
func (w *taskWorld) fails(t cloud.Task, want string) {
	w.Helper()
	p, err := w.mover.Start(w.Context(), t)
	got := ""
	if err != nil {
		got = err.Error()
	} else {
		t.Args = taskArgs(t.Args, "id", p.ID)
		got = w.ends(t).Failed
	}
	if !strings.Contains(got, want) {
		w.Errorf("%s %s fails with %q, want %q", t.Operation, t.As, got, want)
	}
}

func taskArgs(args map[string]string, pairs ...string) map[string]string {
	out := map[string]string{}
	for k, v := range args {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// leaves removes a task and compares what the accounts have with what they had before.
func (w *taskWorld) leaves(t cloud.Task, before []string) {
	w.Helper()
	for range 2 {
		if err := w.fresh().Remove(w.Context(), t); err != nil {
			w.Fatalf("removing %s: %v", t.Operation, err)
		}
	}
	w.pass(30 * time.Second)
	if p, found, err := w.mover.Look(w.Context(), t); err != nil || found {
		w.Errorf("%s is still found: %+v, %v", t.Operation, p, err)
	}
	if after := w.things(); !slices.Equal(before, after) {
		w.Errorf("removing %s %s leaves\n%s\nwhere there was\n%s", t.Operation, t.As, strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
}

// things are all that tasks could have made and that lives, in both accounts and Regions.
func (w *taskWorld) things() (list []string) {
	w.Helper()
	for _, account := range []string{taskOwner, taskConsumer} {
		for _, region := range []string{taskHome, taskAway} {
			list = append(list, w.thingsOfEC2(w.rootIn(account, region))...)
			list = append(list, w.thingsOfRDS(w.rootIn(account, region))...)
		}
	}
	slices.Sort(list)
	return list
}

func (w *taskWorld) thingsOfEC2(as aws.Config) (list []string) {
	w.Helper()
	c, ctx, self := ec2.NewFromConfig(as), w.Context(), []string{"self"}
	volumes, err := c.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{})
	w.well(err)
	for _, v := range volumes.Volumes {
		list = append(list, *v.VolumeId+" "+string(v.State))
	}
	snapshots, err := c.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{OwnerIds: self})
	w.well(err)
	for _, n := range snapshots.Snapshots {
		list = append(list, *n.SnapshotId)
	}
	images, err := c.DescribeImages(ctx, &ec2.DescribeImagesInput{Owners: self})
	w.well(err)
	for _, m := range images.Images {
		list = append(list, *m.ImageId)
	}
	instances, err := c.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	w.well(err)
	for _, r := range instances.Reservations {
		for _, i := range r.Instances {
			if i.State.Name != ec2types.InstanceStateNameTerminated {
				list = append(list, *i.InstanceId)
			}
		}
	}
	templates, err := c.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{})
	w.well(err)
	for _, t := range templates.LaunchTemplates {
		list = append(list, *t.LaunchTemplateId)
	}
	fleets, err := c.DescribeFleets(ctx, &ec2.DescribeFleetsInput{Filters: []ec2types.Filter{{Name: new("fleet-state"), Values: []string{"submitted", "active", "failed", "modifying"}}}})
	w.well(err)
	for _, f := range fleets.Fleets {
		list = append(list, *f.FleetId)
	}
	spots, err := c.DescribeSpotInstanceRequests(ctx, &ec2.DescribeSpotInstanceRequestsInput{Filters: []ec2types.Filter{{Name: new("state"), Values: []string{"open", "active"}}}})
	w.well(err)
	for _, r := range spots.SpotInstanceRequests {
		list = append(list, *r.SpotInstanceRequestId)
	}
	groups, err := autoscaling.NewFromConfig(as).DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{})
	w.well(err)
	for _, g := range groups.AutoScalingGroups {
		list = append(list, *g.AutoScalingGroupARN)
	}
	return list
}

func (w *taskWorld) thingsOfRDS(as aws.Config) (list []string) {
	w.Helper()
	c, ctx := rds.NewFromConfig(as), w.Context()
	snapshots, err := c.DescribeDBSnapshots(ctx, &rds.DescribeDBSnapshotsInput{SnapshotType: new("manual")})
	w.well(err)
	for _, n := range snapshots.DBSnapshots {
		list = append(list, *n.DBSnapshotArn)
	}
	clustered, err := c.DescribeDBClusterSnapshots(ctx, &rds.DescribeDBClusterSnapshotsInput{SnapshotType: new("manual")})
	w.well(err)
	for _, n := range clustered.DBClusterSnapshots {
		list = append(list, *n.DBClusterSnapshotArn)
	}
	instances, err := c.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{})
	w.well(err)
	for _, d := range instances.DBInstances {
		list = append(list, *d.DBInstanceArn)
	}
	clusters, err := c.DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{})
	w.well(err)
	for _, d := range clusters.DBClusters {
		list = append(list, *d.DBClusterArn)
	}
	return list
}

// in is a task of an account's actor.
func taskIn(account, operation, name string, more cloud.Task) cloud.Task {
	more.Account, more.Region, more.Actor, more.Operation, more.Name = account, taskHome, taskRole(account, "Actor"), operation, name
	more.Tags = map[string]string{"purpose": "rehearsal"}
	return more
}
