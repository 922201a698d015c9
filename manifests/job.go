package manifests

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/robfig/cron/v3"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkJob checks a job at the field of its specification.
func (d *document) checkJob(at string, spec v1.JobSpec) {
	template := at + ".template.spec"
	d.checkPod(template, spec.Template.Spec)
	switch spec.Template.Spec.RestartPolicy {
	case v1.RestartOnFailure, v1.RestartNever:
	default:
		d.errorf(template+".restartPolicy", "a job ends: want OnFailure or Never")
	}
	if spec.Template.Spec.Replicas != nil {
		d.errorf(template+".replicas", "a job has completions and parallelism instead")
	}
	for name, value := range map[string]*int32{
		"completions": spec.Completions, "parallelism": spec.Parallelism, "backoffLimit": spec.BackoffLimit,
		"ttlSecondsAfterFinished": spec.TTLSecondsAfterFinished,
	} {
		if value != nil && *value < 0 {
			d.errorf(at+"."+name, "%d: want 0 or more", *value)
		}
	}
	if deadline := spec.ActiveDeadlineSeconds; deadline != nil && *deadline < 1 {
		d.errorf(at+".activeDeadlineSeconds", "%d: want 1 or more", *deadline)
	}
}

func (d *document) checkCronJob(spec v1.CronJobSpec) {
	d.exactlyOne("spec", choice{"schedule", spec.Schedule != ""}, choice{"onCalendar", len(spec.OnCalendar) > 0})
	if spec.Schedule != "" {
		d.checkSchedule("spec.schedule", spec.Schedule)
	}
	for i, event := range spec.OnCalendar {
		if !isCalendarEvent(event) {
			d.errorf(fmt.Sprintf("spec.onCalendar[%d]", i), "%q: want a calendar event of systemd.time(7) such as \"Mon..Fri 06:30\"", event)
		}
	}
	if spec.TimeZone != "" {
		d.checkZone("spec.timeZone", spec.TimeZone)
	}
	if deadline := spec.StartingDeadlineSeconds; deadline != nil && *deadline < 0 {
		d.errorf("spec.startingDeadlineSeconds", "%d: want 0 or more", *deadline)
	}
	d.checkJob("spec.jobTemplate.spec", spec.JobTemplate.Spec)
}

func (d *document) checkSchedule(field, schedule string) {
	switch {
	case strings.HasPrefix(schedule, "TZ=") || strings.HasPrefix(schedule, "CRON_TZ="):
		d.errorHint(field, "write timeZone", "a time zone has a field of its own")
	case strings.HasPrefix(schedule, "@every") || strings.HasPrefix(schedule, "@reboot"):
		d.errorf(field, "%q is not a time: want five fields, or @hourly, @daily, @weekly, @monthly, @yearly", schedule)
	default:
		if _, err := cron.ParseStandard(schedule); err != nil {
			d.errorf(field, "%q: %v", schedule, err)
		}
	}
}

// The parts of a calendar event (systemd.time(7), CALENDAR EVENTS). systemd's own parser has
// the last word on the node.
var (
	calendarWord    = regexp.MustCompile(`^(minutely|hourly|daily|weekly|monthly|quarterly|semiannually|annually|yearly)$`)
	calendarDays    = regexp.MustCompile(`^(?i:(mon|tue|wed|thu|fri|sat|sun)[a-z]*((\.\.|,|-)(mon|tue|wed|thu|fri|sat|sun)[a-z]*)*,?)$`)
	calendarNumbers = `(\*|\d+(\.\.\d+)?(/\d+)?(,\d+(\.\.\d+)?(/\d+)?)*)(/\d+)?`
	calendarDate    = regexp.MustCompile(`^(` + calendarNumbers + `-)?` + calendarNumbers + `[-~]` + calendarNumbers + `$`)
	calendarTime    = regexp.MustCompile(`^` + calendarNumbers + `:` + calendarNumbers + `(:` + calendarNumbers + `(\.\d+)?)?$`)
)

func isCalendarEvent(event string) bool {
	words := strings.Fields(event)
	if len(words) > 1 && timeZone.MatchString(words[len(words)-1]) && !calendarDays.MatchString(words[len(words)-1]) {
		words = words[:len(words)-1]
	}
	if len(words) == 1 && calendarWord.MatchString(words[0]) {
		return true
	}
	parts := []*regexp.Regexp{calendarDays, calendarDate, calendarTime}
	for _, word := range words {
		for len(parts) > 0 && !parts[0].MatchString(word) {
			parts = parts[1:]
		}
		if len(parts) == 0 {
			return false
		}
		parts = parts[1:]
	}
	return len(words) > 0
}
