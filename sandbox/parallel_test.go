package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox"
)

const crowdSize, crowdAccounts = 64, 8

// crowdMember is one of the clients that are at the sandbox at once, and what it knows it
// has done. Eight share an account.
type crowdMember struct {
	n       int
	account string
	w       *watched
	kms     *kms.Client
	iam     *iam.Client
	rand    *rand.Rand

	keys    []string
	secrets []crowdSecret
	grants  map[string]string // grant id → key
	users   map[string]bool
	role    string
	calls   int
}

// crowdSecret is a plaintext and what it became.
type crowdSecret struct{ plain, blob []byte }

func (w *watched) member(n int) *crowdMember {
	account := strings.Repeat(fmt.Sprint(1+n%crowdAccounts), 12)
	cfg := w.config(account, "any")
	return &crowdMember{
		n: n, account: account, w: w, kms: kms.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg), rand: rand.New(rand.NewPCG(uint64(n), 64)),
		grants: map[string]string{}, users: map[string]bool{},
	}
}

// step is one of the things that a member does. All belong to it alone but the
// account and the clock.
func (m *crowdMember) step(ctx context.Context) error {
	m.calls++
	if len(m.keys) == 0 {
		return m.createKey(ctx)
	}
	key := m.keys[m.rand.IntN(len(m.keys))]
	switch m.rand.IntN(16) {
	case 0:
		return m.createKey(ctx)
	case 1, 2, 3:
		return m.encrypt(ctx, key)
	case 4, 5:
		return m.decryptAll(ctx, 1)
	case 6:
		return m.grant(ctx, key)
	case 7:
		return m.revoke(ctx)
	case 8:
		return m.putPolicy(ctx, key)
	case 9:
		return m.changeUser(ctx)
	case 10:
		return m.changeRole(ctx)
	case 11:
		return m.assume(ctx, key)
	case 12:
		_, err := m.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
		return err
	case 13:
		_, err := m.iam.ListUsers(ctx, &iam.ListUsersInput{})
		return err
	case 14:
		_, err := cloudtrail.NewFromConfig(m.w.config(m.account, "any")).LookupEvents(ctx, &cloudtrail.LookupEventsInput{MaxResults: new(int32(5))})
		return err
	}
	return m.admin(ctx)
}

func (m *crowdMember) createKey(ctx context.Context) error {
	k, err := m.kms.CreateKey(ctx, &kms.CreateKeyInput{Description: new(fmt.Sprint(m.n))})
	if err != nil {
		return err
	}
	id := *k.KeyMetadata.KeyId
	m.keys = append(m.keys, id)
	_, err = m.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new(fmt.Sprintf("alias/of-%d/%d", m.n, len(m.keys))), TargetKeyId: &id})
	return err
}

func (m *crowdMember) encrypt(ctx context.Context, key string) error {
	plain := fmt.Appendf(nil, "secret %d of %d", len(m.secrets), m.n)
	out, err := m.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: plain})
	if err == nil {
		m.secrets = append(m.secrets, crowdSecret{plain, out.CiphertextBlob})
	}
	return err
}

// decryptAll opens the latest secrets.
func (m *crowdMember) decryptAll(ctx context.Context, n int) error {
	for _, s := range m.secrets[max(0, len(m.secrets)-n):] {
		out, err := m.kms.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: s.blob})
		if err != nil {
			return err
		}
		if !bytes.Equal(out.Plaintext, s.plain) {
			return fmt.Errorf("%q was decrypted as %q", s.plain, out.Plaintext)
		}
	}
	return nil
}

func (m *crowdMember) grant(ctx context.Context, key string) error {
	root := "arn:aws:iam::" + m.account + ":root"
	g, err := m.kms.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &root, Operations: []types.GrantOperation{types.GrantOperationDecrypt}})
	if err == nil {
		m.grants[*g.GrantId] = key
	}
	return err
}

func (m *crowdMember) revoke(ctx context.Context) error {
	for id, key := range m.grants {
		_, err := m.kms.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: &id})
		delete(m.grants, id)
		return err
	}
	return nil
}

func (m *crowdMember) putPolicy(ctx context.Context, key string) error {
	document := fmt.Sprintf(`{"Version":"2012-10-17","Id":"%d","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"kms:*","Resource":"*"}]}`, m.calls, m.account)
	_, err := m.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: &document})
	return err
}

func (m *crowdMember) changeUser(ctx context.Context) error {
	for name := range m.users {
		if m.rand.IntN(2) == 0 {
			_, err := m.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &name})
			delete(m.users, name)
			return err
		}
	}
	name := fmt.Sprintf("user-%d-%d", m.n, m.calls)
	_, err := m.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name})
	m.users[name] = err == nil
	return err
}

// changeRole makes the member's role, or changes what it may do, which is always
// enough to decrypt.
func (m *crowdMember) changeRole(ctx context.Context) error {
	name := fmt.Sprintf("role-%d", m.n)
	if m.role == "" {
		trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + m.account + `"},"Action":"sts:AssumeRole"}]}`
		r, err := m.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
		if err != nil {
			return err
		}
		m.role = *r.Role.Arn
	}
	document := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"S%d","Effect":"Allow","Action":["kms:Decrypt","kms:Encrypt","sts:AssumeRole"],"Resource":"*"}]}`, m.calls)
	_, err := m.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: new("own"), PolicyDocument: &document})
	return err
}

// assume takes the role by way of another one, as root users cannot, and encrypts as
// it.
func (m *crowdMember) assume(ctx context.Context, key string) error {
	if m.role == "" {
		return nil
	}
	name := fmt.Sprintf("caller-%d-%d", m.n, m.calls)
	if _, err := m.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}); err != nil {
		return err
	}
	m.users[name] = true
	document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`
	_, err := m.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: new("own"), PolicyDocument: &document})
	if err != nil {
		return err
	}
	k, err := m.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		return err
	}
	session, err := sts.NewFromConfig(m.w.config(*k.AccessKey.AccessKeyId, *k.AccessKey.SecretAccessKey)).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &m.role, RoleSessionName: new("session")})
	if err != nil {
		return err
	}
	c := session.Credentials
	cfg := m.w.config("", "")
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	if err := m.as(cfg).encrypt(ctx, key); err != nil {
		return fmt.Errorf("as %s: %w", m.role, err)
	}
	delete(m.users, name) // it stays, with its policy and key
	return nil
}

func (m *crowdMember) as(c aws.Config) *crowdMember {
	other := *m
	other.kms = kms.NewFromConfig(c)
	return &other
}

// admin uses the sandbox's own endpoints.
func (m *crowdMember) admin(ctx context.Context) error {
	if m.rand.IntN(3) == 0 {
		return m.w.s.Advance(time.Second)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.w.URL+"/_keyreach/estate", nil)
	if err != nil {
		return err
	}
	res, err := m.w.Client().Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil {
		return err
	}
	if _, err := estate.Load("estate", text.Bytes()); err != nil {
		return fmt.Errorf("an estate taken while others write: %w", err)
	}
	return nil
}

// check holds what there is against what the member knows it did.
func (m *crowdMember) check(ctx context.Context) error {
	errs := []error{m.decryptAll(ctx, len(m.secrets))}
	for i, key := range m.keys {
		k, err := m.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: new(fmt.Sprintf("alias/of-%d/%d", m.n, i+1))})
		if err != nil || *k.KeyMetadata.KeyId != key {
			errs = append(errs, fmt.Errorf("alias %d of member %d leads to %v, not to %s: %w", i+1, m.n, k, key, err))
			continue
		}
		want := 0
		for _, of := range m.grants {
			if of == key {
				want++
			}
		}
		list, err := m.kms.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key, Limit: new(int32(100))})
		if err != nil || len(list.Grants) != want {
			errs = append(errs, fmt.Errorf("key %s has %v, want %d grants: %w", key, list, want, err))
		}
	}
	for name := range m.users {
		if _, err := m.iam.GetUser(ctx, &iam.GetUserInput{UserName: &name}); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func TestSixtyFourClientsAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	last := 1500 * time.Millisecond
	if testing.Short() {
		last = 200 * time.Millisecond
	}
	w := watch(t, sandbox.Options{})
	w.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = crowdSize
	members := make([]*crowdMember, crowdSize)
	var crowd sync.WaitGroup
	var failed atomic.Int64
	end := time.Now().Add(last)
	for n := range members {
		m := w.member(n)
		members[n] = m
		crowd.Go(func() {
			for time.Now().Before(end) && failed.Load() == 0 {
				if err := m.step(t.Context()); err != nil {
					failed.Add(1)
					t.Errorf("member %d, call %d: %v", m.n, m.calls, err)
				}
			}
		})
	}
	crowd.Wait()
	calls, keys, secrets := 0, map[string]int{}, 0
	for _, m := range members {
		if err := m.check(t.Context()); err != nil {
			t.Error(err)
		}
		calls, secrets = calls+m.calls, secrets+len(m.secrets)
		keys[m.account] += len(m.keys)
	}
	for account, want := range keys {
		n := 0
		for p := kms.NewListKeysPaginator(kms.NewFromConfig(w.config(account, "any")), &kms.ListKeysInput{}); p.HasMorePages(); {
			n += len(need(p.NextPage(t.Context()))(t).Keys)
		}
		if n != want {
			t.Errorf("%s has %d keys and made %d", account, n, want)
		}
	}
	t.Logf("%d steps of %d clients in %s; %d secrets; keys by account: %v", calls, crowdSize, last, secrets, keys)
	if n := w.panics.n.Load(); n != 0 {
		t.Errorf("the server logged %d times, the last: %s", n, w.panics.text.Load())
	}
}
