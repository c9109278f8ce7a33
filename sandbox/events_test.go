package sandbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/sandbox"
)

func eventsOf(c aws.Config) *eventbridge.Client { return eventbridge.NewFromConfig(c) }

// queue is an ARN of something that the sandbox does not have.
const queue = "arn:aws:sqs:us-east-1:111122223333:queue"

// bridge is a world with what is delivered in it.
type bridge struct {
	*world
	got chan sandbox.Delivery
}

func newBridge(t *testing.T) *bridge {
	t.Helper()
	b := &bridge{newWorld(t), make(chan sandbox.Delivery, 100)}
	t.Cleanup(b.Subscribe(func(d sandbox.Delivery) { b.got <- d }))
	return b
}

// next is the next delivery.
func (b *bridge) next() sandbox.Delivery {
	b.Helper()
	select {
	case d := <-b.got:
		return d
	case <-time.After(time.Minute):
		b.Fatal("nothing was delivered")
		return sandbox.Delivery{}
	}
}

// none checks that nothing more is delivered before what put puts.
func (b *bridge) none(what string) {
	b.Helper()
	select {
	case d := <-b.got:
		b.Errorf("%s: %s of %s was delivered", what, d.Event.DetailType, d.Event.Source)
	case <-time.After(50 * time.Millisecond):
	}
}

// rule makes a rule with one target.
func (b *bridge) rule(c aws.Config, bus, name, pattern string, t ebtypes.Target) {
	b.Helper()
	e := eventsOf(c)
	need(e.PutRule(b.Context(), &eventbridge.PutRuleInput{Name: &name, EventPattern: &pattern, EventBusName: &bus}))(b)
	if t.Id == nil {
		t.Id = new("one")
	}
	if t.Arn == nil {
		t.Arn = new(queue)
	}
	need(e.PutTargets(b.Context(), &eventbridge.PutTargetsInput{Rule: &name, EventBusName: &bus, Targets: []ebtypes.Target{t}}))(b)
}

func (b *bridge) put(c aws.Config, bus, source, detail string) ebtypes.PutEventsResultEntry {
	b.Helper()
	out := need(eventsOf(c).PutEvents(b.Context(), &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
		EventBusName: &bus, Source: &source, DetailType: new("Test"), Detail: &detail, Resources: []string{"arn:thing"},
	}}}))(b)
	return out.Entries[0]
}

func TestAnEventReachesTheTargetsOfTheRulesThatItMatches(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	c := b.root(owner)
	b.rule(c, "default", "mine", `{"source":["my.app"],"detail":{"n":[{"numeric":[">",1]}]}}`, ebtypes.Target{})
	b.put(c, "default", "my.app", `{"n":1}`)
	b.put(c, "default", "other", `{"n":2}`)
	id := b.put(c, "default", "my.app", `{"n":2,"s":"<&>"}`).EventId
	d := b.next()
	if d.Event.ID != *id || d.TargetARN != queue || d.RuleARN != "arn:aws:events:us-east-1:"+owner+":rule/mine" || d.Event.Account != owner {
		t.Errorf("delivered %+v", d)
	}
	if string(d.Input) != string(d.EventJSON) || !strings.Contains(string(d.Input), `"detail":{"n":2,"s":"<&>"}`) || !strings.Contains(string(d.Input), `"resources":["arn:thing"]`) {
		t.Errorf("the target gets %s", d.Input)
	}
	need(eventsOf(c).DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: new("mine")}))(t)
	b.put(c, "default", "my.app", `{"n":2}`)
	b.put(b.root(consumer), "default", "my.app", `{"n":2}`)
	b.put(b.Root(owner, "eu-west-1"), "default", "my.app", `{"n":2}`)
	b.none("a rule that is off, and other accounts and Regions")
	need(eventsOf(c).EnableRule(t.Context(), &eventbridge.EnableRuleInput{Name: new("mine")}))(t)
	b.put(c, "default", "my.app", `{"n":3}`)
	b.next()
}

func TestATargetGetsItsInput(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	c := b.root(owner)
	tests := []struct {
		name   string
		target ebtypes.Target
		want   string
	}{
		{"a text", ebtypes.Target{Input: new(`{"fixed":true}`)}, `{"fixed":true}`},
		{"a part", ebtypes.Target{InputPath: new("$.detail.list[1].k")}, `"b"`},
		{"all of a list", ebtypes.Target{InputPath: new("$.detail.list[*].k")}, `["a","b"]`},
		{"a template", ebtypes.Target{InputTransformer: &ebtypes.InputTransformer{
			InputPathsMap: map[string]string{"n": "$.detail.n", "s": "$.detail.s", "o": "$.detail.list[0]", "gone": "$.detail.gone", "dt": "$.detail-type"},
			InputTemplate: new(`{"n":<n>,"s":<s>,"t":"<s> is \"<n>\"","o":<o>,"gone":<gone>,"g":"<gone>","dt":"<dt>","not":"<not>","rule":<aws.events.rule-name>}`),
		}}, `{"n":7,"s":"a\"b","t":"a\"b is \"7\"","o":{"k":"a"},"gone":null,"g":"","dt":"Test","not":"<not>","rule":"r3"}`},
	}
	for i, tt := range tests {
		name := fmt.Sprintf("r%d", i)
		b.rule(c, "default", name, fmt.Sprintf(`{"source":[%q]}`, name), tt.target)
		b.put(c, "default", name, `{"n":7,"s":"a\"b","list":[{"k":"a"},{"k":"b"}]}`)
		if got := string(b.next().Input); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// destination makes an API destination for an endpoint and returns its ARN.
func (b *bridge) destination(c aws.Config, name, endpoint string) *string {
	b.Helper()
	e := eventsOf(c)
	k := need(e.CreateConnection(b.Context(), &eventbridge.CreateConnectionInput{
		Name: &name, AuthorizationType: ebtypes.ConnectionAuthorizationTypeApiKey,
		AuthParameters: &ebtypes.CreateConnectionAuthRequestParameters{ApiKeyAuthParameters: &ebtypes.CreateConnectionApiKeyAuthRequestParameters{
			ApiKeyName: new("X-Api-Key"), ApiKeyValue: new("secret-of-" + name),
		}},
	}))(b)
	return need(e.CreateApiDestination(b.Context(), &eventbridge.CreateApiDestinationInput{
		Name: &name, ConnectionArn: k.ConnectionArn, HttpMethod: ebtypes.ApiDestinationHttpMethodPost, InvocationEndpoint: &endpoint,
	}))(b).ApiDestinationArn
}

// attempts asks the sandbox what came of its deliveries, until there are n.
func (b *bridge) attempts(n int) []map[string]any {
	b.Helper()
	for range 3000 { // a minute
		res, err := b.Client().Get(b.URL + "/_keyreach/deliveries")
		if err != nil {
			b.Fatal(err)
		}
		var out struct{ Deliveries []map[string]any }
		err = json.NewDecoder(res.Body).Decode(&out)
		_ = res.Body.Close()
		if err != nil {
			b.Fatal(err)
		}
		if len(out.Deliveries) >= n {
			return out.Deliveries
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.Fatalf("there were no %d deliveries", n)
	return nil
}

func TestAnEventIsPostedToAnAPIDestination(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	c := b.root(owner)
	var calls atomic.Int32
	bodies := make(chan string, 10)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // the second try works
			return
		}
		body, _ := io.ReadAll(r.Body)
		bodies <- fmt.Sprint(r.Method, " ", r.URL, " ", r.Header.Get("X-Api-Key"), " ", r.Header.Get("X-More"), " ", string(body))
	}))
	defer web.Close()
	b.rule(c, "default", "out", `{"source":["my.app"]}`, ebtypes.Target{
		Arn: b.destination(c, "hook", web.URL+"/*/x"), InputPath: new("$.detail"),
		HttpParameters: &ebtypes.HttpParameters{
			PathParameterValues: []string{"$.detail.n"}, QueryStringParameters: map[string]string{"q": "1"}, HeaderParameters: map[string]string{"X-More": "more"},
		},
	})
	for n := range 3 {
		b.put(c, "default", "my.app", fmt.Sprintf(`{"n":%d}`, n))
	}
	for n := range 3 {
		want := fmt.Sprintf(`POST /%d/x?q=1 secret-of-hook more {"n":%d}`, n, n)
		select {
		case got := <-bodies:
			if got != want {
				t.Errorf("posted %s, want %s", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatal("nothing was posted")
		}
	}
	list := b.attempts(3)
	if first := list[2]; first["tries"] != 2.0 || first["status"] != 200.0 || first["error"] != nil {
		t.Errorf("the first attempt was %v", first)
	}
}

func TestADestinationThatFailsHoldsUpNothingAndIsTold(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	c := b.root(owner)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Redirect(w, &http.Request{}, "http://127.0.0.1:1/", http.StatusFound)
	}))
	defer web.Close()
	b.rule(c, "default", "out", `{"source":["my.app"]}`, ebtypes.Target{Arn: b.destination(c, "hook", web.URL)})
	b.rule(c, "default", "own", `{"source":["evil"]}`, ebtypes.Target{Arn: b.destination(c, "own", b.URL+"/_keyreach/reset")})
	b.put(c, "default", "my.app", `{}`)
	b.put(c, "default", "evil", `{}`)
	b.next()
	b.next()
	for _, a := range b.attempts(2) {
		want := "the destination answered 302"
		if strings.HasSuffix(a["rule"].(string), "/own") {
			want = "the destination answered 403"
		}
		if a["error"] != want || a["tries"] != 1.0 {
			t.Errorf("the attempt is %v, want %s", a, want)
		}
	}
	if _, err := eventsOf(c).DescribeRule(t.Context(), &eventbridge.DescribeRuleInput{Name: new("own")}); err != nil {
		t.Errorf("an event reset the sandbox: %v", err)
	}
}

func TestEventsAreSentToThisMachineOnly(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	c := b.root(owner)
	k := *need(eventsOf(c).CreateConnection(t.Context(), &eventbridge.CreateConnectionInput{
		Name: new("k"), AuthorizationType: ebtypes.ConnectionAuthorizationTypeBasic,
		AuthParameters: &ebtypes.CreateConnectionAuthRequestParameters{BasicAuthParameters: &ebtypes.CreateConnectionBasicAuthRequestParameters{Username: new("u"), Password: new("hidden")}},
	}))(t).ConnectionArn
	for _, url := range []string{"http://example.com/", "https://10.0.0.1/", "http://169.254.169.254/latest", "ftp://127.0.0.1/", "http://127.0.0.1.example.com/", "http://u@127.0.0.1/"} {
		_, err := eventsOf(c).CreateApiDestination(t.Context(), &eventbridge.CreateApiDestinationInput{
			Name: new("d"), ConnectionArn: &k, HttpMethod: ebtypes.ApiDestinationHttpMethodPost, InvocationEndpoint: &url,
		})
		if got := refusal(err); !strings.HasPrefix(got, "ValidationException: Parameter InvocationEndpoint is not valid") {
			t.Errorf("%s: %q", url, got)
		}
	}
	need(eventsOf(c).UpdateConnection(t.Context(), &eventbridge.UpdateConnectionInput{
		Name: new("k"), AuthParameters: &ebtypes.UpdateConnectionAuthRequestParameters{BasicAuthParameters: &ebtypes.UpdateConnectionBasicAuthRequestParameters{Password: new("hidden")}},
	}))(t)
	_, err := eventsOf(c).UpdateConnection(t.Context(), &eventbridge.UpdateConnectionInput{Name: new("k"), AuthorizationType: ebtypes.ConnectionAuthorizationTypeApiKey})
	b.ends("another type without its parameters", err, "The authorization parameters are not those of the authorization type.")
	shown := need(eventsOf(c).DescribeConnection(t.Context(), &eventbridge.DescribeConnectionInput{Name: new("k")}))(t)
	if text := fmt.Sprintf("%+v", *shown.AuthParameters.BasicAuthParameters); strings.Contains(text, "hidden") || shown.SecretArn == nil {
		t.Errorf("the connection shows %s", text)
	}
	if records := b.records(owner); strings.Contains(records, `"hidden"`) || !strings.Contains(records, "CreateConnection") {
		t.Errorf("CloudTrail has %s", records)
	}
}

// remote makes requests to a sandbox that come from elsewhere.
type remote struct{ to http.Handler }

func (r remote) Do(q *http.Request) (*http.Response, error) {
	q.RemoteAddr, q.RequestURI = "192.0.2.7:4711", q.URL.RequestURI()
	w := httptest.NewRecorder()
	r.to.ServeHTTP(w, q)
	return w.Result(), nil
}

func TestOnlyThisMachineSetsWhereEventsAreSent(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	c := b.root(owner)
	b.destination(c, "hook", "http://127.0.0.1:1/")
	c.HTTPClient = remote{b.Sandbox}
	_, err := eventsOf(c).UpdateApiDestination(t.Context(), &eventbridge.UpdateApiDestinationInput{Name: new("hook"), InvocationEndpoint: new("http://127.0.0.1:2/")})
	b.ends("from elsewhere", err, "AccessDeniedException: The sandbox lets callers of its own machine set an endpoint.")
	if _, err := eventsOf(c).DescribeApiDestination(t.Context(), &eventbridge.DescribeApiDestinationInput{Name: new("hook")}); err != nil {
		t.Error(err)
	}
}

// records are the CloudTrail records of an account as one text.
func (w *world) records(account string) string {
	w.Helper()
	var all strings.Builder
	for _, e := range need(cloudtrail.NewFromConfig(w.root(account)).LookupEvents(w.Context(), &cloudtrail.LookupEventsInput{}))(w).Events {
		all.WriteString(*e.CloudTrailEvent + "\n")
	}
	return all.String()
}

func TestABusLetsOtherAccountsInByItsPolicy(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	mine, theirs := b.root(owner), b.root(consumer)
	bus := *need(eventsOf(mine).CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: new("shared")}))(t).EventBusArn
	b.rule(mine, "shared", "r", `{"source":["my.app"]}`, ebtypes.Target{})
	putTheirs := func() error {
		_, err := eventsOf(theirs).PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
			EventBusName: &bus, Source: new("my.app"), DetailType: new("T"), Detail: new("{}"),
		}}})
		return err
	}
	b.ends("before", putTheirs(), "is not authorized to perform: events:PutEvents on resource: "+bus+" because no resource-based policy allows the events:PutEvents action")
	need(eventsOf(mine).PutPermission(t.Context(), &eventbridge.PutPermissionInput{
		EventBusName: new("shared"), StatementId: new("them"), Principal: new(consumer), Action: new("events:PutEvents"),
	}))(t)
	b.ends("after", putTheirs(), "")
	if d := b.next(); d.Event.Account != consumer {
		t.Errorf("the event is of account %s", d.Event.Account)
	}
	shown := need(eventsOf(mine).DescribeEventBus(t.Context(), &eventbridge.DescribeEventBusInput{Name: &bus}))(t)
	if shown.Policy == nil || !strings.Contains(*shown.Policy, "arn:aws:iam::"+consumer+":root") {
		t.Errorf("the bus shows %v", shown.Policy)
	}
	_, err := eventsOf(mine).RemovePermission(t.Context(), &eventbridge.RemovePermissionInput{EventBusName: new("shared"), StatementId: new("nobody")})
	b.ends("no such statement", err, "Statement with the provided id does not exist.")
	need(eventsOf(mine).RemovePermission(t.Context(), &eventbridge.RemovePermissionInput{EventBusName: new("shared"), StatementId: new("them")}))(t)
	if err := putTheirs(); err == nil {
		t.Error("the other account still puts events")
	}
	_, err = eventsOf(theirs).DescribeEventBus(t.Context(), &eventbridge.DescribeEventBusInput{Name: &bus})
	if !strings.HasPrefix(refusal(err), "AccessDeniedException") {
		t.Errorf("the other account sees the bus: %v", err)
	}
}

func TestARuleSendsToTheBusOfAnotherAccountThatLetsItIn(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	mine, theirs := b.root(owner), b.root(consumer)
	bus := "arn:aws:events:us-east-1:" + consumer + ":event-bus/default"
	b.rule(mine, "default", "over", `{"source":["my.app"]}`, ebtypes.Target{Arn: &bus})
	b.rule(theirs, "default", "r", `{"source":["my.app"]}`, ebtypes.Target{})
	b.put(mine, "default", "my.app", "{}")
	if why := b.attempts(1)[0]["error"].(string); !strings.Contains(why, "no resource-based policy allows the events:PutEvents action") {
		t.Errorf("refused because %s", why)
	}
	need(eventsOf(theirs).PutPermission(t.Context(), &eventbridge.PutPermissionInput{StatementId: new("o"), Principal: new(owner), Action: new("events:PutEvents")}))(t)
	b.put(mine, "default", "my.app", "{}")
	if d := b.next(); d.Event.Account != owner || !strings.Contains(d.RuleARN, consumer) {
		t.Errorf("delivered %+v", d)
	}
}

func TestARuleSendsToABusAsTheRoleOfItsTarget(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	mine, theirs := b.root(owner), b.root(consumer)
	bus := "arn:aws:events:us-east-1:" + consumer + ":event-bus/default"
	role := b.role(owner, "sender", allow("events:PutEvents"), "")
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"events:PutEvents","Resource":%q}]}`, role.arn, bus)
	need(eventsOf(theirs).PutPermission(t.Context(), &eventbridge.PutPermissionInput{Policy: &policy}))(t)
	b.rule(mine, "default", "over", `{"source":["my.app"]}`, ebtypes.Target{Arn: &bus, RoleArn: &role.arn})
	b.rule(theirs, "default", "r", `{"source":["my.app"]}`, ebtypes.Target{})
	b.put(mine, "default", "my.app", "{}")
	if why := b.attempts(1)[0]["error"].(string); !strings.Contains(why, "not authorized to perform: sts:AssumeRole") {
		t.Errorf("a role that does not trust EventBridge: %s", why)
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	need(iam.NewFromConfig(mine).UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &role.name, PolicyDocument: &trust}))(t)
	b.put(mine, "default", "my.app", "{}")
	if d := b.next(); !strings.Contains(d.RuleARN, consumer) {
		t.Errorf("delivered %+v", d)
	}
}

func TestSchedulesFireOnTheClock(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	c := b.root(owner)
	e := eventsOf(c)
	need(e.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: new("tick"), ScheduleExpression: new("rate(2 hours)")}))(t)
	need(e.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: new("tick"), Targets: []ebtypes.Target{{Id: new("a"), Arn: new(queue)}}}))(t)
	b.pass(time.Hour)
	b.none("an hour")
	b.pass(5 * time.Hour)
	for range 3 {
		if d := b.next(); d.Event.DetailType != "Scheduled Event" || d.Event.Source != "aws.events" || d.Event.Resources[0] != d.RuleARN {
			t.Errorf("delivered %+v", d.Event)
		}
	}
	b.none("after six hours")
	need(e.DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: new("tick")}))(t)
	b.pass(10 * time.Hour)
	b.none("a rule that is off")
	for _, bad := range []string{"rate(1 hours)", "rate(2 hour)", "rate(0 hours)", "cron(* *)", "every day"} {
		_, err := e.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: new("bad"), ScheduleExpression: &bad})
		b.ends(bad, err, "Parameter ScheduleExpression is not valid.")
	}
	need(e.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: new("noon"), ScheduleExpression: new("cron(0 12 * * ? *)")}))(t)
	need(e.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: new("noon"), Targets: []ebtypes.Target{{Id: new("a"), Arn: new(queue)}}}))(t)
	b.pass(3 * day)
	for range 3 {
		if d := b.next(); !strings.HasSuffix(d.RuleARN, "rule/noon") || !strings.HasSuffix(d.Event.Time, "T12:00:00Z") {
			t.Errorf("delivered %+v", d.Event)
		}
	}
	b.none("after three days")
}

func TestCallsAreTheEventsOfAnAccountThatHasATrail(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	c := b.root(owner)
	b.rule(c, "default", "calls", `{"detail-type":["AWS API Call via CloudTrail"],"detail":{"eventName":["CreateAlias","ListAliases","CreateKey","DescribeKey"]}}`, ebtypes.Target{})
	k := b.kmsOf(c)
	need(k.CreateKey(t.Context(), &kms.CreateKeyInput{}))(t)
	b.none("without a trail")
	trail := cloudtrail.NewFromConfig(c)
	need(trail.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: new("all"), S3BucketName: new("logs")}))(t)
	need(trail.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: new("all")}))(t)
	key := need(k.CreateKey(t.Context(), &kms.CreateKeyInput{Description: new("seen")}))(t).KeyMetadata
	d := b.next()
	var detail struct {
		EventName, EventSource string
		RequestParameters      struct{ Description string }
	}
	if err := json.Unmarshal(d.Event.Detail, &detail); err != nil {
		t.Fatal(err)
	}
	if d.Event.Source != "aws.kms" || detail.EventName != "CreateKey" || detail.RequestParameters.Description != "seen" {
		t.Errorf("delivered %s", d.Event.Detail)
	}
	_, _ = k.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: new("nothing"), TargetKeyId: key.KeyId})
	if d := b.next(); !strings.Contains(string(d.Event.Detail), `"errorCode":"ValidationException"`) {
		t.Errorf("a refused call is told as %s", d.Event.Detail)
	}
	need(k.ListAliases(t.Context(), &kms.ListAliasesInput{}))(t)
	b.none("a call that reads")
	need(eventsOf(c).PutRule(t.Context(), &eventbridge.PutRuleInput{
		Name: new("calls"), EventPattern: new(`{"detail":{"eventName":["ListAliases"]}}`), State: ebtypes.RuleStateEnabledWithAllCloudtrailManagementEvents,
	}))(t)
	need(k.ListAliases(t.Context(), &kms.ListAliasesInput{}))(t)
	b.next()
}

func TestAKeyTellsWhatHappensToIt(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	c := b.root(owner)
	b.rule(c, "default", "keys", `{"source":["aws.kms"]}`, ebtypes.Target{})
	k := b.kmsOf(c)
	id := need(k.CreateKey(t.Context(), &kms.CreateKeyInput{}))(t).KeyMetadata.KeyId
	need(k.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: id}))(t)
	if d := b.next(); d.Event.DetailType != "KMS CMK Rotation" || !strings.Contains(string(d.Event.Detail), `"rotation-type":"ON_DEMAND"`) {
		t.Errorf("delivered %+v", d.Event)
	}
	need(k.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: id, RotationPeriodInDays: new(int32(90))}))(t)
	b.pass(91 * day)
	if d := b.next(); d.Event.DetailType != "KMS CMK Rotation" || !strings.Contains(string(d.Event.Detail), `"rotation-type":"AUTOMATIC"`) {
		t.Errorf("delivered %+v", d.Event)
	}
	need(k.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: new(int32(7))}))(t)
	b.pass(8 * day)
	if d := b.next(); d.Event.DetailType != "KMS CMK Deletion" || !strings.Contains(string(d.Event.Detail), *id) {
		t.Errorf("delivered %+v", d.Event)
	}
}

func TestRulesAreKeptAndRefusedAsOnAWS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := eventsOf(w.root(owner))
	ctx := t.Context()
	put := func(in *eventbridge.PutRuleInput) error { _, err := e.PutRule(ctx, in); return err }
	pattern := new(`{"source":["a"]}`)
	w.ends("neither", put(&eventbridge.PutRuleInput{Name: new("r")}), "Parameter(s) EventPattern or ScheduleExpression must be specified.")
	w.ends("no pattern", put(&eventbridge.PutRuleInput{Name: new("r"), EventPattern: new(`{"source":"a"}`)}),
		`InvalidEventPatternException: Event pattern is not valid. Reason: "source" must be an object or an array`)
	w.ends("no bus", put(&eventbridge.PutRuleInput{Name: new("r"), EventPattern: pattern, EventBusName: new("none")}), "ResourceNotFoundException: Event bus none does not exist.")
	need(e.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: new("own"), Tags: []ebtypes.Tag{{Key: new("k"), Value: new("v")}}}))(t)
	_, err := e.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: new("own")})
	w.ends("twice", err, "ResourceAlreadyExistsException: Event bus own already exists.")
	w.ends("a schedule on a bus", put(&eventbridge.PutRuleInput{Name: new("r"), ScheduleExpression: new("rate(1 day)"), EventBusName: new("own")}), "ScheduleExpression is supported only on the default event bus.")
	for _, name := range []string{"a1", "a2", "b"} {
		need(e.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: pattern, EventBusName: new("own"), Tags: []ebtypes.Tag{{Key: new("n"), Value: &name}}}))(t)
	}
	page := need(e.ListRules(ctx, &eventbridge.ListRulesInput{EventBusName: new("own"), NamePrefix: new("a"), Limit: new(int32(1))}))(t)
	rest := need(e.ListRules(ctx, &eventbridge.ListRulesInput{EventBusName: new("own"), NamePrefix: new("a"), NextToken: page.NextToken}))(t)
	if len(page.Rules) != 1 || len(rest.Rules) != 1 || *rest.Rules[0].Name != "a2" || rest.NextToken != nil {
		t.Errorf("listed %v, then %v", page.Rules, rest.Rules)
	}
	need(e.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: new("a1"), EventBusName: new("own"), Targets: []ebtypes.Target{{Id: new("x"), Arn: new(queue)}}}))(t)
	if names := need(e.ListRuleNamesByTarget(ctx, &eventbridge.ListRuleNamesByTargetInput{TargetArn: new(queue), EventBusName: new("own")}))(t).RuleNames; !slices.Equal(names, []string{"a1"}) {
		t.Errorf("the target has the rules %v", names)
	}
	_, err = e.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: new("a1"), EventBusName: new("own")})
	w.ends("a rule with targets", err, "Rule can't be deleted since it has targets.")
	_, err = e.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: new("a1")})
	w.ends("another bus", err, "ResourceNotFoundException: Rule a1 does not exist on EventBus default.")
	out := need(e.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: new("a1"), EventBusName: new("own"), Ids: []string{"x", "y"}}))(t)
	if out.FailedEntryCount != 1 || *out.FailedEntries[0].TargetId != "y" {
		t.Errorf("removed with %v", out.FailedEntries)
	}
	rule := need(e.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: new("a1"), EventBusName: new("own")}))(t)
	tags := need(e.ListTagsForResource(ctx, &eventbridge.ListTagsForResourceInput{ResourceARN: rule.Arn}))(t).Tags
	if len(tags) != 1 || *tags[0].Value != "a1" || rule.State != ebtypes.RuleStateEnabled || *rule.CreatedBy != owner {
		t.Errorf("the rule is %+v with %v", rule, tags)
	}
	_, err = e.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: new("own")})
	w.ends("a bus with rules", err, "since it has rules.")
	_, err = e.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: new("nobody")})
	w.ends("a rule that there is not", err, "")
	bad := need(e.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{
		{Source: new("aws.ec2"), DetailType: new("x"), Detail: new("{}")}, {Source: new("x"), DetailType: new("x"), Detail: new("[")},
		{Source: new("x"), DetailType: new("x")}, {Source: new("x"), DetailType: new("x"), Detail: new("{}")},
	}}))(t)
	var codes []string
	for _, r := range bad.Entries {
		codes = append(codes, aws.ToString(r.ErrorCode))
	}
	if !slices.Equal(codes, []string{"NotAuthorizedForSourceException", "MalformedDetail", "InvalidArgument", ""}) || bad.FailedEntryCount != 3 {
		t.Errorf("the entries have %v", codes)
	}
	test := need(e.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{
		EventPattern: pattern, Event: new(`{"id":"1","account":"1","source":"a","time":"x","region":"r","resources":[],"detail-type":"t"}`),
	}))(t)
	if !test.Result {
		t.Error("the pattern does not match")
	}
}

func TestPuttingEventsAndTargetsIsAskedWithTheirConditionKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["events:PutRule","events:PutTargets"],"Resource":"*"},
	{"Effect":"Allow","Action":"events:PutEvents","Resource":"*","Condition":{"StringEquals":{"events:source":"my.app"}}},
	{"Effect":"Deny","Action":"events:PutTargets","Resource":"*","Condition":{"ForAnyValue:ArnLike":{"events:TargetArn":"arn:aws:sns:*"}}}]}`
	_, c := w.user(owner, "limited", policy)
	role := w.role(owner, "target", "", "")
	e := eventsOf(c)
	put := func(source string) error {
		_, err := e.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{Source: &source, DetailType: new("t"), Detail: new("{}")}}})
		return err
	}
	w.ends("its source", put("my.app"), "")
	w.ends("another source", put("other"), "because no identity-based policy allows the events:PutEvents action")
	need(e.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: new("r"), EventPattern: new(`{"source":["a"]}`)}))(t)
	target := func(arn string, role *string) error {
		_, err := e.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: new("r"), Targets: []ebtypes.Target{{Id: new("x"), Arn: &arn, RoleArn: role}}})
		return err
	}
	w.ends("a queue", target(queue, nil), "")
	w.ends("a topic", target("arn:aws:sns:us-east-1:111122223333:t", nil), "with an explicit deny in an identity-based policy")
	w.ends("with a role", target(queue, &role.arn), "because no identity-based policy allows the iam:PassRole action")
	need(iam.NewFromConfig(w.root(owner)).PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: new("limited"), PolicyName: new("pass"), PolicyDocument: new(allow("iam:PassRole"))}))(t)
	w.ends("with the right to pass it", target(queue, &role.arn), "")
}

func TestAnEventForABusThatThereIsNotIsTakenAndLost(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	r := b.put(b.root(owner), "nowhere", "my.app", "{}")
	if r.EventId == nil || r.ErrorCode != nil {
		t.Errorf("answered %+v", r)
	}
	if a := b.attempts(1)[0]; a["error"] != "event bus nowhere does not exist" || a["event_id"] != *r.EventId {
		t.Errorf("told as %v", a)
	}
}

func TestRulesSecretsAndParametersAreKeptInTheStateFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state")
	start := func(t *testing.T) *bridge {
		b := &bridge{newWorldWith(t, sandbox.Options{State: file}), make(chan sandbox.Delivery, 10)}
		t.Cleanup(b.Subscribe(func(d sandbox.Delivery) { b.got <- d }))
		return b
	}
	t.Run("before", func(t *testing.T) {
		b := start(t)
		c := b.root(owner)
		b.rule(c, "default", "r", `{"source":["my.app"]}`, ebtypes.Target{})
		need(eventsOf(c).PutRule(t.Context(), &eventbridge.PutRuleInput{Name: new("tick"), ScheduleExpression: new("rate(1 hour)")}))(t)
		need(eventsOf(c).PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: new("tick"), Targets: []ebtypes.Target{{Id: new("a"), Arn: new(queue)}}}))(t)
		b.secret(c, "s", nil)
		b.parameter(c, "p", "", nil)
	})
	t.Run("after", func(t *testing.T) {
		b := start(t)
		c := b.root(owner)
		b.put(c, "default", "my.app", "{}")
		b.next()
		b.pass(time.Hour)
		if d := b.next(); d.Event.DetailType != "Scheduled Event" {
			t.Errorf("delivered %+v", d.Event)
		}
		if got, err := b.readSecret(c, "s"); got != hidden {
			t.Errorf("the secret is %q, %v", got, err)
		}
		if got, err := b.readParameter(c, "p"); got != hidden {
			t.Errorf("the parameter is %q, %v", got, err)
		}
	})
}
