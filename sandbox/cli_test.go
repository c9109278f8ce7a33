package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// The guides that people write about shared encrypted data go on the sandbox as on
// AWS, with the AWS command line itself: what is right in them works across two
// accounts, what is wrong fails with AWS's code and text, and then put right works.
// theClient is where a script has the client of its sandbox.
type theClient struct{}

// Each script is one guide.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the guides call the AWS command line more than a hundred times")
	}
	lookForAWS(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/cli",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			tb, ok := env.T().(testing.TB)
			if !ok {
				return fmt.Errorf("a %T can start no sandbox", env.T())
			}
			s := sandboxtest.Start(tb, sandbox.Options{})
			env.Values[theClient{}] = s.Client()
			for _, v := range awsSettings(env.WorkDir, s.URL) {
				env.Setenv(v[0], v[1])
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"root": scriptRoot, "login": scriptLogin, "as": scriptAs, "keep": scriptKeep, "fill": scriptFill, "add": scriptAdd, "unbase64": scriptUnbase64, "bytes": scriptBytes, "post": scriptPost, "pass": scriptPass,
		},
	})
}

// lookForAWS skips the test where there is no AWS command line that runs with the
// settings of the scripts: one that a version manager keeps below the home
// directory may not.
func lookForAWS(t *testing.T) {
	t.Helper()
	name, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("aws is not here: the guides need the AWS command line, version 1 or 2")
	}
	probe := exec.Command(name, "--version")
	probe.Env = []string{"PATH=" + os.Getenv("PATH")}
	for _, v := range awsSettings(t.TempDir(), "http://127.0.0.1:1") {
		probe.Env = append(probe.Env, v[0]+"="+v[1])
	}
	out, err := probe.CombinedOutput()
	if err != nil {
		t.Skipf("%s does not run here (%v): %s", name, err, out)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "aws-cli/%d.%d", &major, &minor); err != nil {
		t.Skipf("%s is no AWS command line: it calls itself %s", name, out)
	}
	if least := map[int]int{1: 29, 2: 13}[major]; minor < least {
		t.Skipf("%s is %d.%d, and AWS_ENDPOINT_URL counts only since 1.29 and 2.13", name, major, minor)
	}
	t.Logf("%s is %s", name, strings.TrimSpace(string(out)))
}

// awsSettings are the environment of the command line: one profile for each who
// acts, nothing of the machine's own, no pager and no second tries. The proxy is
// nobody, so that no call can go to the real AWS, which speaks TLS only.
func awsSettings(dir, url string) [][2]string {
	return [][2]string{
		{"HOME", dir},
		{"AWS_ENDPOINT_URL", url},
		{"AWS_DEFAULT_REGION", "us-east-1"},
		{"AWS_CONFIG_FILE", filepath.Join(dir, "aws-config")},
		{"AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "aws-credentials")},
		{"AWS_EC2_METADATA_DISABLED", "true"},
		{"AWS_MAX_ATTEMPTS", "1"},
		{"AWS_PAGER", ""},
		{"HTTPS_PROXY", "http://127.0.0.1:1"},
	}
}

// wants ends a script that uses a command wrongly.
func wants(ts *testscript.TestScript, neg, ok bool, usage string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

// scriptRoot makes a profile for the root user of an account.
func scriptRoot(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, len(args) == 2, "root PROFILE ACCOUNT")
	addProfile(ts, args[0], args[1], "any", "")
}

// scriptLogin makes a profile of the access key or the session that the last
// command printed, and acts as it from now on.
func scriptLogin(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, len(args) == 1, "login PROFILE")
	type keys struct{ AccessKeyID, SecretAccessKey, SessionToken string }
	var out struct{ AccessKey, Credentials *keys }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &out))
	k := out.AccessKey
	if k == nil {
		k = out.Credentials
	}
	if k == nil {
		ts.Fatalf("the last command printed no credentials")
	}
	addProfile(ts, args[0], k.AccessKeyID, k.SecretAccessKey, k.SessionToken)
	ts.Setenv("AWS_PROFILE", args[0])
}

func addProfile(ts *testscript.TestScript, name, key, secret, token string) {
	text := fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", name, key, secret)
	if token != "" {
		text += "aws_session_token = " + token + "\n"
	}
	f, err := os.OpenFile(ts.Getenv("AWS_SHARED_CREDENTIALS_FILE"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = f.WriteString(text)
	ts.Check(err)
	ts.Check(f.Close())
}

// scriptAs says who acts from now on.
func scriptAs(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, len(args) == 1, "as PROFILE")
	ts.Setenv("AWS_PROFILE", args[0])
}

// scriptKeep keeps what the last command printed, or one value of its JSON, under a
// name.
func scriptKeep(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, len(args) == 1 || len(args) == 2, "keep NAME [MEMBER.MEMBER…]")
	text := ts.ReadFile("stdout")
	if len(args) == 2 {
		var v any
		ts.Check(json.Unmarshal([]byte(text), &v))
		value, ok := at(v, args[1]).(string)
		if !ok {
			ts.Fatalf("the last command printed no %s", args[1])
		}
		text = value
	}
	ts.Setenv(args[0], strings.TrimSpace(text))
}

// scriptFill puts the script's variables in place of ${NAME} in files.
func scriptFill(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, len(args) > 0, "fill FILE…")
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), func(v string) string {
			if value := ts.Getenv(v); value != "" {
				return value
			}
			ts.Fatalf("%s wants %s, which is not set", name, v)
			return ""
		})
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// scriptAdd adds statements to a policy, as people do with an editor.
func scriptAdd(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, len(args) > 1, "add POLICY STATEMENT…")
	var p map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &p))
	list, _ := p["Statement"].([]any)
	for _, name := range args[1:] {
		var s any
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(name)), &s))
		list = append(list, s)
	}
	p["Statement"] = list
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(jsonText(p)), 0o600))
}

// scriptPass moves the sandbox's clock on, so that what takes its time is done.
func scriptPass(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, len(args) == 1, "pass DURATION")
	res, err := ts.Value(theClient{}).(*http.Client).Post(ts.Getenv("AWS_ENDPOINT_URL")+"/_keyreach/clock", "application/json", strings.NewReader(`{"advance":"`+args[0]+`"}`))
	ts.Check(err)
	ts.Check(res.Body.Close())
	if res.StatusCode != http.StatusOK {
		ts.Fatalf("moving the clock by %s: %s", args[0], res.Status)
	}
}

// scriptUnbase64 is base64 -d, which not every machine has.
func scriptUnbase64(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, len(args) == 2, "unbase64 FROM TO")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), raw, 0o600))
}

// scriptPost sends a file to an endpoint of the sandbox's own and prints the answer.
func scriptPost(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, len(args) == 2, "post ENDPOINT FILE")
	res, err := ts.Value(theClient{}).(*http.Client).Post(ts.Getenv("AWS_ENDPOINT_URL")+"/_keyreach/"+args[0], "application/json", strings.NewReader(ts.ReadFile(args[1])))
	ts.Check(err)
	defer res.Body.Close()
	_, err = io.Copy(ts.Stdout(), res.Body)
	ts.Check(err)
	if res.StatusCode != http.StatusOK {
		ts.Fatalf("%s answers %s", args[0], res.Status)
	}
}

// scriptBytes writes a file of a size.
func scriptBytes(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, neg, len(args) == 2, "bytes NUMBER FILE")
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Repeat("x", n)), 0o600))
}
