package units

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// stampSection is ignored by systemd, like all sections that begin with X-.
const stampSection = "X-Davit"

// Own are the settings that davit reads back from a unit file that it wrote.
type Own struct {
	// Text is the file's.
	Text string
	// Object is the manifest's object, "Container/web".
	Object string
	// SourcePath is the manifest's file.
	SourcePath string
	// Bundle is the path that ExecStart= starts.
	Bundle string
	// Sandbox is set when that is a sandbox.
	Sandbox bool
	// Keep is set when the unit stays though its manifest goes.
	Keep bool
	// Links are the links that systemctl enable makes for the unit, separated by spaces: "multi-user.target.wants".
	Links string
}

// errForeign is returned for a unit file without davit's stamp.
var errForeign = errors.New("not a davit unit")

// ParseOwn reads a unit file that davit wrote, and that a person may have edited since: a removed setting is empty.
// Without the stamp the file is [errForeign].
func ParseOwn(text string) (Own, error) {
	settings := parse(text)
	object := settings[key{stampSection, "Object"}]
	if len(object) != 1 {
		return Own{}, fmt.Errorf("%w: no Object= in [%s]", errForeign, stampSection)
	}
	own := Own{Text: text, Object: object[0], Keep: slices.Contains(settings[key{stampSection, "Prune"}], "disabled"), Links: strings.Join(linksOf(settings), " ")}
	for _, k := range []key{{"Unit", "SourcePath"}, {stampSection, "Source"}} { // as davit wrote it before, and as it does
		if source := settings[k]; len(source) > 0 {
			own.SourcePath = source[len(source)-1]
		}
	}
	for _, command := range settings[key{"Service", "ExecStart"}] {
		if words := strings.Fields(command); len(words) == 3 && (words[1] == "start" || words[1] == "sandbox") {
			own.Bundle, own.Sandbox = words[2], words[1] == "sandbox"
		}
	}
	return own, nil
}

// key names a setting.
type key struct{ section, name string }

// parse reads the lines that [Render] writes: no continuation lines, no spaces around the
// equals sign, comments on lines of their own.
func parse(text string) map[key][]string {
	settings := map[key][]string{}
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			continue
		}
		if name, value, ok := strings.Cut(line, "="); ok {
			k := key{section, name}
			settings[k] = append(settings[k], value)
		}
	}
	return settings
}

// inPlace are the settings that systemd applies to a running service when it reloads its
// units, or that concern only starts to come. Any other change needs a restart.
var inPlace = map[key]bool{
	{"Service", "CPUQuota"}: true, {"Service", "CPUWeight"}: true,
	{"Service", "MemoryMax"}: true, {"Service", "MemoryLow"}: true, {"Service", "MemoryHigh"}: true,
	{"Service", "MemorySwapMax"}: true, {"Service", "TasksMax"}: true,
	{"Service", "AllowedCPUs"}: true, {"Service", "AllowedMemoryNodes"}: true, {"Service", "IOWeight"}: true,
	{"Service", "IOReadBandwidthMax"}: true, {"Service", "IOWriteBandwidthMax"}: true,
	{"Service", "IOReadIOPSMax"}: true, {"Service", "IOWriteIOPSMax"}: true,
	{"Service", "Restart"}: true, {"Service", "RestartSec"}: true, {"Service", "RestartMode"}: true,
	{"Service", "RestartSteps"}: true, {"Service", maxDelaySetting}: true,
	{"Service", "KillSignal"}: true, {"Service", "TimeoutStopSec"}: true, {"Service", "ExecStopPost"}: true,
	{"Service", "TimeoutStartSec"}: true, {"Service", "ExecStartPost"}: true, {"Service", "ExecStop"}: true,
	{"Service", "SuccessExitStatus"}: true, {"Service", "ExecReload"}: true,
}

// NeedsRestart reports whether a running unit must be restarted for a change of its unit
// file to count. All of [Unit], [Install] and [X-Davit] counts at once.
func NeedsRestart(old, new string) bool {
	for _, k := range changed(old, new) {
		if k.section == "Socket" || k.section == "Service" && !inPlace[k] {
			return true
		}
	}
	return false
}

// ChangedSettings lists the names of the settings that differ, sorted.
func ChangedSettings(old, new string) []string {
	var names []string
	for _, k := range changed(old, new) {
		names = append(names, k.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func changed(old, new string) []key {
	if old == new {
		return nil
	}
	before, after := parse(old), parse(new)
	for _, setting := range []string{formatSetting, sumSetting} { // they follow from the rest
		k := key{stampSection, strings.TrimSuffix(setting, "=")}
		delete(before, k)
		delete(after, k)
	}
	var keys []key
	for k, values := range after {
		if !slices.Equal(values, before[k]) {
			keys = append(keys, k)
		}
	}
	for k := range before {
		if _, ok := after[k]; !ok {
			keys = append(keys, k)
		}
	}
	return keys
}

// RestartsAlways reports whether systemd restarts the unit after every end, without a limit, unless it is stopped.
func RestartsAlways(text string) bool {
	settings := parse(text)
	return slices.Equal(settings[key{"Service", "Restart"}], []string{"always"}) &&
		slices.Equal(settings[key{"Unit", "StartLimitIntervalSec"}], []string{"0"})
}

// BacksOff reports whether systemd, or the launcher, waits longer and longer before it restarts the unit, however
// often.
func BacksOff(text string) bool {
	settings := parse(text)
	limit := settings[key{"Unit", "StartLimitIntervalSec"}]
	waits := len(settings[key{"Service", "RestartSteps"}])+len(settings[key{stampSection, maxDelaySetting}]) > 0
	return waits && slices.Equal(limit, []string{"0"})
}
