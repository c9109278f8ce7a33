package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
)

// caseAnswer is one line of output.
type caseAnswer struct {
	FormatVersion int               `json:"format_version"`
	ID            string            `json:"id"`
	Decision      access.Effect     `json:"decision"`
	Usable        bool              `json:"usable"`
	BlockedBy     []access.Layer    `json:"blocked_by"`
	Evidence      []access.Evidence `json:"evidence"`
	Unknown       []access.Doubt    `json:"unknown,omitempty"`
}

// decided is a case with its answer, on the way to the output.
type decided struct {
	line   estate.CaseLine
	answer caseAnswer
	done   chan struct{}
}

// tally counts what went wrong.
type tally struct{ bad, mismatched int }

// decideCases decides every case of a file. The cases are decided side by
// side and printed in the order of the file.
func decideCases(ctx context.Context, s *streams, path string) error {
	in, name, closeFile, err := openCases(s, path)
	if err != nil {
		return unreadable(err)
	}
	defer closeFile() //nolint:errcheck // it was only read
	t, err := pipeline(ctx, s, name, in)
	switch {
	case err != nil:
		return failure(err)
	case t.bad > 0:
		return failure(fmt.Errorf("%d %s of %s could not be read", t.bad, plural(t.bad, "line"), name))
	case t.mismatched > 0:
		return &exitError{code: exitBlocked, err: fmt.Errorf("%d %s of %s came out otherwise than expected", t.mismatched, plural(t.mismatched, "case"), name)}
	}
	return nil
}

// ahead is how many cases may be read before the first of them is printed.
const ahead = 1024

func pipeline(ctx context.Context, s *streams, name string, in io.Reader) (tally, error) {
	work, order := make(chan *decided, ahead), make(chan *decided, ahead)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for d := range work {
				d.decide()
				close(d.done)
			}
		})
	}
	stop := make(chan struct{})
	go func() {
		defer close(order)
		defer close(work)
		for line := range estate.ReadCases(name, in) {
			d := &decided{line: line, done: make(chan struct{})}
			select {
			case work <- d:
				order <- d
			case <-stop:
				return
			}
		}
	}()
	t, err := write(ctx, s, name, order)
	close(stop)
	if ctx.Err() != nil {
		return t, err // the reader may be waiting for input that never comes
	}
	for range order { // let the reader end
	}
	workers.Wait()
	return t, err
}

func (d *decided) decide() {
	c := d.line.Case
	if c == nil {
		return
	}
	a := access.Authorize(c)
	d.answer = caseAnswer{
		FormatVersion: estate.FormatVersion, ID: c.ID, Decision: a.Effect, Usable: a.Usable,
		BlockedBy: a.BlockedBy(), Evidence: orEmpty(append(a.Evidence, a.NearMisses...)), Unknown: a.Unknown,
	}
}

// write prints the answers as they become ready.
func write(ctx context.Context, s *streams, name string, order <-chan *decided) (tally, error) {
	var t tally
	out := bufio.NewWriterSize(s.out, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for {
		d, err := next(ctx, order)
		if d == nil {
			return t, errors.Join(err, flush(out))
		}
		for i := range d.line.Warnings {
			if w := &d.line.Warnings[i]; w.Rule == estate.CaseRule {
				fmt.Fprintf(s.err, "%s\n", w)
			}
		}
		if d.line.Err != nil {
			t.bad++
			fmt.Fprintln(s.err, d.line.Err)
			continue
		}
		if err := enc.Encode(&d.answer); err != nil {
			return t, fmt.Errorf("printing the answers: %w", err)
		}
		if c := d.line.Case; !expected(c.Expect, d.answer.Decision) {
			t.mismatched++
			fmt.Fprintf(s.err, "%s:%d: case %s: expected %s, decided %s, blocked by %v\n", name, d.line.Line, visible(c.ID), c.Expect, d.answer.Decision, d.answer.BlockedBy)
		}
	}
}

// next waits for the next answer. It returns nil at the end, and with an error
// when the program was interrupted.
func next(ctx context.Context, order <-chan *decided) (*decided, error) {
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("deciding cases: %w", ctx.Err())
	case d, ok := <-order:
		if !ok {
			return nil, nil
		}
		<-d.done
		return d, nil
	}
}

func flush(out *bufio.Writer) error {
	if err := out.Flush(); err != nil {
		return fmt.Errorf("printing the answers: %w", err)
	}
	return nil
}

// expected reports whether the decision is what the case says should come out.
// Deny stands for either denial.
func expected(want string, got access.Effect) bool {
	switch want {
	case "", got.String():
		return true
	case "Deny":
		return got == access.ImplicitDeny || got == access.ExplicitDeny
	}
	return false
}
