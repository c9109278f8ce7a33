package main

import (
	"bytes"
	"context"
	"io"
	"testing"
)

// An interruption does not wait for the end of a text or a batch.
func TestDiagnoseIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"diagnose"}, {"diagnose", "--batch", "-"}} {
		in, hold := io.Pipe()
		defer hold.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var out, errs bytes.Buffer
		code := make(chan int)
		go func() { code <- execute(ctx, args, in, &out, &errs) }()
		if _, err := io.WriteString(hold, `{"id":"a","error_text":"Access to KMS is not allowed"}`+"\n"); err != nil {
			t.Fatal(err)
		}
		cancel()
		if got := <-code; got != exitStopped {
			t.Errorf("%q: exit code %d, %s", args, got, errs.String())
		}
	}
}
