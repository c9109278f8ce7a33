//go:build linux && !race

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/diagnose"
)

// repeated is a long text of numbered pieces.
type repeated struct {
	head, piece, tail string
	left              int
	number            int
	buffered          []byte
}

func (r *repeated) Read(p []byte) (int, error) {
	for len(r.buffered) == 0 {
		if r.left <= 0 {
			if r.tail == "" {
				return 0, io.EOF
			}
			r.buffered, r.tail = []byte(r.tail), ""
			break
		}
		text := r.head + strings.ReplaceAll(r.piece, "NUMBER", fmt.Sprint(r.number))
		r.head = ""
		r.buffered = []byte(text)
		r.left -= len(text)
		r.number++
	}
	n := copy(p, r.buffered)
	r.buffered = r.buffered[n:]
	return n, nil
}

// However long a text is, and however many failures it has, diagnosing it
// takes no more than 300 MB.
func TestDiagnoseMemory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it reads 100 MB several times")
	}
	const refusal = "User: arn:aws:sts::111122223333:assumed-role/orders/NUMBER is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab because no resource-based policy allows the kms:Decrypt action"
	const event = `{"eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"eu-west-1","errorCode":"AccessDenied","errorMessage":"` + refusal + `"},` + "\n"
	for name, text := range map[string]repeated{
		"short lines": {left: 100 << 20, piece: "2026-01-05T10:00:00Z ERROR AccessDeniedException: " + refusal + "\n"},
		"long lines":  {left: 100 << 20, piece: "2026-01-05T10:00:00Z ERROR AccessDeniedException: " + refusal + strings.Repeat(" stack frame", 600) + "\n"},
		"events":      {left: 100 << 20, head: `{"Records":[`, piece: event},
		"all events":  {left: diagnose.MaxText - 1<<10, head: `{"Records":[`, piece: event, tail: `{}]}`},
	} {
		outputs := []string{"text"}
		if name == "events" {
			outputs = []string{"text", "json", "yaml", "markdown"}
		}
		for _, output := range outputs {
			t.Run(name+" as "+output, func(t *testing.T) {
				in := text
				c := exec.CommandContext(t.Context(), os.Args[0], "diagnose", "-o", output)
				c.Stdin, c.Stdout = &in, io.Discard
				var errs bytes.Buffer
				c.Stderr = &errs
				m, err := measure(t, c)
				if c.ProcessState.ExitCode() != exitFailed {
					t.Fatalf("%v, %s: it ends with %d, as not all was read", err, errs.String(), exitFailed)
				}
				t.Logf("it took %s", m)
				if m.most>>10 > 300 {
					t.Errorf("it took %s", m)
				}
			})
		}
	}
}
