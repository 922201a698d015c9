package policy

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/davit-project/davit/manifests/settings"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// harmless are the settings that may be passed through under baseline and restricted: they say how
// the unit is run and limited, not what it may do to others. They are names, and no patterns: a new
// version of systemd adds nothing to them. A condition shows whether one path exists, has content and so on, which is no
// secret; ConditionPathExistsGlob= would find out names, and ConditionEnvironment= what systemd has in its environment.
var harmless = map[string][]string{
	"unit": {
		"Description", "Documentation", "StartLimitIntervalSec", "StartLimitInterval", "StartLimitBurst", "JobTimeoutSec",
		"JobRunningTimeoutSec", "StopWhenUnneeded", "IgnoreOnIsolate", "CollectMode",
		"ConditionACPower", "ConditionArchitecture", "ConditionCPUFeature", "ConditionCPUPressure", "ConditionCPUs", "ConditionCapability",
		"ConditionControlGroupController", "ConditionCredential", "ConditionDirectoryNotEmpty",
		"ConditionFileIsExecutable", "ConditionFileNotEmpty", "ConditionFirmware", "ConditionFirstBoot", "ConditionGroup", "ConditionHost",
		"ConditionIOPressure", "ConditionKernelCommandLine", "ConditionKernelVersion", "ConditionMemory", "ConditionMemoryPressure",
		"ConditionNeedsUpdate", "ConditionOSRelease", "ConditionPathExists", "ConditionPathIsDirectory",
		"ConditionPathIsEncrypted", "ConditionPathIsMountPoint", "ConditionPathIsReadWrite", "ConditionPathIsSymbolicLink",
		"ConditionSecurity", "ConditionUser", "ConditionVirtualization",
	},
	"service": {
		"MemoryAccounting", "MemoryHigh", "MemoryMax", "MemorySwapMax", "MemoryZSwapMax", "MemoryZSwapWriteback", "MemoryLimit",
		"MemoryDenyWriteExecute", "MemoryPressureWatch", "MemoryPressureThresholdSec",
		"StartupMemoryHigh", "StartupMemoryMax", "StartupMemorySwapMax", "StartupMemoryZSwapMax",
		"CPUAccounting", "CPUWeight", "CPUQuota", "CPUQuotaPeriodSec", "AllowedCPUs", "AllowedMemoryNodes",
		"StartupCPUWeight", "StartupCPUShares", "StartupAllowedCPUs", "StartupAllowedMemoryNodes", "TasksAccounting", "TasksMax",
		"IOAccounting", "IOWeight", "IODeviceWeight", "IOReadBandwidthMax", "IOWriteBandwidthMax", "IOReadIOPSMax", "IOWriteIOPSMax",
		"StartupIOWeight", "StartupBlockIOWeight", "IPAccounting", "IPAddressAllow", "IPAddressDeny",
		"OOMPolicy", "ManagedOOMSwap", "ManagedOOMMemoryPressure", "ManagedOOMMemoryPressureLimit", "ManagedOOMMemoryPressureDurationSec",
		"Restart", "RestartSteps", "RestartMaxDelaySec", "RestartMode", "RestartKillSignal", "RestartPreventExitStatus",
		"RestartForceExitStatus", "SuccessExitStatus", "TimeoutStartSec", "TimeoutCleanSec",
		"RuntimeMaxSec", "RuntimeRandomizedExtraSec", "LogLevelMax", "LogFilterPatterns",
		"KillSignal", "SendSIGHUP",
	},
}

// values are the values that further settings may have.
var values = map[string]func(value string) bool{
	// Lines of the facilities auth and kern are what others take for the system's own.
	"service.SyslogFacility": oneOf("user", "daemon", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"),
	// What is emergent goes to all terminals (journald.conf(5), ForwardToWall=).
	"service.SyslogLevel":       oneOf("alert", "crit", "err", "warning", "notice", "info", "debug"),
	"service.SyslogLevelPrefix": oneOf("no", "false", "0", "off"),
	"service.LogExtraFields":    ownField,
	// A realtime class starves all others, and priorities above the default take from them.
	"service.IOSchedulingClass":    oneOf("best-effort", "idle"),
	"service.IOSchedulingPriority": oneOf("4", "5", "6", "7"),
	// What ends at once would take a processor for its restarts, each of which costs systemd and a launcher some work.
	"service.RestartSec": within(time.Second, forever),
	// What does not end when it is asked to stops all changes of its object, and may go on for ever. 0 is infinity.
	"service.TimeoutSec":      within(time.Microsecond, longestStop),
	"service.TimeoutStopSec":  within(time.Microsecond, longestStop),
	"service.TimeoutAbortSec": within(time.Microsecond, longestStop),
	"service.SendSIGKILL":     oneOf("yes", "true", "1", "on"),
	"service.FinalKillSignal": oneOf("SIGKILL", "KILL", "9"),
	// journald, and the disk that it writes to, serve the whole node. 0 is no limit.
	"service.LogRateLimitIntervalSec": within(logInterval, forever),
	"service.LogRateLimitBurst":       isLogBurst,
	// Others are killed in its stead.
	"service.ManagedOOMPreference": oneOf("none"),
}

const (
	forever = time.Duration(math.MaxInt64)
	// longestStop is how long a container may take to stop.
	longestStop = 24 * time.Hour
	// logInterval is journald's own interval, and logRate how many lines a second it may take of a container, three times as many
	// as by default (RateLimitIntervalSec= and RateLimitBurst= of journald.conf(5)).
	logInterval = 30 * time.Second
	logRate     = 1000
)

// within reports whether a time lies between two others.
func within(least, most time.Duration) func(string) bool {
	return func(value string) bool {
		given, ok := settings.Time(value)
		return ok && given >= least && given <= most
	}
}

// isLogBurst reports whether so many lines in an interval of journald's are a limit that logRate allows.
func isLogBurst(value string) bool {
	lines, err := strconv.ParseInt(value, 0, 64)
	return err == nil && lines > 0 && lines <= logRate*int64(logInterval/time.Second)
}

// checkLogRate checks how much the journal takes of a container; nil is journald's default.
func checkLogRate(c *checker, field string, limit *v1.LogRateLimit) {
	switch {
	case limit == nil:
	case limit.IntervalSeconds == 0:
		c.refuse(field+".intervalSeconds", "preset", "0 takes all of its lines, and journald serves the whole node")
	case limit.Burst == 0 || int64(limit.Burst)/logRate > limit.IntervalSeconds:
		c.refuse(field+".burst", "preset", "want a limit of at most %d lines a second: journald serves the whole node", logRate)
	}
}

func oneOf(allowed ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(allowed, value) }
}

// journalFields are those that say whose a line is (systemd.journal-fields(7)).
var journalFields = []string{
	"_*", "MESSAGE*", "PRIORITY", "SYSLOG_*", "UNIT", "USER_UNIT", "OBJECT_*", "COREDUMP_*", "CODE_*", "ERRNO", "TID", "INVOCATION_ID",
	"USER_INVOCATION_ID", "JOB_*", "SESSION_*", "SEAT_*", "USER_ID", "LEADER", "AUDIT_*", "DOCUMENTATION",
}

// ownField reports whether fields that are added to a journal's lines are none that mean something already.
func ownField(value string) bool {
	return !slices.ContainsFunc(strings.Fields(value), func(word string) bool {
		name, _, _ := strings.Cut(strings.Trim(word, `"'`), "=")
		return strings.ContainsAny(name, `"'\%`) || matchesAny(journalFields, name)
	})
}

// unitLists are the settings that name other units.
var unitLists = []string{
	"After", "Before", "Wants", "Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "Conflicts", "OnFailure",
	"OnSuccess", "PropagatesReloadTo", "ReloadPropagatedFrom", "PropagatesStopTo", "StopPropagatedFrom",
}

// passive targets order a unit and pull in nothing that runs.
var passive = []string{
	"network.target", "network-online.target", "time-sync.target", "time-set.target", "nss-lookup.target",
	"remote-fs.target", "local-fs.target", "multi-user.target", "basic.target", "sysinit.target",
}

// wanted are the targets that may want a unit.
var wanted = []string{"multi-user.target", "graphical.target"}

func (c *checker) passThrough(at string, spec v1.ContainerFields) {
	if !c.confines() {
		return
	}
	for _, section := range []struct {
		name     string
		settings v1.UnitSection
	}{{"unit", spec.Unit}, {"service", spec.Service}, {"install", spec.Install}} {
		for _, setting := range slices.Sorted(maps.Keys(section.settings)) {
			c.setting(at+"."+section.name+"."+setting, section.name, setting, section.settings[setting])
		}
	}
}

// paths are the settings of [Unit] that name paths of the node, whose mounts the unit then starts.
var paths = []string{"RequiresMountsFor", "WantsMountsFor"}

func (c *checker) setting(field, section, setting string, given []string) {
	switch allowed, byValue := values[section+"."+setting]; {
	case matchesAny(c.policy.PassThrough, section+"."+setting), slices.Contains(harmless[section], setting):
	case byValue:
		for _, value := range given {
			if value != "" && !allowed(value) {
				c.refuse(field, "passThrough", "it may not set %s to %s", setting, value)
			}
		}
	case section == "unit" && slices.Contains(paths, setting):
		for _, path := range strings.Fields(strings.Join(given, " ")) {
			c.hostPath(field, strings.Trim(path, `"'`), true)
		}
	case section == "install" && setting == "Alias": // its own name, by the always-refused list
	case section == "install" && setting == "WantedBy":
		c.units(field, "targets", given, append(slices.Clone(wanted), c.policy.Targets...))
	case section == "install":
		c.units(field, "targets", given, c.policy.Targets)
	case section == "service" && setting == "Slice":
		c.units(field, "units", given, c.policy.Units)
	case section == "unit" && slices.Contains([]string{"After", "Before", "Wants"}, setting):
		allowed := c.policy.Units
		if setting != "Before" { // what is not ready would hold up all that waits for such a target
			allowed = slices.Concat(passive, allowed)
		}
		c.units(field, "units", given, allowed)
	case section == "unit" && slices.Contains(unitLists, setting):
		c.units(field, "units", given, c.policy.Units)
	default:
		c.refuse(field, "passThrough", "it may not set %s", setting)
	}
}

// Treatment says how baseline and restricted treat a setting that is passed through, if it is not refused always.
func Treatment(section, setting string) string {
	switch _, byValue := values[section+"."+setting]; {
	case slices.Contains(harmless[section], setting):
		return "allowed"
	case byValue:
		return "allowed with some values"
	case section == "unit" && slices.Contains(paths, setting):
		return "allowed for paths in hostPaths"
	case section == "install", section == "service" && setting == "Slice", section == "unit" && slices.Contains(unitLists, setting):
		return "allowed for some units"
	default:
		return "refused"
	}
}

// units checks that a setting names davit's own units, or allowed ones.
func (c *checker) units(field, rule string, values, allowed []string) {
	for _, value := range values {
		for _, unit := range strings.Fields(value) {
			unit = strings.Trim(unit, `"'`)
			if !c.own(unit) && !slices.Contains(allowed, unit) {
				c.refuse(field, rule, "it may not name %s, which is not davit's", unit)
			}
		}
	}
}
