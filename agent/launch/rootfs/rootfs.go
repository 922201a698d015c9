// Package rootfs builds the file system of a container: the layers of its image, the files of /etc, volumes, paths of the
// node, devices.
//
// Every path that a container can change is opened below its root and mounted by its descriptor, so that a link leads
// nowhere else. All mounts are in the unit's private mount namespace, so they end with the container and the node never
// sees them. The package knows nothing of networks and of processes.
package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/launch/confine"
	"github.com/davit-project/davit/agent/launch/namespaces"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/terminal"
	"github.com/davit-project/davit/units/bundle"
)

// Root is the file system of a container that starts.
type Root struct {
	*bundle.Bundle
	// Path is its mount point.
	Path string
	// OpensOutput names the part of the image that opens standard output by name; empty for none.
	OpensOutput string

	dir    string            // of the bundle
	users  *namespaces.Users // whose ids its files have; nil for the node's
	labels confine.Labels
}

// messages is the writer for warnings.
var messages = terminal.NewWriter(os.Stderr)

// Mount mounts the image's layers, the init layer and an empty writable layer on top of each other, and the content of
// images that are volumes. [MakeWritable] comes before it.
func Mount(run record.Run, users *namespaces.Users, labels confine.Labels) (*Root, error) {
	r := &Root{Bundle: run.Bundle, Path: filepath.Join(bundle.ContainersDir, run.ID, "rootfs"), dir: run.Dir, users: users, labels: labels}
	if users != nil {
		r.Path = filepath.Join(bundle.MountsDir, r.ID)
	}
	if err := r.mount(); err != nil {
		return nil, err
	}
	return r, r.mountImageVolumes()
}

// mount mounts the root itself.
func (r *Root) mount() error {
	if err := makeInitLayer(); err != nil {
		return fmt.Errorf("make the init layer: %w", err)
	}
	writable := bundle.WritableDir(r.ID)
	upper, work := filepath.Join(writable, "upper"), filepath.Join(writable, "work")
	for _, dir := range []string{upper, work, r.Path} {
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
		r.OpensOutput = "davit does not search " + r.Rootfs.Path + " for it"
		return r.mountTree(*r.Rootfs, options)
	}
	image, err := r.mountLayers(r.Image, r.Path, 0, options)
	if err != nil {
		return err
	}
	r.OpensOutput = image.OpensOutput
	return nil
}

// mountTree mounts a directory of the node below the writable layer. The options name it by a descriptor: its path may
// contain the separators of options, and may lead to another directory by now.
func (r *Root) mountTree(want bundle.HostPath, optionsFor func(lower []string) string) error {
	found, err := OpenHostPath(want)
	if err != nil {
		return err
	}
	defer found.Close()
	base := namespaces.Path(found)
	if r.users != nil {
		base = filepath.Join(bundle.ContainersDir, r.ID, "tree")
		if err := r.mountMapped(namespaces.Path(found), base); err != nil {
			return err
		}
	}
	if err := unix.Mount("overlay", r.Path, "overlay", 0, r.labels.Options(optionsFor([]string{base}))); err != nil {
		return fmt.Errorf("mount %s as root file system: %w", want.Path, err)
	}
	return nil
}

// mountImageVolumes mounts the content of images, read-only, where [Root.source] finds it.
func (r *Root) mountImageVolumes() error {
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
func (r *Root) mountLayers(image bundle.Image, target string, flags uintptr, optionsFor func(lower []string) string) (*bundle.Rootfs, error) {
	layers, err := readRootfs(image.ID)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", image.Reference, err)
	}
	// A container that lacks files would fail far from the cause, or do harm.
	if err := disk.CheckStamps(layers.Base, layers.Lower, layers.Stamps); err != nil {
		return nil, fmt.Errorf("image %s: a layer is damaged: %w: the agent, or davit apply, pulls it again", image.Reference, err)
	}
	base := layers.Base
	if r.users != nil {
		base = filepath.Join(bundle.ContainersDir, r.ID, "layers-of-"+filepath.Base(target))
		if err := r.mountMapped(layers.Base, base); err != nil {
			return nil, fmt.Errorf("image %s: %w", image.Reference, err)
		}
	}
	// The layers' names are relative to keep the options within mount(2)'s page.
	if err := os.Chdir(base); err != nil {
		return nil, fmt.Errorf("image %s: %w: run davit apply to pull it again", image.Reference, err)
	}
	options := r.labels.Options(optionsFor(layers.Lower))
	if len(options) >= os.Getpagesize() {
		return nil, fmt.Errorf("image %s has too many layers (%d) for one overlay mount: build it with fewer", image.Reference, len(layers.Lower))
	}
	if err := unix.Mount("overlay", target, "overlay", flags, options); err != nil {
		return nil, fmt.Errorf("mount the layers of image %s: %w", image.Reference, err)
	}
	return layers, os.Chdir("/")
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
