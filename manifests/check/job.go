package check

import (
	"fmt"
	"strings"

	"github.com/robfig/cron/v3"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkJob checks a job at the field of its specification.
func checkJob(s *Subject, at string, spec v1.JobSpec) {
	template := at + ".template.spec"
	checkPod(s, template, spec.Template.Spec)
	switch spec.Template.Spec.RestartPolicy {
	case v1.RestartOnFailure, v1.RestartNever:
	default:
		s.errorf(template+".restartPolicy", "a job ends: want OnFailure or Never")
	}
	if spec.Template.Spec.Replicas != nil {
		s.errorf(template+".replicas", "a job has completions and parallelism instead")
	}
	for name, value := range map[string]*int32{
		"completions": spec.Completions, "parallelism": spec.Parallelism, "backoffLimit": spec.BackoffLimit,
		"ttlSecondsAfterFinished": spec.TTLSecondsAfterFinished,
	} {
		if value != nil && *value < 0 {
			s.errorf(at+"."+name, "%d: want 0 or more", *value)
		}
	}
	checkSeconds(s, at+".activeDeadlineSeconds", spec.ActiveDeadlineSeconds, 1)
}

func checkCronJob(s *Subject, spec v1.CronJobSpec) {
	exactlyOne(s, "spec", choice{"schedule", spec.Schedule != ""}, choice{"onCalendar", len(spec.OnCalendar) > 0})
	if spec.Schedule != "" {
		checkSchedule(s, "spec.schedule", spec.Schedule)
	}
	for i, event := range spec.OnCalendar {
		checkCalendar(s, fmt.Sprintf("spec.onCalendar[%d]", i), event, spec.TimeZone)
	}
	if spec.TimeZone != "" {
		checkZone(s, "spec.timeZone", spec.TimeZone)
	}
	checkSeconds(s, "spec.startingDeadlineSeconds", spec.StartingDeadlineSeconds, 0)
	checkJob(s, "spec.jobTemplate.spec", spec.JobTemplate.Spec)
}

func checkSchedule(s *Subject, field, schedule string) {
	switch {
	case strings.HasPrefix(schedule, "TZ=") || strings.HasPrefix(schedule, "CRON_TZ="):
		s.errorHint(field, "write timeZone", "a time zone has a field of its own")
	case strings.HasPrefix(schedule, "@every") || strings.HasPrefix(schedule, "@reboot"):
		s.errorf(field, "%q is not a time: want five fields, or @hourly, @daily, @weekly, @monthly, @yearly", schedule)
	default:
		if _, err := cron.ParseStandard(schedule); err != nil {
			s.errorf(field, "%q: %v", schedule, err)
		}
	}
}
