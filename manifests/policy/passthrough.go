package policy

import (
	"maps"
	"slices"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// harmless are the settings that may be passed through under baseline and restricted: they say how
// the unit is run and limited, not what it may do to others. They are names, and no patterns: a new
// version of systemd adds nothing to them.
var harmless = map[string][]string{
	"unit": {
		"Description", "Documentation", "StartLimitIntervalSec", "StartLimitInterval", "StartLimitBurst", "JobTimeoutSec",
		"JobRunningTimeoutSec", "StopWhenUnneeded", "IgnoreOnIsolate", "CollectMode",
		"ConditionACPower", "ConditionArchitecture", "ConditionCPUFeature", "ConditionCPUPressure", "ConditionCPUs", "ConditionCapability",
		"ConditionControlGroupController", "ConditionCredential", "ConditionDirectoryNotEmpty", "ConditionEnvironment",
		"ConditionFileIsExecutable", "ConditionFileNotEmpty", "ConditionFirmware", "ConditionFirstBoot", "ConditionGroup", "ConditionHost",
		"ConditionIOPressure", "ConditionKernelCommandLine", "ConditionKernelVersion", "ConditionMemory", "ConditionMemoryPressure",
		"ConditionNeedsUpdate", "ConditionOSRelease", "ConditionPathExists", "ConditionPathExistsGlob", "ConditionPathIsDirectory",
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
		"Restart", "RestartSec", "RestartSteps", "RestartMaxDelaySec", "RestartMode", "RestartKillSignal", "RestartPreventExitStatus",
		"RestartForceExitStatus", "SuccessExitStatus", "TimeoutSec", "TimeoutStartSec", "TimeoutStopSec", "TimeoutAbortSec", "TimeoutCleanSec",
		"RuntimeMaxSec", "RuntimeRandomizedExtraSec", "LogLevelMax", "LogRateLimitIntervalSec", "LogRateLimitBurst", "LogFilterPatterns",
		"KillSignal", "FinalKillSignal", "SendSIGHUP", "SendSIGKILL",
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
	// Others are killed in its stead.
	"service.ManagedOOMPreference": oneOf("none"),
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
