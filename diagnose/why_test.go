package diagnose_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
)

// noon is when the things of these tests failed, and an hour later it is asked why.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// told is an AWS that tells of one failure, and of calls by account and Region.
type toldSource struct {
	failed  cloud.Failed
	err     error
	calls   map[string][]cloud.Event // by account and Region
	refuses map[string]error
	asked   []cloud.Trail
	partial bool
}

func (s *toldSource) Failed(context.Context, cloud.Subject) (cloud.Failed, error) {
	return s.failed, s.err
}

func (s *toldSource) Trail(_ context.Context, q cloud.Trail) ([]cloud.Event, bool, error) {
	s.asked = append(s.asked, q)
	at := q.Account + " " + q.Region
	if err := s.refuses[at]; err != nil {
		return nil, false, err
	}
	var list []cloud.Event
	for _, v := range s.calls[at] {
		inTime := !v.At.Before(q.From) && (q.To.IsZero() || !v.At.After(q.To))
		named := slices.Contains(q.Sources, v.Source) || slices.Contains(q.Names, v.Name)
		if inTime && named && (!q.Refused || v.Code != "") && (!q.Made || v.Code == "") {
			list = append(list, v)
		}
	}
	return list, !s.partial, nil
}

func (s *toldSource) Decode(context.Context, string, string) (cloud.Decoded, error) {
	return cloud.Decoded{}, nil
}

// refusal is a call to KMS that was refused, as CloudTrail has it.
func refusal(who, action, key string, change func(*cloud.Event)) cloud.Event {
	v := cloud.Event{
		ID: "1", At: noon.Add(time.Second), Source: "kms.amazonaws.com", Name: strings.TrimPrefix(action, "kms:"), Account: judgeOwner, Region: "us-east-1", Who: who,
		InvokedBy: "ec2-frontend-api.amazonaws.com", Code: "AccessDenied", Resources: []string{key},
		Message: "User: " + who + " is not authorized to perform: " + action + " on resource: " + key + " because no identity-based policy allows the " + action + " action",
	}
	if change != nil {
		change(&v)
	}
	v.Record = record(&v)
	return v
}

// record is the event as CloudTrail writes it.
func record(v *cloud.Event) string {
	text, _ := json.Marshal(map[string]any{ // texts and times alone
		"eventVersion": "1.11", "eventTime": v.At, "eventSource": v.Source, "eventName": v.Name, "awsRegion": v.Region, "errorCode": v.Code, "errorMessage": v.Message, "eventID": v.ID,
		"userIdentity": map[string]any{"type": "AssumedRole", "arn": v.Who, "invokedBy": v.InvokedBy}, "requestParameters": v.Parameters, "recipientAccountId": v.Account,
		"eventType": "AwsApiCall",
	})
	return string(text)
}

// changed is a call that was made.
func changed(name, who string, parameters map[string]string, change func(*cloud.Event)) cloud.Event {
	v := cloud.Event{ID: name, At: noon.Add(-time.Hour), Source: "kms.amazonaws.com", Name: name, Account: judgeOwner, Region: "us-east-1", Who: who, Parameters: parameters}
	if change != nil {
		change(&v)
	}
	v.Record = record(&v)
	return v
}

const judgeSession = "arn:aws:sts::111122223333:assumed-role/app/one"

func copyFailed() cloud.Failed {
	return cloud.Failed{
		ID: "snap-1", What: "snapshot", Account: judgeOwner, Region: "us-east-1", State: "error", Text: "Given key ID is not accessible", At: noon,
		Operation: "ec2:CopySnapshot", Keys: []string{judgeKey}, Related: []string{"snap-1"},
	}
}

func explain(t *testing.T, s *toldSource, o diagnose.WhyOptions) *diagnose.Explanation {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = noon.Add(time.Hour)
	}
	x, err := diagnose.Explain(t.Context(), s, cloud.Subject{ID: s.failed.ID, Account: judgeOwner, Region: "us-east-1"}, o)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestTheRefusedCallBehindAFailureIsFound(t *testing.T) {
	t.Parallel()
	const here = judgeOwner + " us-east-1"
	other := strings.Replace(judgeKey, judgeID, "99999999-12ab-34cd-56ef-1234567890ab", 1)
	own := refusal(judgeSession, "kms:CreateGrant", judgeKey, nil)
	for _, tt := range []struct {
		name   string
		failed func(*cloud.Failed)
		calls  map[string][]cloud.Event
		want   string // of the sentence
		key    string
		near   int
		note   string
	}{
		{"by its key", nil, map[string][]cloud.Event{here: {own}}, "because " + judgeSession + " may not do kms:CreateGrant on " + judgeKey + ", a key of its own account 111122223333: no identity-based policy allows the kms:CreateGrant action.", judgeKey, 0, ""},
		{"by its id, rather than by its key", nil, map[string][]cloud.Event{here: {own, refusal(judgeUser, "kms:ReEncryptTo", judgeKey, func(v *cloud.Event) { v.Message += " for snap-1" })}}, "because " + judgeUser + " may not do kms:ReEncryptTo", judgeKey, 1, ""},
		{"by the role as which the service works", func(f *cloud.Failed) { f.Keys, f.Principal, f.Operation = nil, judgeRole, "backup:StartCopyJob" }, map[string][]cloud.Event{here: {own}}, "because " + judgeSession + " may not", judgeKey, 0, ""},
		{"by the service, when nothing else is known", func(f *cloud.Failed) { f.Keys = nil }, map[string][]cloud.Event{here: {own}}, "failed most likely because " + judgeSession + " may not", judgeKey, 0, ""},
		{"not by another service", func(f *cloud.Failed) { f.Keys, f.Operation = nil, "rds:CopyDBSnapshot" }, map[string][]cloud.Event{here: {own}}, "CloudTrail shows no refused call behind it", "", 1, ""},
		{"not long after", nil, map[string][]cloud.Event{here: {refusal(judgeSession, "kms:CreateGrant", judgeKey, func(v *cloud.Event) { v.At = noon.Add(20 * time.Hour) })}}, "most likely for this", judgeKey, 0, ""},
		{"in the account that its service names", func(f *cloud.Failed) {
			f.Text, f.Keys = "Not authorized to use key arn:aws:kms:us-east-1:444455556666:key/"+judgeID, nil
		}, map[string][]cloud.Event{judgeOther + " us-east-1": {refusal(judgeFar, "kms:ReEncryptFrom", strings.Replace(judgeKey, judgeOwner, judgeOther, 1), nil)}}, "because " + judgeFar, "arn:aws:kms:us-east-1:444455556666:key/" + judgeID, 0, ""},
		{"in the Region of its key", func(f *cloud.Failed) { f.Keys = []string{strings.Replace(judgeKey, "us-east-1", "eu-west-1", 1)} }, map[string][]cloud.Event{judgeOwner + " eu-west-1": {refusal(judgeSession, "kms:ReEncryptFrom", strings.Replace(judgeKey, "us-east-1", "eu-west-1", 1), nil)}}, "kms:ReEncryptFrom on arn:aws:kms:eu-west-1", strings.Replace(judgeKey, "us-east-1", "eu-west-1", 1), 0, ""},
		{"the half of ReEncrypt that was refused", nil, map[string][]cloud.Event{here: {refusal(judgeSession, "kms:ReEncryptFrom", judgeKey, func(v *cloud.Event) {
			v.Name, v.Message = "ReEncrypt", "User: "+judgeSession+" is not authorized to perform: kms:ReEncryptFrom on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
			v.Parameters = map[string]string{"sourceKeyId": other, "destinationKeyId": judgeKey}
		})}}, "may not do kms:ReEncryptFrom on " + other, other, 0, ""},
		{"an explicit deny", nil, map[string][]cloud.Event{here: {refusal(judgeSession, "kms:CreateGrant", judgeKey, func(v *cloud.Event) {
			v.Message = strings.Replace(v.Message, " because no identity-based policy allows the kms:CreateGrant action", " with an explicit deny in a service control policy", 1)
		})}}, ": an explicit deny in a service control policy.", judgeKey, 0, ""},
		{"a disabled key", nil, map[string][]cloud.Event{here: {refusal(judgeSession, "kms:CreateGrant", judgeKey, func(v *cloud.Event) { v.Code, v.Message = "DisabledException", judgeKey+" is disabled." })}}, "(DisabledException: " + judgeKey + " is disabled).", judgeKey, 0, ""},
		{"another refusal of EC2, which is about no key", nil, map[string][]cloud.Event{here: {refusal(judgeSession, "ec2:DescribeVolumes", "", func(v *cloud.Event) {
			v.Source, v.Name, v.Code, v.Message = "ec2.amazonaws.com", "DescribeVolumes", "InvalidVolume.NotFound", "The volume 'snap-1' does not exist."
		})}}, "most likely for this", judgeKey, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &toldSource{failed: copyFailed(), calls: tt.calls}
			if tt.failed != nil {
				tt.failed(&s.failed)
			}
			x := explain(t, s, diagnose.WhyOptions{})
			if !strings.HasPrefix(x.Says, "The snapshot snap-1 failed ") || !strings.Contains(x.Says, tt.want) || len(x.Near) != tt.near || !x.Found() {
				t.Errorf("it is said: %s\nwant %s, near %d (want %d)", x.Says, tt.want, len(x.Near), tt.near)
			}
			if x.Incident == nil || x.Incident.Key != tt.key || len(x.Incident.Causes) == 0 {
				t.Errorf("the incident is %+v, want the key %s", x.Incident, tt.key)
			}
		})
	}
}

func TestWithoutATimeNoRefusalIsTakenThatOnlyComesFromTheService(t *testing.T) {
	t.Parallel()
	gone := cloud.Failed{What: "volume", ID: "vol-0a", Account: judgeOwner, Region: "us-east-1", State: "gone", Text: "InvalidVolume.NotFound: the volume vol-0a does not exist", Operation: "ec2:CreateVolume", Related: []string{"vol-0a"}}
	now := refusal(judgeSession, "kms:CreateGrant", judgeKey, func(v *cloud.Event) { v.At = noon.Add(time.Hour) })
	x := explain(t, &toldSource{failed: gone, calls: map[string][]cloud.Event{judgeOwner + " us-east-1": {now}}}, diagnose.WhyOptions{})
	if x.Found() || x.Denial != nil || len(x.Near) != 1 || !strings.Contains(x.Says, "is not there") {
		t.Errorf("a refusal of any volume: found is %v, near %d, %s", x.Found(), len(x.Near), x.Says)
	}
	own := refusal(judgeSession, "kms:CreateGrant", judgeKey, func(v *cloud.Event) {
		v.At, v.Parameters = noon.Add(time.Hour), map[string]string{"constraints": "aws:ebs:id=vol-0a"}
	})
	x = explain(t, &toldSource{failed: gone, calls: map[string][]cloud.Event{judgeOwner + " us-east-1": {now, own}}}, diagnose.WhyOptions{})
	if !x.Found() || x.Denial == nil || !strings.Contains(x.Says, "failed because "+judgeSession) {
		t.Errorf("the refusal of its own: found is %v, %s", x.Found(), x.Says)
	}
}

func TestWhatIsKnownOfAFailureStandsInItsCommands(t *testing.T) {
	t.Parallel()
	f := copyFailed()
	f.Text = "Given key ID is not accessible"
	x := explain(t, &toldSource{failed: f}, diagnose.WhyOptions{})
	commands := ""
	for _, c := range x.Incident.Causes {
		for _, q := range c.Settles {
			commands += q.Command + "\n"
		}
	}
	if !strings.Contains(commands, judgeKey) || !strings.Contains(commands, "--region us-east-1") || strings.Contains(commands, "REGION\n") || strings.Contains(commands, " KEY") {
		t.Errorf("it is asked by\n%s", commands)
	}
}

func TestWhatCannotBeLookedUpIsNoted(t *testing.T) {
	t.Parallel()
	denied := &cloud.Error{Kind: cloud.Denied, Operation: "cloudtrail:LookupEvents", Err: errors.New("AccessDenied")}
	s := &toldSource{failed: copyFailed(), refuses: map[string]error{judgeOwner + " us-east-1": denied}}
	x := explain(t, s, diagnose.WhyOptions{})
	if !slices.ContainsFunc(x.Notes, func(n string) bool { return strings.Contains(n, "could not be read") }) || !x.Known {
		t.Errorf("it is said %q, with the notes %q", x.Says, x.Notes)
	}
	s = &toldSource{failed: copyFailed(), partial: true}
	if x := explain(t, s, diagnose.WhyOptions{Now: noon.Add(time.Minute)}); len(x.Notes) != 2 || !strings.Contains(x.Notes[0], "more calls") || !strings.Contains(x.Notes[1], "15m0s late") {
		t.Errorf("the notes are %q", x.Notes)
	}
	s.failed.Text, s.failed.State = "out of space", "error"
	if x := explain(t, s, diagnose.WhyOptions{}); x.Found() || !strings.Contains(x.Says, "neither that nor CloudTrail tells of a key") {
		t.Errorf("of what has nothing to do with keys it is said: %s", x.Says)
	}
	s.failed.Fine, s.asked = true, nil
	if x := explain(t, s, diagnose.WhyOptions{}); x.Found() || !strings.Contains(x.Says, "did not fail") || len(s.asked) > 0 {
		t.Errorf("of what is fine it is said: %s, after %d look-ups", x.Says, len(s.asked))
	}
	s.failed = cloud.Failed{ID: "vol-1", What: "volume", State: "gone", Text: "InvalidVolume.NotFound: the volume vol-1 does not exist", Operation: "ec2:CreateVolume"}
	if x := explain(t, s, diagnose.WhyOptions{}); x.Found() || !strings.Contains(x.Says, "is not there") {
		t.Errorf("of a volume that is gone without a trace it is said: %s", x.Says)
	}
	s.err = &cloud.Error{Kind: cloud.NotFound, Operation: "looking", Err: errors.New("none")}
	if _, err := diagnose.Explain(t.Context(), s, cloud.Subject{ID: "snap-1"}, diagnose.WhyOptions{}); cloud.KindOf(err) != cloud.NotFound {
		t.Errorf("of what is not there: %v", err)
	}
}

func TestTheLikeliestTimeIsSearchedFirst(t *testing.T) {
	t.Parallel()
	late := refusal(judgeSession, "kms:CreateGrant", judgeKey, func(v *cloud.Event) { v.At = noon.Add(3 * time.Hour) })
	s := &toldSource{failed: copyFailed(), calls: map[string][]cloud.Event{judgeOwner + " us-east-1": {late}}}
	if x := explain(t, s, diagnose.WhyOptions{Now: noon.Add(24 * time.Hour)}); x.Denial == nil || len(s.asked) != 2 || !s.asked[0].To.Before(s.asked[1].To) {
		t.Errorf("what came late is %+v, after the look-ups %+v", x.Denial, s.asked)
	}
	s.calls[judgeOwner+" us-east-1"], s.asked = []cloud.Event{late, refusal(judgeSession, "kms:Decrypt", judgeKey, nil)}, nil
	if x := explain(t, s, diagnose.WhyOptions{Now: noon.Add(24 * time.Hour)}); x.Denial == nil || x.Denial.Name != "Decrypt" || len(s.asked) != 1 {
		t.Errorf("what came at once is %+v, after the look-ups %+v", x.Denial, s.asked)
	}
	s.failed.At, s.failed.Until, s.asked = time.Time{}, noon, nil
	if x := explain(t, s, diagnose.WhyOptions{}); x.Denial == nil || !s.asked[0].From.Before(noon) || !s.asked[0].To.After(noon) {
		t.Errorf("of what only has an end the look-ups are %+v", s.asked)
	}
}

func TestOnlyWhatBearsOnTheRefusalIsToldAsChanged(t *testing.T) {
	t.Parallel()
	const admin = "arn:aws:iam::111122223333:user/admin"
	key := map[string]string{"keyId": judgeKey}
	iam := func(v *cloud.Event) { v.Source = "iam.amazonaws.com" }
	for _, tt := range []struct {
		name string
		call cloud.Event
		told bool
	}{
		{"the policy of the key", changed("PutKeyPolicy", admin, key, nil), true},
		{"the key disabled", changed("DisableKey", admin, key, nil), true},
		{"the policy of another key", changed("PutKeyPolicy", admin, map[string]string{"keyId": strings.Replace(judgeKey, judgeID, "other", 1)}, nil), false},
		{"before the proof", changed("PutKeyPolicy", admin, key, func(v *cloud.Event) { v.At = noon.Add(-48 * time.Hour) }), false},
		{"the policy of the key, refused", changed("PutKeyPolicy", admin, key, func(v *cloud.Event) { v.Code = "AccessDenied" }), false},
		{"a grant that EC2 made for a volume", changed("CreateGrant", judgeUser, key, func(v *cloud.Event) { v.InvokedBy = "ec2.amazonaws.com" }), false},
		{"a grant to the refused role", changed("CreateGrant", admin, map[string]string{"keyId": judgeKey, "granteePrincipal": judgeRole}, func(v *cloud.Event) { v.InvokedBy = "ec2.amazonaws.com" }), true},
		{"a policy of the role", changed("PutRolePolicy", admin, map[string]string{"roleName": "app"}, iam), true},
		{"a policy of another role", changed("PutRolePolicy", admin, map[string]string{"roleName": "web"}, iam), false},
		{"a managed policy that the role has", changed("CreatePolicyVersion", admin, map[string]string{"policyArn": "arn:aws:iam::111122223333:policy/keys"}, iam), true},
		{"a managed policy that the role has not", changed("CreatePolicyVersion", admin, map[string]string{"policyArn": "arn:aws:iam::111122223333:policy/web"}, iam), false},
	} {
		e := world{}.estate(t)
		e.Principals[0].Policies = append(e.Principals[0].Policies, estate.Attached{Name: "keys", Kind: "managed", ARN: "arn:aws:iam::111122223333:policy/keys", Document: document(t, allows("Allow", "s3:*", "*", ""))})
		s := &toldSource{failed: copyFailed(), calls: map[string][]cloud.Event{judgeOwner + " us-east-1": {refusal(judgeSession, "kms:CreateGrant", judgeKey, nil), tt.call}}}
		x := explain(t, s, diagnose.WhyOptions{
			Estate: func(context.Context, *diagnose.Incident) (*estate.Estate, error) { return e, nil },
			Proven: func(k string) (diagnose.Proof, bool) {
				return diagnose.Proof{At: noon.Add(-24 * time.Hour), By: "a run"}, k == judgeKey
			},
		})
		if told := len(x.Changes) == 1; told != tt.told || len(x.Changes) > 1 || x.Since.By != "a run" || x.Judgement == nil {
			t.Errorf("%s: told %t, want %t: %+v", tt.name, told, tt.told, x.Changes)
		}
	}
}

func TestChangesOfControlPoliciesAreLookedForWhereTheyAreMade(t *testing.T) {
	t.Parallel()
	const management = "999999999999"
	denied := refusal(judgeSession, "kms:CreateGrant", judgeKey, func(v *cloud.Event) {
		v.Message = "User: " + judgeSession + " is not authorized to perform: kms:CreateGrant on resource: " + judgeKey + " with an explicit deny in a service control policy"
	})
	s := &toldSource{failed: copyFailed(), calls: map[string][]cloud.Event{
		judgeOwner + " us-east-1": {denied},
		management + " us-east-1": {changed("AttachPolicy", "arn:aws:iam::999999999999:user/admin", map[string]string{"policyId": "p-1"}, nil)},
	}}
	e := world{scp: allows("Deny", "kms:CreateGrant", "*", "")}.estate(t)
	o := diagnose.WhyOptions{
		Proven: func(string) (diagnose.Proof, bool) { return diagnose.Proof{At: noon.Add(-24 * time.Hour)}, true },
		Estate: func(context.Context, *diagnose.Incident) (*estate.Estate, error) { return e, nil },
	}
	if x := explain(t, s, o); len(x.Changes) != 1 || x.Changes[0].Name != "AttachPolicy" || x.Incident.Causes[0].Code != "scp-deny" {
		t.Errorf("changed were %+v, for %+v", x.Changes, x.Incident.Causes)
	}
	o.Estate = nil
	if x := explain(t, s, o); len(x.Changes) > 0 || !strings.Contains(strings.Join(x.Notes, " "), "management account") {
		t.Errorf("without an estate: changed %+v, noted %q", x.Changes, x.Notes)
	}
}

func TestAnEstateThatAllowsItIsTheLastProof(t *testing.T) {
	t.Parallel()
	s := &toldSource{failed: copyFailed(), calls: map[string][]cloud.Event{judgeOwner + " us-east-1": {
		refusal(judgeSession, "kms:CreateGrant", judgeKey, nil), changed("PutKeyPolicy", judgeUser, map[string]string{"keyId": judgeKey}, nil),
	}}}
	e := world{}.estate(t)
	o := diagnose.WhyOptions{Estate: func(context.Context, *diagnose.Incident) (*estate.Estate, error) { return e, nil }}
	if x := explain(t, s, o); !x.Since.At.IsZero() || len(x.Changes) > 0 {
		t.Errorf("an estate of no time is a proof: %+v", x.Since)
	}
	e.CollectedAt = new(noon.Add(-2 * time.Hour))
	if x := explain(t, s, o); !x.Since.At.Equal(*e.CollectedAt) || len(x.Changes) != 1 || !x.Judgement.Allowed {
		t.Errorf("the proof is %+v, changed %+v", x.Since, x.Changes)
	}
	o.Estate = func(context.Context, *diagnose.Incident) (*estate.Estate, error) { return nil, errors.New("no way in") }
	if x := explain(t, s, o); x.Judgement != nil || !strings.Contains(strings.Join(x.Notes, " "), "no way in") || !x.Found() {
		t.Errorf("without an estate: %+v, %q", x.Judgement, x.Notes)
	}
}

func TestADecodedMessageIsJudgedForWhatItAsks(t *testing.T) {
	t.Parallel()
	e := world{identity: []string{allows("Allow", "ec2:Describe*", "*", ""), allows("Allow", "ec2:StartInstances", "*", `{"StringEquals":{"ec2:ResourceTag/team":"a"}}`)}}.estate(t)
	in := func() *diagnose.Incident {
		return &diagnose.Incident{Code: "UnauthorizedOperation", Service: "ec2", Encoded: "abc", Causes: []diagnose.Cause{{Code: "iam-policy-missing-action", Confidence: 0.5}, {Code: "scp-deny", Confidence: 0.2}}}
	}
	const instance = "arn:aws:ec2:us-east-1:111122223333:instance/i-1"
	stop := in()
	j := diagnose.JudgeDecoded(stop, &cloud.Decoded{Principal: judgeSession, Action: "ec2:StopInstances", Resource: instance}, e, noon)
	if stop.Causes[0].Code != "iam-policy-missing-action" || stop.Causes[0].Verdict != diagnose.True || verdictOf(stop, "scp-deny") != diagnose.RuledOut || !strings.Contains(stop.Causes[0].Fix, instance) {
		t.Errorf("the call is judged: %s", told(stop, &j))
	}
	start := in()
	j = diagnose.JudgeDecoded(start, &cloud.Decoded{Principal: judgeSession, Action: "ec2:StartInstances", Resource: instance, Conditions: map[string][]string{"ec2:ResourceTag/team": {"b"}}}, e, noon)
	if start.Causes[0].Code != "policy-condition-mismatch" || start.Causes[0].Verdict != diagnose.True {
		t.Errorf("the condition that the message tells is judged: %s", told(start, &j))
	}
	key := in()
	j = diagnose.JudgeDecoded(key, &cloud.Decoded{
		Principal: judgeSession, Action: "kms:Decrypt", Resource: judgeKey, ExplicitDeny: true, Conditions: map[string][]string{"kms:EncryptionContext:App": {"x"}},
	}, e, noon)
	if len(j.Asked) != 1 || j.Asked[0].Key != judgeKey || key.Context["App"] != "x" || !key.Explicit || key.KeyAccount != judgeOwner {
		t.Errorf("a key that the message names is asked about: %+v, %+v", j.Asked, key)
	}
}
