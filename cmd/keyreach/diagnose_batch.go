package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
)

// maxBatchLine is how long a line of a batch may be, in bytes.
const maxBatchLine = 4 << 20

// batchAnswer is one line of the output of a batch.
type batchAnswer struct {
	FormatVersion int             `json:"format_version"`
	ID            json.RawMessage `json:"id"`
	Causes        []batchCause    `json:"causes"`
}

type batchCause struct {
	Code          string        `json:"code"`
	Confidence    float64       `json:"confidence"`
	MissingAction *string       `json:"missing_action"`
	PrincipalKind diagnose.Kind `json:"principal_kind"`
	Fix           string        `json:"fix"`
}

// batchLine is a line of the file, or why it is none.
type batchLine struct {
	number int
	text   []byte
	err    error
}

// diagnoseBatch diagnoses each line of a file. A line that cannot be read is
// told, and the rest goes on.
func diagnoseBatch(ctx context.Context, s *streams, path string) error {
	in, name, closeFile, err := openText(s, path)
	if err != nil {
		return unreadable(err)
	}
	defer closeFile() //nolint:errcheck // it was only read
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	out := bufio.NewWriter(s.out)
	bad := 0
	for lines := batchLines(ctx, in); ; {
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), out.Flush())
		case l, more := <-lines:
			if !more {
				if err := out.Flush(); err != nil {
					return failure(fmt.Errorf("writing the answers: %w", err))
				}
				if bad > 0 {
					return failure(fmt.Errorf("%d %s of %s could not be read", bad, plural(bad, "line"), name))
				}
				return nil
			}
			if err := l.answer(out); err != nil {
				bad++
				fmt.Fprintf(s.err, "%s:%d: %v\n", name, l.number, err)
			}
			if len(lines) == 0 { // nothing waits, so somebody may
				if err := out.Flush(); err != nil {
					return failure(fmt.Errorf("writing the answers: %w", err))
				}
			}
		}
	}
}

// answer diagnoses the line.
func (l *batchLine) answer(w io.Writer) error {
	if l.err != nil {
		return l.err
	}
	var c struct {
		ID        json.RawMessage `json:"id"`
		ErrorText *string         `json:"error_text"`
	}
	if err := json.Unmarshal(l.text, &c); err != nil {
		return fmt.Errorf("reading the case: %w", err)
	}
	if len(c.ID) == 0 || c.ID[0] == '{' || c.ID[0] == '[' || c.ID[0] == 'n' {
		return errors.New("the case has no id")
	}
	if c.ErrorText == nil {
		return fmt.Errorf("the case %s has no error_text", c.ID)
	}
	a := batchAnswer{FormatVersion: estate.FormatVersion, ID: c.ID, Causes: []batchCause{}}
	causes := diagnose.BaseRates()
	if found, ok := diagnose.One(*c.ErrorText); ok {
		causes = found.Causes
	}
	for _, c := range causes {
		a.Causes = append(a.Causes, batchCause{c.Code, c.Confidence, named(c.MissingAction), c.PrincipalKind, c.Fix})
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(a); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	_, err := w.Write(line.Bytes())
	return err
}

// batchLines reads the lines one by one; empty ones are passed over.
func batchLines(ctx context.Context, in io.Reader) <-chan batchLine {
	lines := make(chan batchLine, 64)
	go func() {
		defer close(lines)
		r := bufio.NewReaderSize(in, 64<<10)
		for number := 1; ; number++ {
			text, err := boundedLine(r)
			l := batchLine{number: number, text: bytes.TrimSpace(text)}
			if err != nil && !errors.Is(err, io.EOF) {
				l.err = err
			}
			if len(l.text) > 0 || l.err != nil {
				select {
				case lines <- l:
				case <-ctx.Done():
					return
				}
			}
			if err != nil && !errors.Is(err, errLineTooLong) {
				return
			}
		}
	}()
	return lines
}

var errLineTooLong = fmt.Errorf("the line is longer than %d MiB", maxBatchLine>>20)

// boundedLine reads to the end of the line, and keeps no more of it than a
// line may have.
func boundedLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxBatchLine; long {
			line = nil
		} else {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, errLineTooLong
		}
		return line, err
	}
}
