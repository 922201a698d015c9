package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/davit-project/davit/manifests/settings"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// TestPassThroughListsNameSettings finds names that no systemd has, and patterns, which would let through what a new one adds.
func TestPassThroughListsNameSettings(t *testing.T) {
	t.Parallel()
	named := slices.Concat(unitSettings("unit", harmless["unit"]), unitSettings("service", harmless["service"]), unitSettings("unit", unitLists), unitSettings("unit", paths))
	for setting := range values {
		named = append(named, setting)
	}
	seen := map[string]bool{}
	for _, setting := range named {
		section, name, _ := strings.Cut(setting, ".")
		if !settings.Known(section, name) {
			t.Errorf("%s is no setting of systemd 252 to 257", setting)
		}
		if seen[setting] {
			t.Errorf("%s is listed twice", setting)
		}
		seen[setting] = true
	}
}

func unitSettings(section string, names []string) []string {
	var named []string
	for _, name := range names {
		named = append(named, section+"."+name)
	}
	return named
}

func TestSettingsUnderBaseline(t *testing.T) {
	t.Parallel()
	bounded := Of(Baseline)
	bounded.HostPaths = []HostPath{{Path: "/srv", ReadOnly: true}}
	for setting, want := range map[string]string{
		"service.MemoryMax=1G":                        "",
		"service.MemoryMin=100G":                      "it may not set MemoryMin",
		"service.MemoryLow=100G":                      "it may not set MemoryLow",
		"service.IOSchedulingClass=realtime":          "it may not set IOSchedulingClass to realtime",
		"service.IOSchedulingClass=1":                 "it may not set IOSchedulingClass to 1",
		"service.IOSchedulingClass=idle":              "",
		"service.IOSchedulingPriority=0":              "it may not set IOSchedulingPriority to 0",
		"service.IODeviceLatencyTargetSec=/ 1ms":      "it may not set IODeviceLatencyTargetSec",
		"service.LogNamespace=evil":                   "it may not set LogNamespace",
		"service.SyslogFacility=auth":                 "it may not set SyslogFacility to auth",
		"service.SyslogFacility=4":                    "it may not set SyslogFacility to 4",
		"service.SyslogFacility=local3":               "",
		"service.SyslogLevel=emerg":                   "it may not set SyslogLevel to emerg",
		"service.SyslogLevelPrefix=yes":               "it may not set SyslogLevelPrefix to yes",
		"service.LogExtraFields=SHOP=1 ORDER=2":       "",
		"service.LogExtraFields=A=1 \"OBJECT_UID=0\"": "it may not set LogExtraFields",
		"service.LogExtraFields=SYSLOG_IDENTIFIER=su": "it may not set LogExtraFields",
		"service.ManagedOOMPreference=omit":           "it may not set ManagedOOMPreference to omit",
		"service.MemoryKSM=yes":                       "it may not set MemoryKSM",
		"service.StartupMemoryLow=1G":                 "it may not set StartupMemoryLow",
		"service.RestartSec=0":                        "it may not set RestartSec to 0",
		"service.RestartSec=999ms":                    "it may not set RestartSec to 999ms",
		"service.RestartSec=1":                        "",
		"service.RestartSec=1min 30s":                 "",
		"service.LogRateLimitIntervalSec=0":           "it may not set LogRateLimitIntervalSec to 0",
		"service.LogRateLimitIntervalSec=1us":         "it may not set LogRateLimitIntervalSec to 1us",
		"service.LogRateLimitIntervalSec=30s":         "",
		"service.LogRateLimitBurst=0":                 "it may not set LogRateLimitBurst to 0",
		"service.LogRateLimitBurst=1000000":           "it may not set LogRateLimitBurst to 1000000",
		"service.LogRateLimitBurst=10000":             "",
		"service.TimeoutStopSec=infinity":             "it may not set TimeoutStopSec to infinity",
		"service.TimeoutStopSec=0":                    "it may not set TimeoutStopSec to 0",
		"service.TimeoutStopSec=1w":                   "it may not set TimeoutStopSec to 1w",
		"service.TimeoutStopSec=10min":                "",
		"service.TimeoutSec=infinity":                 "it may not set TimeoutSec to infinity",
		"service.TimeoutAbortSec=infinity":            "it may not set TimeoutAbortSec to infinity",
		"service.TimeoutStartSec=infinity":            "",
		"service.SendSIGKILL=no":                      "it may not set SendSIGKILL to no",
		"service.SendSIGKILL=yes":                     "",
		"service.FinalKillSignal=SIGCONT":             "it may not set FinalKillSignal to SIGCONT",
		"service.FinalKillSignal=SIGKILL":             "",
		"unit.ConditionPathExistsGlob=/etc/s*":        "it may not set ConditionPathExistsGlob",
		"unit.ConditionEnvironment=TOKEN=a":           "it may not set ConditionEnvironment",
		"unit.RequiresMountsFor=/srv/data":            "",
		"unit.RequiresMountsFor=/srv/data /backup":    "it may not use /backup of the node",
		"unit.ConditionPathExists=/srv":               "",
		"unit.AssertPathExists=/srv":                  "it may not set AssertPathExists",
	} {
		section, rest, _ := strings.Cut(setting, ".")
		name, value, _ := strings.Cut(rest, "=")
		spec := v1.ContainerFields{}
		given := v1.UnitSection{name: {value}}
		if section == "unit" {
			spec.Unit = given
		} else {
			spec.Service = given
		}
		c := &checker{policy: bounded, own: func(string) bool { return false }}
		c.passThrough("spec", spec)
		switch {
		case want == "" && len(c.violations) > 0:
			t.Errorf("%s is refused: %v", setting, c.violations)
		case want != "" && (len(c.violations) != 1 || !strings.HasPrefix(c.violations[0].Message, want)):
			t.Errorf("%s: got %v, want %s", setting, c.violations, want)
		}
	}
}
