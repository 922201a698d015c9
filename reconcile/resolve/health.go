package resolve

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// Kubernetes' defaults of a probe.
const (
	defaultProbePeriod   = 10
	defaultProbeTimeout  = 1
	defaultProbeFailures = 3
)

// healthOf is how a container is probed, and its hooks, with every default applied.
func healthOf(run runnable) bundle.Health {
	health := bundle.Health{
		PostStart: hookOf(run.Lifecycle.PostStart, run.Ports),
		PreStop:   hookOf(run.Lifecycle.PreStop, run.Ports),
		Startup:   probeOf(run.StartupProbe, run.Ports),
		Readiness: probeOf(run.ReadinessProbe, run.Ports),
		Liveness:  probeOf(run.LivenessProbe, run.Ports),
	}
	if health.Liveness != nil {
		health.Liveness.OnFailure = onFailure(run)
	}
	return health
}

// checkEnding refuses hooks and probes for which systemd has no time in a service whose start is its whole run: it runs
// ExecStartPost= after that and no ExecStop= before it, and is ready when it has ended (systemd.service(5)).
func checkEnding(run runnable) error {
	switch {
	case !runsToItsEnd(run.role):
		return nil
	case run.Lifecycle != v1.Lifecycle{}:
		return at("lifecycle", errors.New("a container that runs to its end has no hooks: leave lifecycle out"))
	case run.Notify == v1.NotifyContainer:
		return at("notify", errors.New("a container that runs to its end is ready when it has ended: leave notify out"))
	default:
		return nil
	}
}

// onFailure is the action after a failed liveness probe.
func onFailure(run runnable) string {
	action := onFailures[run.LivenessProbe.OnFailure]
	switch {
	case action != bundle.OnFailureRestart:
		return action
	case runsToItsEnd(run.role):
		// A restart by name would be a run that no backoffLimit counts.
		return bundle.OnFailureKill
	case restartOf(run.ContainerSpec) == reconcile.RestartNever:
		return bundle.OnFailureStop
	default:
		return action
	}
}

var onFailures = map[string]string{
	"": bundle.OnFailureRestart, v1.OnFailureRestart: bundle.OnFailureRestart, v1.OnFailureStop: bundle.OnFailureStop,
	v1.OnFailureKill: bundle.OnFailureKill, v1.OnFailureNone: bundle.OnFailureNone,
}

func probeOf(declared *v1.Probe, ports []v1.ContainerPort) *bundle.Probe {
	if declared == nil {
		return nil
	}
	probe := &bundle.Probe{
		Check:        checkOf(declared.Handler, ports),
		InitialDelay: declared.InitialDelaySeconds,
		Period:       cmp.Or(declared.PeriodSeconds, defaultProbePeriod),
		Timeout:      cmp.Or(declared.TimeoutSeconds, defaultProbeTimeout),
		Successes:    cmp.Or(declared.SuccessThreshold, 1),
		Failures:     cmp.Or(declared.FailureThreshold, defaultProbeFailures),
		GraceSeconds: declared.TerminationGracePeriodSeconds,
	}
	if grpc := declared.GRPC; grpc != nil {
		probe.GRPC = &bundle.GRPCCheck{Port: int(grpc.Port), Service: grpc.Service}
	}
	return probe
}

func hookOf(declared *v1.Hook, ports []v1.ContainerPort) *bundle.Hook {
	if declared == nil {
		return nil
	}
	hook := &bundle.Hook{Check: checkOf(declared.Handler, ports)}
	if declared.Sleep != nil {
		hook.SleepSeconds = declared.Sleep.Seconds
	}
	return hook
}

func checkOf(declared v1.Handler, ports []v1.ContainerPort) bundle.Check {
	var check bundle.Check
	switch {
	case declared.Exec != nil:
		check.Exec = declared.Exec.Command
	case declared.TCPSocket != nil:
		check.TCP = &bundle.TCPCheck{Host: declared.TCPSocket.Host, Port: portNumber(declared.TCPSocket.Port, ports)}
	case declared.HTTPGet != nil:
		get := declared.HTTPGet
		check.HTTP = &bundle.HTTPCheck{
			Scheme: strings.ToLower(cmp.Or(get.Scheme, "HTTP")), Host: get.Host,
			Port: portNumber(get.Port, ports), Path: "/" + strings.TrimPrefix(get.Path, "/"),
		}
		for _, header := range get.HTTPHeaders {
			check.HTTP.Headers = append(check.HTTP.Headers, bundle.HTTPHeader{Name: header.Name, Value: header.Value})
		}
	}
	return check
}

// portNumber is a port by its number or by its name, which is one of the container's.
func portNumber(ref v1.PortRef, ports []v1.ContainerPort) int {
	if number, err := strconv.Atoi(string(ref)); err == nil {
		return number
	}
	i := slices.IndexFunc(ports, func(port v1.ContainerPort) bool { return port.Name == string(ref) })
	if i < 0 {
		return 0
	}
	return int(ports[i].ContainerPort)
}

// runsToItsEnd reports whether a role's start is its whole run.
func runsToItsEnd(role units.Role) bool {
	return role == units.RoleOneshot || role == units.RoleJob || role == units.RoleTask
}

// startBudget is the time that a start may take after the process has been created, in seconds; 0 means without limit. The next
// stage of a start has a time of its own (TimeoutStartSec= of systemd.service(5)).
func startBudget(health bundle.Health) int64 {
	if health.Readiness != nil || health.PostStart != nil {
		return 0
	}
	startup := health.Startup
	attempt := int64(startup.Period) + int64(startup.Timeout)
	const longest = math.MaxInt32 // 68 years: systemd counts in microseconds of 64 bits
	return min(int64(startup.InitialDelay)+attempt*int64(startup.Failures), longest)
}
