package check_test

import (
	"testing"
)

func TestJobsAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{cronJob("onCalendar: ['25:00']"), `spec.onCalendar[0]: "25:00": want a calendar event`},
		{cronJob("onCalendar: ['10:00 UTC']", "timeZone: Europe/Berlin"), `spec.onCalendar[0]: "10:00 UTC": want a calendar event of systemd.time(7) such as "Mon..Fri 06:30": UTC is a second time zone`},
		{spec("activeDeadlineSeconds: 0"), `spec.activeDeadlineSeconds: 0: want 1 or more`},
		{job("restartPolicy: Always"), `spec.template.spec.restartPolicy: a job ends`},
		{job("restartPolicy: Never", "replicas: 2"), `spec.template.spec.replicas: a job has completions`},
		{cronJob("schedule: '* * * *'"), `spec.schedule: "* * * *": expected exactly 5 fields`},
		{cronJob("schedule: '61 * * * *'"), `spec.schedule: "61 * * * *": end of range (61) above maximum (59)`},
		{cronJob("schedule: 'TZ=UTC * * * * *'"), `spec.schedule: a time zone has a field of its own`},
		{cronJob("schedule: '@every 1h'"), `spec.schedule: "@every 1h" is not a time`},
		{cronJob("onCalendar: [someday]"), `spec.onCalendar[0]: "someday": want a calendar event`},
		{cronJob("schedule: '@daily'", "onCalendar: [daily]"), `spec.onCalendar: there is schedule already`},
		{cronJob("schedule: '@daily'", "concurrencyPolicy: Queue"), `spec.concurrencyPolicy: unknown value "Queue"`},
	})
}
