package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// running is a sandbox command that has said it is ready.
type running struct {
	url  string
	stop context.CancelFunc
	code chan int
	errs *bytes.Buffer
}

func startSandbox(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	out, w := io.Pipe()
	r := &running{stop: cancel, code: make(chan int, 1), errs: &bytes.Buffer{}}
	go func() {
		code := execute(ctx, append([]string{"sandbox", "--listen", "127.0.0.1:0"}, args...), strings.NewReader(""), w, r.errs)
		w.Close()
		r.code <- code
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it ended with %d before it was ready: %s", <-r.code, r.errs)
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "keyreach sandbox is ready at ")
	if !ok {
		t.Fatalf("the line is %q", line)
	}
	r.url = url
	return r
}

// end interrupts it and checks that it ended well.
func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	if code := <-r.code; code != exitDone {
		t.Errorf("exit code %d: %s", code, r.errs)
	}
}

func (r *running) kms(account string) *kms.Client {
	return kms.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &r.url, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(account, "any", ""),
	})
}

func TestSandboxServesAnEstateUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	r := startSandbox(t, "--estate", "../../examples/drs-cross-account")
	list, err := r.kms("444455556666").ListKeys(t.Context(), &kms.ListKeysInput{})
	if err != nil || len(list.Keys) == 0 {
		t.Errorf("the estate's keys: %v, %v", list, err)
	}
	r.end(t)
	if _, err := http.Get(r.url + "/_keyreach/health"); err == nil {
		t.Error("it answers after its end")
	}
}

func TestSandboxKeepsItsStateFromStartToStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sandbox.db")
	r := startSandbox(t, "--state", file)
	key, err := r.kms("111122223333").CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := r.kms("111122223333").Encrypt(t.Context(), &kms.EncryptInput{KeyId: key.KeyMetadata.KeyId, Plaintext: []byte("kept")})
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := execute(t.Context(), []string{"sandbox", "--listen", "127.0.0.1:0", "--state", file}, nil, &out, &errs); code != exitFailed || !strings.Contains(errs.String(), "another sandbox has it open") {
		t.Errorf("a second sandbox on the same state ended with %d: %s", code, errs.String())
	}
	r.end(t)

	r = startSandbox(t, "--state", file, "--estate", "../../examples/drs-cross-account")
	plain, err := r.kms("111122223333").Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: secret.CiphertextBlob})
	if err != nil || string(plain.Plaintext) != "kept" {
		t.Errorf("after the restart: %v, %v", plain, err)
	}
	r.end(t)
	if !strings.Contains(r.errs.String(), "holds a sandbox already") {
		t.Errorf("it does not say that the estate is not read: %s", r.errs)
	}
}

func TestSandboxStrictTakesNoAccountNumbers(t *testing.T) {
	t.Parallel()
	r := startSandbox(t, "--strict", "--estate", "../../examples/drs-cross-account")
	_, err := r.kms("111122223333").ListKeys(t.Context(), &kms.ListKeysInput{})
	if err == nil || !strings.Contains(err.Error(), "UnrecognizedClientException") {
		t.Errorf("got %v", err)
	}
	r.end(t)
	if !strings.Contains(r.errs.String(), "nobody can call it") || !strings.Contains(r.errs.String(), "create-access-key") {
		t.Errorf("it does not say that nobody can call it: %s", r.errs)
	}
}

func TestSandboxStrictTakesTheKeysOfItsState(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sandbox.db")
	r := startSandbox(t, "--state", file)
	root := iam.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &r.url, Credentials: credentials.NewStaticCredentialsProvider("111122223333", "any", "")})
	if _, err := root.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("admin")}); err != nil {
		t.Fatal(err)
	}
	out, err := root.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("admin")})
	if err != nil {
		t.Fatal(err)
	}
	r.end(t)

	r = startSandbox(t, "--strict", "--state", file)
	user := sts.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &r.url, Credentials: credentials.NewStaticCredentialsProvider(*out.AccessKey.AccessKeyId, *out.AccessKey.SecretAccessKey, "")})
	if _, err := user.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
		t.Error(err)
	}
	r.end(t)
	if r.errs.Len() > 0 {
		t.Errorf("it says %s", r.errs)
	}
}

func TestSandboxOnAllAddressesSaysWhoMayCall(t *testing.T) {
	t.Parallel()
	const all, everything, some = "listens on all addresses of this machine: ", "may do everything", "may call it with credentials"
	for _, c := range []struct {
		args      []string
		says, not string
	}{
		{[]string{"--listen", "0.0.0.0:0"}, all + "whoever reaches it " + everything, some},
		{[]string{"--listen", ":0"}, all + "whoever reaches it " + everything, some},
		{[]string{"--listen", "0.0.0.0:0", "--strict"}, all + "whoever reaches it " + some, everything},
		{[]string{"--listen", "localhost:0"}, "", "listens"},
	} {
		r := startSandbox(t, c.args...)
		if !strings.HasPrefix(r.url, "http://127.0.0.1:") && !strings.HasPrefix(r.url, "http://[::1]:") {
			t.Errorf("%v: the URL is %s", c.args, r.url)
		}
		if res, err := http.Get(r.url + "/_keyreach/clock"); err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%v: got %v, %v", c.args, res, err)
		}
		r.end(t)
		if text := r.errs.String(); !strings.Contains(text, c.says) || strings.Contains(text, c.not) {
			t.Errorf("%v: it says %s", c.args, text)
		}
	}
}

func TestSandboxDefaultAccountTakesUnknownCredentials(t *testing.T) {
	t.Parallel()
	r := startSandbox(t, "--default-account", "111122223333")
	key, err := r.kms("AKIAIOSFODNN7EXAMPLE").CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil || *key.KeyMetadata.AWSAccountId != "111122223333" {
		t.Errorf("got %v, %v", key, err)
	}
	r.end(t)
}

func TestSandboxSaysWhoHoldsThePort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var out, errs bytes.Buffer
	state := filepath.Join(t.TempDir(), "sandbox.db")
	code := execute(t.Context(), []string{"sandbox", "--listen", l.Addr().String(), "--state", state}, nil, &out, &errs)
	if code != exitFailed || !strings.Contains(errs.String(), "another program does") || !strings.Contains(errs.String(), "--listen") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	if exists(state) {
		t.Error("it left a state file")
	}
}
