package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// bare is the floor: an HTTP server that does the same AES-GCM, the hashes and the
// HMAC of a signature, and nothing else. It knows one key, reads the JSON that it
// needs into a struct and writes its answer by hand.
type bare struct {
	aead    cipher.AEAD
	signing []byte
}

func newBare(tb testing.TB) *bare {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		tb.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		tb.Fatal(err)
	}
	return &bare{aead: aead, signing: make([]byte, 32)}
}

func (s *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	payload := sha256.Sum256(body)
	canonical := sha256.Sum256(append(make([]byte, 300), hex.EncodeToString(payload[:])...))
	sign := hmac.New(sha256.New, s.signing)
	sign.Write(canonical[:])
	_ = sign.Sum(nil)
	var in struct {
		KeyId             string
		Plaintext         []byte
		CiphertextBlob    []byte
		NumberOfBytes     int
		EncryptionContext map[string]string
	}
	if err := json.Unmarshal(body, &in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := map[string]any{"KeyId": in.KeyId}
	switch target := r.Header.Get("X-Amz-Target"); {
	case strings.HasSuffix(target, "Decrypt"):
		plaintext, err := s.aead.Open(nil, in.CiphertextBlob[:12], in.CiphertextBlob[12:], []byte(in.EncryptionContext["purpose"]))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out["Plaintext"] = plaintext
	case strings.HasSuffix(target, "GenerateDataKey"):
		in.Plaintext = make([]byte, in.NumberOfBytes)
		_, _ = rand.Read(in.Plaintext)
		out["Plaintext"] = in.Plaintext
		fallthrough
	default:
		nonce := make([]byte, 12)
		_, _ = rand.Read(nonce)
		out["CiphertextBlob"] = s.aead.Seal(nonce, nonce, in.Plaintext, []byte(in.EncryptionContext["purpose"]))
	}
	text, err := json.Marshal(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text)
}

// signed is a request in bytes, signed beforehand.
func signed(tb testing.TB, url string, c aws.Config, operation string, body any) []byte {
	tb.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, url+"/", bytes.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "TrentService."+operation)
	creds, err := c.Credentials.Retrieve(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	sum := sha256.Sum256(text)
	if err := v4.NewSigner().SignHTTP(context.Background(), creds, r, hex.EncodeToString(sum[:]), "kms", home, time.Now()); err != nil {
		tb.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// line is a connection of the light client: it writes bytes and reads an answer
// without looking at more than its status and length.
type line struct {
	conn net.Conn
	r    *bufio.Reader
}

func dial(tb testing.TB, url string) *line {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return &line{conn, bufio.NewReaderSize(conn, 8<<10)}
}

func (l *line) do(request []byte) error {
	if _, err := l.conn.Write(request); err != nil {
		return err
	}
	status, length := "", -1
	for {
		text, err := l.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch {
		case status == "":
			status = string(text)
		case len(text) <= 2:
			if !strings.Contains(status, " 200 ") && !strings.Contains(status, " 206 ") {
				rest := make([]byte, max(0, length))
				_, _ = io.ReadFull(l.r, rest)
				return fmt.Errorf("%s%s", status, rest)
			}
			_, err := l.r.Discard(length)
			return err
		case bytes.HasPrefix(text, []byte("Content-Length: ")):
			length, _ = strconv.Atoi(string(bytes.TrimSpace(text[16:])))
		}
	}
}

// rate is the requests a second of so many connections over a time.
func rate(tb testing.TB, url string, request []byte, connections int, span time.Duration) float64 {
	var wg sync.WaitGroup
	counts := make([]int, connections)
	start := time.Now()
	for i := range connections {
		l := dial(tb, url)
		wg.Go(func() {
			for time.Since(start) < span {
				if err := l.do(request); err != nil {
					tb.Error(err)
					return
				}
				counts[i]++
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(start).Seconds()
}

// percentile is the time within which that share of requests on one connection is
// answered.
func percentile(tb testing.TB, url string, request []byte, n int, share float64) time.Duration {
	l := dial(tb, url)
	times := make([]time.Duration, n)
	for i := range times {
		at := time.Now()
		if err := l.do(request); err != nil {
			tb.Fatal(err)
		}
		times[i] = time.Since(at)
	}
	slices.Sort(times)
	return times[int(share*float64(n-1))]
}

// asServer names, in the environment of a process that a benchmark starts, the server
// that it is.
const asServer = "KEYREACH_BENCHMARK_SERVER"

// TestServeForABenchmark is no test: it is the server that a benchmark runs in a
// process of its own, so that neither pays for the memory of the other or of the
// client.
func TestServeForABenchmark(t *testing.T) {
	what := os.Getenv(asServer)
	if what == "" {
		t.Skip("it serves the benchmarks only")
	}
	var handler http.Handler = newBare(t)
	switch what {
	case "sandbox":
		s, err := sandbox.New(sandbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		handler = s
		debug.SetGCPercent(sandbox.GCPercent) // as the command does
	case "files":
		handler = bareFiles{t.TempDir()}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("serving at http://%s\n", listener.Addr())
	web := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the benchmark's end closes it
		web.Close()
	}()
	_ = web.Serve(listener) // ends when it is closed
}

// serveApart starts a server in a process of its own and returns its URL.
func serveApart(b testing.TB, what string) string {
	url, _ := startApart(b, what)
	return url
}

// startApart is serveApart, and returns the id of the process too.
func startApart(b testing.TB, what string) (url string, pid int) {
	c := exec.Command(os.Args[0], "-test.run=^TestServeForABenchmark$")
	c.Env = append(os.Environ(), asServer+"="+what)
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = c.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "serving at "); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return url, c.Process.Pid
		}
	}
	b.Fatalf("the %s did not start", what)
	return "", 0
}

// Fully verified and authorized calls against a bare server that does the same
// AES-GCM and HMAC work, in turn, each as the first every other time: the rates on
// eight connections, their ratio, and the 99th percentile on one.
func BenchmarkKMSAgainstABareServer(b *testing.B) {
	s := sandboxtest.At(b, nil, serveApart(b, "sandbox"))
	floor := serveApart(b, "bare")
	caller, keyARN := benchCaller(b, s)
	encryption := map[string]string{"purpose": "bench"}
	for _, operation := range []string{"Encrypt", "Decrypt", "GenerateDataKey"} {
		b.Run(operation, func(b *testing.B) {
			mine := benchBody(keyARN, operation, encryption, func() []byte { return sealedBySandbox(b, caller, keyARN, encryption) })
			ours := signed(b, s.URL, caller, operation, mine)
			bare := benchBody(keyARN, operation, encryption, func() []byte { return sealedByBare(b, encryption) })
			theirs := signed(b, floor, caller, operation, bare)
			var ratios, rates, floors []float64
			rounds := 0
			for b.Loop() {
				span := 500 * time.Millisecond
				var x, y float64
				if rounds%2 == 0 {
					x = rate(b, s.URL, ours, 8, span)
					y = rate(b, floor, theirs, 8, span)
				} else {
					y = rate(b, floor, theirs, 8, span)
					x = rate(b, s.URL, ours, 8, span)
				}
				rounds++
				rates, floors, ratios = append(rates, x), append(floors, y), append(ratios, x/y)
			}
			b.ReportMetric(median(rates), "sandbox-req/s")
			b.ReportMetric(median(floors), "bare-req/s")
			b.ReportMetric(median(ratios), "ratio")
			b.ReportMetric(float64(percentile(b, s.URL, ours, 5000, 0.99).Microseconds())/1000, "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// benchCaller is a session of a role, whose identity policy has to allow the call:
// nothing is short-circuited for a root user.
func benchCaller(b *testing.B, s *sandboxtest.Server) (aws.Config, string) {
	w := &world{TB: b, Server: s, admins: map[string]aws.Config{}}
	key := w.key(owner, "")
	r := w.role(owner, "bench", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt","kms:GenerateDataKey"],"Resource":"`+key+`","Condition":{"StringEquals":{"kms:EncryptionContext:purpose":"bench"}}}]}`, "")
	return w.session(owner, r.arn, "bench", ""), key
}

// benchBody is the request of an operation. What Decrypt opens is made by who opens
// it.
func benchBody(keyARN, operation string, encryption map[string]string, sealed func() []byte) map[string]any {
	body := map[string]any{"KeyId": keyARN, "EncryptionContext": encryption}
	switch operation {
	case "Encrypt":
		body["Plaintext"] = make([]byte, 32)
	case "GenerateDataKey":
		body["NumberOfBytes"] = 32
	default:
		body["CiphertextBlob"] = sealed()
	}
	return body
}

func sealedBySandbox(b *testing.B, caller aws.Config, keyARN string, encryption map[string]string) []byte {
	return need(kms.NewFromConfig(caller).Encrypt(b.Context(), &kms.EncryptInput{KeyId: &keyARN, Plaintext: make([]byte, 32), EncryptionContext: encryption}))(b).CiphertextBlob
}

func sealedByBare(b *testing.B, encryption map[string]string) []byte {
	nonce := make([]byte, 12)
	return newBare(b).aead.Seal(nonce, nonce, make([]byte, 32), []byte(encryption["purpose"]))
}
