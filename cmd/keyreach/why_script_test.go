package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptProvoke has a user do something that fails: copy a snapshot under a key, of which
// the id of the copy is kept under a name, or delete one, of which the error is kept in a
// file. Or somebody takes away what Keyreach gave the user.
func scriptProvoke(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: provoke copy USER SNAPSHOT KEY NAME | provoke delete USER SNAPSHOT FILE | provoke forget USER")
	}
	w := worldOf(ts)
	if args[0] == "forget" {
		forget(ts, w, args[1])
		return
	}
	k, err := w.server.SignIn(args[1], time.Hour)
	ts.Check(err)
	c := ec2.NewFromConfig(w.server.As("us-east-1", k.AccessKeyID, k.SecretAccessKey, k.SessionToken))
	switch args[0] {
	case "copy":
		need(ts, args, 5, "provoke copy USER SNAPSHOT KEY NAME")
		out, err := c.CopySnapshot(context.Background(), &ec2.CopySnapshotInput{SourceRegion: aws.String("us-east-1"), SourceSnapshotId: &args[2], KmsKeyId: &args[3]})
		ts.Check(err)
		ts.Check(w.server.Advance(5 * time.Second)) // what fails later shows then
		ts.Setenv(args[4], *out.SnapshotId)
	case "delete":
		need(ts, args, 4, "provoke delete USER SNAPSHOT FILE")
		_, err := c.DeleteSnapshot(context.Background(), &ec2.DeleteSnapshotInput{SnapshotId: &args[2]})
		if err == nil {
			ts.Fatalf("the snapshot is deleted")
		}
		ts.Check(os.WriteFile(ts.MkAbs(args[3]), []byte(err.Error()+"\n"), 0o600))
	default:
		ts.Fatalf("nothing is provoked by %s", args[0])
	}
}

// forget deletes the policies of a user that Keyreach made.
func forget(ts *testscript.TestScript, w *actsWorld, user string) {
	account, name, _ := strings.Cut(user, ":user/")
	c := iam.NewFromConfig(w.server.Root(account[len(account)-12:], "us-east-1"))
	out, err := c.ListUserPolicies(context.Background(), &iam.ListUserPoliciesInput{UserName: &name})
	ts.Check(err)
	for _, policy := range out.PolicyNames {
		if strings.HasPrefix(policy, "Keyreach") {
			_, err := c.DeleteUserPolicy(context.Background(), &iam.DeleteUserPolicyInput{UserName: &name, PolicyName: &policy})
			ts.Check(err)
		}
	}
}
