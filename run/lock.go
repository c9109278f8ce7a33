package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// holder is who has the lock, as the lock file says.
type holder struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// lock takes the lock of the journal for as long as something is performed. The
// system gives it back when the process ends, in whatever way. It fails at once with
// *LockedError when somebody else has it.
func (j *Journal) lock(now time.Time) (release func() error, err error) {
	file := filepath.Join(j.dir, "lock")
	l := flock.New(file, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	got, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the journal: %w", err)
	}
	if !got {
		e := &LockedError{Dir: j.dir}
		var h holder
		if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &h) == nil { // else it is not known who
			e.PID, e.Since = h.PID, h.Since
		}
		return nil, e
	}
	text, err := json.Marshal(holder{PID: os.Getpid(), Since: now.UTC().Truncate(time.Second)})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the journal: %w", err), l.Unlock())
	}
	return l.Unlock, nil
}
