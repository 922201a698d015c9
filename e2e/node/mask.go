package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// hidden are directories of the machine that a node sees empty: files that were configured or
// installed there by hand must not decide how a test ends.
var hidden = []string{
	"/etc/cni", "/etc/containers", "/etc/davit", "/etc/rc0.d", "/etc/rc1.d", "/etc/rc2.d",
	"/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d", "/etc/rc6.d", "/etc/rcS.d", "/etc/sysctl.d",
	"/etc/systemd", "/opt", "/root", "/usr/local", "/var/lib/cni", "/var/lib/systemd",
	"/var/log", "/var/spool", "/var/tmp",
}

// kept are the units of systemd's own targets that a node boots; the rest is masked.
var kept = []string{
	"dbus.service", "dbus.socket", "dev-mqueue.mount", "systemd-journald.service", "systemd-journald.socket",
	"systemd-journald-dev-log.socket", "systemd-journal-flush.service",
	"systemd-tmpfiles-setup.service",
}

// unitPaths and generatorPaths are where distributions put units and generators,
// systemd.unit(5) and systemd.generator(7).
var (
	unitPaths      = []string{"/usr/lib/systemd/system", "/lib/systemd/system"}
	generatorPaths = []string{"/usr/lib/systemd/system-generators", "/lib/systemd/system-generators"}
)

// makeMask makes the layer that lies directly over the machine's root: it hides the
// machine's own configuration and names the node.
func makeMask(mask string, config Config) error {
	if err := os.MkdirAll(mask, 0o755); err != nil {
		return err
	}
	for _, directory := range hidden {
		if err := hide(mask, config.Root, directory); err != nil {
			return err
		}
	}
	if err := maskUnits(mask, config.Root); err != nil {
		return err
	}
	if err := maskGenerators(mask, config.Root); err != nil {
		return err
	}
	return writeFiles(mask, map[string]string{
		"/etc/fstab":      "",
		"/etc/hostname":   config.Hostname + "\n",
		"/etc/hosts":      "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 " + config.Hostname + "\n",
		"/etc/machine-id": randomID() + "\n",
		// No name server can be reached from a node. Without an entry here a
		// resolver asks 127.0.0.1, where it is refused at once.
		"/etc/resolv.conf":                     "",
		"/etc/systemd/journald.conf.d/50.conf": "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n",
	})
}

// hide makes the directory empty in the node, if the machine has it: overlayfs does not
// look below a directory that is marked opaque.
func hide(mask, root, directory string) error {
	info, err := os.Stat(filepath.Join(root, directory))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	path := filepath.Join(mask, directory)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if err := unix.Setxattr(path, "trusted.overlay.opaque", []byte("y"), 0); err != nil {
		return fmt.Errorf("hide %s: %w", directory, err)
	}
	return os.Chmod(path, info.Mode())
}

// maskUnits masks the units of the machine's packages that would start at boot, save [kept].
func maskUnits(mask, root string) error {
	var wanted []string
	for _, path := range unitPaths {
		for _, pattern := range []string{"*.wants/*", "*.requires/*"} {
			links, err := filepath.Glob(filepath.Join(root, path, pattern))
			if err != nil {
				return err
			}
			wanted = append(wanted, links...)
		}
	}
	for _, link := range wanted {
		unit := filepath.Base(link)
		if slices.Contains(kept, unit) {
			continue
		}
		if err := linkNull(filepath.Join(mask, "/etc/systemd/system", unit)); err != nil {
			return err
		}
	}
	return os.Symlink("/usr/lib/systemd/system/multi-user.target",
		filepath.Join(mask, "/etc/systemd/system/default.target"))
}

// maskGenerators masks all generators: they turn the machine's configuration (fstab, init
// scripts, database clusters) into units.
func maskGenerators(mask, root string) error {
	for _, path := range generatorPaths {
		entries, err := os.ReadDir(filepath.Join(root, path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := linkNull(filepath.Join(mask, "/etc/systemd/system-generators", entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// linkNull masks a unit or a generator the way systemctl mask does.
func linkNull(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Symlink("/dev/null", path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func writeFiles(root string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
