package sandbox_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// bareFiles is the floor for S3: an HTTP server that takes a body into a file and works
// out the same checksums, and gives it back, and nothing else.
type bareFiles struct{ dir string }

func (s bareFiles) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := filepath.Join(s.dir, hex.EncodeToString([]byte(r.URL.Path+r.URL.Query().Get("partNumber"))))
	if r.Method == http.MethodGet {
		http.ServeFile(w, r, name)
		return
	}
	f, err := os.Create(name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	payload, digest, sum := sha256.New(), md5.New(), crc32.NewIEEE()
	if _, err := io.CopyBuffer(io.MultiWriter(payload, digest, sum, f), struct{ io.Reader }{r.Body}, make([]byte, 256<<10)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Etag", hex.EncodeToString(digest.Sum(nil)))
	w.Header().Set("X-Sums", hex.EncodeToString(append(payload.Sum(nil), sum.Sum(nil)...)))
	w.Header().Set("Content-Length", "0")
}

// pieces is how a large object is put and read: so many pieces of a size, some at once.
type pieces struct{ size, count, atOnce int }

func (p pieces) total() int64 { return int64(p.size) * int64(p.count) }

// moved has every piece moved by a request of its own, and returns the megabytes a
// second.
func (p pieces) moved(tb testing.TB, url string, request func(i int) (head, body []byte)) float64 {
	var wg sync.WaitGroup
	next := make(chan int)
	lines := make([]*line, p.atOnce)
	for i := range lines {
		lines[i] = dial(tb, url)
	}
	start := time.Now()
	for _, l := range lines {
		wg.Go(func() {
			for i := range next {
				head, body := request(i)
				if _, err := l.conn.Write(head); err != nil {
					tb.Error(err)
					continue
				}
				if err := l.do(body); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	for i := range p.count {
		next <- i
	}
	close(next)
	wg.Wait()
	return float64(p.total()) / 1e6 / time.Since(start).Seconds()
}

// s3Load is what the benchmark of S3 moves: an upload in parts and the object.
type s3Load struct {
	tb             testing.TB
	client         *s3.Client
	creds          aws.Credentials
	url            string
	piece          []byte
	hash, checksum string
}

func newS3Load(tb testing.TB, url string, p pieces) *s3Load {
	w := &world{TB: tb, Server: sandboxtest.At(tb, nil, url), admins: map[string]aws.Config{}}
	config := w.admin(owner)
	l := &s3Load{tb: tb, client: s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }), url: url, piece: make([]byte, p.size)}
	for i := 0; i < len(l.piece); i += 8 {
		binary.LittleEndian.PutUint64(l.piece[i:], uint64(i)*0x9e3779b97f4a7c15)
	}
	sum := sha256.Sum256(l.piece)
	l.hash = hex.EncodeToString(sum[:])
	l.checksum = base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(l.piece)))
	var err error
	if l.creds, err = config.Credentials.Retrieve(context.Background()); err != nil {
		tb.Fatal(err)
	}
	need(l.client.CreateBucket(tb.Context(), &s3.CreateBucketInput{Bucket: new("bench")}))(tb)
	return l
}

// signed is the head of a request, signed.
func (l *s3Load) signed(method, url, path string, length int, header map[string]string) []byte {
	r, err := http.NewRequest(method, url+path, http.NoBody)
	if err != nil {
		l.tb.Fatal(err)
	}
	hash := l.hash
	if length == 0 {
		empty := sha256.Sum256(nil)
		hash = hex.EncodeToString(empty[:])
	}
	r.Header.Set("X-Amz-Content-Sha256", hash)
	for name, v := range header {
		r.Header.Set(name, v)
	}
	if err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(context.Background(), l.creds, r, hash, "s3", home, time.Now()); err != nil {
		l.tb.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, path, strings.TrimPrefix(url, "http://"), length)
	_ = r.Header.Write(&b) // a buffer takes everything
	b.WriteString("\r\n")
	return b.Bytes()
}

// put is the requests that put the pieces.
func (l *s3Load) put(url, upload string) func(int) ([]byte, []byte) {
	return func(i int) ([]byte, []byte) {
		path := "/bench/large?partNumber=" + strconv.Itoa(i+1) + "&uploadId=" + upload
		return l.signed(http.MethodPut, url, path, len(l.piece), map[string]string{"X-Amz-Checksum-Crc32": l.checksum}), l.piece
	}
}

// get is the requests that read the pieces as ranges of a path.
func (l *s3Load) get(url, path string, size int) func(int) ([]byte, []byte) {
	return func(i int) ([]byte, []byte) {
		return nil, l.signed(http.MethodGet, url, path, 0, map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", i*size, (i+1)*size-1)})
	}
}

// begin begins an upload, under the key of S3's own or under none.
func (l *s3Load) begin(encrypted bool) string {
	in := &s3.CreateMultipartUploadInput{Bucket: new("bench"), Key: new("large"), ChecksumAlgorithm: s3types.ChecksumAlgorithmCrc32}
	if encrypted {
		in.ServerSideEncryption = s3types.ServerSideEncryptionAwsKms
	}
	return *need(l.client.CreateMultipartUpload(l.tb.Context(), in))(l.tb).UploadId
}

// end makes the object of the parts.
func (l *s3Load) end(upload string, p pieces) {
	l.tb.Helper()
	var list []s3types.CompletedPart
	for pages := s3.NewListPartsPaginator(l.client, &s3.ListPartsInput{Bucket: new("bench"), Key: new("large"), UploadId: &upload}); pages.HasMorePages(); {
		page := need(pages.NextPage(l.tb.Context()))(l.tb)
		for i := range page.Parts {
			list = append(list, s3types.CompletedPart{PartNumber: page.Parts[i].PartNumber, ETag: page.Parts[i].ETag, ChecksumCRC32: &l.checksum})
		}
	}
	if len(list) != p.count {
		l.tb.Fatalf("%d parts of %d", len(list), p.count)
	}
	need(l.client.CompleteMultipartUpload(l.tb.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: new("bench"), Key: new("large"), UploadId: &upload, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: list},
	}))(l.tb)
}

// peak is the most memory that a process had, in MB; 0 where the system does not tell.
func peak(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024 / 1e6
		}
	}
	return 0
}

// A gigabyte in parts, put and read, against a bare server that works out the same
// checksums and keeps the same bytes in files, in turn: the rates, their ratios, and
// the most memory that the sandbox had.
func BenchmarkS3AgainstABareServer(b *testing.B) {
	for _, encrypted := range []bool{false, true} {
		name := "SSE-S3"
		if encrypted {
			name = "SSE-KMS"
		}
		for _, p := range []pieces{{8 << 20, 128, 4}, {64 << 20, 16, 4}} {
			b.Run(fmt.Sprintf("%s/%dMiB", name, p.size>>20), func(b *testing.B) {
				url, pid := startApart(b, "sandbox")
				floor := serveApart(b, "files")
				l := newS3Load(b, url, p)
				var puts, gets, putRatios, getRatios []float64
				for b.Loop() {
					upload := l.begin(encrypted)
					var x, y float64
					if len(puts)%2 == 0 {
						x, y = p.moved(b, url, l.put(url, upload)), p.moved(b, floor, l.put(floor, upload))
					} else {
						y, x = p.moved(b, floor, l.put(floor, upload)), p.moved(b, url, l.put(url, upload))
					}
					puts, putRatios = append(puts, x), append(putRatios, x/y)
					l.end(upload, p)
					x = p.moved(b, url, l.get(url, "/bench/large", p.size))
					y = p.moved(b, floor, func(i int) ([]byte, []byte) {
						return nil, l.signed(http.MethodGet, floor, "/bench/large?partNumber="+strconv.Itoa(i+1), 0, nil)
					})
					gets, getRatios = append(gets, x), append(getRatios, x/y)
				}
				b.ReportMetric(median(puts), "put-MB/s")
				b.ReportMetric(median(putRatios), "put-ratio")
				b.ReportMetric(median(gets), "get-MB/s")
				b.ReportMetric(median(getRatios), "get-ratio")
				b.ReportMetric(peak(pid), "peak-MB")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// The same in small: what is put and read is larger than the memory that the sandbox may
// have for it.
func TestLargeObjectsDoNotGoThroughMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it moves 256 MB there and back")
	}
	url, pid := startApart(t, "sandbox")
	p := pieces{32 << 20, 8, 4}
	l := newS3Load(t, url, p)
	for _, encrypted := range []bool{false, true} {
		upload := l.begin(encrypted)
		put := p.moved(t, url, l.put(url, upload))
		l.end(upload, p)
		get := p.moved(t, url, l.get(url, "/bench/large", p.size))
		t.Logf("encrypted under a key of KMS: %t; put %.0f MB/s, read %.0f MB/s", encrypted, put, get)
	}
	out := need(l.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("bench"), Key: new("large")}))(t)
	if *out.ContentLength != p.total() {
		t.Errorf("the object has %d bytes, want %d", *out.ContentLength, p.total())
	}
	if most := peak(pid); most > 150 && !raced {
		t.Errorf("the sandbox had %.0f MB of memory", most)
	} else {
		t.Logf("the sandbox had at most %.0f MB of memory", most)
	}
}
