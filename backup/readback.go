package backup

import (
	"context"
	"io"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
)

// reading is a backup that is read while it is written.
type reading struct {
	*io.PipeWriter
	done chan struct{}
	m    archive.Manifest
	err  error
}

// readBack decrypts, unpacks and hashes what is written to it.
func readBack(ctx context.Context, identity age.Identity) *reading {
	in, out := io.Pipe()
	r := &reading{PipeWriter: out, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		var plain io.Reader
		if plain, r.err = envelope.Decrypt(in, envelope.Options{Begin: archive.Begin(), End: archive.End()}, identity); r.err == nil {
			_, r.m, r.err = archive.Verify(ctx, plain, archive.Limits{})
		}
		in.CloseWithError(r.err) // the writer need not go on; nil lets it come to its end
	}()
	return r
}

// end waits for the last of it.
func (r *reading) end() (archive.Manifest, error) {
	r.PipeWriter.Close()
	<-r.done
	return r.m, r.err
}

// stop ends it whether or not all was written.
func (r *reading) stop() {
	r.PipeWriter.CloseWithError(io.ErrUnexpectedEOF)
	<-r.done
}

// cause is why writing failed: the reading, when it failed first.
func (r *reading) cause(err error) error {
	select {
	case <-r.done:
		if r.err != nil {
			return r.err
		}
	default:
	}
	return err
}
