package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// process is the sandbox command as a process of its own, which can be killed.
type process struct {
	cmd   *exec.Cmd
	kms   *kms.Client
	iam   *iam.Client
	errs  *bytes.Buffer
	ready time.Duration // from its start
}

// launch starts the command on a state and waits until it is ready. TestMain has this
// test binary be the program when it goes by its name.
func launch(t *testing.T, state string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{errs: &bytes.Buffer{}, cmd: exec.CommandContext(t.Context(), self)}
	p.cmd.Args = []string{"keyreach", "sandbox", "--listen", "127.0.0.1:0", "--state", state}
	p.cmd.Stderr = p.errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it ended before it was ready: %v, %v: %s", err, p.cmd.Wait(), p.errs)
	}
	p.ready = time.Since(began)
	_, url, ok := strings.Cut(strings.TrimSpace(line), " is ready at ")
	if !ok {
		t.Fatalf("the line is %q", line)
	}
	c := aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: 1, HTTPClient: awshttp.NewBuildableClient(),
		Credentials: credentials.NewStaticCredentialsProvider("111122223333", "any", ""),
	}
	p.kms, p.iam = kms.NewFromConfig(c), iam.NewFromConfig(c)
	return p
}

// kill ends it as nothing can that lets it do anything more.
func (p *process) kill() { _ = p.cmd.Process.Kill() } // it may have ended already

// gone waits until it has ended.
func (p *process) gone(t *testing.T) {
	t.Helper()
	var exit *exec.ExitError
	if err := p.cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("it ended by itself: %v: %s", err, p.errs)
	}
}

// A promise is a write that was acknowledged: it says whether it is still there.
type promise struct {
	what string
	kept func(context.Context, *process) error
}

// promises are those of all writers.
type promises struct {
	mu   sync.Mutex
	list []promise
	left int // until the kill
	kill func()
}

func (p *promises) add(what string, kept func(context.Context, *process) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, promise{what, kept})
	if p.left--; p.left == 0 {
		p.kill()
	}
}

// write makes and changes things as fast as it can until that fails.
func (p *promises) write(ctx context.Context, s *process, name string) {
	for n := 0; ; n++ {
		if p.writeKey(ctx, s, fmt.Sprintf("%s-%d", name, n)) != nil {
			return
		}
	}
}

func (p *promises) writeKey(ctx context.Context, s *process, name string) error {
	k, err := s.kms.CreateKey(ctx, &kms.CreateKeyInput{Description: &name})
	if err != nil {
		return err
	}
	id := k.KeyMetadata.KeyId
	p.add("the key "+*id, func(ctx context.Context, s *process) error {
		k, err := s.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: id})
		if err == nil && *k.KeyMetadata.Description != name {
			err = fmt.Errorf("it is %s", *k.KeyMetadata.Description)
		}
		return err
	})
	alias := "alias/" + name
	if _, err := s.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: id}); err != nil {
		return err
	}
	p.add(alias, func(ctx context.Context, s *process) error {
		k, err := s.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &alias})
		if err == nil && *k.KeyMetadata.KeyId != *id {
			err = fmt.Errorf("it leads to %s", *k.KeyMetadata.KeyId)
		}
		return err
	})
	for _, change := range []func(context.Context, *process, *string, string) error{p.tag, p.grant, p.putPolicy, p.user} {
		if err := change(ctx, s, id, name); err != nil {
			return err
		}
	}
	return nil
}

func (p *promises) tag(ctx context.Context, s *process, id *string, name string) error {
	if _, err := s.kms.TagResource(ctx, &kms.TagResourceInput{KeyId: id, Tags: []types.Tag{{TagKey: new("name"), TagValue: &name}}}); err != nil {
		return err
	}
	p.add("the tag of "+*id, func(ctx context.Context, s *process) error {
		list, err := s.kms.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: id})
		if err == nil && (len(list.Tags) != 1 || *list.Tags[0].TagValue != name) {
			err = fmt.Errorf("the tags are %v", list.Tags)
		}
		return err
	})
	return nil
}

func (p *promises) grant(ctx context.Context, s *process, id *string, _ string) error {
	g, err := s.kms.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: id, GranteePrincipal: new("arn:aws:iam::111122223333:root"), Operations: []types.GrantOperation{types.GrantOperationDecrypt}})
	if err != nil {
		return err
	}
	p.add("the grant "+*g.GrantId, func(ctx context.Context, s *process) error {
		list, err := s.kms.ListGrants(ctx, &kms.ListGrantsInput{KeyId: id})
		if err == nil && (len(list.Grants) != 1 || *list.Grants[0].GrantId != *g.GrantId) {
			err = fmt.Errorf("the grants are %v", list.Grants)
		}
		return err
	})
	return nil
}

func (p *promises) putPolicy(ctx context.Context, s *process, id *string, name string) error {
	document := fmt.Sprintf(`{"Version":"2012-10-17","Id":%q,"Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}]}`, name)
	if _, err := s.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: id, Policy: &document}); err != nil {
		return err
	}
	p.add("the policy of "+*id, func(ctx context.Context, s *process) error {
		got, err := s.kms.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: id})
		if err == nil && !strings.Contains(*got.Policy, fmt.Sprintf("%q", name)) {
			err = fmt.Errorf("it is %s", *got.Policy)
		}
		return err
	})
	return nil
}

func (p *promises) user(ctx context.Context, s *process, _ *string, name string) error {
	if _, err := s.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}); err != nil {
		return err
	}
	p.add("the user "+name, func(ctx context.Context, s *process) error {
		_, err := s.iam.GetUser(ctx, &iam.GetUserInput{UserName: &name})
		return err
	})
	return nil
}

// broken are the promises that a sandbox does not keep.
func broken(ctx context.Context, list []promise, s *process) (errs []error) {
	for _, p := range list {
		if err := p.kept(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("%s is lost: %w", p.what, err))
		}
	}
	return errs
}

// What was acknowledged is there after a kill at any moment, and the sandbox starts.
func TestNothingThatWasAcknowledgedIsLostToAKill(t *testing.T) {
	t.Parallel()
	const writers, most = 4, 60
	state := filepath.Join(t.TempDir(), "sandbox.db")
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 9))
	all := &promises{}
	var starts []time.Duration
	writing := time.Duration(0)
	s := launch(t, state)
	for point := range killPoints {
		before := len(all.list)
		all.left, all.kill = 1+random.IntN(most), s.kill
		began := time.Now()
		var crowd sync.WaitGroup
		for w := range writers {
			crowd.Go(func() { all.write(t.Context(), s, fmt.Sprintf("p%d-w%d", point, w)) })
		}
		crowd.Wait()
		writing += time.Since(began)
		s.gone(t)
		s = launch(t, state)
		starts = append(starts, s.ready)
		for _, err := range broken(t.Context(), all.list[before:], s) {
			t.Errorf("kill %d (seed %d): %v", point, seed, err)
		}
	}
	for _, err := range broken(t.Context(), all.list, s) {
		t.Errorf("at the end (seed %d): %v", seed, err)
	}
	s.kill()
	s.gone(t)
	info, err := os.Stat(state)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state has mode %v: %v", info.Mode(), err)
	}
	slices.Sort(starts)
	t.Logf("%d kills, %d acknowledged writes at %.0f a second; ready again after %v at best, %v in the middle, %v at worst; the state has %d KiB",
		killPoints, len(all.list), float64(len(all.list))/writing.Seconds(), starts[0].Round(time.Millisecond), starts[len(starts)/2].Round(time.Millisecond), starts[len(starts)-1].Round(time.Millisecond), info.Size()>>10)
}

// A file that cannot be a state any more is refused with what to do, and stays as it
// is for whoever can mend it.
func TestSandboxRefusesADamagedStateAndLeavesItAlone(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "sandbox.db")
	r := startSandbox(t, "--state", source)
	for range 20 {
		if _, err := r.kms("111122223333").CreateKey(t.Context(), &kms.CreateKeyInput{}); err != nil {
			t.Fatal(err)
		}
	}
	r.end(t)
	whole, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"truncated": whole[:len(whole)/4], "cut to a page": whole[:4096], "text": []byte("my notes\n"), "zeros": make([]byte, 1<<16),
		"noise after its beginning": append(slices.Clone(whole[:8192]), bytes.Repeat([]byte("noise"), 10_000)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "sandbox.db")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			var errs bytes.Buffer
			code := execute(t.Context(), []string{"sandbox", "--listen", "127.0.0.1:0", "--state", file, "--estate", "../../examples/drs-cross-account"}, nil, io.Discard, &errs)
			if code != exitFailed || !strings.Contains(errs.String(), file) || !strings.Contains(errs.String(), "damaged") || !strings.Contains(errs.String(), "another file with --state") {
				t.Errorf("exit code %d: %s", code, errs.String())
			}
			if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, text) {
				t.Errorf("the file is another: %d bytes, %v", len(after), err)
			}
		})
	}
}

// An empty state is filled from the estate, though its file is there already.
func TestSandboxFillsAStateThatHoldsNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sandbox.db")
	startSandbox(t, "--state", file).end(t)
	r := startSandbox(t, "--state", file, "--estate", "../../examples/drs-cross-account")
	list, err := r.kms("444455556666").ListKeys(t.Context(), &kms.ListKeysInput{})
	if err != nil || len(list.Keys) == 0 {
		t.Errorf("the estate's keys: %v, %v", list, err)
	}
	r.end(t)
	if r.errs.Len() != 0 {
		t.Errorf("it says %s", r.errs)
	}
}
