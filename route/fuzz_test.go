package route_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// FuzzLoad reads whatever stands in keyreach.yaml: no crash, an error has places, and a
// backup part that is taken keeps its promises.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("../examples/*/keyreach.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("%v of the examples: %v", files, err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(backupFile)
	f.Add(strings.ReplaceAll(backupFile, "retention: {days: 90, expire: true}", "retention: {keep: {last: 7, yearly: 2}}"))
	f.Add(strings.ReplaceAll(backupFile, "store: s3://example-org-ca/step-ca/", "store: /srv"))
	f.Add(strings.ReplaceAll(backupFile, "age1qqq", secretIdentity))
	f.Fuzz(func(t *testing.T, text string) {
		file, err := route.Load("keyreach.yaml", []byte(text))
		if err != nil {
			wantPlaced(t, text, err)
			return
		}
		for i := range file.Routes {
			if b := file.Routes[i].Backup; b != nil {
				wantSound(t, b)
				file.Routes[i].ObjectKey()
			}
		}
	})
}

const secretIdentity = "AGE-SECRET-KEY-1QQQ"

func wantPlaced(t *testing.T, text string, err error) {
	t.Helper()
	var wrong *estate.FileError
	if !errors.As(err, &wrong) || len(wrong.Problems) == 0 || err.Error() == "" {
		t.Fatalf("%q: %v", text, err)
	}
	lines := bytes.Count([]byte(text), []byte("\n")) + bytes.Count([]byte(text), []byte("\r")) + 1
	for i := range wrong.Problems {
		p := &wrong.Problems[i]
		if p.Text == "" || int(p.Position.Line) > lines+1 {
			t.Fatalf("%q: %+v", text, p)
		}
		if p.String() == "" {
			t.Fatalf("%q: nothing is said", text)
		}
	}
}

// wantSound asks what the commands rely on.
func wantSound(t *testing.T, b *route.Backup) {
	t.Helper()
	bucket, _, inS3 := b.Bucket()
	k := b.Retention.Keep
	for name, wrong := range map[string]bool{
		"no store":             b.Store == "",
		"a bucket of a URL":    inS3 && strings.ContainsAny(bucket, "/:?#%@ "),
		"a source of no kind":  b.Source.Kind != "etcd" && b.Source.Kind != "step-ca" && b.Source.Kind != "files",
		"nothing to read":      b.Source.Path == "" && len(b.Source.Endpoints) == 0,
		"a name for a path":    b.Name == "" || strings.ContainsAny(b.Name, "./\\ \n"),
		"a negative count":     b.MinWraps < 0 || b.MaxAge < 0 || min(b.Retention.Days, k.Last, k.Daily, k.Weekly, k.Monthly, k.Yearly) < 0,
		"two sorts of keeping": b.Retention.Days > 0 && k != route.Keep{},
		"a mixed passphrase":   b.PassphraseFile != "" && len(b.Recipients) > 0,
		"a key that is none":   b.SSEKey != "" && b.SSEKey != route.AES256 && !isKey(b.SSEKey),
		"an identity":          strings.Contains(strings.ToUpper(strings.Join(b.Recipients, " ")), "AGE-SECRET-KEY-"),
	} {
		if wrong {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

func isKey(text string) bool {
	key, err := arn.Parse(text)
	return err == nil && key.IsKMSKey()
}
