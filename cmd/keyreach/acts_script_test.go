package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// actsWorld is the AWS of one script.
type actsWorld struct {
	server *sandboxtest.Server
	faults *sandboxtest.Faults
	// held is closed when the call has come that hold waits for, and release lets it go on.
	held, release chan struct{}
}

type actsKey struct{}

// actsCommands are what the scripts of the commands do that write to AWS, beside running
// them.
func actsCommands(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"aws":     func(ts *testscript.TestScript, neg bool, args []string) { scriptAWS(t, ts, args) },
		"profile": scriptProfile,
		"meddle":  scriptMeddle,
		"fault":   scriptFault,
		"hold":    scriptHold,
		"held":    scriptHeld,
		"release": func(ts *testscript.TestScript, _ bool, _ []string) { close(worldOf(ts).release) },
		"passing": scriptPassing,
		"bucket":  scriptBucket,
		"keep":    scriptKeep,
		"widen":   scriptWiden,
		"role":    scriptRole,
	}
}

func worldOf(ts *testscript.TestScript) *actsWorld {
	w := ts.Value(actsKey{}).(*actsWorld)
	if w.server == nil {
		ts.Fatalf("the script has no AWS yet")
	}
	return w
}

func need(ts *testscript.TestScript, args []string, n int, usage string) {
	if len(args) != n {
		ts.Fatalf("usage: %s", usage)
	}
}

// scriptAWS starts a sandbox of an estate, which the SDK of the script calls from now on.
func scriptAWS(t *testing.T, ts *testscript.TestScript, args []string) {
	need(ts, args, 1, "aws ESTATE")
	e, err := estate.LoadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	w := ts.Value(actsKey{}).(*actsWorld)
	w.server, w.faults = sandboxtest.StartFaulty(t, sandbox.Options{Estate: e})
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": w.server.URL, "AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": ts.MkAbs("aws.config"), "AWS_SHARED_CREDENTIALS_FILE": ts.MkAbs("aws.credentials"),
		"XDG_STATE_HOME": ts.MkAbs("home"),
	} {
		ts.Setenv(name, value)
	}
	ts.Check(os.WriteFile(ts.MkAbs("aws.config"), nil, 0o600))
}

// scriptProfile gives a profile the root user of an account, or a user, who may then call
// all services but use keys only as the estate says.
func scriptProfile(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "profile NAME ACCOUNT|ARN")
	id, secret, token := args[1], "any", ""
	if account, user, ok := strings.Cut(args[1], ":user/"); ok {
		w := worldOf(ts)
		c := iam.NewFromConfig(w.server.Root(account[len(account)-12:], "us-east-1"))
		_, _ = c.CreateUser(context.Background(), &iam.CreateUserInput{UserName: &user}) // or it is there
		_, err := c.PutUserPolicy(context.Background(), &iam.PutUserPolicyInput{UserName: &user, PolicyName: aws.String("Services"), PolicyDocument: aws.String(allButKeys)})
		ts.Check(err)
		k, err := w.server.SignIn(args[1], 12*time.Hour)
		ts.Check(err)
		id, secret, token = k.AccessKeyID, k.SecretAccessKey, k.SessionToken
	}
	f, err := os.OpenFile(ts.Getenv("AWS_SHARED_CREDENTIALS_FILE"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = f.WriteString("[" + args[0] + "]\naws_access_key_id = " + id + "\naws_secret_access_key = " + secret + "\n")
	ts.Check(err)
	if token != "" {
		_, err = f.WriteString("aws_session_token = " + token + "\n")
		ts.Check(err)
	}
	ts.Check(f.Close())
}

// scriptRole makes a role that may do everything in its account, for another account's
// principals.
func scriptRole(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "role NAME ACCOUNT TRUSTED")
	c := iam.NewFromConfig(worldOf(ts).server.Root(args[1], "us-east-1"))
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + args[2] + `:root"},"Action":"sts:AssumeRole"}]}`
	_, err := c.CreateRole(context.Background(), &iam.CreateRoleInput{RoleName: &args[0], AssumeRolePolicyDocument: &trust})
	ts.Check(err)
	all := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	_, err = c.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{RoleName: &args[0], PolicyName: aws.String("Everything"), PolicyDocument: &all})
	ts.Check(err)
}

// scriptMeddle has somebody else add a statement to the policy of a key.
func scriptMeddle(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "meddle KEY SID")
	w := worldOf(ts)
	account, region := strings.Split(args[0], ":")[4], strings.Split(args[0], ":")[3]
	c := kms.NewFromConfig(w.server.Root(account, region))
	ctx := context.Background()
	have, err := c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &args[0]})
	ts.Check(err)
	var p map[string]any
	ts.Check(json.Unmarshal([]byte(*have.Policy), &p))
	statements := p["Statement"].([]any)
	p["Statement"] = append(statements, map[string]any{
		"Sid": args[1], "Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::" + account + ":root"}, "Action": "kms:ListAliases", "Resource": "*",
	})
	text, err := json.Marshal(p)
	ts.Check(err)
	_, err = c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &args[0], Policy: aws.String(string(text))})
	ts.Check(err)
}

// scriptFault fails the next call of an operation.
func scriptFault(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "fault SERVICE OPERATION expired|denied")
	faults := map[string]sandboxtest.Fault{"expired": sandboxtest.ExpiredToken, "denied": sandboxtest.AccessDenied}
	worldOf(ts).faults.On(sandboxtest.Is(args[0], args[1]), 1, faults[args[2]])
}

// scriptHold holds the next call of an operation until it is released.
func scriptHold(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "hold SERVICE OPERATION")
	w := worldOf(ts)
	held, release := make(chan struct{}), make(chan struct{})
	w.held, w.release = held, release
	w.faults.BeforeNext(sandboxtest.Is(args[0], args[1]), func() { close(held); <-release })
}

// scriptHeld waits until the held call has come.
func scriptHeld(ts *testscript.TestScript, _ bool, _ []string) {
	select {
	case <-worldOf(ts).held:
	case <-time.After(time.Minute):
		ts.Fatalf("the call has not come")
	}
}

// scriptPassing lets so much time pass with every look at what AWS does: what takes its
// time is done at one of the next.
func scriptPassing(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "passing DURATION")
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	w := worldOf(ts)
	w.faults.On(func(c sandboxtest.Call) bool {
		if strings.HasPrefix(c.Operation, "Describe") {
			if err := w.server.Advance(d); err != nil {
				panic(err) // it is no goroutine of the test
			}
		}
		return false
	}, -1, sandboxtest.AccessDenied)
}

// scriptBucket lets an account into a bucket.
func scriptBucket(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "bucket NAME OWNER ACCOUNT")
	c := s3.NewFromConfig(worldOf(ts).server.Root(args[1], "us-east-1"), func(o *s3.Options) { o.UsePathStyle = true })
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + args[2] + `:root"},"Action":"s3:*","Resource":["arn:aws:s3:::` + args[0] + `","arn:aws:s3:::` + args[0] + `/*"]}]}`
	_, err := c.PutBucketPolicy(context.Background(), &s3.PutBucketPolicyInput{Bucket: &args[0], Policy: &text})
	ts.Check(err)
}

// scriptWiden has a plan allow more than its routes need, with a digest that fits.
func scriptWiden(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "widen PLAN OUT")
	p, err := plan.LoadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	for i := range p.Steps {
		if op, ok := p.Steps[i].Op.(*estate.KeyPolicy); ok {
			op.Document = strings.ReplaceAll(op.Document, "kms:GenerateDataKeyWithoutPlaintext", "kms:ScheduleKeyDeletion")
		}
	}
	ts.Check(savePlan(ts.MkAbs(args[1]), p))
}

// scriptKeep keeps a value of the JSON that the last command printed under a name.
func scriptKeep(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "keep NAME MEMBER.0.MEMBER")
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for name := range strings.SplitSeq(args[1], ".") {
		switch tree := v.(type) {
		case map[string]any:
			v = tree[name]
		case []any:
			i, err := strconv.Atoi(name)
			ts.Check(err)
			if i >= len(tree) {
				ts.Fatalf("there is no %s in %s", name, args[1])
			}
			v = tree[i]
		}
	}
	text, ok := v.(string)
	if !ok {
		ts.Fatalf("the last command printed no %s", args[1])
	}
	ts.Setenv(args[0], filepath.ToSlash(text))
}
