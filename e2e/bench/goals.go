package main

import (
	"fmt"
	"math"
)

// goal is davit's goal of a figure: no more than a limit.
type goal struct {
	title string
	most  float64
	form  form
	// figure is the value to compare; NaN if it was not measured.
	figure func(f *findings) float64
	// limits is the reason why it is not reached, if that is known.
	limits string
}

// The reasons that limit figures: found with perf, strace and the peers' own figures.
const (
	byLibcontainer = "runc's libcontainer starts two Go processes for each container, each of which needs some 3 ms to start; it makes its mounts safely " +
		"with 2,000 system calls, and libseccomp compiles the filter at each start, 3 ms; runc alone, which does little else, takes about as long as the whole plain service"
	byFloor   = "a plain service already takes a fifth of Quadlet's processor time, and runc alone another third: libcontainer, as above"
	byLooking = "davit preserves the network; but it asks systemd whether the unit starts again, 2 ms, and checks the whole network, 3 ms, " +
		"so that it can restore flushed rules and removed devices"
	byReload = "in this run a unit named its bundle, and each version of a bundle has another name: so each change changed a unit file and needed systemd's daemon-reload, " +
		"which takes most of the time, and takes as long with the same number of units of any kind: see reconcile/daemon-reload"
	byFiles  = "davit checks 4,000 files and links for changes, and systemd takes 8 ms to list as many units"
	byBoth   = "both processors are busy all the time, so that the time is the sum of the processor times of all starts, above"
	byBridge = "one more line in each neighbour's /etc/hosts takes 7 ms, and the packets of the new container, which the bridge forwards to all its ports, some 8; " +
		"systemctl and systemd take as much again, before and after the launcher"
)

var goals = []goal{
	{title: "a start with no network adds to a plain service", most: 8e6, form: duration, figure: func(f *findings) float64 { return adds(f, davit, none) }, limits: byLibcontainer},
	{title: "the same, as a part of the time that Quadlet adds", most: 0.1, form: ratio, figure: func(f *findings) float64 { return adds(f, davit, none) / adds(f, quadlet, none) }, limits: byLibcontainer},
	{title: "a start with bridge and port adds to a plain service", most: 20e6, form: duration, figure: func(f *findings) float64 { return adds(f, davit, bridgePort) }, limits: byLibcontainer},
	{title: "the same, as a part of the time that Quadlet adds", most: 0.2, form: ratio, figure: func(f *findings) float64 { return adds(f, davit, bridgePort) / adds(f, quadlet, bridgePort) }, limits: byLibcontainer},
	{title: "processor time of a start with no network, as a part of Quadlet's", most: 0.2, form: ratio, figure: against("start/network=none", cpuTime, quadlet), limits: byFloor},
	{title: "processor time of a start with bridge and port, as a part of Quadlet's", most: 0.2, form: ratio, figure: against("start/network=port", cpuTime, quadlet), limits: byFloor},
	{title: "restart after a crash with bridge and port, relative to no network", most: 1, form: ratio, figure: func(f *findings) float64 {
		return figureOf(f, "restart/network=port", davit, wallTime) / figureOf(f, "restart/network=none", davit, wallTime)
	}, limits: byLooking},
	{title: "extra processes per running container", most: 0, form: count, figure: of("memory/network=bridge", processes)},
	{title: "memory that a running container adds outside itself", most: 100 << 10, form: size, figure: of("memory/network=bridge", pssBytes)},
	{title: "memory of the idle agent", most: 12 << 20, form: size, figure: of("idle/workloads=10", pssBytes)},
	{title: "wake-ups a minute of the idle agent", most: 2, form: count, figure: of("idle/workloads=10", wakeups)},
	{title: "reconcile of 1,000 manifests with nothing to do", most: 50e6, form: duration, figure: of("reconcile/manifests=1000", wallTime), limits: byFiles},
	{title: "passes of this kind that wrote something", most: 0, form: count, figure: of("reconcile/manifests=1000", writes)},
	{title: "one change in 1,000, from the write to the new process", most: 150e6, form: duration, figure: of("change/manifests=1000", wallTime), limits: byReload},
	{title: "boot of 100 containers, as a part of Quadlet's time", most: 0.25, form: ratio, figure: against("boot/workloads=100", wallTime, quadlet), limits: byBoth},
	{title: "boot of 100 containers, as a part of Quadlet's processor time", most: 0.25, form: ratio, figure: against("boot/workloads=100", cpuTime, quadlet), limits: byFloor},
	{title: "a start with 500 running, relative to a start with 1 running", most: 1.2, form: ratio, figure: func(f *findings) float64 {
		return figureOf(f, "growth/running=500", davit, wallTime) / figureOf(f, "growth/running=1", davit, wallTime)
	}, limits: byBridge},
	{title: "pull of 1 GB, relative to podman pull", most: 1, form: ratio, figure: against("pull/size=1GB", wallTime, quadlet)},
	{title: "pull of 1 GB, relative to skopeo copy", most: 1, form: ratio, figure: against("pull/size=1GB", wallTime, skopeo)},
	{title: "pull of 1 GB, relative to docker pull", most: 1, form: ratio, figure: against("pull/size=1GB", wallTime, compose)},
}

// figureOf is a median, NaN where there is none.
func figureOf(f *findings, v variant, c contestant, u unit) float64 {
	if median, ok := f.median(v, c.name, u); ok {
		return median
	}
	return math.NaN()
}

func of(v variant, u unit) func(f *findings) float64 {
	return func(f *findings) float64 { return figureOf(f, v, davit, u) }
}

// against is davit's figure as a part of another's.
func against(v variant, u unit, c contestant) func(f *findings) float64 {
	return func(f *findings) float64 { return figureOf(f, v, davit, u) / figureOf(f, v, c, u) }
}

// adds is the time of a start beyond that of a plain service.
func adds(f *findings, c contestant, n network) float64 {
	return figureOf(f, variant("start/network="+n), c, wallTime) - figureOf(f, "start/network=none", plain, wallTime)
}

// verdict is how a goal stands.
func (g goal) verdict(f *findings) string {
	switch figure := g.figure(f); {
	case math.IsNaN(figure):
		return "not measured"
	case figure <= g.most:
		return "reached"
	default:
		return "**missed**"
	}
}

// form is how a figure is written.
type form func(value float64) string

func duration(ns float64) string {
	switch {
	case ns >= 10e9:
		return fmt.Sprintf("%.1f s", ns/1e9)
	case math.Abs(ns) >= 1e9:
		return fmt.Sprintf("%.2f s", ns/1e9)
	default:
		return fmt.Sprintf("%.1f ms", ns/1e6)
	}
}

func size(value float64) string {
	if math.Abs(value) >= 1<<20 {
		return fmt.Sprintf("%.1f MiB", value/(1<<20))
	}
	return fmt.Sprintf("%.0f KiB", value/(1<<10))
}

func count(value float64) string { return fmt.Sprintf("%.4g", value) }

func ratio(value float64) string { return fmt.Sprintf("%.2f", value) }

// forms of units, and their names for people.
var forms = map[unit]struct {
	title string
	form  form
}{
	wallTime: {"time", duration}, cpuTime: {"processor time", duration}, rssBytes: {"resident memory", size}, pssBytes: {"proportional memory", size},
	processes: {"processes", count}, wakeups: {"wake-ups a minute", count}, cpuShare: {"processor time a minute", duration}, writes: {"passes that wrote", count},
}
