package live_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/sandbox"
)

// The object of the tests of faults: two parts.
const faultID, faultKey, faultSize = "snap-1", "etcd/prod/snap-1.age", 17 << 20

// spoiler answers a call in the sandbox's place, or has it answered.
type spoiler func(w *vaultWorld, operation string, rw http.ResponseWriter, r *http.Request) bool

// faultData is what is written in parts, and something smaller that is read.
func faultData(work string) []byte {
	if work == toWrite {
		return backupBytes(faultSize, 1)
	}
	return backupBytes(1<<20, 1)
}

// once spoils the first call of each of the operations.
func once(do spoiler, operations ...string) func() spoiler {
	return func() spoiler {
		var done [16]atomic.Bool
		return func(w *vaultWorld, operation string, rw http.ResponseWriter, r *http.Request) bool {
			at := slices.Index(operations, operation)
			return at >= 0 && !done[at].Swap(true) && do(w, operation, rw, r)
		}
	}
}

// always spoils every call of the operations, of all when none is told.
func always(do spoiler, operations ...string) func() spoiler {
	return func() spoiler {
		return func(w *vaultWorld, operation string, rw http.ResponseWriter, r *http.Request) bool {
			return (len(operations) == 0 || slices.Contains(operations, operation)) && do(w, operation, rw, r)
		}
	}
}

func answering(f sandbox.Fault) spoiler {
	return func(w *vaultWorld, operation string, rw http.ResponseWriter, r *http.Request) bool {
		w.Sandbox.Fail(rw, r, "s3", operation, f)
		return true
	}
}

// breaking breaks the connection off in the middle: of the body that comes, or of the one
// that goes.
func breaking(w *vaultWorld, operation string, rw http.ResponseWriter, r *http.Request) bool {
	if operation == "UploadPart" {
		_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
		panic(http.ErrAbortHandler)
	}
	rec := w.answer(r)
	return pass(rw, rec, rec.Body.Len()/2)
}

func losing(w *vaultWorld, _ string, _ http.ResponseWriter, r *http.Request) bool {
	w.answer(r)
	panic(http.ErrAbortHandler)
}

// doubling has a call performed twice.
func doubling(w *vaultWorld, _ string, rw http.ResponseWriter, r *http.Request) bool {
	body, _ := io.ReadAll(r.Body)
	first := r.Clone(r.Context())
	first.Body = io.NopCloser(bytes.NewReader(body))
	w.answer(first)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return pass(rw, w.answer(r), -1)
}

// telling changes a header of the answer.
func telling(header, text string) spoiler {
	return func(w *vaultWorld, _ string, rw http.ResponseWriter, r *http.Request) bool {
		rec := w.answer(r)
		if rec.Header().Get(header) != "" {
			rec.Header().Set(header, text)
		}
		return pass(rw, rec, -1)
	}
}

// skewed is what S3 says to a request of another time. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
func skewed(_ *vaultWorld, _ string, rw http.ResponseWriter, _ *http.Request) bool {
	rw.WriteHeader(http.StatusForbidden)
	_, _ = io.WriteString(rw, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message></Error>`)
	return true
}

func flipping(w *vaultWorld, _ string, rw http.ResponseWriter, r *http.Request) bool {
	rec := w.answer(r)
	if b := rec.Body.Bytes(); len(b) > 0 {
		b[len(b)/2] ^= 1
	}
	return pass(rw, rec, -1)
}

// halves breaks off the first read and does something before the next.
func halves(do func(w *vaultWorld)) func() spoiler {
	return func() spoiler {
		var n atomic.Int32
		return func(w *vaultWorld, operation string, rw http.ResponseWriter, r *http.Request) bool {
			switch {
			case operation == "CompleteMultipartUpload":
				do(w)
				return false
			case operation != "GetObject":
				return false
			case n.Add(1) > 1:
				return false
			}
			rec := w.answer(r)
			do(w)
			return pass(rw, rec, rec.Body.Len()/2)
		}
	}
}

// resumedWrong breaks the first read off and flips a bit in what comes after.
func resumedWrong(w *vaultWorld, operation string, rw http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Range") == "" {
		return breaking(w, operation, rw, r)
	}
	return flipping(w, operation, rw, r)
}

// What is done with a store under a fault.
const (
	toWrite  = "write"
	toRead   = "read"
	toVerify = "list and verify"
)

var faultWorks = []string{toWrite, toRead, toVerify}

// s3Faults are the faults, and how each work ends under them: "whole", or the kind or
// class of the failure.
func s3Faults() map[string]struct {
	fault    func() spoiler
	ends     [3]string // write, read, verify
	versions bool
} {
	type fault = struct {
		fault    func() spoiler
		ends     [3]string
		versions bool
	}
	all := []string{"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "ListObjectsV2", "HeadObject", "GetObject", "HeadBucket"}
	whole := [3]string{"whole", "whole", "whole"}
	same := func(kind string) [3]string { return [3]string{kind, kind, kind} }
	return map[string]fault{
		"500 once":                        {once(answering(sandbox.Internal), all...), whole, false},
		"500 for ever":                    {always(answering(sandbox.Internal)), same(string(cloud.Unavailable)), false},
		"503 SlowDown once":               {once(answering(sandbox.Throttled), all...), whole, false},
		"503 SlowDown for ever":           {always(answering(sandbox.Throttled)), same(string(cloud.Throttled)), false},
		"a reset in the middle":           {once(breaking, "UploadPart", "GetObject", "ListObjectsV2"), whole, false},
		"a lost response":                 {once(losing, all...), whole, false},
		"a call that comes twice":         {once(doubling, "UploadPart", "GetObject", "ListObjectsV2"), whole, false},
		"a wrong ETag":                    {always(telling("Etag", `"0123456789abcdef0123456789abcdef"`), "UploadPart", "HeadObject"), [3]string{string(cloud.Invalid), "whole", "whole"}, false},
		"a wrong checksum":                {always(telling("X-Amz-Checksum-Crc64nvme", "AAAAAAAAAAA="), "UploadPart", "GetObject"), same(string(envelope.Corrupt)), false},
		"a list from before":              {always(stale, "ListObjectsV2"), [3]string{string(cloud.Exists), "whole", string(cloud.NotFound)}, false},
		"403":                             {always(answering(sandbox.Denied)), same(string(cloud.Denied)), false},
		"a token that has ended":          {always(answering(sandbox.Expired)), same(string(cloud.Expired)), false},
		"a clock that is wrong":           {always(skewed), same(string(cloud.Credentials)), false},
		"a short GET once":                {once(breaking, "GetObject"), whole, false},
		"a short GET for ever":            {always(short, "GetObject"), [3]string{"whole", string(envelope.Truncated), string(envelope.Truncated)}, false},
		"a corrupt GET":                   {always(flipping, "GetObject"), [3]string{"whole", string(envelope.Corrupt), string(envelope.Corrupt)}, false},
		"a reset and a corrupt rest":      {always(resumedWrong, "GetObject"), [3]string{"whole", string(envelope.Corrupt), string(envelope.Corrupt)}, false},
		"a 404 in the middle":             {halves(func(w *vaultWorld) { w.gone(faultKey) }), [3]string{"whole", string(cloud.NotFound), string(cloud.NotFound)}, false},
		"an overwrite":                    {halves(func(w *vaultWorld) { w.put(faultKey, []byte("another")) }), [3]string{string(cloud.Exists), string(envelope.Corrupt), string(envelope.Corrupt)}, false},
		"an overwrite where versions are": {halves(func(w *vaultWorld) { w.put(faultKey, []byte("another")) }), [3]string{string(cloud.Exists), "whole", "whole"}, true},
	}
}

// short sends nothing of the body, and closes.
func short(w *vaultWorld, _ string, rw http.ResponseWriter, r *http.Request) bool {
	return pass(rw, w.answer(r), 0)
}

// stale answers with the list of another time: without the object when there is one, with
// it when there is none.
func stale(w *vaultWorld, _ string, rw http.ResponseWriter, r *http.Request) bool {
	there := w.raw(faultKey) != nil
	if there {
		w.gone(faultKey)
	} else {
		w.put(faultKey, []byte("x"))
	}
	rec := w.answer(r)
	if there {
		w.put(faultKey, faultData(toWrite))
	} else {
		w.gone(faultKey)
	}
	return pass(rw, rec, -1)
}

func TestFaultsOfS3LoseNothing(t *testing.T) {
	t.Parallel()
	cases := 0
	for name, f := range s3Faults() {
		for i, work := range faultWorks {
			cases++
			t.Run(work+" with "+name, func(t *testing.T) {
				t.Parallel()
				w := newVaultWorld(t, f.versions)
				data := faultData(work)
				s := w.store(live.S3Options{Region: opHome})
				prepareFault(w, s, name, work, data)
				spoil := f.fault()
				w.spoiling(func(operation string, rw http.ResponseWriter, r *http.Request) bool {
					return spoil(w, operation, rw, r)
				})
				got, err := doFault(w, s, work, data)
				w.spoiling(nil)
				if end := endOf(err); end != f.ends[i] {
					t.Fatalf("it ends %q, want %q: %v; the calls were %v", end, f.ends[i], err, w.called())
				}
				if err == nil && !bytes.Equal(got, data) {
					t.Error("the bytes are not those that were written")
				}
				if err != nil && (f.ends[i] == string(cloud.Denied)) && envelope.ClassOf(err) != envelope.Denied {
					t.Errorf("the class is %q", envelope.ClassOf(err))
				}
				if n := w.uploads(); n != 0 && !unabortable(name) {
					t.Errorf("%d uploads are left", n)
				}
				if _, err := s.Sweep(t.Context(), -time.Hour); err != nil || w.uploads() != 0 {
					t.Errorf("%d uploads are left after they were swept, %v", w.uploads(), err)
				}
				if raw := w.raw(faultKey); work == toWrite && raw != nil && !bytes.Equal(raw, data) && !strings.Contains(name, "overwrite") {
					t.Errorf("half of an object is there: %d bytes", len(raw))
				}
			})
		}
	}
	if cases < 42 {
		t.Errorf("%d cases, want 42 at least", cases)
	}
}

// unabortable are faults under which nothing goes through, or nobody knows what was begun.
func unabortable(name string) bool {
	return strings.Contains(name, "for ever") || name == "a lost response" || name == "403" || strings.HasPrefix(name, "a token") || strings.HasPrefix(name, "a clock")
}

// prepareFault puts there what a work begins with.
func prepareFault(w *vaultWorld, s store.Store, name, work string, data []byte) {
	w.Helper()
	switch {
	case work != toWrite && !(name == "a list from before" && work == toVerify), name == "a list from before" && work == toWrite:
		opNeed(save(w.Context(), s, faultID, data))(w)
	}
}

func doFault(w *vaultWorld, s store.Store, work string, data []byte) ([]byte, error) {
	ctx := w.Context()
	switch work {
	case toWrite:
		if _, err := save(ctx, s, faultID, data); err != nil {
			return nil, err
		}
		w.spoiling(nil)
	case toVerify:
		list, err := s.List(ctx)
		if err != nil {
			return nil, err
		}
		if len(list) != 1 || list[0].ID != faultID {
			w.Fatalf("the list is %+v", list)
		}
	}
	b, _, err := load(ctx, s, faultID, "", 0)
	return b, err
}

// endOf is how a work ended.
func endOf(err error) string {
	var fails *envelope.Error
	switch {
	case err == nil:
		return "whole"
	case errors.As(err, &fails):
		return string(fails.Class)
	}
	return string(cloud.KindOf(err))
}
