package events

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// rate and cron are the forms of schedules.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html.
var (
	rate = regexp.MustCompile(`^rate\((?:(1) (minute|hour|day)|([2-9]|[1-9]\d{1,5}) (minutes|hours|days))\)$`)
	cron = regexp.MustCompile(`^cron\([0-9*,/-]+ [0-9*,/-]+ [0-9*?,/LW-]+ [0-9A-Z*,/-]+ [0-9A-Z*?,/#L-]+ [0-9*,/-]+\)$`)
)

func isSchedule(text string) bool { return rate.MatchString(text) || cron.MatchString(text) }

// period is that of a rate; a cron schedule is kept and shown, and does not fire.
func period(schedule string) (time.Duration, bool) {
	m := rate.FindStringSubmatch(schedule)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1] + m[3])
	if err != nil {
		return 0, false
	}
	units := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
	return time.Duration(n) * units[strings.TrimSuffix(m[2]+m[4], "s")], true
}

// What stands on the agenda.
const fires = "schedule fires"

// schedule has a rule fire after the period of its rate.
func (s *Service) schedule(c *gate.Call, r *Rule) {
	r.Due = time.Time{}
	if every, ok := period(value(r.Schedule)); ok {
		r.Due = c.At.Add(every)
		s.plan(r)
	}
}

func (s *Service) plan(r *Rule) {
	s.Agenda.Add(state.Task{At: r.Due, Service: s.Name(), Account: r.Account, Region: r.Region, What: fires, Subject: r.row()})
}

// maxMissed is how many firings are made up for when the clock moves far: of those
// before them none is.
const maxMissed = 100

// Due fires a schedule. A rule that is off goes on counting.
func (s *Service) Due(_ context.Context, t state.Task) error {
	old := s.rules.Get(t.Subject)
	if old == nil || !old.Due.Equal(t.At) {
		return nil // ended, or its schedule is another
	}
	every, ok := period(value(old.Schedule))
	if !ok {
		return nil
	}
	r := *old
	r.Due = t.At.Add(every)
	if missed := s.Clock.Now().Sub(r.Due) / every; missed > maxMissed {
		r.Due = r.Due.Add((missed - maxMissed) * every)
	}
	s.rules.Put(r.row(), &r)
	s.plan(&r)
	if r.on() {
		s.fire(&r, t.At)
	}
	return nil
}
