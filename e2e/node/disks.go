package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Where a node's disks lie, in the mount namespace of its machine's thread alone. /mnt is
// on every Debian and meant for an administrator's temporary mounts (hier(7)).
const (
	disksPath   = "/mnt"
	rootPath    = disksPath + "/root"    // the node's root, mounted
	maskPath    = disksPath + "/mask"    // covers the machine's root directly
	storePath   = disksPath + "/store"   // directories that must not lie on an overlay
	cgroupPath  = disksPath + "/cgroup"  // the machine's cgroup v2 tree
	notifyPath  = disksPath + "/notify"  // PID 1 reports here
	consolePath = disksPath + "/console" // PID 1 prints here
)

// stores are the node's directories that get a file system of their own: the kernel
// refuses an overlay's upper directory on another overlay.
var stores = []string{"/var/lib/containers", "/var/lib/davit", "/var/lib/docker", "/var/lib/containerd"}

// roots are the directories that are overlaid: the root, and those of its directories that
// are on file systems of their own, for an overlay sees one file system only.
var roots = []string{"/", "/etc", "/usr", "/opt", "/var"}

// makeDisks mounts a node's disks: one tmpfs in a mount namespace of the calling thread's
// own, and overlays from there over the machine's root.
func makeDisks(config Config) error {
	// A thread of a Go program shares its root and working directory with the others
	// and must stop doing so before it can have mounts of its own.
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("davit-node", disksPath, "tmpfs", 0, "mode=700"); err != nil {
		return fmt.Errorf("mount tmpfs on %s: %w", disksPath, err)
	}
	if err := makeMask(maskPath, config); err != nil {
		return fmt.Errorf("mask the machine's configuration: %w", err)
	}
	// Copied, because overlayfs refuses a layer that lies inside another, as every
	// directory of the machine lies inside its root.
	for _, layer := range config.Layers {
		if err := os.CopyFS(maskPath, os.DirFS(layer)); err != nil {
			return fmt.Errorf("copy the layer %s: %w", layer, err)
		}
	}
	for _, directory := range stores {
		if err := os.MkdirAll(storePath+directory, 0o700); err != nil {
			return err
		}
	}
	device, err := deviceOf(config.Root)
	if err != nil {
		return err
	}
	for _, directory := range roots {
		own, err := deviceOf(filepath.Join(config.Root, directory))
		if err != nil {
			return err
		}
		if directory != "/" && own == device {
			continue
		}
		if err := overlay(config.Root, directory); err != nil {
			return err
		}
	}
	return nil
}

func deviceOf(path string) (uint64, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return 0, fmt.Errorf("stat %s: %w", path, err)
	}
	return stat.Dev, nil
}

// overlay mounts the node's view of directory: its own writes, over the mask, over that of
// the root the node is booted over.
func overlay(root, directory string) error {
	disk := filepath.Join(disksPath, "disk", strings.ReplaceAll(directory, "/", "-"))
	upper, work, target := disk+"/upper", disk+"/work", filepath.Join(rootPath, directory)
	for _, path := range []string{upper, work, target} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	}
	lower := []string{filepath.Join(root, directory)}
	if _, err := os.Stat(maskPath + directory); err == nil {
		lower = append([]string{maskPath + directory}, lower...)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", strings.Join(lower, ":"), upper, work)
	if err := unix.Mount("overlay", target, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount overlay over %s: %w", directory, err)
	}
	return nil
}

// randomID returns 128 random bits as 32 hexadecimal digits, the form of machine-id(5).
func randomID() string {
	var id [16]byte
	rand.Read(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // a version 4 UUID, as systemd wants
	return hex.EncodeToString(id[:])
}
