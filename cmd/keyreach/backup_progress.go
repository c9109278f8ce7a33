package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// meter shows how far the work is, with its rate and, where the size is known, how
// long it still takes. On what is no terminal it shows nothing.
type meter struct {
	w    io.Writer
	what string
	bar  *progressbar.ProgressBar
}

func newMeter(w io.Writer, what string) *meter { return &meter{w: w, what: what} }

// at tells how many bytes are done.
func (p *meter) at(done int64) { p.of(done, -1) }

// of tells how many bytes of how many are done; a size below 1 is unknown.
func (p *meter) of(done, size int64) {
	f, ok := p.w.(*os.File)
	if !ok || !isTerminal(f) {
		return
	}
	if p.bar == nil {
		if size < 1 {
			size = -1
		}
		p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(p.what),
			progressbar.OptionShowBytes(true), progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish())
	}
	p.bar.Set64(done)
}

// end takes it away.
func (p *meter) end() {
	if p.bar != nil {
		p.bar.Finish()
		p.bar = nil
	}
}
