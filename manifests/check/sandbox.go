package check

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkSandbox checks what the containers of a pod share.
func checkSandbox(s *Subject, at string, spec v1.SandboxFields) {
	checkAttachments(s, at, spec)
	checkUsers(s, at, spec)
	if spec.Hostname != "" {
		checkHostname(s, at+".hostname", spec.Hostname)
		if len(spec.Hostname) > 64 {
			s.errorf(at+".hostname", "%d bytes are more than Linux allows (64)", len(spec.Hostname))
		}
	}
	for i, alias := range spec.HostAliases {
		field := fmt.Sprintf("%s.hostAliases[%d]", at, i)
		if !isAddress(alias.IP) {
			s.errorf(field+".ip", "%q is not an IP address", alias.IP)
		}
		for j, name := range alias.Hostnames {
			checkHostname(s, fmt.Sprintf("%s.hostnames[%d]", field, j), name)
		}
	}
	checkDNS(s, at, spec)
	if spec.TimeZone != "" {
		checkZone(s, at+".timeZone", spec.TimeZone)
	}
	if spec.ShmSize != "" {
		checkQuantity(s, at+".shmSize", spec.ShmSize)
		if spec.HostIPC {
			s.errorf(at+".shmSize", "hostIPC has the node's shared memory: leave shmSize out")
		}
	}
	if spec.Runtime != "" {
		checkRuntime(s, at+".runtime", spec.Runtime)
	}
	checkVolumes(s, at, spec.Volumes)
	checkLifetime(s, at, spec)
	checkDependencies(s, at, spec.DependsOn)
}

var runtimeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// maxRuntimeName and maxRuntime bound the name and the path of a runtime.
const maxRuntimeName, maxRuntime = 63, 255

func checkRuntime(s *Subject, field, value string) {
	switch {
	case len(value) <= maxRuntimeName && runtimeName.MatchString(value):
	case !strings.HasPrefix(value, "/"):
		s.errorf(field, "%q: want the name of a program such as crun, or its absolute path", value)
	case len(value) > maxRuntime:
		s.errorf(field, "%d bytes are more than %d", len(value), maxRuntime)
	default:
		absolute(s, field, value)
	}
}

func checkLifetime(s *Subject, at string, spec v1.SandboxFields) {
	checkUpdatePolicy(s, at+".updatePolicy", spec.UpdatePolicy)
	if spec.MaxRestarts != nil && *spec.MaxRestarts < 0 {
		s.errorf(at+".maxRestarts", "%d: want 0 or more", *spec.MaxRestarts)
	}
	checkSeconds(s, at+".terminationGracePeriodSeconds", spec.TerminationGracePeriodSeconds, 0)
	checkSeconds(s, at+".activeDeadlineSeconds", spec.ActiveDeadlineSeconds, 1)
}

// maxSeconds bounds times, to 68 years. systemd counts microseconds of 64 bits, and davit nanoseconds.
const maxSeconds = math.MaxInt32

// checkSeconds checks a time that has a least value.
func checkSeconds(s *Subject, field string, seconds *int64, least int64) {
	switch {
	case seconds == nil:
	case *seconds < least:
		s.errorf(field, "%d: want %d or more", *seconds, least)
	case *seconds > maxSeconds:
		s.errorf(field, "%d: want at most %d, which are 68 years", *seconds, int64(maxSeconds))
	}
}
