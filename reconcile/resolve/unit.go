package resolve

import (
	"cmp"
	"fmt"
	"time"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/signals"
)

// defaultGracePeriod is Docker's and Podman's time between the stop signal and the kill.
const defaultGracePeriod = 10

// unitOf renders the values of a container's unit, all but those that depend on files.
func (r *resolver) unitOf(run runnable, b *bundle.Bundle, stopSignal signals.Signal) (units.Unit, error) {
	resources, err := resourcesOf(run.Resources)
	if err != nil {
		return units.Unit{}, at("resources", err)
	}
	dependencies := run.dependencies
	if run.sandbox == "" {
		declared, err := r.dependenciesOf(run.SandboxFields)
		if err != nil {
			return units.Unit{}, at(run.podAt, err)
		}
		dependencies = joined(declared, dependencies)
	}
	unit := units.Unit{
		Head: units.Head{
			Name:         run.unit(),
			Description:  fmt.Sprintf("%s (%s)", run.ref, b.Image.Reference),
			Dependencies: dependencies,
			WantedBy:     run.wantedBy,
		},
		Role:             run.role,
		StopWhenUnneeded: run.whileNeeded,
		// CONTAINER_NAME and IMAGE_NAME are the journal fields of Docker's and Podman's
		// journald log drivers.
		LogFields: map[string]string{
			"CONTAINER_NAME": run.name,
			"IMAGE_NAME":     b.Image.Reference,
			"IMAGE_DIGEST":   b.Image.Digest,
		},
		HoldsStart:    b.Health.HoldsStart() && !runsToItsEnd(run.role),
		PreStop:       b.Health.PreStop != nil || b.Replica,
		Notify:        b.Notify,
		KeepsNetwork:  b.Network.Keep,
		Due:           run.due.Seconds > 0,
		Reload:        run.Reload.Signal != "" || run.Reload.Exec != nil,
		Restart:       restartOf(run.ContainerSpec),
		MaxRestarts:   -1,
		KillSignal:    stopSignal.String(),
		StopSeconds:   defaultGracePeriod,
		Slice:         run.slice,
		LauncherGroup: r.in.Node.Systemd >= systemdDelegateSubgroup,
		Resources:     resources,
		Extra: units.Extra{
			Unit: section(run.Unit), Service: section(run.Service), Install: section(run.Install),
		},
	}
	if unit.HoldsStart {
		unit.HoldSeconds = startBudget(b.Health)
	}
	if run.role == units.RoleContainer {
		unit.SuccessStatus = stopSignal.ExitStatus()
	}
	if run.OOMScoreAdj != nil {
		unit.OOMScoreAdjust = *run.OOMScoreAdj
	}
	unit.LogTag = run.Logging.Tag
	if limit := run.Logging.RateLimit; limit != nil {
		unit.LogRateLimit = &units.LogRateLimit{Seconds: limit.IntervalSeconds, Burst: int64(limit.Burst)}
	}
	if run.role == units.RoleOneshot || run.role == units.RoleJob || run.role == units.RoleTask {
		unit.RestartDirect = r.in.Node.Systemd >= systemdRestartMode && unit.Restart != reconcile.RestartNever
		if !unit.RestartDirect {
			unit.StartAfterwards = run.startAfterwards
		}
	}
	if unit.Restart != reconcile.RestartNever {
		unit.RestartMaxDelay, unit.RestartSteps = restartMaxDelay, r.in.Node.Systemd >= systemdRestartSteps
	}
	if run.retryPeriod > 0 {
		// A little less than from one run to the next, so that each has its own count.
		unit.RestartPeriod = run.retryPeriod * 9 / 10
	}
	if run.MaxRestarts != nil {
		unit.MaxRestarts = int(*run.MaxRestarts)
	}
	switch grace := run.TerminationGracePeriodSeconds; {
	case grace == nil:
	case *grace == 0:
		// TimeoutStopSec=0 would be no limit at all, and the clean-up needs some time.
		unit.KillSignal = "SIGKILL"
	default:
		unit.StopSeconds = *grace
	}
	if run.ActiveDeadlineSeconds != nil {
		unit.DeadlineSeconds = *run.ActiveDeadlineSeconds
	}
	return unit, nil
}

// dependenciesOf are the units that a container waits for.
func (r *resolver) dependenciesOf(declared v1.SandboxFields) (units.Dependencies, error) {
	var dependencies units.Dependencies
	for i, dependency := range declared.DependsOn {
		ref := v1.Ref{Kind: cmp.Or(dependency.Kind, v1.KindContainer), Name: dependency.Name}
		needed, ok := r.other(ref)
		if !ok {
			return dependencies, at(fmt.Sprintf("dependsOn[%d]", i), fmt.Errorf("dependsOn: there is no %s", ref))
		}
		for _, unit := range needed.main() {
			dependencies.After = append(dependencies.After, unit)
			switch dependency.Condition {
			case v1.DependencyReady, v1.DependencyCompleted:
				dependencies.Requires = append(dependencies.Requires, unit)
			default:
				if !needed.runsOnce(unit) {
					dependencies.Wants = append(dependencies.Wants, unit)
				}
			}
		}
	}
	return dependencies, nil
}

// systemd's values of Restart= (systemd.service(5)).
const (
	restartAlways    = "always"
	restartOnFailure = "on-failure"
)

// The versions of systemd that settings came with.
const (
	systemdRestartMode      = 254
	systemdRestartSteps     = 254
	systemdDelegateSubgroup = 254
)

// restartMaxDelay is Kubernetes' bound of the wait before a restart
// (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy).
const restartMaxDelay = 5 * time.Minute

func restartOf(spec v1.ContainerSpec) string {
	switch {
	case spec.RestartPolicy == v1.RestartOnFailure, spec.RestartPolicy == "" && len(spec.Sockets) > 0:
		return restartOnFailure
	case spec.RestartPolicy == v1.RestartNever, spec.RestartPolicy == "" && spec.Oneshot:
		return reconcile.RestartNever
	default:
		return restartAlways
	}
}

func section(declared v1.UnitSection) map[string][]string {
	if len(declared) == 0 {
		return nil
	}
	settings := make(map[string][]string, len(declared))
	for name, values := range declared {
		settings[name] = values
	}
	return settings
}

// stopSignal is the one that asks a container to stop: the manifest's, the image's, or SIGTERM. An image is as little
// trusted as a manifest.
func stopSignal(spec v1.ContainerSpec, image reconcile.Image) (signals.Signal, error) {
	signal, err := signals.Parse(cmp.Or(spec.StopSignal, image.Config.StopSignal, "SIGTERM"))
	if err != nil {
		return 0, fmt.Errorf("stop signal %w", err)
	}
	return signal, nil
}
