package units

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// header tells a reader of the file whose it is.
const header = `# Written by davit from the manifest that Source= names; changes here are replaced.
# To change settings of this unit on this node: systemctl edit %s
`

// validSetting is the name of a setting, which maxSetting bounds.
var validSetting = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)

const maxSetting = 64

// sections are a unit's sections in the order in which they are written.
var sections = []string{"Unit", "Service", "Slice", "Socket", "Timer", "Install", stampSection}

// setting is one setting with a line for each of its values.
type setting struct {
	section, name string
	lines         []string
}

// Render returns the unit file's text. The same unit always gives the same text. An
// error names the setting that cannot be written.
func Render(u Unit) (string, error) {
	r := &renderer{}
	r.head(u.Head)
	r.serviceUnit(u)
	r.serviceSection(u)
	if len(u.Extra.Install) > 0 {
		r.drop("Install", "WantedBy")
	}
	r.extra("Unit", u.Extra.Unit)
	r.extra("Service", u.Extra.Service)
	r.extra("Install", u.Extra.Install)
	return r.text(u.Name)
}

// RenderTimer is [Render] for a timer.
func RenderTimer(t Timer) (string, error) {
	r := &renderer{}
	r.head(t.Head)
	r.set("Timer", "Unit", unitName, t.Unit)
	r.set("Timer", "OnCalendar", literal, t.OnCalendar...)
	if t.Persistent {
		r.set("Timer", "Persistent", literal, "yes")
	}
	// systemd's default of a minute would surprise the author of a time.
	r.set("Timer", "AccuracySec", literal, "1s")
	return r.text(t.Name)
}

// RenderSocket is [Render] for a socket.
func RenderSocket(s Socket) (string, error) {
	r := &renderer{}
	r.head(s.Head)
	r.set("Socket", "Service", unitName, s.Service)
	// systemd hands the descriptors on in the order of the file.
	r.set("Socket", "ListenStream", text, s.Streams...)
	r.set("Socket", "ListenDatagram", text, s.Datagrams...)
	// Otherwise the file of a Unix socket remains, and connections to it fail.
	r.set("Socket", "RemoveOnStop", literal, "yes")
	return r.text(s.Name)
}

// RenderTrigger is [Render] for a trigger.
func RenderTrigger(t Trigger) (string, error) {
	r := &renderer{}
	r.head(t.Head)
	r.set("Service", "Type", literal, "oneshot")
	started := t.Beside
	if len(started) == 0 {
		started = []string{t.Restarts}
	}
	for _, name := range started {
		if _, err := encode(name, unitName); err != nil {
			return "", fmt.Errorf("render unit %s: %w", t.Name, err)
		}
	}
	if t.DueBundle != "" {
		r.command("ExecCondition", t.Launcher, "due", t.DueBundle)
	}
	if len(t.Beside) > 0 {
		r.command("ExecStart", append([]string{t.Launcher, "beside"}, t.Beside...)...)
	} else {
		r.command("ExecStart", systemctl, "--no-block", "restart", t.Restarts)
	}
	return r.text(t.Name)
}

// systemctl is its path on all distributions with merged /usr.
const systemctl = "/usr/bin/systemctl"

// RenderTarget is [Render] for a target.
func RenderTarget(t Target) (string, error) {
	r := &renderer{}
	r.head(t.Head)
	return r.text(t.Name)
}

// RenderSlice is [Render] for a slice.
func RenderSlice(s Slice) (string, error) {
	r := &renderer{}
	r.head(s.Head)
	r.resources("Slice", s.Resources)
	return r.text(s.Name)
}

// renderer collects settings; the first error stops it.
type renderer struct {
	settings []setting
	err      error
}

// head begins [Unit], and fills [Install] and davit's own section.
func (r *renderer) head(h Head) {
	r.set("Unit", "Description", text, h.Description)
	r.set("Unit", "Documentation", text, "https://github.com/davit-project/davit", (&url.URL{Scheme: "file", Path: h.SourcePath}).String())
	r.set("Unit", "After", unitName, h.Dependencies.After...)
	r.set("Unit", "Wants", unitName, h.Dependencies.Wants...)
	r.set("Unit", "Requires", unitName, h.Dependencies.Requires...)
	r.set("Unit", "BindsTo", unitName, h.Dependencies.BindsTo...)
	r.set("Unit", "PartOf", unitName, h.Dependencies.PartOf...)
	for _, unit := range h.WantedBy {
		kind := unitName
		if unit == MultiUser || unit == Timers || unit == Sockets {
			kind = literal
		}
		r.set("Install", "WantedBy", kind, unit)
	}
	r.set(stampSection, "Object", literal, h.Stamp.Object)
	// With SourcePath=, systemctl would warn after each edit of a manifest that the unit is outdated.
	r.set(stampSection, "Source", literal, h.SourcePath)
	if h.Stamp.Keep {
		r.set(stampSection, "Prune", literal, "disabled")
	}
}

// Targets of systemd.special(7) that start davit's units.
const (
	MultiUser = "multi-user.target"
	Timers    = "timers.target"
	Sockets   = "sockets.target"
)

// text is the whole file.
func (r *renderer) text(name string) (string, error) {
	if !names.Valid(name) {
		return "", fmt.Errorf("unit name %q: want a lower-case name of letters, digits and '-', with a suffix such as .service", name)
	}
	if r.err != nil {
		return "", fmt.Errorf("render unit %s: %w", name, r.err)
	}
	return Sign(fmt.Sprintf(header, name)+r.String(), Format), nil
}

// serviceUnit completes a service's [Unit].
func (r *renderer) serviceUnit(u Unit) {
	r.set("Unit", "RequiresMountsFor", word, u.RequiresMountsFor...)
	if u.Role == RoleJob {
		// Conditions are checked at each start, and a start that they skip counts as successful for the units that wait
		// for it (systemd.unit(5)).
		r.set("Unit", "ConditionPathExists", literal, "!"+u.CompletedFile)
	}
	if u.StopWhenUnneeded {
		r.set("Unit", "StopWhenUnneeded", literal, "yes")
	}
	if u.MaxRestarts < 0 {
		r.set("Unit", "StartLimitIntervalSec", literal, "0")
	} else {
		// The first start counts too.
		interval := "infinity"
		if u.RestartPeriod > 0 {
			interval = strconv.FormatInt(int64(u.RestartPeriod.Seconds()), 10)
		}
		r.set("Unit", "StartLimitIntervalSec", literal, interval)
		r.set("Unit", "StartLimitBurst", literal, strconv.Itoa(u.MaxRestarts+1))
	}
}

// levelPrefixSetting is whether a line that begins with <N> has that priority.
const levelPrefixSetting = "SyslogLevelPrefix"

func (r *renderer) serviceSection(u Unit) {
	const section = "Service"
	r.launch(u)
	r.set(section, "Restart", literal, u.Restart)
	if u.RestartDirect {
		r.set(section, "RestartMode", literal, "direct")
	}
	r.restartDelay(u)
	// Only the container's first process gets the stop signal, as Docker and Podman do; the other processes are killed
	// after the grace period.
	r.set(section, "KillMode", literal, "mixed")
	r.set(section, "KillSignal", literal, u.KillSignal)
	if u.SuccessStatus > 0 {
		r.set(section, "SuccessExitStatus", literal, strconv.Itoa(u.SuccessStatus))
	}
	r.set(section, "TimeoutStopSec", literal, strconv.FormatInt(u.stopTimeout(), 10))
	// A container's line that begins with <0> would go to every terminal of the node (ForwardToWall= of journald.conf(5)).
	r.set(section, levelPrefixSetting, literal, "no")
	r.set(section, "SyslogIdentifier", text, cmp.Or(u.LogTag, names.ID(u.Name)))
	if limit := u.LogRateLimit; limit != nil {
		r.set(section, "LogRateLimitIntervalSec", literal, strconv.FormatInt(limit.Seconds, 10))
		r.set(section, "LogRateLimitBurst", literal, strconv.FormatInt(limit.Burst, 10))
	}
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(u.LogFields)) {
		fields = append(fields, name+"="+u.LogFields[name])
	}
	r.set(section, "LogExtraFields", word, fields...)
	r.set(section, "Slice", literal, cmp.Or(u.Slice, nodeSlice))
	r.resources(section, u.Resources)
	if u.OOMScoreAdjust != 0 {
		r.set(section, "OOMScoreAdjust", literal, strconv.Itoa(int(u.OOMScoreAdjust)))
	}
}

// maxDelaySetting is the longest wait before a restart: a setting of systemd, and if systemd has none, one for the
// launcher.
const maxDelaySetting = "RestartMaxDelaySec"

// restartDelay sets the time that systemd waits before a restart. If the manifest sets RestartSec=, the delay does not
// grow.
func (r *renderer) restartDelay(u Unit) {
	// systemd's 100 ms would make a crash loop a busy loop.
	r.set("Service", "RestartSec", literal, "1")
	if u.RestartMaxDelay == 0 || len(u.Extra.Service["RestartSec"]) > 0 {
		return
	}
	longest := strconv.FormatInt(int64(u.RestartMaxDelay.Seconds()), 10)
	if !u.RestartSteps {
		r.set(stampSection, maxDelaySetting, literal, longest)
		return
	}
	// The steps from one second to the bound, each about twice the one before.
	steps := bits.Len64(uint64(u.RestartMaxDelay.Seconds())) - 1
	r.set("Service", "RestartSteps", literal, strconv.Itoa(steps))
	r.set("Service", maxDelaySetting, literal, longest)
}

// launch is the contract with davit-run: it hands systemd the container's own process as
// the main process and exits, its cgroup below the unit's own, its mounts private.
func (r *renderer) launch(u Unit) {
	const section = "Service"
	id := names.ID(u.Name)
	r.serviceType(u)
	access := "main"
	if u.HoldsStart {
		access = "exec" // the launcher's process that waits for the container reports its status
	}
	r.set(section, "NotifyAccess", literal, access)
	if u.KeepsNetwork {
		r.set(section, "FileDescriptorStoreMax", literal, "1")
	}
	if u.Role == RoleSandbox || u.Role == RoleReaper {
		r.command("ExecStart", u.Launcher, "sandbox", u.Bundle)
	} else {
		if u.Due {
			r.command("ExecCondition", u.Launcher, "due", u.Bundle)
		}
		r.set(section, "Delegate", literal, "yes")
		if u.LauncherGroup {
			r.set(section, "DelegateSubgroup", literal, bundle.LauncherGroup)
		}
		// Where the kernel kills one process for want of memory it kills all of the container:
		// one that lacks a part looks alive and is not. Units with Delegate= go on otherwise.
		r.set(section, "OOMPolicy", literal, "kill")
		r.set(section, "PrivateMounts", literal, "yes")
		r.command("ExecStart", u.Launcher, "start", u.Bundle)
	}
	if u.Role == RoleOneshot || u.Role == RoleJob {
		r.command("ExecStartPost", u.Launcher, "finish", id)
	}
	if len(u.StartAfterwards) > 0 {
		r.command("ExecStartPost", append([]string{systemctl, "--no-block", "start"}, u.StartAfterwards...)...)
	}
	if u.HoldsStart {
		r.command("ExecStartPost", u.Launcher, "ready", id)
	}
	if u.Reload {
		r.command("ExecReload", u.Launcher, "reload", id, u.Bundle)
	}
	if u.boundsStop() {
		r.command("ExecStop", u.Launcher, "prestop", id, strconv.FormatInt(u.StopSeconds, 10))
	}
	r.command("ExecStopPost", u.Launcher, "cleanup", id)
}

// serviceType sets the event by which systemd considers the service started, and the time that this may take.
func (r *renderer) serviceType(u Unit) {
	const section = "Service"
	deadline := "infinity"
	if u.DeadlineSeconds > 0 {
		deadline = strconv.FormatInt(u.DeadlineSeconds, 10)
	}
	launch := int64(60) // bounds a CNI plugin that hangs
	if u.Notify {
		launch = 90 // systemd's own for any service
	}
	timeout := strconv.FormatInt(launch, 10)
	switch u.Role {
	case RoleOneshot, RoleJob, RoleTask:
		r.set(section, "Type", literal, "oneshot")
		r.set(section, "TimeoutStartSec", literal, deadline) // the whole run is the start
		if u.Role == RoleOneshot {
			r.set(section, "RemainAfterExit", literal, "yes")
		}
	case RoleSandbox:
		r.set(section, "Type", literal, "oneshot")
		r.set(section, "TimeoutStartSec", literal, timeout)
		r.set(section, "RemainAfterExit", literal, "yes")
	default:
		r.set(section, "Type", literal, "notify")
		switch {
		case u.HoldsStart && u.HoldSeconds == 0:
			timeout = "infinity" // the launcher bounds itself
		case u.HoldsStart:
			timeout = strconv.FormatInt(launch+u.HoldSeconds, 10)
		}
		r.set(section, "TimeoutStartSec", literal, timeout)
		if u.DeadlineSeconds > 0 {
			r.set(section, "RuntimeMaxSec", literal, deadline)
		}
	}
}

// cleanupSeconds is the least that systemd leaves for the launcher's clean-up, which on a busy machine
// may wait for the processor and for the network's rules.
const cleanupSeconds = 10

// boundsStop says whether the launcher sees to it that the container ends within StopSeconds: where a
// hook takes a part of that time, and where it is too little for the clean-up. systemd has but one
// TimeoutStopSec= for each stage of a stop, and stops a service that is still starting, as one that
// runs to its end is, without its ExecStop= (systemd.service(5)).
func (u Unit) boundsStop() bool {
	return u.PreStop || u.Role == RoleContainer && u.StopSeconds < cleanupSeconds
}

// stopTimeout is how long each stage of a stop may take, in seconds. Where the launcher bounds the
// stop, systemd comes after it.
func (u Unit) stopTimeout() int64 {
	if u.boundsStop() {
		return max(u.StopSeconds+afterLauncher, cleanupSeconds)
	}
	return u.StopSeconds
}

// afterLauncher is a little more than the least time that the launcher leaves for the stop signal.
const afterLauncher = 5

// set adds a setting with a line for each value; no value adds nothing.
func (r *renderer) set(section, name string, kind kind, values ...string) {
	if r.err != nil || len(values) == 0 {
		return
	}
	s := setting{section: section, name: name}
	for _, value := range values {
		encoded, err := encode(value, kind)
		if err != nil {
			r.err = fmt.Errorf("[%s] %s=: %w", section, name, err)
			return
		}
		s.lines = append(s.lines, encoded)
	}
	r.settings = append(r.settings, s)
}

func (r *renderer) command(name string, words ...string) {
	for _, word := range words {
		if _, err := encode(word, argument); err != nil && r.err == nil {
			r.err = fmt.Errorf("[Service] %s=: %w", name, err)
		}
	}
	r.set("Service", name, literal, strings.Join(words, " "))
}

// extra adds settings that a manifest passes through; they replace those that are set already.
func (r *renderer) extra(section string, settings map[string][]string) {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if (len(name) > maxSetting || !validSetting.MatchString(name)) && r.err == nil {
			r.err = fmt.Errorf("[%s] %q is not the name of a setting", section, name)
		}
		if len(settings[name]) == 0 && r.err == nil {
			r.err = fmt.Errorf("[%s] %s= has no value: it would only take davit's own away", section, name)
		}
		r.drop(section, name)
		r.set(section, name, raw, settings[name]...)
	}
}

func (r *renderer) drop(section, name string) {
	r.settings = slices.DeleteFunc(r.settings, func(s setting) bool {
		return s.section == section && s.name == name
	})
}

// String returns the settings, section by section.
func (r *renderer) String() string {
	var b strings.Builder
	for _, section := range sections {
		title := fmt.Sprintf("\n[%s]\n", section)
		for _, s := range r.settings {
			if s.section != section {
				continue
			}
			b.WriteString(title)
			title = ""
			for _, line := range s.lines {
				fmt.Fprintf(&b, "%s=%s\n", s.name, line)
			}
		}
	}
	return b.String()
}
