package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/e2e/cache"
	"github.com/davit-project/davit/e2e/debian"
)

// generation is part of the cache's key; it changes when the code that makes disks does.
const generation = "1"

// packages are the packages of a machine beside Debian's essential ones.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "udev", "linux-image-cloud-amd64", "openssh-server",
	"nftables", "iptables", "iproute2", "procps", "catatonit", "apparmor",
	"selinux-policy-default", "e2fsprogs", "xfsprogs", "strace",
}

// files are the machine's own configuration.
var files = map[string]string{
	"/etc/hosts":                           "127.0.0.1 localhost\n::1 localhost\n",
	"/etc/selinux/config":                  "SELINUX=permissive\nSELINUXTYPE=default\n", // used if the kernel's command line enables SELinux
	"/etc/resolv.conf":                     "",                                          // no name server can be reached
	"/etc/fstab":                           "/dev/nvme0n1 / ext4 defaults 0 1\nLABEL=" + localLabel + " /usr/local ext4 ro,nofail,x-systemd.before=local-fs.target 0 0\n",
	"/etc/systemd/network/50-eth0.network": "[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n",
	"/etc/systemd/journald.conf.d/50.conf": "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n",
	"/etc/ssh/sshd_config.d/50.conf":       "UsePAM no\nUseDNS no\nMaxSessions 1000\n",
}

// enabled are the units to boot, masked those that only take time.
var (
	enabled = []string{"systemd-networkd.service", "ssh.service"}
	masked  = []string{
		"getty@tty1.service", "serial-getty@ttyS0.service", "e2scrub_reap.service", "systemd-networkd-wait-online.service",
		"systemd-networkd-persistent-storage.service", "systemd-logind.service", "modprobe@drm.service", "modprobe@efi_pstore.service",
		"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "xfs_scrub_all.timer", "fstrim.timer",
		"selinux-autorelabel-mark.service", "apparmor.service", // would label all files, and load a hundred profiles of programs that a machine has not
	}
)

// base is the base of the machines of a release: a kernel, and a disk that is only read.
type base struct{ kernel, disk string }

// Prepare makes the disk of a release unless this machine has it.
func Prepare(ctx context.Context, release string) error {
	_, err := makeBase(ctx, release)
	return err
}

// makeBase returns a release's base, and makes it first if this machine has none yet.
func makeBase(ctx context.Context, release string) (base, error) {
	dir, unlock, err := cache.Lock("lock-" + release)
	if err != nil {
		return base{}, err
	}
	defer unlock()
	recipe, err := json.Marshal([]any{generation, packages, files, enabled, masked})
	if err != nil {
		return base{}, err
	}
	sum := sha256.Sum256(recipe)
	path := filepath.Join(dir, "vm-"+release+"-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := build(ctx, path, release); err != nil {
			return base{}, fmt.Errorf("make a disk with Debian %s: %w", release, err)
		}
	} else if err != nil {
		return base{}, err
	}
	return base{kernel: filepath.Join(path, "vmlinuz"), disk: filepath.Join(path, "disk")}, nil
}

// build makes a base beside its place and moves it there when it is whole.
func build(ctx context.Context, path, release string) error {
	scratch, err := os.MkdirTemp(filepath.Dir(path), "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	tree, out := filepath.Join(scratch, "tree"), filepath.Join(scratch, "base")
	if err := debian.Install(ctx, tree, release, packages); err != nil {
		return err
	}
	if err := configure(ctx, tree); err != nil {
		return err
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		return err
	}
	kernels, err := filepath.Glob(filepath.Join(tree, "boot/vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		return fmt.Errorf("want one kernel in /boot, found %d: %w", len(kernels), err)
	}
	if err := os.Rename(kernels[0], filepath.Join(out, "vmlinuz")); err != nil {
		return err
	}
	if err := makeDisk(ctx, filepath.Join(out, "disk"), tree, "root", "4G"); err != nil {
		return err
	}
	return os.Rename(out, path)
}

func configure(ctx context.Context, tree string) error {
	for name, text := range files {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, verb := range [][]string{append([]string{"enable"}, enabled...), append([]string{"mask"}, masked...)} {
		if err := debian.Run(ctx, "systemctl", append([]string{"--quiet", "--root=" + tree}, verb...)...); err != nil {
			return err
		}
	}
	return nil
}

// makeDisk makes a file system with a directory's content.
func makeDisk(ctx context.Context, path, content, label, size string) error {
	return debian.Run(ctx, "mke2fs", "-q", "-t", "ext4", "-L", label, "-d", content, path, size)
}
