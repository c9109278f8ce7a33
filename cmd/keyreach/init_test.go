package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/route"
)

// Somebody at a terminal is asked for what is missing, again when it is wrong, and what is
// written can be read.
func TestInitAsks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	answers := []string{
		"", "4444", "444455556666", "us-est-1", "us-east-1", "alias/replication", // staging
		"recovery", "111122223333", "us-east-1", "", "RecoveryOperator", // target
	}
	var out, talk bytes.Buffer
	s := &streams{in: strings.NewReader(strings.Join(answers, "\n") + "\n"), out: &out, err: &talk}
	o := initOptions{format: textFormat, dir: dir, ask: true}
	if err := o.run(t.Context(), s, []string{"drs"}); err != nil {
		t.Fatalf("%v\n%s", err, talk.String())
	}
	for _, want := range []string{"name of the account [staging]: ", `"4444" is no account number`, `"us-est-1" is no Region`, "or nothing for none"} {
		if !strings.Contains(talk.String(), want) {
			t.Errorf("the talk lacks %q:\n%s", want, talk.String())
		}
	}
	f, err := route.LoadFile(filepath.Join(dir, route.FileName))
	if err != nil {
		t.Fatal(err)
	}
	target := f.Routes[0].Parties["target"][0]
	if target.Account != "111122223333" || target.Actor.Principal != "arn:aws:iam::111122223333:role/RecoveryOperator" {
		t.Errorf("the target is %+v", target)
	}
}

// Answers that end before the questions, and an interrupt, write nothing.
func TestInitWithoutAllAnswers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	o := initOptions{format: textFormat, dir: dir, ask: true}
	err := o.run(t.Context(), &streams{in: strings.NewReader("staging\n"), out: io.Discard, err: io.Discard}, []string{"drs"})
	var exit *exitError
	if !errors.As(err, &exit) || exit.code != exitUsage {
		t.Errorf("answers that end: %v", err)
	}
	in, hold := io.Pipe()
	defer hold.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.run(ctx, &streams{in: in, out: io.Discard, err: io.Discard}, []string{"drs"}); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupt: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
}
