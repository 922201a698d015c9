package check

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// systemdTakes asks systemd's own parser.
func systemdTakes(analyze, event string) bool {
	command := exec.Command(analyze, "calendar", "--", event)
	command.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	return command.Run() == nil
}

// TestCalendarEventsAreThoseOfSystemd has what davit takes, and what it refuses, and asks systemd about both.
func TestCalendarEventsAreThoseOfSystemd(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: install the package systemd")
	}
	for _, test := range []struct {
		taken  bool
		events []string
	}{
		{true, []string{
			"minutely", "Daily", "semi-annually", "weekly UTC", "hourly Europe/Berlin", "Mon", "Mon..Fri 06:30", "sat,Sun 08:05:40", "monday-WEDNESDAY", "Mon, 10:00",
			"*-*-* 04:00:00", "2003-03-05 05:40", "05:40 UTC", "10:00 utc", "*-02~03", "2027-*-29", "*:0/5", "*:*:*", "00:00:0.5", "00:00:00.25..10.5/2.5", "08:00..20/4:00",
			"*-*-01,15 03:00 America/New_York", "Mon *-05~07/1", "70-01-01", "*-1..6/2-1", "Fri 18:00 Etc/UTC", "*:0..59/59", "00:0/59",
		}},
		{false, []string{
			"", "someday", "*:*/5", "*/2:00", "24:00", "12:60", "10:00:60", "*-13-01", "*-00-01", "*-*-32", "*-*~29", "1969-01-01", "2200-01-01", "Fri..Mon", "Mon..Wed..Fri", "Monx 10:00",
			"Mon..", "..Fri", "10:00 Europe/Berlim", "10:00 Mon", "10:00 *-*-*", "10:5..2", "10:0/0", "10:0/60", "5", "10", "10:00:00:00", "10:00  UTC", "10:00\tUTC",
			"*-*~*-1", "1.5:00", "10:00:1.", "-1:00", "99999999999999999999:00", "*-*-* 10:00 UTC Europe/Berlin", "10:00 UTC UTC", strings.Repeat("1,", 241) + "1:00", "2024-~1", "*-02~1/28",
		}},
	} {
		for _, event := range test.events {
			if got := calendarEvent(event, "") == nil; got != test.taken {
				t.Errorf("davit takes %q: %t, want %t", event, got, test.taken)
			}
			if got := systemdTakes(analyze, event); got != test.taken {
				t.Errorf("systemd takes %q: %t, want %t", event, got, test.taken)
			}
		}
	}
}

// TestCalendarEventsThatDavitTakesAreRead draws events out of the words and numbers that they are made of.
func TestCalendarEventsThatDavitTakesAreRead(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: install the package systemd")
	}
	number := rapid.SampledFrom(strings.Fields("* 0 1 5 05 12 23 24 28 29 31 59 60 70 1970 2026 2199 2200 1..5 5..1 0/5 0..59/15 10/60 1,2,3 1,*,3 0.5 1.25..2 2/0 */2"))
	join := func(t *rapid.T, parts int, separators []string) string {
		text := number.Draw(t, "number")
		for range parts - 1 {
			text += rapid.SampledFrom(separators).Draw(t, "separator") + number.Draw(t, "number")
		}
		return text
	}
	part := rapid.OneOf(
		rapid.SampledFrom(strings.Fields("Mon tue,Thu Mon..Fri Fri..Mon sunday Su daily Weekly UTC Europe/Berlin CEST Nowhere/City Mon, sat-Sun")),
		rapid.Custom(func(t *rapid.T) string {
			return join(t, rapid.IntRange(2, 3).Draw(t, "parts"), []string{"-", "-", "~"})
		}),
		rapid.Custom(func(t *rapid.T) string { return join(t, rapid.IntRange(2, 3).Draw(t, "parts"), []string{":"}) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		event := strings.Join(rapid.SliceOfN(part, 1, 3).Draw(t, "parts"), " ")
		if calendarEvent(event, "") == nil && !systemdTakes(analyze, event) {
			t.Fatalf("davit takes %q, systemd does not", event)
		}
	})
}
