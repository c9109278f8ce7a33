package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// A flow is a sequence of calls with what AWS was recorded to answer. The format
// is described beside the recordings.
type flow struct {
	ID         string                    `json:"id"`
	Accounts   map[string]any            `json:"accounts"`
	Principals map[string]map[string]any `json:"principals"`
	Steps      []step                    `json:"steps"`
}

type step struct {
	As          string            `json:"as"`
	Region      string            `json:"region"`
	Credentials any               `json:"credentials"`
	Call        string            `json:"call"`
	Params      map[string]any    `json:"params"`
	Save        map[string]string `json:"save"`
	Expect      map[string]any    `json:"expect"`
	Pages       bool              `json:"pages"`
	Until       int               `json:"until"`
	Meanwhile   []string          `json:"meanwhile"`
	Eventually  bool              `json:"eventually"`
	Let         map[string]any    `json:"let"`
	Check       []map[string]any  `json:"check"`
}

// flowServices are the services whose flows are run.
var flowServices = []string{"kms", "sts", "iam", "ec2", "ebs", "s3"}

// Every recorded flow that needs only services of the sandbox goes as it went at AWS.
func TestRecordedFlows(t *testing.T) {
	t.Parallel()
	corpus := os.Getenv("KEYREACH_CORPUS")
	if corpus == "" {
		t.Skip("KEYREACH_CORPUS is not set: the recorded flows are not here")
	}
	files, err := filepath.Glob(filepath.Join(corpus, "recorded", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f flow
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if !f.needsOnly(flowServices...) {
			continue
		}
		ran++
		t.Run(f.ID, func(t *testing.T) {
			t.Parallel()
			newFlowRun(t, &f).run()
		})
	}
	t.Logf("%d of %d recorded flows need only services that the sandbox has, and were run", ran, len(files))
	if ran == 0 {
		t.Error("no flow was run")
	}
}

func (f *flow) needsOnly(services ...string) bool {
	for _, s := range f.Steps {
		service, _, ok := strings.Cut(s.Call, ".")
		if ok && !slices.Contains(services, service) {
			return false
		}
	}
	return len(f.Steps) > 0
}

type flowRun struct {
	t        *testing.T
	f        *flow
	server   *sandboxtest.Server
	vars     map[string]any
	accounts map[string]string
	made     map[string]*actor
}

// actor is somebody who can act: credentials and what a flow may ask of them.
type actor struct {
	key, secret, token string
	fields             map[string]any
}

func newFlowRun(t *testing.T, f *flow) *flowRun {
	r := &flowRun{
		t: t, f: f, server: sandboxtest.Start(t, sandbox.Options{}), vars: map[string]any{"unique": "u7"},
		accounts: map[string]string{}, made: map[string]*actor{},
	}
	names := []string{}
	for name := range f.Accounts {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		r.accounts[name] = fmt.Sprintf("%012d", 111122223333+i*111111111111)
	}
	return r
}

func (r *flowRun) run() {
	for i := range r.f.Steps {
		s := &r.f.Steps[i]
		for name, v := range s.Let {
			r.vars[name] = r.value(v)
		}
		if s.Call != "" {
			r.step(i, s)
		}
		for _, c := range s.Check {
			r.check(i, c)
		}
		if r.t.Failed() {
			return
		}
	}
}

func (r *flowRun) step(i int, s *step) {
	params, _ := r.value(map[string]any(s.Params)).(map[string]any)
	out, err := r.call(s, params)
	// What AWS does in the background takes its time here too, on the sandbox's clock.
	for n := 0; s.Eventually && n < 5 && !r.as(s, out, err); n++ {
		if err := r.server.Advance(5 * time.Second); err != nil {
			r.t.Fatal(err)
		}
		out, err = r.call(s, params)
	}
	for n := 1; n < s.Until && (err == nil || slices.Contains(s.Meanwhile, codeOf(err))); n++ {
		out, err = r.call(s, params)
	}
	where := fmt.Sprintf("step %d, %s", i+1, s.Call)
	if err != nil {
		r.expectError(where, s, err)
		return
	}
	if want, wrong := s.Expect["error"]; wrong {
		r.t.Errorf("%s: it succeeded, want %v", where, want)
		return
	}
	for name, path := range s.Save {
		r.vars[name] = at(out, path)
	}
	r.expect(where, s.Expect, out)
}

// as reports whether a call came out as the flow has it, as far as that can change: its
// code, its members and how many there are.
func (r *flowRun) as(s *step, out any, err error) bool {
	if want, wrong := s.Expect["error"]; wrong || err != nil {
		return wrong && err != nil && codeOf(err) == want
	}
	members, _ := s.Expect["fields"].(map[string]any)
	for path, v := range members {
		if !same(r.value(v), at(out, path)) {
			return false
		}
	}
	lengths, _ := s.Expect["length"].(map[string]any)
	for path, v := range lengths {
		if float64(lengthOf(at(out, path))) != v {
			return false
		}
	}
	return true
}

func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return err.Error()
}

func (r *flowRun) expectError(where string, s *step, err error) {
	var e smithy.APIError
	if !errors.As(err, &e) {
		r.t.Errorf("%s: %v", where, err)
		return
	}
	want, _ := s.Expect["error"].(string)
	if e.ErrorCode() != want {
		r.t.Errorf("%s: %s %q, want %q", where, e.ErrorCode(), e.ErrorMessage(), want)
		return
	}
	if m, ok := s.Expect["message"]; ok {
		got := e.ErrorMessage()
		if got == "UnknownError" {
			got = "" // the SDK's word for an error without a text
		}
		if text := r.value(m); got != text {
			r.t.Errorf("%s: the text is\n%s\nwant\n%v", where, e.ErrorMessage(), text)
		}
	}
	if m, ok := s.Expect["message_like"].(string); ok {
		if !regexp.MustCompile(r.pattern(m)).MatchString(e.ErrorMessage()) {
			r.t.Errorf("%s: the text is\n%s\nwant one like\n%s", where, e.ErrorMessage(), m)
		}
	}
	members, _ := s.Expect["fields"].(map[string]any)
	for name, v := range members {
		// What stands around the error, as Error.Type, is not the SDK's to show.
		if got := at(plain(reflect.ValueOf(e)), name); !strings.HasPrefix(name, "Error.") && !same(v, got) {
			r.t.Errorf("%s: the error's %s is %v, want %v", where, name, got, v)
		}
	}
	if status, ok := s.Expect["status"].(float64); ok {
		var res *smithyhttp.ResponseError
		if errors.As(err, &res) && res.HTTPStatusCode() != int(status) {
			r.t.Errorf("%s: the status is %d, want %v", where, res.HTTPStatusCode(), status)
		}
	}
}

// call makes one call through the SDK, all pages of it where asked.
func (r *flowRun) call(s *step, params map[string]any) (any, error) {
	region := s.Region
	if region == "" {
		region = "us-east-1"
	}
	out, err := invoke(r.config(s, region), s.Call, params)
	if err != nil || !s.Pages {
		return out, err
	}
	all, _ := out.(map[string]any)
	for page := all; page["Truncated"] == true; {
		next := map[string]any{"Marker": page["NextMarker"]}
		for k, v := range params {
			next[k] = v
		}
		more, err := invoke(r.config(s, region), s.Call, next)
		if err != nil {
			return nil, err
		}
		page, _ = more.(map[string]any)
		for k, v := range page {
			if list, ok := v.([]any); ok {
				old, _ := all[k].([]any)
				all[k] = append(old, list...)
			}
		}
	}
	return all, nil
}

func (r *flowRun) config(s *step, region string) aws.Config {
	if s.Credentials != nil {
		c, _ := r.value(s.Credentials).(map[string]any)
		token, _ := c["SessionToken"].(string)
		return r.server.As(region, c["AccessKeyId"].(string), c["SecretAccessKey"].(string), token)
	}
	as := s.As
	if as == "" {
		as = slices.Sorted(keysOf(r.accounts))[0]
	}
	if account, ok := r.accounts[as]; ok {
		return r.server.Root(account, region)
	}
	a := r.principal(as)
	return r.server.As(region, a.key, a.secret, a.token)
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// invoke calls service.Operation with parameters by their AWS names. Nothing is
// checked on the client.
func invoke(config aws.Config, call string, params map[string]any) (any, error) {
	service, operation, _ := strings.Cut(call, ".")
	unchecked := func(stack *middleware.Stack) error {
		_, _ = stack.Initialize.Remove("OperationInputValidation")
		return nil
	}
	config.APIOptions = append(config.APIOptions, unchecked)
	var client any
	switch service {
	case "kms":
		client = kms.NewFromConfig(config)
	case "sts":
		client = sts.NewFromConfig(config)
	case "iam":
		client = iam.NewFromConfig(config)
	case "ec2":
		client = ec2.NewFromConfig(config)
	case "ebs":
		client = ebs.NewFromConfig(config)
	case "s3":
		client = s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	default:
		return nil, fmt.Errorf("no client for %s", service)
	}
	method := reflect.ValueOf(client).MethodByName(operation)
	if !method.IsValid() {
		return nil, fmt.Errorf("the SDK has no %s", call)
	}
	in := reflect.New(method.Type().In(1).Elem())
	if err := fill(in.Elem(), params); err != nil {
		return nil, fmt.Errorf("%s: %w", call, err)
	}
	out := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), in})
	if err, _ := out[1].Interface().(error); err != nil {
		return nil, err
	}
	return plain(out[0]), nil
}

// principal makes a declared principal when it is first named.
func (r *flowRun) principal(name string) *actor {
	if a := r.made[name]; a != nil {
		return a
	}
	d := r.f.Principals[name]
	if d == nil {
		r.t.Fatalf("the flow declares no principal %s", name)
	}
	a := &actor{}
	r.made[name] = a
	switch {
	case d["assume"] != nil:
		r.assume(a, d)
	case d["federate"] != nil:
		u := r.principal(d["federate"].(string))
		params := map[string]any{"Name": d["session_name"]}
		if p := d["session_policy"]; p != nil {
			params["Policy"] = jsonText(r.value(p))
		}
		out := r.must(r.server.As("us-east-1", u.key, u.secret, ""), "sts.GetFederationToken", params)
		a.take(at(out, "Credentials"))
		a.fields = map[string]any{"arn": at(out, "FederatedUser.Arn"), "id": at(out, "FederatedUser.FederatedUserId"), "name": d["session_name"]}
	default:
		r.make(a, name, d)
	}
	return a
}

func (a *actor) take(credentials any) {
	c, _ := credentials.(map[string]any)
	a.key, _ = c["AccessKeyId"].(string)
	a.secret, _ = c["SecretAccessKey"].(string)
	a.token, _ = c["SessionToken"].(string)
}

// assume makes a session, as an administrator user of the role's account: a root
// user assumes no roles.
func (r *flowRun) assume(a *actor, d map[string]any) {
	role, account := r.value(d["assume"]), ""
	if name, ok := d["assume"].(string); ok && r.f.Principals[name] != nil {
		role, account = r.principal(name).fields["arn"], r.f.Principals[name]["account"].(string)
	}
	if by, ok := d["account"].(string); ok {
		account = by
	}
	params := map[string]any{"RoleArn": role, "RoleSessionName": d["session_name"]}
	if p := d["session_policy"]; p != nil {
		params["Policy"] = jsonText(r.value(p))
	}
	admin := r.administrator(account)
	out := r.must(r.server.As("us-east-1", admin.key, admin.secret, ""), "sts.AssumeRole", params)
	a.take(at(out, "Credentials"))
	a.fields = map[string]any{"arn": at(out, "AssumedRoleUser.Arn"), "id": at(out, "AssumedRoleUser.AssumedRoleId"), "name": d["session_name"], "role_arn": role}
}

func (r *flowRun) administrator(account string) *actor {
	name := "administrator of " + account
	if a := r.made[name]; a != nil {
		return a
	}
	all := map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}}}
	a := &actor{}
	r.made[name] = a
	r.make(a, "administrator", map[string]any{"account": account, "kind": "user", "policies": []any{all}})
	return a
}

func (r *flowRun) must(config aws.Config, call string, params map[string]any) any {
	r.t.Helper()
	out, err := invoke(config, call, params)
	if err != nil {
		r.t.Fatalf("making a principal: %s: %v", call, err)
	}
	return out
}

// make makes a user or a role.
func (r *flowRun) make(a *actor, name string, d map[string]any) {
	account := r.accounts[d["account"].(string)]
	root := r.server.Root(account, "us-east-1")
	full, _ := d["name"].(string)
	if full == "" {
		full = "flow-" + name
	}
	kind := "User"
	params := map[string]any{}
	if d["kind"] == "role" {
		kind = "Role"
		trust := d["trust"]
		if trust == nil {
			trust = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
				"Effect": "Allow", "Principal": map[string]any{"AWS": account}, "Action": []any{"sts:AssumeRole", "sts:TagSession"},
			}}}
		}
		params["AssumeRolePolicyDocument"] = jsonText(r.value(trust))
	}
	params[kind+"Name"] = full
	if path, ok := d["path"]; ok {
		params["Path"] = path
	}
	out := r.must(root, "iam.Create"+kind, params)
	a.fields = map[string]any{"arn": at(out, kind+".Arn"), "id": at(out, kind+"."+kind+"Id"), "name": full}
	list, _ := d["policies"].([]any)
	for i, p := range list {
		r.must(root, "iam.Put"+kind+"Policy", map[string]any{kind + "Name": full, "PolicyName": fmt.Sprint("p", i), "PolicyDocument": jsonText(r.value(p))})
	}
	if b := d["boundary"]; b != nil {
		p := r.must(root, "iam.CreatePolicy", map[string]any{"PolicyName": "boundary-" + full, "PolicyDocument": jsonText(r.value(b))})
		r.must(root, "iam.Put"+kind+"PermissionsBoundary", map[string]any{kind + "Name": full, "PermissionsBoundary": at(p, "Policy.Arn")})
	}
	if kind == "User" {
		a.take(at(r.must(root, "iam.CreateAccessKey", map[string]any{"UserName": full}), "AccessKey"))
	}
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
