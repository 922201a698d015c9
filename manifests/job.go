package manifests

import (
	"fmt"
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
	d.checkSeconds(at+".activeDeadlineSeconds", spec.ActiveDeadlineSeconds, 1)
}

func (d *document) checkCronJob(spec v1.CronJobSpec) {
	d.exactlyOne("spec", choice{"schedule", spec.Schedule != ""}, choice{"onCalendar", len(spec.OnCalendar) > 0})
	if spec.Schedule != "" {
		d.checkSchedule("spec.schedule", spec.Schedule)
	}
	for i, event := range spec.OnCalendar {
		d.checkCalendar(fmt.Sprintf("spec.onCalendar[%d]", i), event, spec.TimeZone)
	}
	if spec.TimeZone != "" {
		d.checkZone("spec.timeZone", spec.TimeZone)
	}
	d.checkSeconds("spec.startingDeadlineSeconds", spec.StartingDeadlineSeconds, 0)
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
