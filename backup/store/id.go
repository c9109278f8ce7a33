package store

import (
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/cloud"
)

// maxID keeps names, with what is put around them while they are written, below the 255
// bytes that file systems take.
const maxID = 200

// CheckID refuses an id that cannot be the name of a backup: it is 1 to 200 letters,
// digits, dots, underscores and hyphens, and does not begin with a dot. The failure is of
// kind cloud.Invalid.
func CheckID(id string) error {
	var reason string
	switch {
	case id == "":
		reason = "it is empty"
	case len(id) > maxID:
		reason = fmt.Sprintf("it has %d bytes, and may have %d", len(id), maxID)
	case id[0] == '.':
		reason = "it begins with a dot"
	case strings.ContainsFunc(id, func(r rune) bool { return !inID(r) }):
		reason = "only letters, digits, dots, underscores and hyphens may be in it"
	default:
		return nil
	}
	return &cloud.Error{Kind: cloud.Invalid, Operation: "naming a backup", Err: fmt.Errorf("%q cannot be the id of a backup: %s", id, reason)}
}

func inID(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
}

// IDOf is the id of what is stored under a name, and false when the name is none of a
// backup.
func IDOf(name string) (string, bool) {
	id, ok := strings.CutSuffix(name, Suffix)
	return id, ok && CheckID(id) == nil
}

// Exists is the failure of creating a backup when there is one of the id, of kind
// cloud.Exists.
func Exists(location string, err error) error {
	return &cloud.Error{Kind: cloud.Exists, Operation: "creating a backup", Err: fmt.Errorf("%s is there already: %w", location, err)}
}

// Changed is the failure of working on a backup that somebody else has changed since it
// was looked at, of kind cloud.State.
func Changed(location string) error {
	return &cloud.Error{Kind: cloud.State, Operation: "replacing the beginning of a backup", Err: fmt.Errorf("%s was changed meanwhile", location)}
}
