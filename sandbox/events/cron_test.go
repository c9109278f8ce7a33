package events

import (
	"testing"
	"time"
)

func TestSchedulesAreDueWhenTheySay(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 24, 22, 15, 30, 0, time.UTC) // a Tuesday
	tests := []struct{ schedule, want string }{
		{"rate(1 minute)", "2026-11-24 22:16:30"},
		{"rate(7 days)", "2026-12-01 22:15:30"},
		{"cron(0 10 * * ? *)", "2026-11-25 10:00:00"},
		{"cron(15 22 * * ? *)", "2026-11-25 22:15:00"},
		{"cron(16 22 * * ? *)", "2026-11-24 22:16:00"},
		{"cron(0/15 * * * ? *)", "2026-11-24 22:30:00"},
		{"cron(0 18 ? * MON-FRI *)", "2026-11-25 18:00:00"},
		{"cron(0 8 1 * ? *)", "2026-12-01 08:00:00"},
		{"cron(0/5 8-17 ? * 1 *)", "2026-11-29 08:00:00"},
		{"cron(0 0 L * ? *)", "2026-11-30 00:00:00"},
		{"cron(0 0 15W * ? *)", "2026-12-15 00:00:00"},
		{"cron(0 0 29W NOV ? *)", "2026-11-30 00:00:00"},     // the 29th is a Sunday
		{"cron(0 0 1W AUG ? 2026/1)", "2027-08-02 00:00:00"}, // the 1st is a Sunday
		{"cron(0 0 ? * 6L *)", "2026-11-27 00:00:00"},
		{"cron(0 0 ? * TUE#2 *)", "2026-12-08 00:00:00"},
		{"cron(0 0 29 2 ? *)", "2028-02-29 00:00:00"},
		{"cron(30 12 1,15 JAN,JUL ? 2030)", "2030-01-01 12:30:00"},
	}
	for _, tt := range tests {
		p := readSchedule(tt.schedule)
		if p == nil {
			t.Errorf("%s is not taken", tt.schedule)
			continue
		}
		if got, _ := p.next(from, from); got.Format(time.DateTime) != tt.want {
			t.Errorf("%s is due %s, want %s", tt.schedule, got.Format(time.DateTime), tt.want)
		}
	}
	if _, ok := readSchedule("cron(0 0 1 1 ? 2020)").next(from, from); ok {
		t.Error("a year that is over comes again")
	}
}

func TestWhatIsNoScheduleIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "rate(5)", "rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "rate(5 weeks)", "cron()", "cron(* * * * *)", "cron(* * * * * *)", "cron(* * ? * ? *)",
		"cron(60 * * * ? *)", "cron(* 24 * * ? *)", "cron(* * 32 * ? *)", "cron(* * * 13 ? *)", "cron(* * ? * 8 *)", "cron(* * * * ? 1969)", "cron(5-1 * * * ? *)",
		"cron(0/0 * * * ? *)", "cron(* * 0W * ? *)", "cron(* * ? * 6#6 *)", "cron(a * * * ? *)", "cron(* * * FOO ? *)",
	} {
		if readSchedule(text) != nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestAScheduleThatCatchesUpFiresAboutTheLatestHundredTimes(t *testing.T) {
	t.Parallel()
	fired := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, schedule := range []string{"rate(1 minute)", "cron(* * * * ? *)"} {
		p := readSchedule(schedule)
		if got := resume(p, fired, fired.Add(50*time.Minute)); !got.Equal(fired) {
			t.Errorf("%s goes on after %s", schedule, got)
		}
		if got, want := resume(p, fired, fired.AddDate(1, 0, 0)), fired.AddDate(1, 0, 0).Add(-100*time.Minute); !got.Equal(want) {
			t.Errorf("%s goes on after %s, want %s", schedule, got, want)
		}
	}
}
