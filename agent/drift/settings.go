package drift

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// localRouting is the kernel setting of a bridge that published ports need. The kernel sends no message when it changes
// (devinet_conf_proc of Linux' devinet.c). inotify(7) reports who writes to its file, also below /proc.
func localRouting(bridge string) string {
	return filepath.Join("/proc/sys/net/ipv4/conf", bridge, "route_localnet")
}

// bridges are the names of the node's bridges.
func bridges() []string {
	found, err := filepath.Glob("/sys/class/net/*/bridge")
	if err != nil {
		return nil // the pattern is right
	}
	for i, dir := range found {
		found[i] = filepath.Base(filepath.Dir(dir))
	}
	return found
}

// watchBridge watches the settings of a bridge that has come or changed, and ends that for one that has gone: the file stays
// open as long as it is watched. The name may be that of a bridge in another network namespace. Without room for a watch the
// agent looks at the settings once in a while.
func (w *watches) watchBridge(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	number, err := unix.InotifyAddWatch(w.fd, localRouting(name), unix.IN_MODIFY)
	if before, known := w.bridges[name]; known && (err != nil || before != int32(number)) {
		_, _ = unix.InotifyRmWatch(w.fd, uint32(before)) // it may have ended
		delete(w.dirs, before)
		delete(w.bridges, name)
	}
	if err == nil {
		w.dirs[int32(number)] = watched{localRouting(name), ofSettings}
		w.bridges[name] = int32(number)
	}
}

// isOff reports whether a setting of the kernel is off.
func isOff(path string) bool {
	value, err := os.ReadFile(path)
	return err == nil && strings.TrimSpace(string(value)) == "0"
}
