package diagnose_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/diagnose"
)

func read(t *testing.T, text string) []diagnose.Incident {
	t.Helper()
	found, err := diagnose.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A paste is divided into its failures, each with its place.
func TestRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		says, text string
		want       []string // line:column form action
	}{
		{"nothing", "all went well\nkeys: 4\n", nil},
		{"one line", refused + "\n", []string{"1:1 refused kms:Decrypt"}},
		{"a log with two", "2026-01-05 10:00:00 INFO start\n2026-01-05 10:00:01,120 ERROR " + refused + "\n2026-01-05T10:00:02Z [WARN] KMS.DisabledException: " + key + " is disabled.\n", []string{"2:31 refused kms:Decrypt", "3:29 disabled "}},
		{"two boxes", "╷\n│ Error: creating KMS Key: MalformedPolicyDocumentException: Policy contains a statement with one or\n│ more invalid principals.\n│ \n│   with aws_kms_key.a,\n╵\n╷\n│ Error: putting policy: MalformedPolicyDocumentException: The new key policy will not allow you to\n│ update the key policy in the future.\n╵\n", []string{"2:5 invalid-principal ", "8:5 lockout "}},
		{"wrapped after a colon", "Error: reading KMS Key: AccessDeniedException:\n| User: " + caller + " is not authorized\n| to perform: kms:DescribeKey on resource: " + key + "\n| because no identity-based policy allows the kms:DescribeKey action\n", []string{"1:1 no-identity kms:DescribeKey"}},
		{"behind comment marks", "// User: " + caller + " is not authorized\n//\tto perform: kms:Sign on resource: " + key + "\n//\tbecause no resource-based policy allows the kms:Sign action\n", []string{"1:4 no-resource kms:Sign"}},
		{"in colours", "\x1b[31mError:\x1b[0m \x1b[1mKMSInvalidStateException: " + key + " is pending deletion.\x1b[0m\n", []string{"1:1 pending-deletion "}},
		{"the second line of syslog goes on", "Jul 01 15:03:09 host app[11]: AccessDeniedException: Access to KMS is not allowed\nJul 01 15:03:09 host app[11]: status code: 400\n", []string{"1:31 secrets "}},
		{"a context that stands around", "State transition reason: Server.InternalError\nKarpenter nodeclaim\nClient.InternalError: Client error on launch\n", []string{"1:1 launch "}},
		{"at the end of much else on the line", strings.Repeat("debug value ", 3000) + "Access to KMS is not allowed", []string{"1:1 secrets "}},
		{"at the end of many lines", strings.Repeat("stack frame\n", 3000) + "Access to KMS is not allowed", []string{"3001:1 secrets "}},
		{"Windows line ends", "Error: x\r\n" + refused + "\r\n", []string{"1:1 refused kms:Decrypt"}},
	} {
		t.Run(tt.says, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, in := range read(t, tt.text) {
				got = append(got, fmt.Sprintf("%d:%d %s %s", in.Line, in.Column, in.Form, in.Action))
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

const event = `{"eventVersion": "1.08",
 "userIdentity": {"type": "AssumedRole", "arn": "` + caller + `", "accountId": "111122223333", "accessKeyId": "ASIAABCDEFGHIJKLMNOP", "invokedBy": "backup.amazonaws.com"},
 "eventSource": "kms.amazonaws.com", "eventName": "Decrypt", "awsRegion": "eu-west-1", "errorCode": "AccessDenied", "requestID": "11112222-aaaa",
 "errorMessage": "` + refused + ` because no resource-based policy allows the kms:Decrypt action",
 "requestParameters": {"encryptionContext": {"aws:s3:arn": "arn:aws:s3:::b"}, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
 "resources": [{"ARN": "` + foreign + `", "accountId": "444455556666", "type": "AWS::KMS::Key"}]}`

// Events are read by their members, in whatever they are wrapped.
func TestEvents(t *testing.T) {
	t.Parallel()
	good := `{"eventSource": "kms.amazonaws.com", "eventName": "Decrypt", "awsRegion": "eu-west-1"}`
	for says, text := range map[string]string{
		"by itself":            event,
		"in a list":            "[" + good + ",\n" + event + "]",
		"in a log file":        `{"Records": [` + good + "," + event + `]}`,
		"in LookupEvents":      `{"Events": [{"EventId": "1", "CloudTrailEvent": ` + fmt.Sprintf("%q", strings.ReplaceAll(event, "\n", " ")) + `}]}`,
		"in EventBridge":       `{"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": ` + event + `}`,
		"in the middle of log": "2026-01-01T00:00:00Z INFO looking\n" + event + "\n2026-01-01T00:00:01Z INFO done\n",
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			found := read(t, text)
			if len(found) != 1 {
				t.Fatalf("%d failures found, want 1: %+v", len(found), found)
			}
			in := found[0]
			if in.Form != "no-resource" || in.Action != "kms:Decrypt" || in.Principal != caller || in.Key != foreign || in.KeyAccount != "444455556666" ||
				in.Via != "backup.amazonaws.com" || in.Context["aws:s3:arn"] != "arn:aws:s3:::b" || in.RequestID != "11112222-aaaa" || in.Region != "eu-west-1" || in.Code != "AccessDenied" {
				in.Causes = nil
				t.Errorf("read as %+v", in)
			}
		})
	}
}

func TestOtherEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ says, text, form, region string }{
		{"an EBS event", `{"detail-type": "EBS Volume Notification", "region": "us-east-2", "resources": ["arn:aws:ec2:us-east-2:111122223333:volume/vol-1"], "detail": {"event": "createVolume", "result": "failed", "cause": "arn:aws:kms:us-east-2:111122223333:key/k1 is disabled."}}`, "disabled", "us-east-2"},
		{"an activity of Auto Scaling", `{"Activities": [{"StatusCode": "Failed", "Cause": "At 2026 an instance was started in response to a difference", "StatusMessage": "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state"}, {"StatusCode": "Successful"}]}`, "launch-state", ""},
		{"an item of a DRS job log", `{"items": [{"event": "LAUNCH_FAILED", "eventData": {"rawError": "Failed to create staging disks"}}]}`, "drs-staging", ""},
		{"a snapshot's message", `{"Snapshots": [{"State": "error", "StateMessage": "Given key ID is not accessible"}]}`, "key-not-accessible", ""},
		{"an answer of KMS", `{"__type":"com.amazonaws.kms#DisabledException","message":"arn:aws:kms:eu-west-1:111122223333:key/k is disabled."}`, "disabled", "eu-west-1"},
		{"a decoded message", `{"allowed":false,"explicitDeny":false,"matchedStatements":{"items":[]},"failures":{"items":[]},"context":{"principal":{"id":"AROA:x","arn":"` + caller + `"},"action":"ec2:RunInstances","resource":"arn:aws:ec2:eu-west-1:111122223333:instance/*"}}`, "decoded", "eu-west-1"},
		{"a decoded message with a Deny", `{"DecodedMessage": "{\"allowed\":false,\"explicitDeny\":true,\"matchedStatements\":{\"items\":[]},\"context\":{\"action\":\"kms:CreateGrant\"}}"}`, "deny", ""},
		{"quotes and brackets in strings", `{"a":"\\"}] [{","msg":"[{\"}","error":"Access to KMS is not allowed","n":-1.5e3,"t":true}`, "secrets", ""},
		{"no JSON after all", `{"error": Access to KMS is not allowed}`, "secrets", ""},
		{"a message in a message", `{"level":"error","msg":"{\"errorMessage\":\"Access to KMS is not allowed\"}"}`, "secrets", ""},
		{"a call that KMS refused without words", `{"eventSource":"kms.amazonaws.com","eventName":"Decrypt","errorCode":"InvalidCiphertextException","awsRegion":"eu-west-1"}`, "invalid-ciphertext", "eu-west-1"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			t.Parallel()
			found := read(t, tt.text)
			if len(found) != 1 || found[0].Form != tt.form || found[0].Region != tt.region {
				t.Errorf("read as %+v, want the form %s in %q", found, tt.form, tt.region)
			}
		})
	}
}

// Secrets of a paste are in nothing that comes out.
func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"AKIAABCDEFGHIJKLMNOP", "wJalrXUtnFEMIabcdefEXAMPLEKEY", "FwoGZXIvYXdzEABCDEFG"} {
		for _, text := range []string{
			"aws_access_key_id=AKIAABCDEFGHIJKLMNOP aws_secret_access_key = wJalrXUtnFEMIabcdefEXAMPLEKEY aws_session_token=FwoGZXIvYXdzEABCDEFG " + refused,
			`{"AccessKeyId": "AKIAABCDEFGHIJKLMNOP", "SecretAccessKey": "wJalrXUtnFEMIabcdefEXAMPLEKEY", "SessionToken": "FwoGZXIvYXdzEABCDEFG", "error": "` + refused + `"}`,
			"x-amz-security-token: FwoGZXIvYXdzEABCDEFG\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIAABCDEFGHIJKLMNOP/x\nsecret_key: wJalrXUtnFEMIabcdefEXAMPLEKEY\n" + refused,
		} {
			found := read(t, text)
			if len(found) == 0 {
				t.Fatalf("nothing recognised in %q", text)
			}
			if out := fmt.Sprintf("%+v", found); strings.Contains(out, secret) {
				t.Errorf("%s comes out of %q", secret, text)
			}
		}
	}
}

// A command is pasted into a shell: what a text smuggles in is not in it.
func TestCommandsAreHarmless(t *testing.T) {
	t.Parallel()
	in, ok := diagnose.One("User: arn:aws:iam::111122223333:user/$(reboot) is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:111122223333:key/`id`;x|y")
	if !ok {
		t.Fatal("nothing recognised")
	}
	for _, c := range in.Causes {
		for _, q := range c.Settles {
			if strings.ContainsAny(q.Command, "$`;|&><(){}'\"\\\n") {
				t.Errorf("the command %q has letters that a shell reads", q.Command)
			}
		}
	}
}

func TestHostileTexts(t *testing.T) {
	t.Parallel()
	big := func(s string) string { return strings.Repeat(s, 4<<20/len(s)) }
	for says, text := range map[string]string{
		"deep lists":          strings.Repeat("[", 1<<20),
		"deep objects":        strings.Repeat(`{"a":`, 1<<18),
		"many open braces":    big("{\n"),
		"lists of nothing":    big("[{},\n"),
		"one line":            big("kms key denied "),
		"many lines":          big("\n"),
		"many small failures": big("Access to KMS is not allowed\n\n"),
		"no UTF-8":            big("\xff\xfe kms \x80AccessDenied\n"),
		"half a phrase":       big("alias "),
		"refusals":            big("User: arn is not authorized to perform: "),
		"numbers":             "[" + big("1,") + "1]",
		"records of nothing":  `{"Records":[` + big(`{"a":1},`) + `{}]}`,
		"escapes":             big("\x1b[31"),
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			found, err := diagnose.Read(strings.NewReader(text))
			if err != nil && !errors.Is(err, diagnose.ErrTooLong) {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("it took %s and found %d", took, len(found))
			}
		})
	}
}

// What is too long is told, and what stands before is read.
func TestTooLong(t *testing.T) {
	t.Parallel()
	found, err := diagnose.Read(strings.NewReader(refused + "\n" + strings.Repeat("x", diagnose.MaxText)))
	if !errors.Is(err, diagnose.ErrTooLong) || len(found) != 1 {
		t.Errorf("%d failures, error %v; want 1 and ErrTooLong", len(found), err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(refused)
	f.Add(event)
	f.Add("╷\n│ Error: KMS\n│ \x1b[31mAccess Denied\n")
	f.Add(`{"Events":[{"CloudTrailEvent":"{\"eventName\":\"x\"}"}]}`)
	f.Add("[[[{\"a\":\"{\\\"a\\\":1}\"}")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := diagnose.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range found {
			sum := 0.0
			for _, c := range in.Causes {
				sum += c.Confidence
			}
			if in.Line < 1 || in.Column < 1 || len(in.Causes) == 0 || sum > 1.01 {
				t.Errorf("%q is read as %+v", text, in)
			}
		}
	})
}

// logOf is a log with failures among lines that are none.
func logOf(failures, bytes int) string {
	var b strings.Builder
	filler := bytes/failures - len(refused) - 140
	for i := range failures {
		fmt.Fprintf(&b, "2026-01-05T10:%02d:%02dZ INFO handled %s\n", i/60%60, i%60, strings.Repeat("request ok ", filler/11))
		fmt.Fprintf(&b, "2026-01-05T10:%02d:%02dZ ERROR An error occurred (AccessDeniedException) when calling the Decrypt operation: %s because no identity-based policy allows it\n", i/60%60, i%60, refused)
	}
	return b.String()
}

func BenchmarkRead(b *testing.B) {
	text := logOf(1000, 1<<20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		found, err := diagnose.Read(strings.NewReader(text))
		if err != nil || len(found) != 1000 {
			b.Fatalf("%d found, error %v", len(found), err)
		}
	}
}

func TestAServiceThatWasRefusedIsRead(t *testing.T) {
	t.Parallel()
	in, ok := diagnose.One("User: logs.us-east-1.amazonaws.com is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab because no resource-based policy allows the kms:GenerateDataKey action")
	if !ok || in.Principal != "logs.us-east-1.amazonaws.com" || in.PrincipalKind != diagnose.Service {
		t.Errorf("refused is %q, a %s", in.Principal, in.PrincipalKind)
	}
}
