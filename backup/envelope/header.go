package envelope

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const (
	intro     = "age-encryption.org/v1\n"
	footer    = "---"
	footerLen = len("--- ") + 43 // base64 of 32 bytes without padding
	bodyLine  = 64
	maxHeader = 1 << 20
)

// Header is the beginning of an encrypted file: the file key, wrapped for each recipient.
type Header struct {
	// Raw are the bytes of the header, as they stand in the file.
	Raw []byte
	// Len is how many bytes that is: the payload begins there.
	Len int64
	// Stanzas are the ways in, in their order.
	Stanzas []Stanza
}

// Stanza is one way into a file.
type Stanza struct {
	// Type is age's word: X25519, mlkem768x25519, scrypt, keyreach/aws-kms…
	Type string
	Args []string
	Body []byte
	// KMS is set of a stanza of StanzaType that is of its form.
	KMS *Wrapped
}

// ReadHeader reads the header of an encrypted file. It may read beyond it. Nothing in it
// is proven: that takes the file key. Errors have the class Truncated when the input ends
// within the header, or Corrupt.
func ReadHeader(r io.Reader) (*Header, error) {
	raw, err := scanHeader(bufio.NewReader(r))
	if err != nil {
		return nil, err
	}
	return parseHeader(raw)
}

func parseHeader(raw []byte) (*Header, error) {
	// age itself decides what is a header; it has one form only, so what it read of it and
	// writes again are the same bytes.
	again, err := age.ExtractHeader(bytes.NewReader(raw))
	if err != nil {
		return nil, Fail(Corrupt, fmt.Errorf("reading the header: %w", err))
	}
	if !bytes.Equal(again, raw) {
		return nil, Fail(Corrupt, errors.New("reading the header: it is not in its canonical form"))
	}
	h := &Header{Raw: raw, Len: int64(len(raw))}
	// The stanzas come to an identity, which takes none of them.
	spy := &stanzaSpy{}
	_, _ = age.DecryptHeader(raw, spy)
	for _, s := range spy.stanzas {
		own := Stanza{Type: s.Type, Args: slices.Clone(s.Args), Body: slices.Clone(s.Body)}
		if s.Type == StanzaType {
			if w, err := readStanza(s); err == nil {
				own.KMS = &w
			}
		}
		h.Stanzas = append(h.Stanzas, own)
	}
	return h, nil
}

type stanzaSpy struct{ stanzas []*age.Stanza }

func (s *stanzaSpy) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	s.stanzas = stanzas
	return nil, age.ErrIncorrectIdentity
}

// scanHeader reads up to the end of the closing line of a header, and not beyond.
func scanHeader(r *bufio.Reader) ([]byte, error) {
	var raw []byte
	for {
		start := len(raw)
		for {
			part, err := r.ReadSlice('\n')
			raw = append(raw, part...)
			if len(raw) > maxHeader {
				return nil, Fail(Corrupt, fmt.Errorf("reading the header: it is longer than %d bytes", maxHeader))
			}
			if err == nil {
				break
			}
			if errors.Is(err, io.EOF) {
				return nil, cutHeader(raw)
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return nil, ioFailure("reading the header", err)
			}
			if start == 0 {
				return nil, errNotAge()
			}
		}
		line := raw[start:]
		if start == 0 && string(line) != intro {
			return nil, errNotAge()
		}
		if bytes.HasPrefix(line, []byte(footer)) {
			return raw, nil
		}
	}
}

func errNotAge() error {
	return Fail(Corrupt, errors.New("reading the header: it does not begin as an age file of version 1"))
}

// cutHeader tells an input that ended within its header from one that is none: every line
// that is there has to be of a header, and what is there of the last the beginning of one.
// The last alone would not tell: where the closing line is damaged, it is what follows the
// last line feed of the payload, which may be short and legible by chance.
func cutHeader(raw []byte) error {
	if len(raw) == 0 {
		return Fail(Truncated, errors.New("reading the header: the file is empty"))
	}
	first, rest, whole := bytes.Cut(raw, []byte("\n"))
	if !whole {
		if !bytes.HasPrefix([]byte(intro), first) {
			return errNotAge()
		}
	} else if !allFit(rest) {
		return Fail(Corrupt, errors.New("reading the header: its closing line is missing"))
	}
	return Fail(Truncated, fmt.Errorf("reading the header: the file ends within it, after %d bytes", len(raw)))
}

// allFit says whether each of the lines, the last of which may be cut, can be of a header.
func allFit(lines []byte) bool {
	for line := range bytes.Lines(lines) {
		if !fits(bytes.TrimSuffix(line, []byte("\n"))) {
			return false
		}
	}
	return true
}

func fits(line []byte) bool {
	switch {
	case bytes.ContainsFunc(line, func(c rune) bool { return c < ' ' || c > '~' }):
		return false
	case bytes.HasPrefix(line, []byte(footer)):
		return len(line) <= footerLen
	case bytes.HasPrefix(line, []byte("->")):
		return true
	default:
		return len(line) <= bodyLine
	}
}

// ioFailure is a failure to read the source, which says nothing of the file; armor is the
// exception, since it is itself a form that can be broken.
func ioFailure(doing string, err error) error {
	var a *armor.Error
	if !errors.As(err, &a) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return Fail(Truncated, fmt.Errorf("%s: %w", doing, err))
	}
	return Fail(Corrupt, fmt.Errorf("%s: %w", doing, err))
}

// unarmored returns the binary form of a file that is in the armor of age, and any other
// as it is.
func unarmored(src io.Reader) *bufio.Reader {
	// What armor.NewReader passes over before its first line at most.
	const space = 1024
	br := bufio.NewReaderSize(src, space+len(armor.Header))
	if first, err := br.Peek(1); err != nil || first[0] == intro[0] {
		return br
	}
	head, _ := br.Peek(space + len(armor.Header))
	if !bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte(armor.Header)) {
		return br
	}
	return bufio.NewReader(armor.NewReader(br))
}
