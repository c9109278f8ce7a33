package diagnose

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
)

const (
	// MaxText is how long a text may be that Read takes, in bytes.
	MaxText = 32 << 20
	// MaxIncidents is how many incidents Read tells of one text.
	MaxIncidents = 2_000
	// maxRecord is how much of one message is looked at, in bytes.
	maxRecord = 8 << 10
)

// ErrTooLong says that a text was longer than MaxText, or held more than
// MaxIncidents failures. What Read returns beside it was found before that.
var ErrTooLong = errors.New("the text is too long")

// Read finds the failures in a text: an exception, the output of a tool, a
// log, events of CloudTrail or EventBridge, or several of them mixed. What is
// no failure is passed over; a text without any gives none. The error is
// ErrTooLong or that of r.
func Read(r io.Reader) ([]Incident, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxText+1))
	if err != nil {
		return nil, fmt.Errorf("reading the text: %w", err)
	}
	if len(data) > MaxText {
		data, err = data[:MaxText], fmt.Errorf("%w: only the first %d MiB are read", ErrTooLong, MaxText>>20)
	}
	s := newSplitter(data)
	s.run()
	if s.full {
		err = fmt.Errorf("%w: only the first %d failures are told", ErrTooLong, MaxIncidents)
	}
	if len(s.found) == 1 && !s.event && len(data) <= maxRecord {
		// The lines around a single message say how it came about.
		if whole, ok := One(string(data)); ok {
			whole.Line, whole.Column = s.found[0].Line, s.found[0].Column
			return []Incident{whole}, err
		}
	}
	return s.found, err
}

// One reads a text as one failure, whatever it holds: what a person gives as
// the error that they had. False when nothing in it is recognised.
func One(text string) (Incident, bool) {
	s := newSplitter([]byte(text))
	if s.events() && len(s.found) > 0 {
		return s.found[0], true
	}
	if len(text) > maxRecord {
		s := newSplitter([]byte(text[:min(len(text), MaxText)]))
		if s.run(); len(s.found) > 0 {
			return s.found[0], true
		}
		return Incident{}, false
	}
	var lines []string
	at := line{number: 1, column: 1}
	number := 0
	for raw := range strings.Lines(text) {
		number++
		l := clean(number, strings.TrimRight(raw, "\r\n"))
		if l.text == "" {
			continue
		}
		if len(lines) == 0 {
			at = l
		}
		lines = append(lines, l.text)
	}
	return analyse(&Incident{Line: at.number, Column: at.column, Text: unwrap(lines)})
}

// analyseLong looks at a text piece by piece, each a little into the next,
// until one is recognised.
func analyseLong(in Incident, text string) (Incident, bool) {
	const overlap = maxRecord / 8
	for {
		piece := in
		piece.Text = text
		if len(text) > maxRecord {
			piece.Text = strings.ToValidUTF8(text[:maxRecord], "")
		}
		if found, ok := analyse(&piece); ok || len(text) <= maxRecord {
			return found, ok
		}
		text = strings.ToValidUTF8(text[maxRecord-overlap:], "")
	}
}

// splitter walks over a text and finds its incidents.
type splitter struct {
	data   []byte
	at     int // where the next line begins
	number int // lines that were passed
	budget int // bytes that may still be tried as JSON in vain

	open  record
	found []Incident
	event bool // one was found in JSON
	full  bool
}

func newSplitter(data []byte) *splitter {
	return &splitter{data: data, budget: 2*len(data) + 1<<20}
}

// record is a message that is being gathered.
type record struct {
	lines   []line
	size    int
	headed  bool // a line of it is one with which messages begin
	refused bool // it has said that somebody is not authorized
}

func (s *splitter) run() {
	for s.at < len(s.data) && !s.full {
		if s.json() {
			continue
		}
		s.next()
	}
	s.close()
}

// next takes one line of text.
func (s *splitter) next() {
	end := bytes.IndexByte(s.data[s.at:], '\n')
	raw := s.data[s.at:]
	if end >= 0 {
		raw = raw[:end]
		s.at += end + 1
	} else {
		s.at = len(s.data)
	}
	s.number++
	raw = bytes.TrimRight(raw, "\r")
	l := clean(s.number, string(raw[:min(len(raw), maxLine)]))
	head := heads(l.text)
	if s.open.ends(&l, head) || s.open.size > maxRecord {
		s.close()
	}
	if l.text == "" {
		return
	}
	s.open.lines = append(s.open.lines, l)
	s.open.size += len(l.text)
	s.open.headed = s.open.headed || head
	s.open.refused = s.open.refused || strings.Contains(l.text, "not authorized to perform")
}

// headWords begin messages.
var headWords = lazy.Regexp(`^(?:\W{0,4})(?:Error:|error:|ERROR|An error occurred|Error [a-z]+ing |User: |==> |Traceback|download failed|upload failed|Resource handler returned|(?:[a-z]+(?:\.\w+)*\.)?[A-Z][A-Za-z.]*(?:Exception|Error|Fault|Denied|InvalidState|Operation)\b ?[:(])`)

func heads(text string) bool { return text != "" && headWords.MatchString(text) }

// goesOn are the beginnings of lines that belong to the one before, though a
// log has put a time before them.
var goesOn = []string{"status code:", "on resource:", "because ", "with an explicit", "to perform:", "is not authorized", "with module.", "on ", "at ", "caused by", "Caused by", "Request ID", "request id", "File \""}

// ends reports whether a line begins another message.
func (r *record) ends(l *line, head bool) bool {
	switch {
	case len(r.lines) == 0 || l.text == "" && !l.top:
		return false
	case l.top:
		return true
	}
	for _, w := range goesOn {
		if strings.HasPrefix(l.text, w) {
			return false
		}
	}
	if strings.HasPrefix(l.text, "User: ") && !l.logged {
		return r.refused
	}
	return l.logged || head && r.headed
}

// close reads the message that was gathered.
func (s *splitter) close() {
	r := s.open
	s.open = record{}
	if len(r.lines) == 0 {
		return
	}
	texts := make([]string, len(r.lines))
	for i := range r.lines {
		texts[i] = r.lines[i].text
	}
	first := &r.lines[0]
	in, ok := analyseLong(Incident{Line: first.number, Column: first.column}, unwrap(texts))
	if !ok {
		return
	}
	if near := r.holding(in.words); near != nil {
		in.Line, in.Column = near.number, near.column
	}
	s.add(in)
}

// far is how many lines below its beginning a message may say what failed.
const far = 12

// holding finds the line with the words by which a message was recognised,
// where that is far from where the message seems to begin.
func (r *record) holding(words string) *line {
	begin := words[:min(len(words), 12)]
	for i := range r.lines {
		if strings.Contains(r.lines[i].text, begin) {
			if i > far {
				return &r.lines[i]
			}
			return nil
		}
	}
	return nil
}

func (s *splitter) add(in Incident) {
	if len(s.found) >= MaxIncidents {
		s.full = true
		return
	}
	s.found = append(s.found, in)
}
