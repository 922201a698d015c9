package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// initLayerDir is the topmost lower directory of every container. No image can replace its entries by others: without
// it, an image whose /dev is a symbolic link could make the runtime write elsewhere (CVE-2026-41579), and so for mount
// points in /etc.
const initLayerDir = bundle.StateDir + "/init"

var (
	initLayerDirs  = []string{"dev", "proc", "sys", "etc"}
	initLayerFiles = []string{"etc/hosts", "etc/hostname", "etc/resolv.conf"}
	initLayerLinks = map[string]string{"etc/mtab": "/proc/mounts"}
)

// makeInitLayer makes the missing entries of the init layer, and all of it if a file is in the place of a directory or
// the reverse. Several launchers may do so at once.
func makeInitLayer() error {
	err := fillInitLayer()
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.ENOTDIR) {
		return err
	}
	if err := untrusted.RemoveAll(initLayerDir); err != nil {
		return err
	}
	return fillInitLayer()
}

func fillInitLayer() error {
	for _, dir := range initLayerDirs {
		if err := os.MkdirAll(filepath.Join(initLayerDir, dir), 0o755); err != nil {
			return err
		}
	}
	for _, file := range initLayerFiles {
		f, err := os.OpenFile(filepath.Join(initLayerDir, file), os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	for link, target := range initLayerLinks {
		if err := os.Symlink(target, filepath.Join(initLayerDir, link)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
