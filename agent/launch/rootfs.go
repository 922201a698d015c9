package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// initLayerDir is the topmost lower directory of every container. What it has, no image
// can have as something else: without it, an image whose /dev is a symbolic link could
// make the runtime write elsewhere (CVE-2026-41579), and so for mount points in /etc.
const initLayerDir = bundle.StateDir + "/init"

var (
	initLayerDirs  = []string{"dev", "proc", "sys", "etc"}
	initLayerFiles = []string{"etc/hosts", "etc/hostname", "etc/resolv.conf"}
	initLayerLinks = map[string]string{"etc/mtab": "/proc/mounts"}
)

// mountRootfs mounts the image's layers, the init layer and an empty writable layer on
// top of each other. The unit's mount namespace is private, so the mount ends with the
// container and the node never sees it.
func (r *run) mountRootfs() error {
	if err := makeInitLayer(); err != nil {
		return fmt.Errorf("make the init layer: %w", err)
	}
	own := filepath.Join(bundle.ContainersDir, r.ID)
	writable := bundle.WritableDir(r.ID)
	upper, work := filepath.Join(writable, "upper"), filepath.Join(writable, "work")
	r.rootfs = filepath.Join(own, "rootfs")
	if r.users != nil {
		r.rootfs = filepath.Join(bundle.MountsDir, r.ID)
	}
	for _, dir := range []string{upper, work, r.rootfs} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	first := initLayerDir
	if r.users != nil {
		var err error
		if first, err = r.prepareMapped(upper); err != nil {
			return err
		}
	}
	options := func(lower []string) string { return overlayOptions(first, lower, upper, work) }
	if r.Rootfs != nil {
		r.opensOutput = "davit does not search " + r.Rootfs.Path + " for it"
		return r.mountTree(*r.Rootfs, options)
	}
	record, err := r.mountLayers(r.Image, r.rootfs, 0, options)
	if err != nil {
		return err
	}
	r.opensOutput = record.OpensOutput
	return nil
}

// mountTree mounts a directory of the node below the writable layer. The options name it by a
// descriptor: its path may have what separates options, and another directory may have come there.
func (r *run) mountTree(want bundle.HostPath, optionsFor func(lower []string) string) error {
	found, err := openHostPath(want)
	if err != nil {
		return err
	}
	defer found.Close()
	base := descriptorPath(found)
	if r.users != nil {
		base = filepath.Join(bundle.ContainersDir, r.ID, "tree")
		if err := r.mountMapped(descriptorPath(found), base); err != nil {
			return err
		}
	}
	if err := unix.Mount("overlay", r.rootfs, "overlay", 0, r.labelled(optionsFor([]string{base}))); err != nil {
		return fmt.Errorf("mount %s as root file system: %w", want.Path, err)
	}
	return nil
}

// mountImageVolumes mounts the content of images, read-only, where [run.mountSource] finds it.
func (r *run) mountImageVolumes() error {
	own := filepath.Join(bundle.ContainersDir, r.ID)
	for i, image := range r.ImageVolumes {
		target := imageVolumePath(r.ID, i)
		// Without a writable layer overlayfs wants two others (overlayfs.rst in Linux'
		// documentation), and the image may have but one.
		empty := filepath.Join(own, "empty")
		for _, dir := range []string{empty, target} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		options := func(lower []string) string { return "lowerdir=" + strings.Join(append(lower, empty), ":") }
		if _, err := r.mountLayers(image, target, unix.MS_RDONLY, options); err != nil {
			return err
		}
	}
	return nil
}

func imageVolumePath(id string, index int) string {
	return filepath.Join(bundle.ContainersDir, id, fmt.Sprintf("image-%d", index))
}

// mountLayers mounts an image's layers with the options made for them, and returns the image's record.
func (r *run) mountLayers(image bundle.Image, target string, flags uintptr, optionsFor func(lower []string) string) (*bundle.Rootfs, error) {
	record, err := readRootfs(image.ID)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", image.Reference, err)
	}
	// A container that lacks files would fail far from the cause, or do harm.
	if err := disk.CheckStamps(record.Base, record.Lower, record.Stamps); err != nil {
		return nil, fmt.Errorf("image %s: a layer is damaged: %w: the agent, or davit apply, pulls it again", image.Reference, err)
	}
	base := record.Base
	if r.users != nil {
		base = filepath.Join(bundle.ContainersDir, r.ID, "layers-of-"+filepath.Base(target))
		if err := r.mountMapped(record.Base, base); err != nil {
			return nil, fmt.Errorf("image %s: %w", image.Reference, err)
		}
	}
	// The layers' names are relative to keep the options within mount(2)'s page.
	if err := os.Chdir(base); err != nil {
		return nil, fmt.Errorf("image %s: %w: run davit apply to pull it again", image.Reference, err)
	}
	options := r.labelled(optionsFor(record.Lower))
	if len(options) >= os.Getpagesize() {
		return nil, fmt.Errorf("image %s has too many layers (%d) for one overlay mount: build it with fewer", image.Reference, len(record.Lower))
	}
	if err := unix.Mount("overlay", target, "overlay", flags, options); err != nil {
		return nil, fmt.Errorf("mount the layers of image %s: %w", image.Reference, err)
	}
	return record, os.Chdir("/")
}

// overlayOptions are overlayfs' mount options. The writable layer does not outlive the
// container, so nothing of it needs to reach the disk (volatile, Linux 5.10).
func overlayOptions(first string, lower []string, upper, work string) string {
	layers := append([]string{first}, lower...)
	return fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,volatile", strings.Join(layers, ":"), upper, work)
}

func readRootfs(imageID string) (*bundle.Rootfs, error) {
	text, err := os.ReadFile(bundle.RootfsPath(imageID))
	if err != nil {
		return nil, fmt.Errorf("not on this node: %w: run davit apply to pull it", err)
	}
	return bundle.DecodeRootfs(imageID, text)
}

// makeInitLayer makes what is missing of the init layer, and all of it where a file has a directory's
// place or the reverse. Several launchers may do so at once.
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
