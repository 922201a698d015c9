package manifests

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units/signals"
)

func (d *document) checkContainer(spec v1.ContainerSpec) {
	d.checkFields("spec", spec.ContainerFields, spec.SandboxFields)
	d.checkSandbox("spec", spec.SandboxFields)
	d.checkHugePages("spec", spec.Volumes, spec.Resources.Limits)
	d.checkSecurity("spec.securityContext", spec.SecurityContext.ContainerSecurityContext)
	d.checkGroups("spec.securityContext", spec.SecurityContext.SupplementalGroups)
	d.checkSysctls("spec.securityContext", spec.SecurityContext.Sysctls, spec.SandboxFields)
	field, reason := spec.Exclusive()
	d.checkSurge("spec", spec.UpdatePolicy, field, reason)
	if spec.Oneshot && spec.RestartPolicy == v1.RestartAlways {
		d.errorf("spec.restartPolicy", "a oneshot container ends: want OnFailure or Never")
	}
}

// checkFields checks what a Container and a pod's container have in common, at the field of
// that container.
func (d *document) checkFields(at string, spec v1.ContainerFields, sandbox v1.SandboxFields) {
	d.checkContainerImage(at, spec)
	d.checkProcess(at, spec)
	d.checkEnvironment(at, spec)
	d.checkStop(at, spec)
	for i, port := range spec.Ports {
		d.checkPort(fmt.Sprintf("%s.ports[%d]", at, i), port, sandbox)
	}
	d.checkSockets(at, spec, sandbox)
	d.checkMounts(at, spec.VolumeMounts)
	d.checkRootMounts(at, spec.VolumeMounts, sandbox.Volumes)
	d.checkDevices(at, spec.Devices)
	d.checkResources(at+".resources", spec.Resources)
	if adjustment := spec.OOMScoreAdj; adjustment != nil && (*adjustment < -1000 || *adjustment > 1000) {
		d.errorf(at+".oomScoreAdj", "%d: want -1000 to 1000", *adjustment)
	}
	d.checkUlimits(at, spec.Ulimits)
	d.checkProbes(at, spec)
	d.checkPassThrough(at, spec)
}

func (d *document) checkContainerImage(at string, spec v1.ContainerFields) {
	if spec.Rootfs != "" {
		d.checkRootfs(at, spec)
		return
	}
	switch {
	case spec.Image == "" && spec.ImageRef == "":
		d.errorf(at+".image", "missing")
	case spec.Image != "" && spec.ImageRef != "":
		d.errorf(at+".imageRef", "there is an image already: want one of the two")
	case spec.Image != "":
		d.checkImageFields(at, v1.ImageSpec{
			Image: spec.Image, ImagePullPolicy: spec.ImagePullPolicy, Platform: spec.Platform, AuthFile: spec.AuthFile,
		})
	case spec.ImagePullPolicy != "" || spec.Platform != "" || spec.AuthFile != "":
		d.errorf(at+".imageRef", "the Image object says how to pull: leave imagePullPolicy, platform and authFile out")
	}
}

// checkRootfs checks a container that has a tree of the node instead of an image.
func (d *document) checkRootfs(at string, spec v1.ContainerFields) {
	field := at + ".rootfs"
	for _, other := range []struct{ name, value string }{
		{"image", spec.Image}, {"imageRef", spec.ImageRef}, {"imagePullPolicy", string(spec.ImagePullPolicy)},
		{"platform", spec.Platform}, {"authFile", spec.AuthFile}, {"imageHealthcheck", spec.ImageHealthcheck},
	} {
		if other.value != "" {
			d.errorf(field, "a directory of the node is no image: leave %s out", other.name)
		}
	}
	if len(spec.Command) == 0 {
		d.errorf(at+".command", "missing: a directory says no command to run")
	}
	d.checkHostTree(field, spec.Rootfs)
	if spec.Rootfs == "/" {
		d.errorf(field, "the node's root cannot be a container's root file system")
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

func (d *document) checkProcess(at string, spec v1.ContainerFields) {
	size := 0
	for _, list := range []struct {
		field string
		items []string
	}{{at + ".command", spec.Command}, {at + ".args", spec.Args}} {
		d.checkArguments(list.field, list.items)
		for _, item := range list.items {
			size += len(item)
		}
	}
	for _, entry := range spec.Env {
		size += len(entry.Name) + len(entry.Value)
	}
	if size > maxProcess {
		d.errorf(at, "command, args and env have %d bytes together, more than %d", size, maxProcess)
	}
	if spec.WorkingDir != "" && d.absolute(at+".workingDir", spec.WorkingDir) && kernelTree(spec.WorkingDir) {
		d.errorf(at+".workingDir", "%q: want a directory outside /proc, /sys and /dev", spec.WorkingDir)
	}
	d.checkUser(at+".user", spec.User)
	if tag := spec.Logging.Tag; len(tag) > maxLogTag || tag != "" && !logTag.MatchString(tag) {
		d.errorf(at+".logging.tag", "%q: want at most 128 letters, digits and _.:/-", tag)
	}
	if limit := spec.Logging.RateLimit; limit != nil {
		d.checkSeconds(at+".logging.rateLimit.intervalSeconds", &limit.IntervalSeconds, 0)
		if limit.Burst < 0 {
			d.errorf(at+".logging.rateLimit.burst", "%d: want 0 or more", limit.Burst)
		}
	}
	if spec.TTY && spec.Logging.Driver != "" {
		d.errorf(at+".logging.driver", "a terminal's output goes to the journal: want one of tty and logging.driver")
	}
}

// checkArguments checks the words of a command against what execve(2) takes.
func (d *document) checkArguments(field string, words []string) {
	for i, word := range words {
		at := fmt.Sprintf("%s[%d]", field, i)
		if strings.ContainsRune(word, 0) {
			d.errorf(at, "has a NUL character, which would end it: leave it out")
		}
		if len(word) > maxString {
			d.errorf(at, "has %d bytes: the kernel takes at most %d in one argument", len(word), maxString)
		}
	}
}

// checkUser checks USER or USER:GROUP. A part of digits alone is an id.
func (d *document) checkUser(field, user string) {
	switch {
	case user == "":
		return
	case !userSpec.MatchString(user):
		d.errorf(field, "%q: want user or user:group, names or numbers", user)
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
		d.checkProcessID(field, id)
	}
}

func kernelTree(value string) bool {
	return below("/proc", value) || below("/sys", value) || below("/dev", value)
}

func (d *document) checkEnvironment(at string, spec v1.ContainerFields) {
	for i, entry := range spec.Env {
		field := fmt.Sprintf("%s.env[%d]", at, i)
		if !environmentName.MatchString(entry.Name) {
			d.errorf(field+".name", "%q is not the name of a variable", entry.Name)
		}
		if strings.ContainsRune(entry.Value, 0) {
			d.errorf(field+".value", "has a NUL character")
		}
		if size := len(entry.Name) + len("=") + len(entry.Value); size > maxString {
			d.errorf(field+".value", "has %d bytes with its name: the kernel takes at most %d in one variable", size, maxString)
		}
		if entry.ValueFrom != nil {
			d.checkValueFrom(field, entry)
		}
	}
	for i, source := range spec.EnvFrom {
		field := fmt.Sprintf("%s.envFrom[%d]", at, i)
		d.exactlyOne(field, choice{"configMapRef", source.ConfigMapRef != nil}, choice{"secretRef", source.SecretRef != nil})
		if source.Prefix != "" && !environmentName.MatchString(source.Prefix) {
			d.errorf(field+".prefix", "%q cannot begin the name of a variable", source.Prefix)
		}
	}
	for i, file := range spec.EnvFiles {
		d.absolute(fmt.Sprintf("%s.envFiles[%d].path", at, i), file.Path)
	}
}

func (d *document) checkValueFrom(field string, entry v1.EnvVar) {
	from := entry.ValueFrom
	if entry.Value != "" {
		d.errorf(field+".valueFrom", "there is a value already: want one of the two")
	}
	field += ".valueFrom"
	d.exactlyOne(field, choice{"configMapKeyRef", from.ConfigMapKeyRef != nil}, choice{"secretKeyRef", from.SecretKeyRef != nil},
		choice{"fieldRef", from.FieldRef != nil}, choice{"resourceFieldRef", from.ResourceFieldRef != nil}, choice{"hostEnv", from.HostEnv != nil})
	if from.FieldRef != nil {
		d.checkFieldRef(field+".fieldRef", *from.FieldRef)
	}
	if from.ResourceFieldRef != nil {
		d.checkResourceFieldRef(field+".resourceFieldRef", *from.ResourceFieldRef)
	}
	if from.HostEnv != nil && !environmentName.MatchString(from.HostEnv.Name) {
		d.errorf(field+".hostEnv.name", "%q is not the name of a variable", from.HostEnv.Name)
	}
}

// fieldPaths are the fields of the downward API that mean something on one node.
var fieldPaths = []string{
	"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations",
	"spec.nodeName", "spec.serviceAccountName", "status.podIP", "status.podIPs",
}

var fieldPathOfKey = regexp.MustCompile(`^metadata\.(labels|annotations)\['[^'\]]+'\]$`)

func (d *document) checkFieldRef(field string, ref v1.FieldRef) {
	if !slices.Contains(fieldPaths, ref.FieldPath) && !fieldPathOfKey.MatchString(ref.FieldPath) {
		d.errorHint(field+".fieldPath", didYouMean(ref.FieldPath, fieldPaths), "davit has no field %q", ref.FieldPath)
	}
}

func (d *document) checkResourceFieldRef(field string, ref v1.ResourceFieldRef) {
	if ref.Divisor != "" && ref.Divisor != "0" {
		d.quantity(field+".divisor", ref.Divisor)
	}
}

func (d *document) checkStop(at string, spec v1.ContainerFields) {
	if spec.StopSignal != "" {
		d.checkSignal(at+".stopSignal", spec.StopSignal)
	}
	if spec.Reload.Exec != nil {
		d.checkArguments(at+".reload.exec.command", spec.Reload.Exec.Command)
	}
	if spec.Reload.Signal != "" {
		d.checkSignal(at+".reload.signal", spec.Reload.Signal)
		if spec.Reload.Exec != nil {
			d.errorf(at+".reload", "want one of signal and exec")
		}
	}
}

// checkSignal wants a name as systemd writes it.
func (d *document) checkSignal(field, name string) {
	if signal, err := signals.Parse(name); err != nil || signal.String() != name {
		d.errorf(field, "%q: want the name of a signal such as SIGTERM, SIGQUIT or SIGRTMIN+3", name)
	}
}

// limits are those of setrlimit(2).
var limits = []string{
	"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
	"rtprio", "rttime", "sigpending", "stack",
}

func (d *document) checkUlimits(at string, declared []v1.Ulimit) {
	for i, limit := range declared {
		field := fmt.Sprintf("%s.ulimits[%d]", at, i)
		if !slices.Contains(limits, limit.Name) {
			d.errorHint(field+".name", didYouMean(limit.Name, limits), "there is no limit %q", limit.Name)
		}
		hard := limit.Soft
		if limit.Hard != nil {
			hard = *limit.Hard
		}
		if limit.Soft < -1 || hard < -1 || hard != -1 && (limit.Soft == -1 || limit.Soft > hard) {
			d.errorf(field, "want soft at most hard, and -1 for no limit")
		}
	}
}
