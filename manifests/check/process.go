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

// maxLogTag is the longest tag of log lines, in bytes.
const maxLogTag = 128

var (
	logTag   = regexp.MustCompile(`^[A-Za-z0-9_.:/-]+$`)
	userSpec = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`)
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
