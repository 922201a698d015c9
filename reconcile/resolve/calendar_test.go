package resolve_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile/resolve"
)

func TestCalendarEvents(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		spec   v1.CronJobSpec
		want   []string
		period time.Duration
	}{
		{v1.CronJobSpec{Schedule: "* * * * *"}, []string{"*-*-* *:*:00"}, time.Minute},
		{v1.CronJobSpec{Schedule: "*/20 3 * * *"}, []string{"*-*-* 03:00,20,40:00"}, 20 * time.Minute},
		{v1.CronJobSpec{Schedule: "@daily"}, []string{"*-*-* 00:00:00"}, 24 * time.Hour},
		{v1.CronJobSpec{Schedule: "0 6 * * mon-fri", TimeZone: "Europe/Berlin"}, []string{"Mon,Tue,Wed,Thu,Fri *-*-* 06:00:00 Europe/Berlin"}, 24 * time.Hour},
		// Either the day of the month or that of the week.
		{v1.CronJobSpec{Schedule: "5 4 1,15 */2 0"}, []string{"*-01,03,05,07,09,11-01,15 04:05:00", "Sun *-01,03,05,07,09,11-* 04:05:00"}, 24 * time.Hour},
		{v1.CronJobSpec{OnCalendar: []string{"Mon *-*-* 00:00", "hourly"}, TimeZone: "UTC"}, []string{"Mon *-*-* 00:00 UTC", "hourly UTC"}, time.Minute},
	} {
		got, period, err := resolve.CalendarEvents(test.spec)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" || period != test.period {
			t.Errorf("%+v: every %s: %s", test.spec, period, diff)
		}
	}
}

// TestSystemdAgreesWithCron compares the times at which systemd's own parser lets the events of a schedule elapse with cron's.
func TestSystemdAgreesWithCron(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: install the package systemd")
	}
	for _, schedule := range []string{
		"* * * * *", "*/7 * * * *", "0 */5 * * *", "15 2,14 * * *", "0 0 29 2 *", "0 12 1-7 * 1", "30 6 * jan-mar,dec sun,sat",
		"59 23 31 * *", "0 0 */10 * *", "3-50/9 5 * * */2", "@hourly", "@weekly", "@monthly", "@yearly",
	} {
		t.Run(schedule, func(t *testing.T) {
			t.Parallel()
			events, _, err := resolve.CalendarEvents(v1.CronJobSpec{Schedule: schedule, TimeZone: "UTC"})
			if err != nil {
				t.Fatal(err)
			}
			base := time.Date(2026, time.March, 4, 5, 6, 0, 0, time.UTC)
			var got []time.Time
			for _, event := range events {
				got = append(got, elapses(t, analyze, event, base)...)
			}
			slices.SortFunc(got, time.Time.Compare)
			got = slices.Compact(got)[:5]
			parsed, err := cron.ParseStandard(schedule)
			if err != nil {
				t.Fatal(err)
			}
			var want []time.Time
			for next := base; len(want) < 5; want = append(want, next) {
				next = parsed.Next(next)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v: %s", events, diff)
			}
		})
	}
}

// elapses are the next five times of a calendar event after a time.
func elapses(t *testing.T, analyze, event string, after time.Time) []time.Time {
	t.Helper()
	command := exec.Command(analyze, "calendar", fmt.Sprintf("--base-time=@%d", after.Unix()), "--iterations=5", event)
	command.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	var times []time.Time
	for line := range strings.Lines(string(output)) {
		name, text, _ := strings.Cut(line, ": ")
		if name = strings.TrimSpace(name); !strings.HasPrefix(name, "Iteration") && !strings.HasPrefix(name, "Iter.") && name != "Next elapse" {
			continue
		}
		at, err := time.ParseInLocation("Mon 2006-01-02 15:04:05 MST", strings.TrimSpace(text), time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, at)
	}
	return times
}
