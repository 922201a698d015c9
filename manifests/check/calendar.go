package check

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// checkCalendar checks a calendar event (systemd.time(7), CALENDAR EVENTS). A timer with an event that systemd does not
// read would not be loaded.
func checkCalendar(s *Subject, field, event, timeZone string) {
	if err := calendarEvent(event, timeZone); err != nil {
		s.errorf(field, "%q: want a calendar event of systemd.time(7) such as \"Mon..Fri 06:30\": %v", event, err)
	}
}

// calendarEvent says what is wrong with an event of a timer that has a time zone, or none.
func calendarEvent(event, timeZone string) error {
	words := strings.Fields(event)
	if len(words) == 0 || strings.Join(words, " ") != event {
		return errors.New("single spaces separate its parts")
	}
	if last := words[len(words)-1]; len(words) > 1 && isZone(last) {
		if timeZone != "" {
			return fmt.Errorf("%s is a second time zone, beside timeZone", last)
		}
		words = words[:len(words)-1]
	}
	return calendarParts(words)
}

// isZone reports whether a word of a calendar event is a time zone. systemd also takes the abbreviations of the zone that the
// node is in, which other nodes do not know.
func isZone(word string) bool {
	_, known := slices.BinarySearch(zones(), word)
	return known || strings.EqualFold(word, "UTC")
}

// calendarWords stand for a whole event.
var calendarWords = strings.Fields("minutely hourly daily weekly monthly quarterly semiannually semi-annually biannually bi-annually annually yearly")

// The forms of an event's parts, in the order that they have.
var (
	calendarDate = regexp.MustCompile(`^(?:([0-9*.,/]+)-)?([0-9*.,/]+)([-~])([0-9*.,/]+)$`)
	calendarTime = regexp.MustCompile(`^([0-9*.,/]+):([0-9*.,/]+)(?::([0-9*.,/]+))?$`)
)

// calendarParts says what is wrong with the words of an event, without its time zone.
func calendarParts(words []string) error {
	if len(words) == 1 && slices.Contains(calendarWords, strings.ToLower(words[0])) {
		return nil
	}
	parts := []func(word string) (ok bool, err error){calendarDays, calendarDay, calendarClock}
	for _, word := range words {
		found := false
		for !found && len(parts) > 0 {
			var err error
			if found, err = parts[0](word); err != nil {
				return err
			}
			parts = parts[1:]
		}
		if !found {
			return fmt.Errorf("%q is neither days of the week, a date, a time nor a time zone, in this order", word)
		}
	}
	return nil
}

// weekdays are the days of the week as events have them.
var weekdays = strings.Fields("monday tuesday wednesday thursday friday saturday sunday")

// dayRange separates the two days of a range; '-' is older.
var dayRange = regexp.MustCompile(`\.\.|-`)

// calendarDays reads days of the week: Mon..Wed,Sat.
func calendarDays(word string) (ok bool, err error) {
	word = strings.ToLower(word)
	if !strings.ContainsFunc(word, func(r rune) bool { return r >= 'a' && r <= 'z' }) {
		return false, nil
	}
	for span := range strings.SplitSeq(strings.TrimSuffix(word, ","), ",") {
		last := -1
		for i, day := range dayRange.Split(span, -1) {
			number := slices.IndexFunc(weekdays, func(long string) bool { return day == long || day == long[:3] })
			if number < 0 || i > 1 {
				return false, nil
			}
			if number < last {
				return true, fmt.Errorf("%s runs backwards: the week begins on Monday", span)
			}
			last = number
		}
	}
	return true, nil
}

// calendarDay reads a date: [YEAR-]MONTH-DAY, or MONTH~DAY, which counts from the end of the month.
func calendarDay(word string) (ok bool, err error) {
	match := calendarDate.FindStringSubmatch(word)
	if match == nil {
		return false, nil
	}
	day := component{name: "day", first: 1, last: 31}
	if match[3] == "~" {
		day.last, day.fromEnd = 28, match[4] != "*"
	}
	return true, checkComponents([]string{match[1], match[2], match[4]},
		[]component{{name: "year", first: 1970, last: 2199}, {name: "month", first: 1, last: 12}, day})
}

// calendarClock reads a time: HOUR:MINUTE[:SECOND].
func calendarClock(word string) (ok bool, err error) {
	match := calendarTime.FindStringSubmatch(word)
	if match == nil {
		return false, nil
	}
	return true, checkComponents(match[1:], []component{
		{name: "hour", last: 23}, {name: "minute", last: 59}, {name: "second", last: 60*microseconds - 1, unit: microseconds},
	})
}

// microseconds are those of a second: systemd counts in them.
const microseconds = 1_000_000

func checkComponents(texts []string, components []component) error {
	for i, text := range texts {
		if text == "" || text == "*" {
			continue
		}
		if err := components[i].check(text); err != nil {
			return err
		}
	}
	return nil
}

// component is a part of a date or time, and which numbers it takes.
type component struct {
	name        string
	first, last int64
	// unit is what 1 counts for; 0 means 1.
	unit int64
	// fromEnd counts from the end of the month.
	fromEnd bool
}

// maxComponents is how many numbers systemd takes in one list (CALENDARSPEC_COMPONENTS_MAX, calendarspec.c).
const maxComponents = 240

// span is a number or a range, and how far it is from one time to the next.
var span = regexp.MustCompile(`^([0-9]+(?:\.[0-9]{1,6})?)(?:\.\.([0-9]+(?:\.[0-9]{1,6})?))?(?:/([0-9]+(?:\.[0-9]{1,6})?))?$`)

// check reads a list of numbers and ranges, each with or without a repetition.
func (c component) check(list string) error {
	items := strings.Split(list, ",")
	if len(items) > maxComponents {
		return fmt.Errorf("%s: %d numbers are more than %d", c.name, len(items), maxComponents)
	}
	for _, item := range items {
		match := span.FindStringSubmatch(item)
		if match == nil || c.unit == 0 && strings.Contains(strings.ReplaceAll(item, "..", ""), ".") {
			return fmt.Errorf("%s: %q is not a number, a range such as 1..5 or a repetition such as 0/15", c.name, item)
		}
		if !c.takes(match[1], match[2], match[3]) {
			return fmt.Errorf("%s: %q has a number out of range, runs backwards, or repeats nothing", c.name, item)
		}
	}
	return nil
}

// takes reports whether systemd takes a range: both ends lie within the bounds, and one repetition at least fits in.
func (c component) takes(from, to, repetition string) bool {
	start, repeat := c.number(from), int64(0)
	if to != "" {
		repeat = max(c.unit, 1)
	}
	if repetition != "" {
		if repeat = c.number(repetition); repeat == 0 {
			return false
		}
	}
	if start < c.first || start > c.last || repeat > c.last-c.first {
		return false
	}
	switch stop := c.number(to); {
	case to != "":
		return stop >= c.first && stop <= c.last && start+repeat <= stop
	case c.fromEnd:
		return start-repeat >= c.first
	default:
		return start+repeat <= c.last
	}
}

// number reads a number of the form that [span] matches. One that is too large is larger than any bound.
func (c component) number(text string) int64 {
	whole, fraction, _ := strings.Cut(text, ".")
	number, err := strconv.ParseInt(whole, 10, 32)
	switch {
	case text == "":
		return 0
	case err != nil:
		return math.MaxInt64 / 2
	case c.unit > 1:
		part, _ := strconv.ParseInt((fraction + "000000")[:6], 10, 32) // digits alone
		return number*c.unit + part
	case c.name == "year" && number < 70:
		return number + 2000
	case c.name == "year" && number < 100:
		return number + 1900
	}
	return number
}
