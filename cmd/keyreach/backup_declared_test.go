package main

import (
	"testing"
	"time"
)

// An unchanged source is passed over for half of the time told, so that neither its backup
// expires nor verify finds it too old.
func TestUnchangedSourcesArePassedOverWhileTheirBackupIsYoungEnough(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct{ kept, oldest, want time.Duration }{
		"kept for 90 days":                       {90 * day, 0, 90 * day},
		"kept for 90 days, at most 36 hours old": {90 * day, 36 * time.Hour, 36 * time.Hour},
		"kept for as long as it may be old":      {7 * day, 7 * day, 7 * day},
		"kept for nobody says how long":          {0, 36 * time.Hour, 0},
	} {
		if got := passOver(c.kept, c.oldest); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
