package live_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/live"
)

func TestWhatIsWrittenToS3IsReadBack(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t, true)
	s := w.store(live.S3Options{Details: true})
	if s.String() != backupURL {
		t.Errorf("it is called %q", s)
	}
	for _, n := range []int{0, 1, 70_000, 16 << 20, 16<<20 + 1, 40 << 20} {
		id, data := fmt.Sprintf("b-%d", n), backupBytes(n, 2)
		o, err := save(t.Context(), s, id, data)
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if o.Size != int64(n) || o.VersionID == "" || !strings.HasPrefix(o.Checksum, "CRC64NVME:") || o.Location != backupURL+"/"+id+".age" {
			t.Errorf("%d bytes are told as %+v", n, o)
		}
		for _, from := range []int{0, n / 3, n} {
			got, told, err := load(t.Context(), s, id, o.VersionID, int64(from))
			if err != nil || !bytes.Equal(got, data[from:]) || told.Size != o.Size || told.VersionID != o.VersionID {
				t.Errorf("%d bytes from %d on: %d bytes, %+v, %v", n, from, len(got), told, err)
			}
		}
		if _, _, err := s.Open(t.Context(), id, "", int64(n)+1); envelope.ClassOf(err) != envelope.Truncated {
			t.Errorf("from beyond its end: %v", err)
		}
		if _, err := s.Create(t.Context(), id); cloud.KindOf(err) != cloud.Exists {
			t.Errorf("another of the id: %v", err)
		}
	}
	w.put("etcd/prod/notes.txt", nil)
	w.put("etcd/prod/deeper/x.age", nil)
	w.put("other/y.age", nil)
	list, err := s.List(t.Context())
	if err != nil || len(list) != 6 || list[0].ID != "b-0" || list[0].VersionID == "" || w.uploads() != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := s.Remove(t.Context(), list[0]); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Open(t.Context(), "b-0", "", 0); envelope.ClassOf(err) != envelope.NotFound {
		t.Errorf("the removed one: %v", err)
	}
	if got, err := w.store(live.S3Options{Versions: true}).List(t.Context()); err != nil || len(got) != 6 || got[0].VersionID != list[0].VersionID {
		t.Errorf("all versions: %+v, %v", got, err)
	}
}

// Whoever may list nothing learns at the end that somebody was faster.
func TestTwoWritersOfOneIDInS3(t *testing.T) {
	t.Parallel()
	for _, n := range []int{10, 17 << 20} {
		w := newVaultWorld(t, false)
		s := w.store(live.S3Options{})
		late, err := s.Create(t.Context(), "one")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := late.Write(backupBytes(n, 3)); err != nil {
			t.Fatal(err)
		}
		if _, err := save(t.Context(), s, "one", []byte("first")); err != nil {
			t.Fatal(err)
		}
		if _, err := late.Commit(t.Context()); cloud.KindOf(err) != cloud.Exists {
			t.Errorf("%d bytes: %v", n, err)
		}
		if got := w.raw("etcd/prod/one.age"); string(got) != "first" || w.uploads() != 0 {
			t.Errorf("%d bytes: it is %.10q, %d uploads are left", n, got, w.uploads())
		}
	}
}

func TestAnUploadThatIsGivenUpLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t, false)
	s := w.store(live.S3Options{})
	for _, how := range []string{"aborted", "cancelled", "cancelled and committed"} {
		ctx, cancel := context.WithCancel(t.Context())
		up, err := s.Create(ctx, "gone")
		if err == nil {
			_, err = up.Write(backupBytes(17<<20, 4))
		}
		if err != nil || w.uploads() != 1 {
			t.Fatalf("%v, %d uploads", err, w.uploads())
		}
		if how != "aborted" {
			cancel()
		}
		if how == "cancelled and committed" {
			_, err = up.Commit(ctx)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", how, err)
		}
		if err := up.Abort(ctx); err != nil || w.uploads() != 0 || w.raw("etcd/prod/gone.age") != nil {
			t.Errorf("%s: %v, %d uploads are left", how, err, w.uploads())
		}
		cancel()
	}
}

func TestOwnUploadsAreSwept(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t, false)
	for _, key := range []string{"etcd/prod/a.age", "etcd/prod/a.age", "etcd/prod/notes", "etcd/prod/deep/a.age", "other/a.age"} {
		opNeed(w.s3().CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: new(backupBucket), Key: &key}))(t)
	}
	s := w.store(live.S3Options{})
	if n, err := s.Sweep(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("young ones: %d, %v", n, err)
	}
	if n, err := s.Sweep(t.Context(), -time.Hour); n != 2 || err != nil || w.uploads() != 3 {
		t.Errorf("swept %d, %v; %d are left", n, err, w.uploads())
	}
}

func TestAnotherBeginningInS3(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size, from, head int
		calls            string // that has to be among the calls
	}{
		"a small one is written anew":           {70_000, 500, 900, "PutObject"},
		"a large one is copied within S3":       {40 << 20, 500, 900, "UploadPartCopy"},
		"a head longer than a part":             {20 << 20, 3 << 20, 6 << 20, "UploadPartCopy"},
		"the rest is hardly more than one part": {16<<20 + 100, 100, 200, "UploadPartCopy"},
		"nothing is left of the rest":           {100, 100, 50, "PutObject"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newVaultWorld(t, true)
			sealing := w.kmsKey(opOwner, opHome)
			s := w.store(live.S3Options{SSEKey: sealing})
			data := backupBytes(c.size, 5)
			was, err := save(t.Context(), s, "x", data)
			if err != nil {
				t.Fatal(err)
			}
			head := backupBytes(c.head, 6)
			w.spoiling(func(string, http.ResponseWriter, *http.Request) bool { return false })
			plain := w.store(live.S3Options{Region: opHome})
			now, err := plain.Replace(t.Context(), was, head, int64(c.from))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(w.called(), c.calls) {
				t.Errorf("the calls were %v", w.called())
			}
			want := append(head, data[c.from:]...)
			got, told, err := load(t.Context(), s, "x", "", 0)
			if err != nil || !bytes.Equal(got, want) || told.Checksum != now.Checksum || now.Checksum == "" || now.VersionID == was.VersionID || now.Size != int64(len(want)) {
				t.Errorf("%d bytes of %d, %+v, %v", len(got), len(want), now, err)
			}
			if !now.Modified.Equal(was.Modified) {
				t.Errorf("it was made %s, and is told as of %s", was.Modified, now.Modified)
			}
			seen := opNeed(w.s3().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new(backupBucket), Key: new("etcd/prod/x.age")}))(t)
			if seen.SSEKMSKeyId == nil || *seen.SSEKMSKeyId != sealing {
				t.Errorf("it is encrypted under %v", seen.SSEKMSKeyId)
			}
			if got, _, err := load(t.Context(), s, "x", was.VersionID, 0); err != nil || !bytes.Equal(got, data) {
				t.Errorf("the version before: %d bytes, %v", len(got), err)
			}
			if _, err := s.Replace(t.Context(), was, head, int64(c.from)); cloud.KindOf(err) != cloud.State {
				t.Errorf("replacing in a version that is not the newest: %v", err)
			}
			if w.uploads() != 0 {
				t.Errorf("%d uploads are left", w.uploads())
			}
		})
	}
}

// What another tool put has the checksum that the tool chose.
func TestABackupWithAnotherChecksumIsComparedToo(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []s3types.ChecksumAlgorithm{s3types.ChecksumAlgorithmCrc32, s3types.ChecksumAlgorithmCrc32c, s3types.ChecksumAlgorithmSha256, s3types.ChecksumAlgorithmCrc64nvme} {
		w, data := newVaultWorld(t, false), backupBytes(100_000, 3)
		opNeed(w.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: new(backupBucket), Key: new("etcd/prod/x.age"), Body: bytes.NewReader(data), ChecksumAlgorithm: algorithm}))(t)
		s := w.store(live.S3Options{})
		if got, _, err := load(t.Context(), s, "x", "", 0); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes, %v", algorithm, len(got), err)
		}
		if now, err := s.Replace(t.Context(), store.Object{ID: "x", Size: int64(len(data))}, []byte("head"), 10); err != nil || now.Size != int64(len(data))-6 {
			t.Errorf("%s: %+v, %v", algorithm, now, err)
		}
		opNeed(w.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: new(backupBucket), Key: new("etcd/prod/x.age"), Body: bytes.NewReader(data), ChecksumAlgorithm: algorithm}))(t)
		w.spoiling(func(operation string, rw http.ResponseWriter, r *http.Request) bool {
			return operation == "GetObject" && flipping(w, operation, rw, r)
		})
		if _, _, err := load(t.Context(), s, "x", "", 0); envelope.ClassOf(err) != envelope.Corrupt {
			t.Errorf("%s with a bit flipped: %v", algorithm, err)
		}
	}
}

// An overwrite while the rest is copied is not overwritten again.
func TestABackupThatChangesWhileItsBeginningIsReplaced(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"PutObject", "CompleteMultipartUpload"} {
		w := newVaultWorld(t, false)
		s := w.store(live.S3Options{Region: opHome})
		size := 1000
		if last != "PutObject" {
			size = 20 << 20
		}
		o, err := save(t.Context(), s, "x", backupBytes(size, 7))
		if err != nil {
			t.Fatal(err)
		}
		w.spoiling(func(operation string, _ http.ResponseWriter, _ *http.Request) bool {
			if operation == last {
				w.put("etcd/prod/x.age", []byte("another's"))
			}
			return false
		})
		if _, err := s.Replace(t.Context(), o, []byte("head"), 10); cloud.KindOf(err) != cloud.State {
			t.Errorf("%s: %v", last, err)
		}
		if got := w.raw("etcd/prod/x.age"); string(got) != "another's" || w.uploads() != 0 {
			t.Errorf("%s: it is %.20q, %d uploads are left", last, got, w.uploads())
		}
	}
}

// A writer has no right on the key under which S3 is to encrypt, or only half of what an
// upload in parts takes.
func TestAWriterThatMayNotUseTheKeyOfS3(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		may  string
		size int
		says string // empty: it goes through
	}{
		{`"kms:DescribeKey"`, 10, "kms:GenerateDataKey"},
		{`"kms:DescribeKey"`, 17 << 20, "kms:GenerateDataKey"},
		{`"kms:GenerateDataKey"`, 10, ""},
		{`"kms:GenerateDataKey"`, 17 << 20, "kms:Decrypt"},
		{`"kms:GenerateDataKey","kms:Decrypt"`, 17 << 20, ""},
	} {
		t.Run(fmt.Sprintf("%s for %d bytes", c.may, c.size), func(t *testing.T) {
			t.Parallel()
			w := newVaultWorld(t, false)
			key := w.kmsKey(opOwner, opHome)
			writer := w.user(opOwner, "writer", `{"Version":"2012-10-17","Statement":[
				{"Effect":"Allow","Action":["s3:PutObject","s3:AbortMultipartUpload","s3:ListBucket"],"Resource":"*"},
				{"Effect":"Allow","Action":[`+c.may+`],"Resource":"`+key+`"}]}`)
			s := opNeed(w.as(writer).S3Store(t.Context(), backupURL, live.S3Options{SSEKey: key, Owner: opOwner}))(t)
			o, err := save(t.Context(), s, "x", backupBytes(c.size, 8))
			if c.says == "" {
				if err != nil || o.Size != int64(c.size) {
					t.Errorf("%+v, %v", o, err)
				}
				return
			}
			if envelope.ClassOf(err) != envelope.Denied || !strings.Contains(err.Error(), c.says) || w.uploads() != 0 || w.raw("etcd/prod/x.age") != nil {
				t.Errorf("%v; %d uploads are left", err, w.uploads())
			}
		})
	}
}

func TestABackupThatIsLocked(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t, true)
	opNeed(w.s3().PutObjectLockConfiguration(t.Context(), &s3.PutObjectLockConfigurationInput{Bucket: new(backupBucket), ObjectLockConfiguration: &s3types.ObjectLockConfiguration{ObjectLockEnabled: s3types.ObjectLockEnabledEnabled}}))(t)
	until := w.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	s := w.store(live.S3Options{LockMode: "COMPLIANCE", LockUntil: until, Details: true, Versions: true})
	for _, n := range []int{10, 17 << 20} {
		id := fmt.Sprint("b", n)
		o, err := save(t.Context(), s, id, backupBytes(n, 9))
		if err != nil || !o.LockedUntil.Equal(until) {
			t.Fatalf("%+v, %v", o, err)
		}
		if _, told, err := load(t.Context(), s, id, "", 0); err != nil || !told.LockedUntil.Equal(until) {
			t.Errorf("%+v, %v", told, err)
		}
		if _, err := w.s3().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: new(backupBucket), Key: new("etcd/prod/" + id + ".age"), VersionId: &o.VersionID}); err == nil {
			t.Error("the version was deleted")
		}
		now, err := s.Replace(t.Context(), o, []byte("h"), 5)
		if err != nil || !now.LockedUntil.Equal(until) {
			t.Errorf("with another beginning: %+v, %v", now, err)
		}
		if err := s.Remove(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 4 || list[0].LockedUntil.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestABucketElsewhereOrNowhere(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t, false)
	away := s3.NewFromConfig(w.Root(opOwner, opAway), func(o *s3.Options) { o.UsePathStyle = true })
	opNeed(away.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("far-away"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: opAway}}))(t)
	s := opNeed(w.as(live.Keys{}).S3Store(t.Context(), "s3://far-away/", live.S3Options{}))(t)
	if _, err := save(t.Context(), s, "x", []byte("y")); err != nil || s.String() != "s3://far-away" {
		t.Errorf("%v; it is called %q", err, s)
	}
	if _, err := w.as(live.Keys{}).S3Store(t.Context(), "s3://not-there/x", live.S3Options{}); envelope.ClassOf(err) != envelope.NotFound {
		t.Errorf("no such bucket: %v", err)
	}
	lost := opNeed(w.as(live.Keys{}).S3Store(t.Context(), "s3://not-there/x", live.S3Options{Region: opHome}))(t)
	if _, err := lost.List(t.Context()); envelope.ClassOf(err) != envelope.NotFound {
		t.Errorf("listing in no such bucket: %v", err)
	}
	if _, err := opNeed(w.as(live.Keys{}).S3Store(t.Context(), backupURL, live.S3Options{Region: opHome, Owner: opConsumer}))(t).List(t.Context()); envelope.ClassOf(err) != envelope.Denied {
		t.Errorf("a bucket of somebody else: %v", err)
	}
	for _, url := range []string{"", "s3:/", "s3://", "s3://B/x", "s3://ab", "file:///x", "s3://bucket//x", "s3://bucket/a//b", "s3://bucket/" + strings.Repeat("x", 701)} {
		if _, err := w.as(live.Keys{}).S3Store(t.Context(), url, live.S3Options{}); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, o := range []live.S3Options{{SSEKey: "alias/x"}, {LockMode: "GOVERNANCE"}, {LockMode: "NEVER", LockUntil: time.Now()}, {LockUntil: time.Now()}} {
		if _, err := w.as(live.Keys{}).S3Store(t.Context(), backupURL, o); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// endless is so many zero bytes.
type endless struct{ left int64 }

func (e *endless) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(b)), e.left)
	e.left -= n
	return int(n), nil
}

// TestAnUploadTakesLittleMemory does not run beside others, whose memory would count.
func TestAnUploadTakesLittleMemory(t *testing.T) {
	w := newVaultWorld(t, false)
	s := w.store(live.S3Options{})
	// What lives, and not what is garbage: how much of that there may be follows from what
	// the tests before have left.
	lives := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before, most := lives(), 0
	w.spoiling(func(operation string, _ http.ResponseWriter, _ *http.Request) bool {
		if operation == "UploadPart" {
			now := lives()
			w.mu.Lock()
			most = max(most, now-before)
			w.mu.Unlock()
		}
		return false
	})
	up := opNeed(s.Create(t.Context(), "large"))(t)
	const size = 300 << 20
	if _, err := io.Copy(up, &endless{size}); err != nil {
		t.Fatal(err)
	}
	o, err := up.Commit(t.Context())
	if err != nil || o.Size != size {
		t.Fatalf("%+v, %v", o, err)
	}
	if n := len(slices.DeleteFunc(w.called(), func(c string) bool { return c != "UploadPart" })); n != 19 {
		t.Errorf("it went in %d parts", n)
	}
	t.Logf("%d MiB", most>>20)
	if most > 96<<20 {
		t.Errorf("the heap had %d MiB more than before", most>>20)
	}
}

func TestWhatKMSSaysOfBackups(t *testing.T) {
	t.Parallel()
	type world struct {
		*vaultWorld
		api   *kms.Client
		key   string
		keys  envelope.KMS
		bound envelope.Context
	}
	const wrap, unwrap = "wrap", "unwrap"
	for name, c := range map[string]struct {
		do   func(w *world) (key string) // the key that is called; empty for the one
		ends [2]string                   // wrap, unwrap
	}{
		"all is well": {func(*world) string { return "" }, [2]string{"whole", "whole"}},
		"access denied": {func(w *world) string {
			w.keys = w.as(w.user(opConsumer, "u", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`)).BackupKMS("")
			return ""
		}, [2]string{string(cloud.Denied), string(cloud.Denied)}},
		"disabled": {func(w *world) string {
			opNeed(w.api.DisableKey(w.Context(), &kms.DisableKeyInput{KeyId: &w.key}))(w)
			return ""
		}, [2]string{string(cloud.State), string(cloud.State)}},
		"pending deletion": {func(w *world) string {
			opNeed(w.api.ScheduleKeyDeletion(w.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &w.key}))(w)
			return ""
		}, [2]string{string(cloud.State), string(cloud.State)}},
		"not found": {func(w *world) string {
			return "arn:aws:kms:" + opHome + ":" + opOwner + ":key/00000000-0000-0000-0000-000000000000"
		}, [2]string{string(cloud.NotFound), string(cloud.NotFound)}},
		"the other Region": {func(w *world) string { return strings.Replace(w.key, opHome, opAway, 1) }, [2]string{string(cloud.NotFound), string(cloud.NotFound)}},
		"throttled":        {func(w *world) string { w.fails(http.StatusBadRequest, "ThrottlingException"); return "" }, [2]string{string(cloud.Throttled), string(cloud.Throttled)}},
		"internal":         {func(w *world) string { w.fails(http.StatusInternalServerError, "KMSInternalException"); return "" }, [2]string{string(cloud.Unavailable), string(cloud.Unavailable)}},
		"other context":    {func(w *world) string { w.bound = envelope.NewContext("etcd", "prod", "another"); return "" }, [2]string{"whole", string(cloud.Invalid)}},
		"no key at all":    {func(*world) string { return "arn:aws:s3:::" + backupBucket }, [2]string{string(cloud.Invalid), string(cloud.Invalid)}},
		"another key":      {func(w *world) string { return w.kmsKey(opOwner, opHome) }, [2]string{"whole", string(cloud.Invalid)}},
		"a replica": {func(w *world) string {
			opNeed(w.api.ReplicateKey(w.Context(), &kms.ReplicateKeyInput{KeyId: &w.key, ReplicaRegion: new(opAway)}))(w)
			w.pass()
			return strings.Replace(w.key, opHome, opAway, 1)
		}, [2]string{"whole", "whole"}},
		"an alias": {func(w *world) string {
			opNeed(w.api.CreateAlias(w.Context(), &kms.CreateAliasInput{AliasName: new("alias/b"), TargetKeyId: &w.key}))(w)
			return "alias/b"
		}, [2]string{"whole", "whole"}},
		"a moved alias": {func(w *world) string {
			opNeed(w.api.CreateAlias(w.Context(), &kms.CreateAliasInput{AliasName: new("alias/b"), TargetKeyId: new(w.kmsKey(opOwner, opHome))}))(w)
			return "arn:aws:kms:" + opHome + ":" + opOwner + ":alias/b"
		}, [2]string{"whole", string(cloud.Invalid)}},
		"no answer": {func(w *world) string { w.fails(0, ""); return "" }, [2]string{string(cloud.Lost), string(cloud.Lost)}},
	} {
		for i, work := range []string{wrap, unwrap} {
			t.Run(work+" with "+name, func(t *testing.T) {
				t.Parallel()
				w := &world{vaultWorld: newVaultWorld(t, false), bound: envelope.NewContext("etcd", "prod", "one")}
				w.key, w.api = w.kmsKey(opOwner, opHome), kms.NewFromConfig(w.Root(opOwner, opHome))
				w.keys = w.as(live.Keys{}).BackupKMS("")
				blob, arn, err := w.keys.Encrypt(t.Context(), w.key, []byte("0123456789abcdef"), w.bound)
				if err != nil || arn != w.key {
					t.Fatalf("%q, %v", arn, err)
				}
				key := c.do(w)
				if key == "" {
					key = w.key
				}
				var got []byte
				if work == wrap {
					_, arn, err = w.keys.Encrypt(t.Context(), key, []byte("0123456789abcdef"), w.bound)
					if err == nil && !strings.Contains(arn, ":key/") {
						t.Errorf("the key is told as %q", arn)
					}
				} else if got, err = w.keys.Decrypt(t.Context(), key, blob, w.bound); err == nil && string(got) != "0123456789abcdef" {
					t.Error("it opens to something else")
				}
				if end := endOf(err); end != c.ends[i] {
					t.Errorf("it ends %q, want %q: %v", end, c.ends[i], err)
				}
			})
		}
	}
}

// fails has all calls of KMS fail from now on; without a code, without an answer.
func (w *vaultWorld) fails(status int, code string) {
	w.spoiling(func(_ string, rw http.ResponseWriter, _ *http.Request) bool {
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, `{"__type":"`+code+`","message":"no"}`)
		return true
	})
}

// pass lets an hour pass.
func (w *vaultWorld) pass() {
	w.Helper()
	if err := w.Advance(time.Hour); err != nil {
		w.Fatal(err)
	}
}
