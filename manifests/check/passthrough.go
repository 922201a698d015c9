package check

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/davit-project/davit/manifests/settings"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// rule refuses settings of a unit's section.
type rule struct {
	// section is unit, service or install.
	section string
	// settings are names, in which * stands for anything.
	settings []string
	// values are patterns of the same kind that a value must match to be refused; none means any value.
	values []string
	// reason ends the sentence "is refused: …".
	reason string
}

// shutdown are the units that end or change the whole node's run.
var shutdown = []string{
	"poweroff.target", "reboot.target", "halt.target", "kexec.target", "shutdown.target", "exit.target",
	"emergency.*", "rescue.*", "soft-reboot.target", "suspend.target", "hibernate.target", "sleep.target",
	"systemd-poweroff.service", "systemd-reboot.service", "systemd-halt.service", "systemd-kexec.service",
	"ctrl-alt-del.target", "runlevel0.target", "runlevel1.target", "runlevel6.target", "hybrid-sleep.target", "suspend-then-hibernate.target",
	"umount.target", "final.target", "systemd-soft-reboot.service", "systemd-suspend.service",
	"systemd-hibernate.service", "systemd-hybrid-sleep.service", "systemd-suspend-then-hibernate.service",
}

// boot are the units that the rest of the system waits for when it starts.
var boot = []string{"sysinit.target", "basic.target", "local-fs*", "cryptsetup*", "initrd*", "sockets.target", "paths.target", "slices.target", "swap.target", "*.slice", "*.scope"}

// rules are the settings that no manifest can pass through: they would break the contract
// between the unit and its launcher, or hand out the node's root behind davit's back.
// docs/manifests.md lists them.
var rules = []rule{
	{"service", []string{"Exec*"}, nil, "davit runs the launcher, nothing else"},
	{"service", []string{"Type", "NotifyAccess", "PIDFile", "Delegate*", "KillMode", "GuessMainPID", "BusName", "RemainAfterExit", "PrivateMounts", "MountFlags", "Root*", "WorkingDirectory", "FileDescriptorStore*", "Sockets", "NonBlocking", "Personality", "SyslogIdentifier"}, nil, "the launcher depends on it"},
	{"service", []string{"User", "Group", "DynamicUser", "SupplementaryGroups", "PAMName", "AmbientCapabilities", "CapabilityBoundingSet", "SecureBits"}, nil, "the launcher needs root: use spec.user and spec.securityContext for the container"},
	{"service", []string{"Environment", "PassEnvironment", "UnsetEnvironment"}, nil, "it would not reach the container: use spec.env"},
	{"service", []string{"LoadCredential*", "SetCredential*", "ImportCredential*", "EnvironmentFile", "BindPaths", "BindReadOnlyPaths", "MountImages", "Extension*", "OpenFile", "USBFunction*", "TemporaryFileSystem", "NetworkNamespacePath", "IPCNamespacePath"}, nil, "it reads files of the node: use spec.volumes"},
	{"service", []string{"StateDirectory*", "RuntimeDirectory*", "CacheDirectory*", "LogsDirectory*", "ConfigurationDirectory*"}, nil, "it changes and removes directories of the node: use spec.volumes"},
	{"service", []string{"StandardInput*"}, nil, "a container has no standard input"},
	{"service", []string{"TTY*", "Utmp*"}, nil, "it takes a terminal of the node: use spec.tty"},
	{"service", []string{"BPFProgram", "IPIngressFilterPath", "IPEgressFilterPath", "NFTSet"}, nil, "it changes how the node filters: use IPAddressAllow and IPAddressDeny"},
	{"service", []string{"StandardOutput", "StandardError"}, []string{"file:*", "append:*", "truncate:*", "fd:*", "socket", "tty*"}, "it writes files of the node"},
	{"service", []string{"StandardOutput", "StandardError"}, []string{"*+console"}, "a container could write to the node's console"},
	{"service", []string{"SyslogLevelPrefix"}, nil, "a container could write to every terminal of the node"},
	{"service", []string{"SyslogLevel"}, []string{"emerg", "panic", "0"}, "a container could write to every terminal of the node"},
	{"unit", []string{"FailureAction*", "SuccessAction*", "StartLimitAction", "JobTimeoutAction", "RebootArgument", "JobTimeoutRebootArgument", "OnFailureJobMode", "OnSuccessJobMode", "OnFailureIsolate"}, nil, "it can end the whole node's run"},
	{"service", []string{"FailureAction*", "StartLimitAction", "RebootArgument", "TimeoutStartFailureMode", "TimeoutStopFailureMode"}, nil, "it can end the whole node's run"},
	{"unit", []string{"OnFailure", "OnSuccess", "Wants", "Requires", "RequiresOverridable", "BindsTo", "BindTo", "PropagatesStopTo", "Upholds", "Requisite"}, shutdown, "it can end the whole node's run"},
	{"unit", []string{"Conflicts", "PropagatesStopTo"}, []string{"*.target", "*.slice", "*.mount", "*.socket", "sshd.service", "ssh.service", "davit*.service", "dbus*", "systemd-*"}, "it stops units the node needs"},
	{"unit", []string{"Before"}, boot, "it would hold up the node's boot"},
	{"unit", namesUnits, []string{"*%*"}, "the value of a specifier cannot be checked: write the unit's name out"},
	{"unit", []string{"SourcePath"}, nil, "systemctl would ask for a reload each time that the file changes"},
	{"unit", []string{"DefaultDependencies", "RefuseManual*", "JoinsNamespaceOf"}, nil, "davit sets it"},
	{"install", []string{"Also", "DefaultInstance"}, nil, "it changes other units"},
	{"install", []string{"WantedBy", "RequiredBy", "UpheldBy"}, slices.Concat(boot, shutdown), "it would hold up or end the node's boot"},
	{"install", []string{"WantedBy", "RequiredBy", "UpheldBy"}, []string{"*%*"}, "the value of a specifier cannot be checked: write the unit's name out"},
}

// namesUnits are the settings of [Unit] that name other units.
var namesUnits = []string{
	"Wants", "Requires", "RequiresOverridable", "Requisite", "RequisiteOverridable", "BindsTo", "BindTo", "PartOf", "Upholds", "Conflicts", "Before", "After", "OnFailure",
	"OnSuccess", "Propagate*", "ReloadPropagatedFrom", "StopPropagatedFrom",
}

// aliasName is one unit name; several on a line are a list of them.
var aliasName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*[a-z0-9]\.service$`)

// sliceName is a slice below the root slice (systemd.slice(5)): each '-' parts a slice from
// the one it is in.
var sliceName = regexp.MustCompile(`^[A-Za-z0-9:_.\\]+(-[A-Za-z0-9:_.\\]+)*\.slice$`)

var settingName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

// checkAnnotations refuses what runtimes with OCI's conventions take for settings of systemd
// (runc's initSystemdProps). davit hands no annotation on, and nobody is to rely on that.
func checkAnnotations(s *Subject, fields iter.Seq[string]) {
	for field := range fields {
		if strings.Contains(field, "metadata.annotations.org.systemd.property.") {
			s.errorf(field, "is refused: settings of the unit are spec.unit, spec.service and spec.install")
		}
	}
	if prune, ok := s.Object.Meta().Annotations[v1.PruneAnnotation]; ok && prune != v1.PruneDisabled {
		s.errorf("metadata.annotations."+v1.PruneAnnotation, "%q: want %s, or no such annotation", prune, v1.PruneDisabled)
	}
}

func checkPassThrough(s *Subject, at string, spec v1.ContainerFields) {
	name := s.Object.Ref().Name
	for _, section := range []struct {
		name  string
		given v1.UnitSection
	}{{"unit", spec.Unit}, {"service", spec.Service}, {"install", spec.Install}} {
		for setting, values := range section.given {
			field := at + "." + section.name + "." + setting
			if !settingName.MatchString(setting) {
				s.errorf(field, "is not the name of a systemd setting")
				continue
			}
			for _, value := range values {
				checkSetting(s, field, section.name, setting, value)
				if setting == "Alias" && section.name == "install" && (!strings.HasPrefix(value, name+"-") || !aliasName.MatchString(value)) {
					s.errorf(field, "%q: want one alias, %s-….service", value, name)
				}
			}
		}
	}
}

func checkSetting(s *Subject, field, section, setting, value string) {
	if !unitText(s, field, value) {
		return
	}
	if section == "service" && setting == "Slice" && (len(value) > 255 || !sliceName.MatchString(value)) {
		s.errorf(field, "%q: want a slice below the root slice, such as apps.slice", value)
		return
	}
	for _, rule := range rules {
		if rule.section == section && matchesAny(rule.settings, setting) && (rule.values == nil || anyWordMatches(rule.values, value)) {
			s.errorf(field, "is refused: %s", rule.reason)
			return
		}
	}
	if err := settings.Check(section, setting, value); err != nil {
		s.errorf(field, "%s", err)
	}
}

// anyWordMatches looks at each word of a value: most lists of units are one line.
func anyWordMatches(patterns []string, value string) bool {
	return slices.ContainsFunc(strings.Fields(value), func(word string) bool {
		// systemd takes quotes out of the middle of a word too.
		return matchesAny(patterns, strings.NewReplacer(`"`, "", `'`, "").Replace(word))
	})
}

// matchesAny matches patterns in which * stands for anything, slashes included.
func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return expressionOf(pattern).MatchString(name) })
}

// expressions are the patterns of the rules that have been asked for, as regular expressions: to
// compile one takes far longer than to match it.
var expressions sync.Map

func expressionOf(pattern string) *regexp.Regexp {
	if known, ok := expressions.Load(pattern); ok {
		return known.(*regexp.Regexp)
	}
	expression := regexp.MustCompile("^(?:" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + ")$")
	expressions.Store(pattern, expression)
	return expression
}

// RefusedSettings describes the rules, a line each, for the documentation.
func RefusedSettings() []string {
	var lines []string
	for _, rule := range rules {
		line := fmt.Sprintf("%s: %s", rule.section, strings.Join(rule.settings, ", "))
		if rule.values != nil {
			line += " with " + strings.Join(rule.values, ", ")
		}
		lines = append(lines, line+": "+rule.reason)
	}
	return lines
}
