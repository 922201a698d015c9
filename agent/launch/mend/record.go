package mend

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/units/bundle"
)

// errChanging is returned for a container whose launcher has its record locked.
var errChanging = errors.New("it is being started or cleaned up: left to its launcher")

// holdRecord locks the record of a running container until this process ends, and returns its bundle. It restores a
// missing record, and a missing link to the bundle. It returns nil for a container that does not run.
func holdRecord(id string) (*bundle.Bundle, error) {
	if !record.IsID(id) {
		return nil, fmt.Errorf("%q is not the name of a container", id)
	}
	flags := unix.O_RDONLY | unix.O_CLOEXEC
	if record.Exists(bundle.RunningBundle(id)) { // then it runs, and its bundle is known
		if hasFinished(id) {
			return nil, nil
		}
		flags |= unix.O_CREAT
	}
	fd, err := unix.Open(bundle.RecordFile(id), flags, 0o600)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock its record: %w", err)
	}
	err = os.NewSyscallError("flock", disk.FlockWithin(fd, unix.LOCK_EX, recordPatience))
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errChanging
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	if !record.IsAt(fd, bundle.RecordFile(id)) { // a launcher has replaced it meanwhile
		return nil, errors.Join(errChanging, unix.Close(fd))
	}
	return ensureRecord(id)
}

// hasFinished reports whether a container has run to its end, see [Finish]: the link stays without a record.
func hasFinished(id string) bool {
	if record.Exists(bundle.RecordFile(id)) {
		return false
	}
	dir, err := os.Readlink(bundle.RunningBundle(id))
	if err != nil {
		return false
	}
	b, err := record.ReadBundle(dir)
	return err == nil && b.Spec.Process != nil && !isRunning(b)
}

// recordPatience is how long a record may be locked by the agent, which looks for a moment whether a launcher has it.
const recordPatience = 100 * time.Millisecond

// ensureRecord restores the record and the link of a running container, one by the other, and returns its bundle. The
// caller has locked the record.
func ensureRecord(id string) (*bundle.Bundle, error) {
	dir, err := os.Readlink(bundle.RunningBundle(id))
	if err != nil {
		return ensureLink(id)
	}
	if b, err := record.ReadBundle(filepath.Dir(bundle.RecordFile(id))); err == nil {
		return b, nil
	}
	b, text, err := record.ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	return b, os.WriteFile(bundle.RecordFile(id), text, 0o600)
}

// ensureLink restores the link to the bundle of a running container, by its record.
func ensureLink(id string) (*bundle.Bundle, error) {
	b, text, err := record.ReadConfig(filepath.Dir(bundle.RecordFile(id)))
	if err != nil || !isRunning(b) {
		return nil, nil
	}
	dir := bundle.Path(bundle.DirName(id, text))
	if !record.Exists(dir) {
		return nil, errors.New("the bundle that it runs is gone: run systemctl restart " + id)
	}
	return b, os.Symlink(dir, bundle.RunningBundle(id))
}

// isRunning reports whether a container runs, or a sandbox holds its namespaces.
func isRunning(b *bundle.Bundle) bool {
	if record.IsSandbox(b) {
		return disk.IsMounted(bundle.SandboxFile(b.ID, string(specs.NetworkNamespace)), "nsfs")
	}
	_, err := runtime.Of(b).Pid()
	return err == nil
}
