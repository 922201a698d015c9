package resolve

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"time"
	_ "time/tzdata" // for nodes and workstations without the zones' database

	"github.com/robfig/cron/v3"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// skip is the time of day that a zone skips once a year, when its clocks go forward: from begin to end, on a day of the week
// between two days of a month.
type skip struct {
	month       time.Month
	weekday     time.Weekday
	first, last int
	begin, end  time.Duration // since midnight
}

// The years in which [skipOf] looks for a zone's rule: after all changes that zones have had, and so many that each rule
// has each of its dates.
const firstYear, lastYear = 2030, 2057

// skipOf returns the time that a zone skips. It reports false for a zone that has no such rule: most have no summer time, and
// Morocco's depends on the moon.
func skipOf(zone *time.Location) (skip, bool) {
	var rule skip
	for year := firstYear; year <= lastYear; year++ {
		found, ok := skipOfYear(year, zone)
		if !ok {
			return skip{}, false
		}
		if year == firstYear {
			rule = found
		}
		rule.first, rule.last = min(rule.first, found.first), max(rule.last, found.last)
		if found.first, found.last = rule.first, rule.last; found != rule {
			return skip{}, false
		}
	}
	return rule, rule.last-rule.first < 7
}

// skipOfYear returns the time that a zone skips in a year; there must be one change of that kind.
func skipOfYear(year int, zone *time.Location) (found skip, ok bool) {
	for day := time.Date(year, time.January, 1, 12, 0, 0, 0, time.UTC); day.Year() == year; day = day.AddDate(0, 0, 1) {
		change, before, after := changeOn(day, zone)
		switch {
		case after <= before:
			continue
		case ok:
			return skip{}, false
		}
		wall := change.Add(before) // as the clocks before the change have it
		begin := wall.Sub(wall.Truncate(24 * time.Hour))
		found, ok = skip{wall.Month(), wall.Weekday(), wall.Day(), wall.Day(), begin, begin + after - before}, true
	}
	return found, ok && found.end < 24*time.Hour
}

// changeOn returns when the offset of a zone changes in the day before a time, in UTC, with both offsets.
func changeOn(end time.Time, zone *time.Location) (change time.Time, before, after time.Duration) {
	const day = 24 * 60 * 60
	begin := end.Add(-day * time.Second)
	offset := func(seconds int) time.Duration {
		_, east := begin.Add(time.Duration(seconds) * time.Second).In(zone).Zone()
		return time.Duration(east) * time.Second
	}
	if before, after = offset(0), offset(day); before == after {
		return end, before, after
	}
	at := sort.Search(day, func(seconds int) bool { return offset(seconds) != before })
	return begin.Add(time.Duration(at) * time.Second), before, after
}

// skippedEvents makes up for the runs of a schedule at times that its zone skips: one run when the clocks have gone
// forward, as cron(8) does it. systemd leaves them out. A schedule for each hour goes on with the next one.
func (r *resolver) skippedEvents(spec v1.CronJobSpec) ([]string, error) {
	if spec.Schedule == "" {
		return nil, nil // systemd interprets its own calendar events
	}
	parsed, err := cron.ParseStandard(spec.Schedule)
	schedule, ok := parsed.(*cron.SpecSchedule)
	if err != nil || !ok || schedule.Hour&star != 0 {
		return nil, err
	}
	rule, err := r.skipIn(spec.TimeZone)
	days := rule.days(schedule)
	if err != nil || days == 0 || !rule.meets(schedule) {
		return nil, err
	}
	event := fmt.Sprintf("%s *-%02d-%s %s", rule.weekday.String()[:3], rule.month, numbers(days, 1, 31), time.Time{}.Add(rule.end).Format(time.TimeOnly))
	if spec.TimeZone != "" {
		event += " " + spec.TimeZone
	}
	return []string{event}, nil
}

// madeUp matches the events of [resolver.skippedEvents]: of a schedule's own, none has both days of the week and of the
// month. madeUpEvent is such a line of a timer.
var (
	madeUp      = regexp.MustCompile(`^[A-Z][a-z]{2} \*-[0-9]{2}-[0-9,]+ [0-9:]+( .*)?$`)
	madeUpEvent = regexp.MustCompile(`(?m)^OnCalendar=[A-Z][a-z]{2} \*-[0-9]{2}-[0-9,]+ [0-9:]+( .*)?\n`)
)

// skipIn returns the time that a zone skips, by its name; "" is the node's own. The zero value is none.
func (r *resolver) skipIn(name string) (skip, error) {
	if known, ok := r.skips[name]; ok {
		return known, nil
	}
	zone, err := cmp.Or(r.in.Node.Zone, time.UTC), error(nil)
	if name != "" {
		if zone, err = time.LoadLocation(name); err != nil {
			return skip{}, fmt.Errorf("timeZone: %w: want a name of the IANA database such as Europe/Berlin", err)
		}
	}
	rule, ok := skipOf(zone)
	if !ok {
		rule = skip{}
	}
	r.skips[name] = rule
	return rule, nil
}

// makeUp adds to the events of a CronJob those of [skippedEvents].
func (r *resolver) makeUp(l *lowered, spec v1.CronJobSpec) error {
	events, err := r.skippedEvents(spec)
	for i, timer := range l.timers {
		l.timers[i].OnCalendar = slices.Concat(timer.OnCalendar, events)
	}
	for i, run := range l.containers {
		if len(run.due.Events) > 0 {
			l.containers[i].due.Events = slices.Concat(run.due.Events, events)
		}
	}
	return err
}

// meets reports whether a schedule has a run, on some day, at a time that is skipped.
func (s skip) meets(schedule *cron.SpecSchedule) bool {
	if schedule.Month&(1<<s.month) == 0 {
		return false
	}
	for at := s.begin; at < s.end; at += time.Minute {
		hour, minute := uint(at/time.Hour), uint(at%time.Hour/time.Minute)
		if schedule.Hour&(1<<hour) != 0 && schedule.Minute&(1<<minute) != 0 {
			return true
		}
	}
	return false
}

// days are the days of the month, as bits, on which a schedule has a run that may be skipped.
func (s skip) days(schedule *cron.SpecSchedule) uint64 {
	all := uint64(1)<<(s.last+1) - uint64(1)<<s.first
	byDay, byWeekday := schedule.Dom&all, schedule.Dow&(1<<s.weekday) != 0
	switch either := schedule.Dom&star == 0 && schedule.Dow&star == 0; {
	case either && byWeekday:
		return all
	case either || byWeekday:
		return byDay
	default:
		return 0
	}
}
