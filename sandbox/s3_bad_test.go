package sandbox_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox"
)

// Whatever stands in the body, in the query and in the headers, every operation of S3
// answers in its form, and none fails within.
func TestBadRequestsToS3AreRefusedInItsForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.versioned(owner, "bad-requests")
	w.put(c, "bad-requests", "k", "x")
	api, _ := awsfacts.LookupAPI("s3")
	sent := 0
	for name, op := range api.Operations {
		path := strings.NewReplacer("{Bucket}", "bad-requests", "{Key+}", "k").Replace(op.URI)
		root := op.Root
		if root == "" && op.Input != nil && op.Input.Payload != "" {
			for _, m := range op.Input.Members {
				if m.Name == op.Input.Payload {
					root = m.Wire()
				}
			}
		}
		for _, body := range []string{"", "<", "x", "<x/>", "<" + root + "/>", "<" + root + "><Rule/></" + root + ">", "<" + root + "><Rule><Status>Enabled</Status></Rule></" + root + ">", "\x00\xff"} {
			for _, header := range []map[string]string{
				{},
				{"X-Amz-Copy-Source": "bad-requests/k", "Range": "bytes=5-1", "X-Amz-Object-Lock-Mode": "GOVERNANCE", "If-Match": "*"},
				{"X-Amz-Copy-Source": "%zz", "X-Amz-Tagging": "%zz", "Content-Md5": "x", "X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Context": "x", "X-Amz-Checksum-Crc32": "x"},
			} {
				r := rawCall(w.URL, op.Method, path[1:], "s3", "", "", body)
				if op.Method == "" {
					r.Method = http.MethodPost
				}
				r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
				for k, v := range header {
					r.Header.Set(k, v)
				}
				res := need(w.Client().Do(r))(t)
				text := need(io.ReadAll(res.Body))(t)
				res.Body.Close()
				sent++
				if res.StatusCode == http.StatusInternalServerError || res.StatusCode >= 400 && r.Method != http.MethodHead && !bytes.Contains(text, []byte("<Error><Code>")) {
					t.Errorf("%s %v with the body %q: %d %s", name, header, body, res.StatusCode, text)
				}
			}
		}
		// What some of them did is undone, so that the others find the bucket.
		_, _ = c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("bad-requests")})
	}
	t.Logf("%d requests", sent)
}

// Many put, read, copy and delete the same objects. What is read is always one whole
// object, and in the end there are no files but those of the objects that are left.
func TestObjectsStayWholeWhileManyChangeThem(t *testing.T) {
	t.Parallel()
	state := t.TempDir() + "/state.db"
	w := newWorldWith(t, sandbox.Options{State: state})
	c := w.bucket(owner, "busy")
	for _, key := range []string{"a", "b"} {
		w.put(c, "busy", key, strings.Repeat("0", 100_000))
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			key, encryption := string(rune('a'+i%2)), s3types.ServerSideEncryptionAes256
			if i%4 < 2 {
				encryption = s3types.ServerSideEncryptionAwsKms
			}
			for n := range 12 {
				letter := string(rune('A' + (i*12+n)%26))
				_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("busy"), Key: &key, Body: strings.NewReader(strings.Repeat(letter, 100_000+n)), ServerSideEncryption: encryption})
				if err != nil {
					t.Error(err)
				}
				out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new("busy"), Key: &key})
				if err != nil {
					if !strings.Contains(err.Error(), "NoSuchKey") {
						t.Error(err)
					}
					continue
				}
				text, err := io.ReadAll(out.Body)
				out.Body.Close()
				if err != nil || int64(len(text)) != *out.ContentLength || len(bytes.Trim(text, string(text[0]))) != 0 {
					t.Errorf("%d bytes of %d, %v", len(text), *out.ContentLength, err)
				}
				switch n % 4 {
				case 1:
					_, _ = c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: new("busy"), Key: new("copy"), CopySource: new("busy/" + key)})
				case 3:
					_, _ = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: new("busy"), Key: &key})
				}
			}
		})
	}
	wg.Wait()
	keys, _ := w.keys(c, &s3.ListObjectsV2Input{Bucket: new("busy")})
	if n := filesIn(t, state+".objects"); n != len(keys) {
		t.Errorf("%d files for %d objects", n, len(keys))
	}
	for _, key := range keys {
		if got := w.get(c, "busy", key); len(got) < 100_000 {
			t.Errorf("%s: %.100q", key, got)
		}
	}
}
