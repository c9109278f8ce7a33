package lint

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint/input"
	"github.com/keyreach/keyreach/lint/rules"
)

// File is one text to look at.
type File struct {
	Name string
	Data []byte
	Err  error // why there is no Data
	// Read gives the data when the file's turn comes, so that not all files are in
	// memory at once. Without it Data is the text.
	Read func(context.Context) ([]byte, error)
	// Listed is set when a directory was named and not the file. That it cannot be
	// read is then a remark, unless it speaks of AWS.
	Listed bool
}

// Options say how to look.
type Options struct {
	// Rules are what to look for: Known, unless a choice is made. What cannot be
	// read is told in any case.
	Rules  []rules.Rule
	Ignore []Ignore // what is not to be told, from the configuration
	// Estate is what the accounts hold, when that is known; rules then ask it.
	Estate *estate.Estate
	// At is when routes are proven; zero is now.
	At time.Time
	// Workers is how many files are read at once; 0 is one for each processor.
	Workers int

	chosen, known map[string]bool // rules by id
}

// Result is what was found in one file.
type Result struct {
	File   string
	Format string // what kind of file it is, in words; empty when it could not be read
	Found  []rules.Found
	// Muted are the findings that the file or the configuration says not to tell.
	Muted []Muted
	// Spots are the places of the findings in the file.
	Spots map[finding.Position]Spot
	// Data is the text, when it was read and something in it can be mended safely.
	Data []byte
}

// Muted is a finding that is not told, and why not.
type Muted struct {
	rules.Found
	Reason string
	// InSource is set when a mark in the file says so, and not the configuration.
	InSource bool
}

// Run looks at files. The results are in the order of the files; the findings
// of each are sorted, worst first. The error is the context's.
func Run(ctx context.Context, files []File, o Options) ([]Result, error) {
	if o.Rules == nil {
		o.Rules = Known()
	}
	o.chosen = map[string]bool{Unreadable: true}
	for i := range o.Rules {
		o.chosen[o.Rules[i].ID] = true
	}
	o.known = map[string]bool{}
	for _, r := range Known() {
		o.known[r.ID] = true
	}
	results := make([]Result, len(files))
	next := make(chan int)
	var group sync.WaitGroup
	for range cmp.Or(o.Workers, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for i := range next {
				results[i] = look(ctx, files[i], &o)
			}
		})
	}
	err := func() error {
		defer group.Wait()
		defer close(next)
		for i := range files {
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}()
	if err = cmp.Or(err, ctx.Err()); err != nil { // the last file may be what was interrupted
		return nil, err
	}
	return results, nil
}

// look reads one file and asks the rules about it. Of a file that can be read
// in part only, that part is looked at.
func look(ctx context.Context, f File, o *Options) Result {
	r := Result{File: f.Name}
	if f.Read != nil {
		f.Data, f.Err = f.Read(ctx)
	}
	if f.Err != nil {
		found := []rules.Found{unreadable(f.Name, &input.Error{Text: reason(f.Err)}, finding.Error)}
		r.Found, r.Muted = mute(&f, found, o)
		return r
	}
	m, err := input.Read(f.Name, f.Data)
	r.Format = m.Format
	if m.Estate == nil {
		m.Estate = o.Estate
	}
	found := rules.Check(m, o.Rules)
	found = append(found, unread(&f, m, err)...)
	found = append(found, declared(&f, o)...)
	found = slices.DeleteFunc(found, func(x rules.Found) bool { return !o.chosen[x.Rule] })
	r.Found, r.Muted = mute(&f, distinct(found), o)
	r.remember(f.Data)
	return r
}

// reason is an error of the file system without the name, which the finding
// tells.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// unread turns what could not be read into findings. A file of which nothing
// was read is an error, since nothing of it was checked; a part of a text that
// was is a warning.
func unread(f *File, m *rules.Material, err error) []rules.Found {
	problems := input.Problems(err)
	if len(problems) == 0 {
		return nil
	}
	severity := finding.Error
	switch {
	case !m.Empty():
		severity = finding.Warning
	case f.Listed && !ofInterest(f.Data):
		severity = finding.Info
	}
	var found []rules.Found
	for _, p := range problems {
		found = append(found, unreadable(f.Name, p, severity))
	}
	return found
}

// ofInterest reports whether a text speaks of what rules are about. A directory
// holds files of many programs, some in dialects of JSON.
func ofInterest(data []byte) bool {
	text := bytes.ToLower(data)
	return slices.ContainsFunc([]string{"kms", "arn:aws", "aws::", "aws_", `"statement"`, "statement:"}, func(word string) bool {
		return bytes.Contains(text, []byte(word))
	})
}

func unreadable(name string, p *input.Error, severity finding.Severity) rules.Found {
	f := finding.Finding{
		Rule: Unreadable, Severity: severity, Position: p.Position,
		Text: "this cannot be read, so nothing of it was checked: " + p.Text,
		Fix:  "mend it, or leave it out",
	}
	if f.Position.File == "" {
		f.Position.File = name
	}
	return rules.Found{Finding: f}
}

// distinct sorts findings and leaves out those that say the same twice.
func distinct(found []rules.Found) []rules.Found {
	slices.SortStableFunc(found, func(a, b rules.Found) int { return finding.Compare(&a.Finding, &b.Finding) })
	return slices.CompactFunc(found, func(a, b rules.Found) bool { return a.Finding == b.Finding })
}

// Worst returns the highest severity among what is told, and false when there
// is nothing.
func Worst(results []Result) (finding.Severity, bool) {
	worst, any := finding.Info, false
	for i := range results {
		for j := range results[i].Found {
			worst, any = max(worst, results[i].Found[j].Severity), true
		}
	}
	return worst, any
}
