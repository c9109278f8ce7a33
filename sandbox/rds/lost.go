package rds

import (
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// What becomes of a database whose key cannot be used: it stops, and starts again when
// the key can be used and somebody starts it; after seven days it is lost, and only its
// backups are left.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.html and
// https://repost.aws/knowledge-center/rds-aurora-inaccessible-state.
const (
	recoverable = "inaccessible-encryption-credentials-recoverable"
	terminal    = "inaccessible-encryption-credentials"
	// noticed is how long RDS takes to see that a key cannot be used: assumed, as users
	// report about two hours.
	noticed = 2 * time.Hour
	lostFor = 7 * day
)

// LostKey is a key that cannot be used, and since when.
type LostKey struct{ Since time.Time }

// KeyChanged is told when a key becomes usable or stops being so. It is called in
// Update.
func (s *Service) KeyChanged(keyARN string, usable bool, at time.Time) {
	if usable {
		s.lost.Delete(keyARN)
		return
	}
	a, err := arn.Parse(keyARN)
	if err != nil || s.isLost(keyARN) || !s.protects(keyARN) {
		return
	}
	s.lost.Put(keyARN, &LostKey{at})
	s.Agenda.Add(state.Task{At: at.Add(noticed), Service: s.Name(), Account: a.Account, Region: a.Region, What: taskKeyLost, Subject: keyARN})
}

// protects reports whether there is a database under a key.
func (s *Service) protects(keyARN string) bool {
	for _, i := range s.instances.All("") {
		if i.Encryption.ARN == keyARN {
			return true
		}
	}
	for _, cl := range s.clusters.All("") {
		if cl.Encryption.ARN == keyARN {
			return true
		}
	}
	return false
}

// isLost reports whether a key cannot be used; that of no encryption can.
func (s *Service) isLost(keyARN string) bool { return s.lost.Get(keyARN) != nil }

// keyLost stops the databases under a key that is still not usable.
func (s *Service) keyLost(c *gate.Call, keyARN string) {
	l := s.lost.Get(keyARN)
	if l == nil || !l.Since.Add(noticed).Equal(c.At) {
		return
	}
	s.stopUnder(c, keyARN, Phase{recoverable, c.At}, func(status string, _ time.Time) bool {
		return status != "deleting" && status != recoverable && status != terminal
	})
	s.later(c, c.At.Add(lostFor), taskKeyGone, keyARN)
}

// keyGone gives up the databases that have been stopped for their key for seven days.
func (s *Service) keyGone(c *gate.Call, keyARN string) {
	s.stopUnder(c, keyARN, Phase{terminal, c.At}, func(status string, since time.Time) bool {
		return status == recoverable && since.Add(lostFor).Equal(c.At)
	})
}

// stopUnder puts those databases under a key into a status that are in one that fits.
func (s *Service) stopUnder(c *gate.Call, keyARN string, next Phase, fits func(status string, since time.Time) bool) {
	for _, old := range s.instances.All("") {
		if old.Encryption.ARN == keyARN && fits(old.Phases.last(c.At)) {
			i := *old
			i.Phases, i.Restart = i.Phases.then(c.At, next), time.Time{}
			s.putInstance(&i)
		}
	}
	for _, old := range s.clusters.All("") {
		if old.Encryption.ARN == keyARN && fits(old.Phases.last(c.At)) {
			cl := *old
			cl.Phases, cl.Restart = cl.Phases.then(c.At, next), time.Time{}
			s.putCluster(&cl)
		}
	}
}

// last is the status at a time, and since when.
func (p Phases) last(now time.Time) (string, time.Time) {
	var one Phase
	for _, each := range p {
		if each.From.After(now) {
			break
		}
		one = each
	}
	return one.Status, one.From
}
