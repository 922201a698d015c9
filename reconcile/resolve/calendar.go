package resolve

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// calendarEvents are the times of a CronJob as systemd.time(7) writes them, and about how long
// it is from one to the next at least.
func calendarEvents(spec v1.CronJobSpec) ([]string, time.Duration, error) {
	events, period := spec.OnCalendar, time.Minute
	if spec.Schedule != "" {
		parsed, err := cron.ParseStandard(spec.Schedule)
		if err != nil {
			return nil, 0, fmt.Errorf("schedule %q: %w", spec.Schedule, err)
		}
		schedule, ok := parsed.(*cron.SpecSchedule)
		if !ok {
			return nil, 0, fmt.Errorf("schedule %q is not a calendar time", spec.Schedule)
		}
		events, period = cronEvents(schedule), 24*time.Hour
		if bits.OnesCount64(schedule.Hour&^star)*bits.OnesCount64(schedule.Minute&^star) > 1 { // otherwise it is a day or more
			period = shortestPeriod(schedule)
		}
	}
	if spec.TimeZone == "" {
		return events, period, nil
	}
	zoned := make([]string, len(events))
	for i, event := range events {
		zoned[i] = event + " " + spec.TimeZone
	}
	return zoned, period, nil
}

// star is the bit by which the library marks a field that was written as *.
const star = 1 << 63

// cronEvents writes a cron schedule as calendar events. Where both the day of the month and the
// day of the week are given, cron means either (crontab(5)), which takes two events.
func cronEvents(s *cron.SpecSchedule) []string {
	times := fmt.Sprintf("%s:%s:00", numbers(s.Hour, 0, 23), numbers(s.Minute, 0, 59))
	months, days := numbers(s.Month, 1, 12), numbers(s.Dom, 1, 31)
	if s.Dom&star != 0 || s.Dow&star != 0 {
		return []string{fmt.Sprintf("%s*-%s-%s %s", weekdays(s.Dow), months, days, times)}
	}
	return []string{
		fmt.Sprintf("*-%s-%s %s", months, days, times),
		fmt.Sprintf("%s*-%s-* %s", weekdays(s.Dow), months, times),
	}
}

// numbers lists the bits of a field from first to last, or * when all are set.
func numbers(field uint64, first, last int) string {
	all := uint64(1)<<(last+1) - uint64(1)<<first
	if field&all == all {
		return "*"
	}
	list := make([]string, 0, bits.OnesCount64(field&all))
	for n := first; n <= last; n++ {
		if field&(1<<n) != 0 {
			list = append(list, fmt.Sprintf("%02d", n))
		}
	}
	return strings.Join(list, ",")
}

// weekdays lists days of the week, with a space behind; all of them are nothing.
func weekdays(field uint64) string {
	names := []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	var list []string
	for n, name := range names {
		if field&(1<<n) != 0 {
			list = append(list, name)
		}
	}
	if len(list) == len(names) {
		return ""
	}
	return strings.Join(list, ",") + " "
}

// shortestPeriod is the shortest time between two runs, out of the next few.
func shortestPeriod(schedule cron.Schedule) time.Duration {
	const runs = 100
	shortest := 24 * time.Hour
	last := schedule.Next(time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC))
	for range runs {
		next := schedule.Next(last)
		if next.IsZero() {
			break // it never comes
		}
		shortest, last = min(shortest, next.Sub(last)), next
	}
	return shortest
}
