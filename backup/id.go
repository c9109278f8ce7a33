package backup

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keyreach/keyreach/backup/envelope"
)

// ID names one backup: its kind, the name of what it is of, the time at which it was
// begun, and something random. It is bound to the encryption: under another name a
// backup does not open.
type ID struct {
	Kind, Name string
	Created    time.Time
	tail       string
}

const stamp = "20060102T150405.000Z"

// nameLen is how long the name in an id can be.
const nameLen = 80

var idForm = regexp.MustCompile(`^([a-z0-9-]{1,20})\.([A-Za-z0-9_-]{1,80})\.(\d{8}T\d{6}\.\d{3}Z)\.([0-9a-f]{8})$`)

// NewID returns a new one.
func NewID(kind, name string, now time.Time) ID {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return ID{kind, CleanName(name), now.UTC().Truncate(time.Millisecond), hex.EncodeToString(b[:])}
}

func (i ID) String() string {
	return i.Kind + "." + i.Name + "." + i.Created.Format(stamp) + "." + i.tail
}

// Context is the encryption context under which its file key is wrapped.
func (i ID) Context() envelope.Context { return envelope.NewContext(i.Kind, i.Name, i.String()) }

// Ahead reports whether its time is yet to come, by more than clocks differ: then the
// clock was wrong of whoever made it, or is here.
func (i ID) Ahead(now time.Time) bool { return i.Created.Sub(now) > time.Hour }

// Series is the kind and name: backups of one series replace one another.
func (i ID) Series() string { return i.Kind + "." + i.Name }

// ParseID reads an id.
func ParseID(text string) (ID, error) {
	m := idForm.FindStringSubmatch(text)
	if m == nil {
		return ID{}, fmt.Errorf("%q is no id of a backup, which is KIND.NAME.TIME.RANDOM", text)
	}
	at, err := time.Parse(stamp, m[3])
	if err != nil {
		return ID{}, fmt.Errorf("%q is no id of a backup: %w", text, err)
	}
	return ID{m[1], m[2], at, m[4]}, nil
}

// CheckName refuses a name of which CleanName leaves too little to tell it from another: a
// backup of one source is not to stand, and be pruned, for that of another.
func CheckName(name string) error {
	letter := false
	for _, r := range name {
		if r >= utf8.RuneSelf {
			return fmt.Errorf("the name %q has the letter %q, which no id of a backup has", name, r)
		}
		letter = letter || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	switch {
	case !letter:
		return fmt.Errorf("the name %q has no letter and no digit, which the id of a backup needs", name)
	case len(name) > nameLen:
		return fmt.Errorf("the name %q is longer than the %d letters that the id of a backup has for it", name, nameLen)
	}
	return nil
}

// CleanName is a name as it stands in ids: what is no letter, digit, - or _ becomes -.
func CleanName(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, name)
	if clean = strings.Trim(clean, "-"); clean == "" {
		return "backup"
	}
	return clean[:min(len(clean), nameLen)]
}
