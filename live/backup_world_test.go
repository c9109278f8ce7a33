package live_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// vaultWorld is a sandbox with a bucket, and something in front of it that may spoil
// calls.
type vaultWorld struct {
	testing.TB
	*sandboxtest.Server
	front *httptest.Server

	mu    sync.Mutex
	spoil func(operation string, w http.ResponseWriter, r *http.Request) bool // reports whether it answered
	ops   []string
}

const backupBucket, backupURL = "vault-of-backups", "s3://vault-of-backups/etcd/prod"

func newVaultWorld(t testing.TB, versions bool) *vaultWorld {
	t.Helper()
	w := &vaultWorld{TB: t, Server: sandboxtest.Start(t, sandbox.Options{})}
	w.front = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, operation, _ := w.Operation(r)
		w.mu.Lock()
		spoil := w.spoil
		w.ops = append(w.ops, operation)
		w.mu.Unlock()
		if spoil == nil || !spoil(operation, rw, r) {
			w.Sandbox.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(w.front.Close)
	api := w.s3()
	opNeed(api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new(backupBucket)}))(t)
	if versions {
		w.versioned()
	}
	return w
}

func (w *vaultWorld) versioned() {
	w.Helper()
	opNeed(w.s3().PutBucketVersioning(w.Context(), &s3.PutBucketVersioningInput{Bucket: new(backupBucket), VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}))(w)
}

// s3 is a client of the owner's, past what spoils calls.
func (w *vaultWorld) s3() *s3.Client {
	return s3.NewFromConfig(w.Root(opOwner, opHome), func(o *s3.Options) { o.UsePathStyle = true })
}

// as is a Cloud whose calls go through the front, made with keys, or as the owner's root.
func (w *vaultWorld) as(keys live.Keys) *live.Cloud {
	if keys.AccessKeyID == "" {
		keys = live.Keys{AccessKeyID: opOwner, SecretAccessKey: "any"}
	}
	return live.Open(live.Options{
		Endpoint: w.front.URL, Region: opHome, MaxAttempts: 3, MaxBackoff: time.Millisecond,
		HTTP:   sandboxtest.Steady(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}),
		SignIn: func(context.Context, string) (live.Keys, error) { return keys, nil },
	})
}

func (w *vaultWorld) store(o live.S3Options) store.Store {
	w.Helper()
	return opNeed(w.as(live.Keys{}).S3Store(w.Context(), backupURL, o))(w)
}

// user is somebody of an account with a policy.
func (w *vaultWorld) user(account, name, policy string) live.Keys {
	w.Helper()
	api := iam.NewFromConfig(w.Root(account, opHome))
	opNeed(api.CreateUser(w.Context(), &iam.CreateUserInput{UserName: &name}))(w)
	opNeed(api.PutUserPolicy(w.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: new("p"), PolicyDocument: &policy}))(w)
	k := opNeed(api.CreateAccessKey(w.Context(), &iam.CreateAccessKeyInput{UserName: &name}))(w).AccessKey
	return live.Keys{AccessKeyID: *k.AccessKeyId, SecretAccessKey: *k.SecretAccessKey}
}

func (w *vaultWorld) kmsKey(account, region string) string {
	w.Helper()
	return *opNeed(kms.NewFromConfig(w.Root(account, region)).CreateKey(w.Context(), &kms.CreateKeyInput{MultiRegion: new(true)}))(w).KeyMetadata.Arn
}

// spoiling has calls spoiled from now on.
func (w *vaultWorld) spoiling(f func(operation string, rw http.ResponseWriter, r *http.Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spoil, w.ops = f, nil
}

// called are the operations that came since.
func (w *vaultWorld) called() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.ops...)
}

// answer is the sandbox's answer to a call, before anybody gets it.
func (w *vaultWorld) answer(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.Sandbox.ServeHTTP(rec, r)
	return rec
}

// pass gives an answer on, the first n bytes of it when that is not negative, and breaks
// off then.
func pass(rw http.ResponseWriter, rec *httptest.ResponseRecorder, n int) bool {
	for name, values := range rec.Header() {
		rw.Header()[name] = values
	}
	body := rec.Body.Bytes()
	if rw.Header().Get("Content-Length") == "" {
		rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	rw.WriteHeader(rec.Code)
	if n >= 0 && n < len(body) {
		_, _ = rw.Write(body[:n])
		_ = http.NewResponseController(rw).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = rw.Write(body)
	return true
}

// backupBytes are bytes that follow no pattern, the same for the same seed.
func backupBytes(n int, seed byte) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte{seed})).Read(b)
	return b
}

// save writes a backup.
func save(ctx context.Context, s store.Store, id string, b []byte) (store.Object, error) {
	w, err := s.Create(ctx, id)
	if err != nil {
		return store.Object{}, err
	}
	if _, err := io.Copy(w, bytes.NewReader(b)); err != nil {
		_ = w.Abort(ctx)
		return store.Object{}, err
	}
	return w.Commit(ctx)
}

// load reads a backup from a byte on.
func load(ctx context.Context, s store.Store, id, version string, from int64) ([]byte, store.Object, error) {
	r, o, err := s.Open(ctx, id, version, from)
	if err != nil {
		return nil, o, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return b, o, err
}

// uploads is how many uploads there are in the bucket.
func (w *vaultWorld) uploads() int {
	w.Helper()
	return len(opNeed(w.s3().ListMultipartUploads(w.Context(), &s3.ListMultipartUploadsInput{Bucket: new(backupBucket)}))(w).Uploads)
}

// raw is what lies under a key, past the store; nil when nothing does.
func (w *vaultWorld) raw(key string) []byte {
	w.Helper()
	out, err := w.s3().GetObject(w.Context(), &s3.GetObjectInput{Bucket: new(backupBucket), Key: &key})
	if err != nil {
		return nil
	}
	defer out.Body.Close()
	return opNeed(io.ReadAll(out.Body))(w)
}

func (w *vaultWorld) gone(key string) {
	w.Helper()
	opNeed(w.s3().DeleteObject(w.Context(), &s3.DeleteObjectInput{Bucket: new(backupBucket), Key: &key}))(w)
}

func (w *vaultWorld) put(key string, b []byte) {
	w.Helper()
	opNeed(w.s3().PutObject(w.Context(), &s3.PutObjectInput{Bucket: new(backupBucket), Key: &key, Body: bytes.NewReader(b), ContentLength: aws.Int64(int64(len(b)))}))(w)
}
