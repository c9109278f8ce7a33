package lint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/lint"
)

// names are one for each kind of file that is told apart by its name.
func names() []string {
	return []string{
		"policy.json", "key-policy.yaml", "main.tf", "main.tf.json", "template.yaml", "script.sh", "guide.md",
		"estate.json", "keyreach.yaml", "grants.json", "policy.json.tpl", "policy.yaml.j2", "plan.json", "scp.json",
	}
}

// What is made to harm ends in a finding, soon and in little memory.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := range 12 {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", 'b'+i, 'b'+i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", 'a'+i), 9), ","))
	}
	for what, f := range map[string]lint.File{
		"deep JSON":      {Name: "a.json", Data: bytes.Repeat([]byte("["), 1_000_000)},
		"deep YAML":      {Name: "a.yaml", Data: bytes.Repeat([]byte("- "), 100_000)},
		"deep flow YAML": {Name: "a.yaml", Data: bytes.Repeat([]byte("{a: "), 100_000)},
		"deep Terraform": {Name: "a.tf", Data: []byte("a = " + strings.Repeat("(", 100_000))},
		"deep shell":     {Name: "a.sh", Data: bytes.Repeat([]byte("$("), 100_000)},
		"deep Markdown":  {Name: "a.md", Data: bytes.Repeat([]byte("> "), 100_000)},
		"an alias bomb":  {Name: "a.yaml", Data: []byte(bomb)},
		"no UTF-8":       {Name: "a.json", Data: []byte("{\"a\": \"\xff\xfe\"}")},
		"a binary":       {Name: "a.md", Data: []byte("\x7fELF\x00\x00\x01")},
		"an empty file":  {Name: "a.json"},
		"too large":      {Name: "a.json", Data: bytes.Repeat([]byte(" "), 65<<20)},
	} {
		start := time.Now()
		r := run(t, lint.Options{}, f)[0]
		if len(r.Found) == 0 || r.Found[0].Rule != lint.Unreadable {
			t.Errorf("%s: %v", what, r.Found)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %v", what, took)
		}
	}
}

// A long line with a finding every few bytes is gone over once.
func TestManyFindingsOnOneLine(t *testing.T) {
	t.Parallel()
	one := `{"Effect":"Allow","Action":"kms:ReEncrypt","Resource":"*"},`
	text := `{"Version":"2012-10-17","Statement":[` + strings.TrimSuffix(strings.Repeat(one, 10_000), ",") + `]}`
	start := time.Now()
	r := run(t, lint.Options{}, lint.File{Name: "policy.json", Data: []byte(text)})[0]
	if n := len(of("KEY006", r.Found)); n != 10_000 || len(r.Spots) < n {
		t.Errorf("%d findings, %d places", n, len(r.Spots))
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Of many large files no more are in memory than are looked at, unless there is
// something to mend in them.
func TestFilesAreReadInTheirTurn(t *testing.T) {
	t.Parallel()
	const size, workers = 1 << 20, 2
	open := make(chan struct{}, workers)
	var files []lint.File
	for i := range 50 {
		files = append(files, lint.File{Name: fmt.Sprintf("%d.json", i), Read: func(context.Context) ([]byte, error) {
			select {
			case open <- struct{}{}:
			default:
				return nil, errors.New("too many are read at once")
			}
			defer func() { <-open }()
			return append(bytes.Repeat([]byte(" "), size), "{}"...), nil
		}})
	}
	for _, r := range run(t, lint.Options{Workers: workers}, files...) {
		if len(r.Found) > 0 || r.Data != nil {
			t.Errorf("%s: %v, %d bytes kept", r.File, r.Found, len(r.Data))
		}
	}
}

// An interrupt ends the reading of what never comes.
func TestAnInterruptEndsReading(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := lint.File{Name: "pipe", Read: func(ctx context.Context) ([]byte, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	if _, err := lint.Run(ctx, []lint.File{f}, lint.Options{Workers: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

func TestWhatADirectoryStandsFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a.json", "b.txt", "c.TF", ".git/d.json", "sub/e.md", "node_modules/f.json", "locked/g.json"} {
		path := filepath.Join(dir, "tree", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("tree", link); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink("..", filepath.Join(dir, "tree", "loop")); err != nil {
		t.Skip(err)
	}
	for _, root := range []string{filepath.Join(dir, "tree"), link} {
		files, err := lint.Walk(root)
		var got []string
		for _, f := range files {
			name, _ := filepath.Rel(root, f.Name)
			got = append(got, filepath.ToSlash(name))
		}
		if want := "a.json c.TF locked/g.json sub/e.md"; err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, %v; want %s", root, got, err, want)
		}
	}
	if _, err := lint.Walk(filepath.Join(dir, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a name that leads nowhere: %v", err)
	}
	locked := filepath.Join(dir, "tree", "locked")
	if runtime.GOOS == "windows" || os.Geteuid() == 0 || os.Chmod(locked, 0) != nil {
		return // whoever may read everything is not refused
	}
	defer os.Chmod(locked, 0o755)
	files, err := lint.Walk(filepath.Join(dir, "tree"))
	if err != nil || len(files) != 4 || files[2].Err == nil {
		t.Errorf("a directory that may not be read: %v, %v", files, err)
	}
}

// FuzzRun gives all readers and rules anything. Nothing panics, every finding is
// at a place of the file, and the outputs can be written.
func FuzzRun(f *testing.F) {
	for i := range names() {
		f.Add(i, []byte(otherRegion))
		f.Add(i, []byte("{\"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"kms:ReEncrypt\", \"Principal\": \"*\"}]}"))
		f.Add(i, []byte("resource \"aws_kms_key\" \"k\" {\n  policy = jsonencode({Statement = []})\n}\n"))
		f.Add(i, []byte("# Key\n\n```sh\naws kms create-grant --key-id alias/x --operations Decrypt\n```\n<!-- keyreach:ignore KEY018 x -->\n"))
		f.Add(i, []byte("\ufeff# keyreach:ignore\r\nResources: {K: {Type: AWS::KMS::Key, Properties: {KeyPolicy: !Ref P}}}\r\n"))
	}
	for _, r := range lint.Known() {
		for _, e := range append(r.Fires, r.Silent...) {
			for i, name := range names() {
				if filepath.Ext(name) == filepath.Ext(e.Name) {
					f.Add(i, []byte(e.Text))
					break
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, kind int, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		name := names()[uint(kind)%uint(len(names()))]
		start := time.Now()
		results, err := lint.Run(t.Context(), []lint.File{{Name: name, Data: data}}, lint.Options{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%d bytes took %v", len(data), took)
		}
		lines := bytes.Split(bytes.TrimPrefix(data, []byte("\ufeff")), []byte("\n"))
		for _, x := range results[0].Found {
			p := x.Position
			if p.File != name || p.Line == 0 {
				continue // about the file, or an estate beside it
			}
			if p.Line < 0 || p.Line > len(lines) || p.Column < 1 || p.Column > len(lines[p.Line-1])+1 {
				t.Errorf("%s is at %v, which is no place of the file", x.Rule, p)
			}
		}
		lint.Fix(&results[0])
		var b bytes.Buffer
		if err := errors.Join(lint.WriteSARIF(&b, results, "1", lint.Known()), lint.WriteGitHub(&b, results)); err != nil {
			t.Error(err)
		}
	})
}
