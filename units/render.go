package units

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// header tells a reader of the file whose it is.
const header = `# Written by davit from the manifest that SourcePath= names; changes here are replaced.
# To change settings of this unit on this node: systemctl edit %s
`

// validName is a service name without template: systemd.unit(5) allows more, davit's
// objects need no more. 255 bytes is systemd's bound (UNIT_NAME_MAX).
var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,244}[a-z0-9])?\.service$`)

// validSetting is the name of a setting.
var validSetting = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,63}$`)

// sections are a unit's sections in the order in which they are written.
var sections = []string{"Unit", "Service", "Install", stampSection}

// setting is one setting with a line for each of its values.
type setting struct {
	section, name string
	lines         []string
}

// Render returns the unit file's text. The same unit always gives the same text. An
// error names the setting that cannot be written.
func Render(u Unit) (string, error) {
	if !validName.MatchString(u.Name) {
		return "", fmt.Errorf("unit name %q: want a lower-case name of letters, digits and '-', ending in .service", u.Name)
	}
	r := &renderer{}
	r.unitSection(u)
	r.serviceSection(u)
	r.set("Install", "WantedBy", literal, "multi-user.target")
	if len(u.Extra.Install) > 0 {
		r.drop("Install", "WantedBy")
	}
	r.extra("Unit", u.Extra.Unit)
	r.extra("Service", u.Extra.Service)
	r.extra("Install", u.Extra.Install)
	r.set(stampSection, "Object", literal, u.Stamp.Object)
	if r.err != nil {
		return "", fmt.Errorf("render unit %s: %w", u.Name, r.err)
	}
	return fmt.Sprintf(header, u.Name) + r.String(), nil
}

// renderer collects settings; the first error stops it.
type renderer struct {
	settings []setting
	err      error
}

func (r *renderer) unitSection(u Unit) {
	r.set("Unit", "Description", text, u.Description)
	r.set("Unit", "Documentation", literal, "https://github.com/davit-project/davit")
	r.set("Unit", "SourcePath", literal, u.SourcePath)
	r.set("Unit", "RequiresMountsFor", word, u.RequiresMountsFor...)
	r.set("Unit", "After", unitName, u.Dependencies.After...)
	r.set("Unit", "Wants", unitName, u.Dependencies.Wants...)
	r.set("Unit", "Requires", unitName, u.Dependencies.Requires...)
	if u.MaxRestarts < 0 {
		r.set("Unit", "StartLimitIntervalSec", literal, "0")
	} else {
		// The first start counts too.
		r.set("Unit", "StartLimitIntervalSec", literal, "infinity")
		r.set("Unit", "StartLimitBurst", literal, strconv.Itoa(u.MaxRestarts+1))
	}
}

func (r *renderer) serviceSection(u Unit) {
	const section = "Service"
	r.launch(u)
	r.set(section, "Restart", literal, u.Restart)
	// systemd's 100 ms would make a crash loop a busy loop.
	r.set(section, "RestartSec", literal, "1")
	// Only the container's first process gets the stop signal, as Docker and Podman do;
	// what is left after the grace period is killed.
	r.set(section, "KillMode", literal, "mixed")
	r.set(section, "KillSignal", literal, u.KillSignal)
	r.set(section, "TimeoutStopSec", literal, strconv.FormatInt(u.StopSeconds, 10))
	r.set(section, "SyslogIdentifier", text, cmp.Or(u.LogTag, strings.TrimSuffix(u.Name, ".service")))
	if limit := u.LogRateLimit; limit != nil {
		r.set(section, "LogRateLimitIntervalSec", literal, strconv.FormatInt(limit.Seconds, 10))
		r.set(section, "LogRateLimitBurst", literal, strconv.FormatInt(limit.Burst, 10))
	}
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(u.LogFields)) {
		fields = append(fields, name+"="+u.LogFields[name])
	}
	r.set(section, "LogExtraFields", word, fields...)
	r.number("MemoryMax", u.Resources.MemoryMax)
	r.number("MemoryLow", u.Resources.MemoryLow)
	if quota := u.Resources.CPUQuota; quota > 0 {
		r.set(section, "CPUQuota", literal, strconv.FormatFloat(float64(quota)/10, 'f', -1, 64)+"%")
	}
	r.number("CPUWeight", u.Resources.CPUWeight)
	r.number("TasksMax", u.Resources.TasksMax)
}

// launch is the contract with davit-run: it hands systemd the container's own process as
// the main process and exits, its cgroup below the unit's own, its mounts private.
func (r *renderer) launch(u Unit) {
	const section = "Service"
	timeout := "60" // bounds a CNI plugin that hangs
	if u.Oneshot {
		r.set(section, "Type", literal, "oneshot")
		r.set(section, "RemainAfterExit", literal, "yes")
		timeout = "infinity" // the whole run is the start
		if u.DeadlineSeconds > 0 {
			timeout = strconv.FormatInt(u.DeadlineSeconds, 10)
		}
	} else {
		r.set(section, "Type", literal, "notify")
		if u.DeadlineSeconds > 0 {
			r.set(section, "RuntimeMaxSec", literal, strconv.FormatInt(u.DeadlineSeconds, 10))
		}
	}
	r.set(section, "NotifyAccess", literal, "main")
	r.set(section, "TimeoutStartSec", literal, timeout)
	r.set(section, "Delegate", literal, "yes")
	r.set(section, "PrivateMounts", literal, "yes")
	r.command("ExecStart", u.Launcher, "start", u.Bundle)
	if u.Reload {
		r.command("ExecReload", u.Launcher, "reload", strings.TrimSuffix(u.Name, ".service"))
	}
	r.command("ExecStopPost", u.Launcher, "cleanup", strings.TrimSuffix(u.Name, ".service"))
}

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

func (r *renderer) number(name string, value uint64) {
	if value > 0 {
		r.set("Service", name, literal, strconv.FormatUint(value, 10))
	}
}

func (r *renderer) command(name string, words ...string) {
	for _, word := range words {
		if _, err := encode(word, argument); err != nil && r.err == nil {
			r.err = fmt.Errorf("[Service] %s=: %w", name, err)
		}
	}
	r.set("Service", name, literal, strings.Join(words, " "))
}

// extra adds what a manifest passes through; a setting that is there already is replaced.
func (r *renderer) extra(section string, settings map[string][]string) {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !validSetting.MatchString(name) && r.err == nil {
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
		fmt.Fprintf(&b, "\n[%s]\n", section)
		for _, s := range r.settings {
			if s.section != section {
				continue
			}
			for _, line := range s.lines {
				fmt.Fprintf(&b, "%s=%s\n", s.name, line)
			}
		}
	}
	return b.String()
}
