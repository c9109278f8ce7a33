package lint

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint/input"
	"github.com/keyreach/keyreach/lint/rules"
)

// What lint itself reports, beside the rules.
const (
	Unreadable   = "LINT001" // a file that cannot be read
	NoReason     = "LINT002" // a suppression without a reason: it does not count
	NeedlessMute = "LINT003" // a suppression that nothing needs any more
)

// File is one text to look at.
type File struct {
	Name string
	Data []byte
	Err  error // why there is no Data
}

// Options say how to look.
type Options struct {
	Rules  []rules.Rule // rules.All, unless a choice is made
	Ignore []Ignore     // what is not to be told, from the configuration
	// Estate is what the accounts hold, when that is known; rules then ask it.
	Estate *estate.Estate
	// At is when routes are proven; zero is now.
	At time.Time
	// Workers is how many files are read at once; 0 is one for each processor.
	Workers int
}

// Result is what was found in one file.
type Result struct {
	File   string
	Format string // what kind of file it is, in words; empty when it could not be read
	Found  []rules.Found
	// Muted are the findings that the file or the configuration says not to tell.
	Muted []Muted
}

// Muted is a finding that is not told, and why not.
type Muted struct {
	rules.Found
	Reason string
}

// Run looks at files. The results are in the order of the files; the findings
// of each are sorted, worst first. The error is the context's.
func Run(ctx context.Context, files []File, o Options) ([]Result, error) {
	results := make([]Result, len(files))
	next := make(chan int)
	var group sync.WaitGroup
	for range cmp.Or(o.Workers, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for i := range next {
				results[i] = look(&files[i], &o)
			}
		})
	}
	defer group.Wait()
	defer close(next)
	for i := range files {
		select {
		case next <- i:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return results, nil
}

// look reads one file and asks the rules about it.
func look(f *File, o *Options) Result {
	r := Result{File: f.Name}
	m, format, err := read(f)
	if err != nil {
		r.Found = []rules.Found{unreadable(f.Name, err)}
		return r
	}
	r.Format = format
	if m.Estate == nil {
		m.Estate = o.Estate
	}
	found := rules.Check(m, o.Rules)
	found = append(found, declared(f, o)...)
	r.Found, r.Muted = mute(f, distinct(found), o.Ignore)
	return r
}

func read(f *File) (*rules.Material, string, error) {
	if f.Err != nil {
		return nil, "", f.Err
	}
	return input.Read(f.Name, f.Data)
}

// unreadable is the finding about a file that cannot be read. It is an error:
// what was not read was not checked.
func unreadable(name string, err error) rules.Found {
	f := finding.Finding{
		Rule: Unreadable, Severity: finding.Error, Position: finding.Position{File: name},
		Text: "the file cannot be read, so nothing of it was checked: " + err.Error(),
		Fix:  "mend it, or leave it out",
	}
	var at *input.Error
	if errors.As(err, &at) {
		f.Position = at.Position
		f.Text = "the file cannot be read, so nothing of it was checked: " + at.Text
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
