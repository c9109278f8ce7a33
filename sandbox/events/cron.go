package events

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// plan is when a schedule fires.
type plan interface {
	// next is the first time after a time. Of a rate it counts from the anchor, at which
	// the schedule fired or was made.
	next(anchor, after time.Time) (time.Time, bool)
}

// readSchedule reads the expression of a schedule; nil when it is none.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html.
func readSchedule(text string) plan {
	if m := rateForm.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1] + m[3]) // digits by the form
		units := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
		return every(time.Duration(n) * units[strings.TrimSuffix(m[2]+m[4], "s")])
	}
	inner, ok := strings.CutPrefix(text, "cron(")
	if !ok || !strings.HasSuffix(inner, ")") {
		return nil
	}
	if c := readCron(strings.Fields(strings.TrimSuffix(inner, ")"))); c != nil {
		return c
	}
	return nil
}

var rateForm = regexp.MustCompile(`^rate\((?:(1) (minute|hour|day)|([2-9]|[1-9]\d{1,5}) (minutes|hours|days))\)$`)

// every is a rate.
type every time.Duration

func (e every) next(anchor, after time.Time) (time.Time, bool) {
	past := after.Sub(anchor)
	return anchor.Add((past/time.Duration(e) + 1) * time.Duration(e)), true
}

// cron is a cron expression: for each field the values that fit, and days that are told
// by their place in the month.
type cron struct {
	minutes, hours, days, months, weekdays, years map[int]bool // nil for any
	lastDay                                       bool         // L
	nearest                                       int          // 15W, 0 for none
	lastOf                                        int          // 6L: the last Friday
	nth                                           [2]int       // 6#3: the third Friday
}

const (
	monthNames   = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"
	weekdayNames = "SUNMONTUEWEDTHUFRISAT"
	firstYear    = 1970
	lastYear     = 2199
)

// readCron reads the six fields; nil when they are none. Of the day of the month and the
// day of the week one is a question mark.
func readCron(f []string) *cron {
	if len(f) != 6 || (f[2] == "?") == (f[4] == "?") {
		return nil
	}
	c := &cron{}
	ok := true
	read := func(text, names string, from, to int) map[int]bool {
		set, good := readField(text, names, from, to)
		ok = ok && good
		return set
	}
	c.minutes, c.hours = read(f[0], "", 0, 59), read(f[1], "", 0, 23)
	c.months, c.years = read(f[3], monthNames, 1, 12), read(f[5], "", firstYear, lastYear)
	switch day := f[2]; {
	case day == "?":
	case day == "L":
		c.lastDay = true
	case strings.HasSuffix(day, "W"):
		n, err := strconv.Atoi(strings.TrimSuffix(day, "W"))
		ok = ok && err == nil && n >= 1 && n <= 31
		c.nearest = n
	default:
		c.days = read(day, "", 1, 31)
	}
	switch day := f[4]; {
	case day == "?":
	case day == "L":
		c.weekdays = map[int]bool{7: true}
	case strings.HasSuffix(day, "L"):
		n, good := readValue(strings.TrimSuffix(day, "L"), weekdayNames, 1, 7)
		ok, c.lastOf = ok && good, n
	case strings.Contains(day, "#"):
		which, place, _ := strings.Cut(day, "#")
		n, good := readValue(which, weekdayNames, 1, 7)
		k, err := strconv.Atoi(place)
		ok, c.nth = ok && good && err == nil && k >= 1 && k <= 5, [2]int{n, k}
	default:
		c.weekdays = read(day, weekdayNames, 1, 7)
	}
	if !ok {
		return nil
	}
	return c
}

// readField reads a list of values, ranges and steps; nil is any value.
func readField(text, names string, from, to int) (map[int]bool, bool) {
	if text == "*" {
		return nil, true
	}
	set := map[int]bool{}
	for part := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(part, "/")
		by := 1
		if stepped {
			n, err := strconv.Atoi(step)
			if err != nil || n < 1 {
				return nil, false
			}
			by = n
		}
		low, high := from, to
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			var ok bool
			if low, ok = readValue(first, names, from, to); !ok {
				return nil, false
			}
			if ranged {
				if high, ok = readValue(last, names, from, to); !ok || high < low {
					return nil, false
				}
			} else if !stepped {
				high = low
			}
		}
		for n := low; n <= high; n += by {
			set[n] = true
		}
	}
	return set, true
}

// readValue reads a number or one of names, which have three letters each.
func readValue(text, names string, from, to int) (int, bool) {
	if i := strings.Index(names, strings.ToUpper(text)); len(text) == 3 && i >= 0 && i%3 == 0 {
		return i/3 + 1, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= from && n <= to
}

func fits(set map[int]bool, n int) bool { return set == nil || set[n] }

// onDay reports whether the schedule fires on a day.
func (c *cron) onDay(d time.Time) bool {
	if !fits(c.years, d.Year()) || !fits(c.months, int(d.Month())) {
		return false
	}
	last := time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	weekday := int(d.Weekday()) + 1
	switch {
	case c.lastDay:
		return d.Day() == last
	case c.nearest > 0:
		return d.Day() == nearestWeekday(d, min(c.nearest, last), last)
	case c.lastOf > 0:
		return weekday == c.lastOf && d.Day() > last-7
	case c.nth[1] > 0:
		return weekday == c.nth[0] && (d.Day()-1)/7+1 == c.nth[1]
	}
	return fits(c.days, d.Day()) && fits(c.weekdays, weekday)
}

// nearestWeekday is the day from Monday to Friday of the same month that is nearest to a
// day.
func nearestWeekday(month time.Time, day, last int) int {
	switch time.Date(month.Year(), month.Month(), day, 0, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if day == 1 {
			return 3
		}
		return day - 1
	case time.Sunday:
		if day == last {
			return day - 2
		}
		return day + 1
	}
	return day
}

func (c *cron) next(_, after time.Time) (time.Time, bool) {
	from := after.UTC().Truncate(time.Minute).Add(time.Minute)
	day := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, time.UTC)
	for ; day.Year() <= lastYear; day = day.AddDate(0, 0, 1) {
		if !c.onDay(day) {
			continue
		}
		for minute := range 24 * 60 {
			at := day.Add(time.Duration(minute) * time.Minute)
			if fits(c.hours, minute/60) && fits(c.minutes, minute%60) && !at.Before(from) {
				return at, true
			}
		}
	}
	return time.Time{}, false
}
