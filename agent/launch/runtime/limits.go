package runtime

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// rlimits are the numbers of setrlimit(2)'s limits.
var rlimits = map[string]int{
	"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_CPU": unix.RLIMIT_CPU,
	"RLIMIT_DATA": unix.RLIMIT_DATA, "RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS,
	"RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK, "RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE, "RLIMIT_NICE": unix.RLIMIT_NICE,
	"RLIMIT_NOFILE": unix.RLIMIT_NOFILE, "RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_RSS": unix.RLIMIT_RSS,
	"RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO, "RLIMIT_RTTIME": unix.RLIMIT_RTTIME,
	"RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING, "RLIMIT_STACK": unix.RLIMIT_STACK,
}

// roomOfInit is more than libcontainer's init takes: Go's runtime alone reserves more than a gibibyte of addresses.
const roomOfInit = 4 << 30

// lateLimits are the limits of a process that are set once init has set up everything else, because it might not have room
// in them. By then the process has its user, and only CAP_SYS_RESOURCE can limit another one's: without that, init has to cope.
func lateLimits(spec *specs.Process) []specs.POSIXRlimit {
	var late []specs.POSIXRlimit
	for _, limit := range spec.Rlimits {
		if (limit.Type == "RLIMIT_AS" || limit.Type == "RLIMIT_DATA") && limit.Soft < roomOfInit {
			late = append(late, limit)
		}
	}
	if isRoot := spec.User.UID == 0 && spec.User.GID == 0; len(late) > 0 && !isRoot && !mayLimitOthers() {
		return nil
	}
	return late
}

func mayLimitOthers() bool {
	own, err := capability.NewPid2(0)
	return err == nil && own.Load() == nil && own.Get(capability.EFFECTIVE, capability.CAP_SYS_RESOURCE)
}

// limitsText has them in the form of handover.c.
func limitsText(limits []specs.POSIXRlimit) string {
	var parts []string
	for _, limit := range limits {
		parts = append(parts, fmt.Sprintf("%d:%d:%d", rlimits[limit.Type], limit.Soft, limit.Hard))
	}
	return strings.Join(parts, ",")
}

// setLateLimits sets them for a process that libcontainer has set up.
func setLateLimits(process *libcontainer.Process, spec *specs.Process) error {
	late := lateLimits(spec)
	if len(late) == 0 {
		return nil
	}
	pid, err := process.Pid()
	if err != nil {
		return err
	}
	for _, limit := range late {
		if err := unix.Prlimit(pid, rlimits[limit.Type], &unix.Rlimit{Cur: limit.Soft, Max: limit.Hard}, nil); err != nil {
			return fmt.Errorf("set %s of process %d: %w", limit.Type, pid, err)
		}
	}
	return nil
}

// runLimited runs a process in a container that runs. Its program may have begun when its late limits are set.
func runLimited(container *libcontainer.Container, process *libcontainer.Process, spec *specs.Process) error {
	if err := container.Run(process); err != nil {
		return err
	}
	err := setLateLimits(process, spec)
	if err == nil || errors.Is(err, unix.ESRCH) { // it has ended
		return nil
	}
	return errors.Join(err, process.Signal(os.Kill))
}
