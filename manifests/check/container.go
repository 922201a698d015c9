package check

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units/signals"
)

func checkContainer(s *Subject, spec v1.ContainerSpec) {
	checkFields(s, "spec", spec.ContainerFields, spec.SandboxFields)
	checkSandbox(s, "spec", spec.SandboxFields)
	checkHugePages(s, "spec", spec.Volumes, spec.Resources.Limits)
	checkSecurity(s, "spec.securityContext", spec.SecurityContext.ContainerSecurityContext)
	checkGroups(s, "spec.securityContext", spec.SecurityContext.SupplementalGroups)
	checkSysctls(s, "spec.securityContext", spec.SecurityContext.Sysctls, spec.SandboxFields)
	field, reason := spec.Exclusive()
	checkSurge(s, "spec", spec.UpdatePolicy, field, reason)
	if spec.Oneshot && spec.RestartPolicy == v1.RestartAlways {
		s.errorf("spec.restartPolicy", "a oneshot container ends: want OnFailure or Never")
	}
}

// checkFields checks what a Container and a pod's container have in common, at the field of
// that container.
func checkFields(s *Subject, at string, spec v1.ContainerFields, sandbox v1.SandboxFields) {
	checkContainerImage(s, at, spec)
	checkProcess(s, at, spec)
	checkEnvironment(s, at, spec)
	checkStop(s, at, spec)
	for i, port := range spec.Ports {
		checkPort(s, fmt.Sprintf("%s.ports[%d]", at, i), port, sandbox)
	}
	checkSockets(s, at, spec, sandbox)
	checkMounts(s, at, spec.VolumeMounts)
	checkRootMounts(s, at, spec.VolumeMounts, sandbox.Volumes)
	checkDevices(s, at, spec.Devices)
	checkResources(s, at+".resources", spec.Resources)
	if adjustment := spec.OOMScoreAdj; adjustment != nil && (*adjustment < -1000 || *adjustment > 1000) {
		s.errorf(at+".oomScoreAdj", "%d: want -1000 to 1000", *adjustment)
	}
	checkUlimits(s, at, spec.Ulimits)
	checkProbes(s, at, spec)
	checkPassThrough(s, at, spec)
}

func checkContainerImage(s *Subject, at string, spec v1.ContainerFields) {
	if spec.Rootfs != "" {
		checkRootfs(s, at, spec)
		return
	}
	switch {
	case spec.Image == "" && spec.ImageRef == "":
		s.errorf(at+".image", "missing")
	case spec.Image != "" && spec.ImageRef != "":
		s.errorf(at+".imageRef", "there is an image already: want one of the two")
	case spec.Image != "":
		checkImageFields(s, at, v1.ImageSpec{
			Image: spec.Image, ImagePullPolicy: spec.ImagePullPolicy, Platform: spec.Platform, AuthFile: spec.AuthFile,
		})
	case spec.ImagePullPolicy != "" || spec.Platform != "" || spec.AuthFile != "":
		s.errorf(at+".imageRef", "the Image object says how to pull: leave imagePullPolicy, platform and authFile out")
	}
}

// checkRootfs checks a container that has a tree of the node instead of an image.
func checkRootfs(s *Subject, at string, spec v1.ContainerFields) {
	field := at + ".rootfs"
	for _, other := range []struct{ name, value string }{
		{"image", spec.Image}, {"imageRef", spec.ImageRef}, {"imagePullPolicy", string(spec.ImagePullPolicy)},
		{"platform", spec.Platform}, {"authFile", spec.AuthFile}, {"imageHealthcheck", spec.ImageHealthcheck},
	} {
		if other.value != "" {
			s.errorf(field, "a directory of the node is no image: leave %s out", other.name)
		}
	}
	if len(spec.Command) == 0 {
		s.errorf(at+".command", "missing: a directory says no command to run")
	}
	checkHostTree(s, field, spec.Rootfs)
	if spec.Rootfs == "/" {
		s.errorf(field, "the node's root cannot be a container's root file system")
	}
}

// maxLogTag is the longest tag of log lines, in bytes.
const maxLogTag = 128

var (
	// environmentName is anything but '=' and NUL (environ(7)); control characters are
	// never meant.
	environmentName = regexp.MustCompile(`^[^=\x00-\x1f\x7f]+$`)
	logTag          = regexp.MustCompile(`^[A-Za-z0-9_.:/-]+$`)
	userSpec        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`)
)

// maxProcess bounds arguments and environment together, well below what execve(2) takes. It takes at most
// maxString bytes of each of them (MAX_ARG_STRLEN, without the zero at the end).
const (
	maxProcess = 1 << 20
	maxString  = 128<<10 - 1
)

func checkProcess(s *Subject, at string, spec v1.ContainerFields) {
	size := 0
	for _, list := range []struct {
		field string
		items []string
	}{{at + ".command", spec.Command}, {at + ".args", spec.Args}} {
		checkArguments(s, list.field, list.items)
		for _, item := range list.items {
			size += len(item)
		}
	}
	for _, entry := range spec.Env {
		size += len(entry.Name) + len(entry.Value)
	}
	if size > maxProcess {
		s.errorf(at, "command, args and env have %d bytes together, more than %d", size, maxProcess)
	}
	if spec.WorkingDir != "" && absolute(s, at+".workingDir", spec.WorkingDir) && kernelTree(spec.WorkingDir) {
		s.errorf(at+".workingDir", "%q: want a directory outside /proc, /sys and /dev", spec.WorkingDir)
	}
	checkUser(s, at+".user", spec.User)
	if tag := spec.Logging.Tag; len(tag) > maxLogTag || tag != "" && !logTag.MatchString(tag) {
		s.errorf(at+".logging.tag", "%q: want at most 128 letters, digits and _.:/-", tag)
	}
	if limit := spec.Logging.RateLimit; limit != nil {
		checkSeconds(s, at+".logging.rateLimit.intervalSeconds", &limit.IntervalSeconds, 0)
		if limit.Burst < 0 {
			s.errorf(at+".logging.rateLimit.burst", "%d: want 0 or more", limit.Burst)
		}
	}
	if spec.TTY && spec.Logging.Driver != "" {
		s.errorf(at+".logging.driver", "a terminal's output goes to the journal: want one of tty and logging.driver")
	}
}

// checkArguments checks the words of a command against what execve(2) takes.
func checkArguments(s *Subject, field string, words []string) {
	for i, word := range words {
		at := fmt.Sprintf("%s[%d]", field, i)
		if strings.ContainsRune(word, 0) {
			s.errorf(at, "has a NUL character, which would end it: leave it out")
		}
		if len(word) > maxString {
			s.errorf(at, "has %d bytes: the kernel takes at most %d in one argument", len(word), maxString)
		}
	}
}

// checkUser checks USER or USER:GROUP. A part of digits alone is an id.
func checkUser(s *Subject, field, user string) {
	switch {
	case user == "":
		return
	case !userSpec.MatchString(user):
		s.errorf(field, "%q: want user or user:group, names or numbers", user)
		return
	}
	for name := range strings.SplitSeq(user, ":") {
		if strings.Trim(name, "0123456789") != "" {
			continue
		}
		id, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			id = math.MaxInt64
		}
		checkProcessID(s, field, id)
	}
}

func kernelTree(value string) bool {
	return below("/proc", value) || below("/sys", value) || below("/dev", value)
}

func checkEnvironment(s *Subject, at string, spec v1.ContainerFields) {
	for i, entry := range spec.Env {
		field := fmt.Sprintf("%s.env[%d]", at, i)
		if !environmentName.MatchString(entry.Name) {
			s.errorf(field+".name", "%q is not the name of a variable", entry.Name)
		}
		if strings.ContainsRune(entry.Value, 0) {
			s.errorf(field+".value", "has a NUL character")
		}
		if size := len(entry.Name) + len("=") + len(entry.Value); size > maxString {
			s.errorf(field+".value", "has %d bytes with its name: the kernel takes at most %d in one variable", size, maxString)
		}
		if entry.ValueFrom != nil {
			checkValueFrom(s, field, entry)
		}
	}
	for i, source := range spec.EnvFrom {
		field := fmt.Sprintf("%s.envFrom[%d]", at, i)
		exactlyOne(s, field, choice{"configMapRef", source.ConfigMapRef != nil}, choice{"secretRef", source.SecretRef != nil})
		if source.Prefix != "" && !environmentName.MatchString(source.Prefix) {
			s.errorf(field+".prefix", "%q cannot begin the name of a variable", source.Prefix)
		}
	}
	for i, file := range spec.EnvFiles {
		absolute(s, fmt.Sprintf("%s.envFiles[%d].path", at, i), file.Path)
	}
}

func checkValueFrom(s *Subject, field string, entry v1.EnvVar) {
	from := entry.ValueFrom
	if entry.Value != "" {
		s.errorf(field+".valueFrom", "there is a value already: want one of the two")
	}
	field += ".valueFrom"
	exactlyOne(s, field, choice{"configMapKeyRef", from.ConfigMapKeyRef != nil}, choice{"secretKeyRef", from.SecretKeyRef != nil},
		choice{"fieldRef", from.FieldRef != nil}, choice{"resourceFieldRef", from.ResourceFieldRef != nil}, choice{"hostEnv", from.HostEnv != nil})
	if from.FieldRef != nil {
		checkFieldRef(s, field+".fieldRef", *from.FieldRef)
	}
	if from.ResourceFieldRef != nil {
		checkResourceFieldRef(s, field+".resourceFieldRef", *from.ResourceFieldRef)
	}
	if from.HostEnv != nil && !environmentName.MatchString(from.HostEnv.Name) {
		s.errorf(field+".hostEnv.name", "%q is not the name of a variable", from.HostEnv.Name)
	}
}

// fieldPaths are the fields of the downward API that mean something on one node.
var fieldPaths = []string{
	"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations",
	"spec.nodeName", "spec.serviceAccountName", "status.podIP", "status.podIPs",
}

var fieldPathOfKey = regexp.MustCompile(`^metadata\.(labels|annotations)\['[^'\]]+'\]$`)

func checkFieldRef(s *Subject, field string, ref v1.FieldRef) {
	if !slices.Contains(fieldPaths, ref.FieldPath) && !fieldPathOfKey.MatchString(ref.FieldPath) {
		s.errorHint(field+".fieldPath", suggest.DidYouMean(ref.FieldPath, fieldPaths), "davit has no field %q", ref.FieldPath)
	}
}

func checkResourceFieldRef(s *Subject, field string, ref v1.ResourceFieldRef) {
	if ref.Divisor != "" && ref.Divisor != "0" {
		checkQuantity(s, field+".divisor", ref.Divisor)
	}
}

func checkStop(s *Subject, at string, spec v1.ContainerFields) {
	if spec.StopSignal != "" {
		checkSignal(s, at+".stopSignal", spec.StopSignal)
	}
	if spec.Reload.Exec != nil {
		checkArguments(s, at+".reload.exec.command", spec.Reload.Exec.Command)
	}
	if spec.Reload.Signal != "" {
		checkSignal(s, at+".reload.signal", spec.Reload.Signal)
		if spec.Reload.Exec != nil {
			s.errorf(at+".reload", "want one of signal and exec")
		}
	}
}

// checkSignal wants a name as systemd writes it.
func checkSignal(s *Subject, field, name string) {
	if signal, err := signals.Parse(name); err != nil || signal.String() != name {
		s.errorf(field, "%q: want the name of a signal such as SIGTERM, SIGQUIT or SIGRTMIN+3", name)
	}
}

// limits are those of setrlimit(2).
var limits = []string{
	"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
	"rtprio", "rttime", "sigpending", "stack",
}

func checkUlimits(s *Subject, at string, declared []v1.Ulimit) {
	for i, limit := range declared {
		field := fmt.Sprintf("%s.ulimits[%d]", at, i)
		if !slices.Contains(limits, limit.Name) {
			s.errorHint(field+".name", suggest.DidYouMean(limit.Name, limits), "there is no limit %q", limit.Name)
		}
		hard := limit.Soft
		if limit.Hard != nil {
			hard = *limit.Hard
		}
		if limit.Soft < -1 || hard < -1 || hard != -1 && (limit.Soft == -1 || limit.Soft > hard) {
			s.errorf(field, "want soft at most hard, and -1 for no limit")
		}
	}
}
