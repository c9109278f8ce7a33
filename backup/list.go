package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
)

// Backup is one in a store. ID is the zero one for an object of another name.
type Backup struct {
	store.Object
	ID ID
}

// Select says which backups are meant; an empty field means any.
type Select struct{ ID, Kind, Name string }

func (s Select) takes(b *Backup) bool {
	return (s.ID == "" || b.Object.ID == s.ID) && (s.Kind == "" || b.ID.Kind == s.Kind) && (s.Name == "" || b.ID.Name == CleanName(s.Name))
}

func (s Select) String() string {
	switch {
	case s.ID != "":
		return "backup " + s.ID
	case s.Kind+s.Name == "":
		return "backup"
	case s.Kind == "":
		return "backup of the name " + s.Name
	}
	return strings.TrimSuffix("backup of "+s.Kind+" "+s.Name, " ")
}

// List returns the backups of a store, the newest first; what has another name than a
// backup's comes last.
func List(ctx context.Context, s store.Store, want Select) ([]Backup, error) {
	objects, err := s.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", s, err)
	}
	var list []Backup
	for _, o := range objects {
		b := At(o)
		if want.takes(&b) {
			list = append(list, b)
		}
	}
	slices.SortStableFunc(list, func(a, b Backup) int {
		return cmp.Or(b.ID.Created.Compare(a.ID.Created), cmp.Compare(a.Object.ID, b.Object.ID))
	})
	return list, nil
}

// Find returns the newest of those meant.
func Find(ctx context.Context, s store.Store, want Select) (Backup, error) {
	list, err := List(ctx, s, want)
	if err != nil {
		return Backup{}, err
	}
	return First(list, s, want)
}

// First returns the newest of a list of those meant. It fails as Find does where there is
// none.
func First(list []Backup, s store.Store, want Select) (Backup, error) {
	if len(list) == 0 {
		return Backup{}, envelope.Fail(envelope.NotFound, fmt.Errorf("there is no %s in %s", want, s))
	}
	if list[0].ID == (ID{}) && want.ID == "" {
		return Backup{}, envelope.Fail(envelope.NotFound, fmt.Errorf("nothing in %s has the name of a backup", s))
	}
	return list[0], nil
}

// At is the backup in an object, of which nobody is asked whether it is there: a version that
// is hidden is in no listing.
func At(o store.Object) Backup {
	b := Backup{Object: o}
	if id, err := ParseID(o.ID); err == nil {
		b.ID = id
	}
	return b
}

// errForeign refuses what does not have the name under which it was made.
var errForeign = errors.New("it does not have the name of a backup, KIND.NAME.TIME.RANDOM.age, to which its encryption is bound: give it back its name, or open it with age and its plugin")
