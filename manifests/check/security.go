package check

import (
	"fmt"
	"math"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// capabilities are those of capabilities(7) as of Linux 5.9, without CAP_.
var capabilities = strings.Fields(`AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN
	DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE
	MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN
	SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG
	WAKE_ALARM`)

func checkSecurity(s *Subject, field string, context v1.ContainerSecurityContext) {
	for name, list := range map[string][]string{"add": context.Capabilities.Add, "drop": context.Capabilities.Drop} {
		for i, c := range list {
			checkCapability(s, fmt.Sprintf("%s.capabilities.%s[%d]", field, name, i), c)
		}
	}
	checkSeccomp(s, field+".seccompProfile", context.SeccompProfile)
	if profile := context.AppArmorProfile; profile != nil {
		checkAppArmor(s, field+".appArmorProfile", *profile)
	}
	checkSELinux(s, field+".seLinuxOptions", context.SELinuxOptions)
	checkRunAs(s, field, context.RunAsUser, context.RunAsGroup, context.RunAsNonRoot)
	for i, path := range context.MaskedPaths {
		absolute(s, fmt.Sprintf("%s.maskedPaths[%d]", field, i), path)
	}
	for i, path := range context.UnmaskedPaths {
		if path != "ALL" {
			absolute(s, fmt.Sprintf("%s.unmaskedPaths[%d]", field, i), path)
		}
	}
}

func checkCapability(s *Subject, field, name string) {
	name = strings.TrimPrefix(name, "CAP_")
	if name != "ALL" && !slices.Contains(capabilities, name) {
		s.errorHint(field, suggest.DidYouMean(name, capabilities), "%q: want a capability such as NET_ADMIN, or ALL", name)
	}
}

func checkSeccomp(s *Subject, field string, profile v1.SeccompProfile) {
	switch localhost := profile.Type == v1.SeccompLocalhost; {
	case localhost != (profile.LocalhostProfile != ""):
		s.errorf(field+".localhostProfile", "goes with type Localhost, and only with it")
	case localhost && (!filepath.IsLocal(profile.LocalhostProfile) || path.Clean(profile.LocalhostProfile) != profile.LocalhostProfile):
		s.errorf(field+".localhostProfile", "%q: want the path of a file below /etc/davit/seccomp", profile.LocalhostProfile)
	}
}

func checkAppArmor(s *Subject, field string, profile v1.AppArmorProfile) {
	switch name := profile.LocalhostProfile; {
	case (profile.Type == v1.SeccompLocalhost) != (name != ""):
		s.errorf(field+".localhostProfile", "goes with type Localhost, and only with it")
	case name == "unconfined": // is what the kernel calls having none
		s.errorf(field+".localhostProfile", "%q is not a profile: want type Unconfined", name)
	default:
		checkCharacters(s, field+".localhostProfile", name)
	}
}

// A part of a label goes into mount options too: nothing in it may end one.
var (
	labelPart  = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	labelLevel = regexp.MustCompile(`^[A-Za-z0-9_.:,-]+$`)
)

// maxLabelPart bounds it. An expression that counted so far would take 100 KiB for as long as davit runs.
const maxLabelPart = 255

func checkSELinux(s *Subject, field string, options *v1.SELinuxOptions) {
	if options == nil {
		return
	}
	for name, part := range map[string]string{"user": options.User, "role": options.Role, "type": options.Type, "fileType": options.FileType} {
		if part != "" && (len(part) > maxLabelPart || !labelPart.MatchString(part)) {
			s.errorf(field+"."+name, "%q: want at most %d letters, digits, '_', '.' and '-'", part, maxLabelPart)
		}
	}
	if options.Disabled && *options != (v1.SELinuxOptions{Disabled: true}) {
		s.errorf(field+".disabled", "without a label the other options have no meaning: leave them out")
	}
	if options.Level != "" && (len(options.Level) > maxLabelPart || !labelLevel.MatchString(options.Level)) {
		s.errorf(field+".level", "%q: want a level such as s0:c123,c456", options.Level)
	}
}

func checkRunAs(s *Subject, field string, user, group *int64, nonRoot *bool) {
	for name, id := range map[string]*int64{"runAsUser": user, "runAsGroup": group} {
		if id != nil {
			checkProcessID(s, field+"."+name, *id)
		}
	}
	if nonRoot != nil && *nonRoot && user != nil && *user == 0 {
		s.errorf(field+".runAsUser", "0 is root, which runAsNonRoot forbids")
	}
}

func checkGroups(s *Subject, field string, groups []int64) {
	for i, gid := range groups {
		checkProcessID(s, fmt.Sprintf("%s.supplementalGroups[%d]", field, i), gid)
	}
}

// maxID is the highest user or group id: the one above means "no change" (chown(2)).
const maxID = 1<<32 - 2

// checkID checks the id of a user or group that has files.
func checkID(s *Subject, field string, id int64) {
	if id < 0 || id > maxID {
		s.errorf(field, "%d is not a user or group id: want 0 to %d", id, int64(maxID))
	}
}

// checkProcessID checks the id of a user or group of a container's processes. Runtimes take 31 bits of it, as Kubernetes
// does, and a user namespace of its own has the first 65,536 and those that it maps.
func checkProcessID(s *Subject, field string, id int64) {
	last, hint := int64(math.MaxInt32), ""
	for _, c := range containersOf(s) {
		if c.OwnUsers() && !isMapped(c.UserNamespace, id) {
			last, hint = 65535, "with users of its own there are no others"
		}
	}
	if id < 0 || id > last {
		s.errorHint(field, hint, "%d is not a user or group id: want 0 to %d", id, last)
	}
}

// checkSysctls takes the settings that a namespace has for itself
// (https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/).
func checkSysctls(s *Subject, field string, sysctls []v1.Sysctl, sandbox v1.SandboxFields) {
	for i, sysctl := range sysctls {
		at := fmt.Sprintf("%s.sysctls[%d]", field, i)
		ipc := sysctl.Name == "kernel.sem" || hasAnyPrefix(sysctl.Name, "kernel.shm", "kernel.msg", "fs.mqueue.")
		net := strings.HasPrefix(sysctl.Name, "net.")
		switch {
		case !ipc && !net || strings.ContainsAny(sysctl.Name, "/ \t") || strings.Contains(sysctl.Name, ".."):
			s.errorf(at+".name", "%q is not a setting that a container has for itself: want kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.* or net.*", sysctl.Name)
		case net && sandbox.HostNetwork:
			s.errorf(at+".name", "with hostNetwork, %s is the node's own", sysctl.Name)
		case ipc && sandbox.HostIPC:
			s.errorf(at+".name", "with hostIPC, %s is the node's own", sysctl.Name)
		default:
			checkCharacters(s, at+".value", sysctl.Value)
		}
	}
}

func hasAnyPrefix(text string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}
