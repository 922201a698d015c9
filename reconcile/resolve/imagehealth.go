package resolve

import (
	"fmt"
	"slices"
	"time"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

// Docker's defaults (https://docs.docker.com/reference/dockerfile/#healthcheck).
const (
	healthcheckInterval = 30 * time.Second
	healthcheckTimeout  = 30 * time.Second
	healthcheckRetries  = 3
)

// healthCommand returns the command of a health check; nil for none.
func healthCommand(c reconcile.DockerConfig) []string {
	if c.Healthcheck == nil || len(c.Healthcheck.Test) < 2 {
		return nil
	}
	switch test := c.Healthcheck.Test; test[0] {
	case "CMD":
		return test[1:]
	case "CMD-SHELL":
		shell := c.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(slices.Clone(shell), test[1])
	default:
		return nil
	}
}

// healthProbe returns the health check as a probe. Docker's start period needs nothing: a start waits for its container to be
// ready for as long as that takes.
func healthProbe(c reconcile.DockerConfig) *v1.Probe {
	check := c.Healthcheck
	retries := check.Retries
	if retries <= 0 {
		retries = healthcheckRetries
	}
	return &v1.Probe{
		Handler:          v1.Handler{Exec: &v1.ExecAction{Command: healthCommand(c)}},
		PeriodSeconds:    wholeSeconds(check.Interval, healthcheckInterval),
		TimeoutSeconds:   wholeSeconds(check.Timeout, healthcheckTimeout),
		FailureThreshold: int32(min(retries, maxHealthcheck)),
	}
}

// maxHealthcheck bounds the values of an image: a day, in seconds, and as many checks.
const maxHealthcheck = 24 * 60 * 60

// wholeSeconds rounds up.
func wholeSeconds(value, usual time.Duration) int32 {
	if value <= 0 {
		value = usual
	}
	return int32(min((value+time.Second-1)/time.Second, maxHealthcheck))
}

// healthcheck has the image's HEALTHCHECK probe a container whose manifest says so, and has no probe itself. Where it is
// ignored, that is noted.
func (r *resolver) healthcheck(run runnable, image reconcile.Image) runnable {
	declared := run.ReadinessProbe != nil || run.LivenessProbe != nil || run.StartupProbe != nil
	if healthCommand(image.Docker) == nil || declared || runsToItsEnd(run.role) || run.Notify == v1.NotifyContainer {
		return run
	}
	switch run.ImageHealthcheck {
	case v1.HealthcheckReadiness:
		run.ReadinessProbe = healthProbe(image.Docker)
	case v1.HealthcheckBoth:
		run.ReadinessProbe, run.LivenessProbe = healthProbe(image.Docker), healthProbe(image.Docker)
	case "":
		r.made.notice = fmt.Sprintf("the HEALTHCHECK of image %s is ignored: write imageHealthcheck, or a probe (docs/health.md)", image.Reference)
		r.desired.Notices[run.ref] = r.made.notice
	}
	return run
}
