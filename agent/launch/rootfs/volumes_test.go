package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/units/bundle"
)

func TestSubPaths(t *testing.T) {
	t.Parallel()
	const host, image = "/srv", bundle.RootfsSource
	for name, test := range map[string]struct {
		volume, path string
		readOnly     bool
		made         bool   // the path was missing and is made
		want         string // the error
	}{
		"what is there":                                 {host, "there", true, false, ""},
		"what is missing":                               {host, "new/dir", false, true, ""},
		"what is missing, read-only":                    {host, "new/dir", true, false, "it is mounted read-only, so nothing is made there"},
		"what is missing below a policy's path":         {bundle.HostSource(0), "new", true, false, "it is mounted read-only"},
		"what is missing in an emptyDir, read-only":     {bundle.EmptyDirSource("a"), "new", true, true, ""},
		"a volume of an image":                          {image, "new", false, true, ""},
		"a volume of an image, by a link":               {image, "to-data", false, false, ""},
		"a volume of an image, by a link to /sys":       {image, "to-sys", false, false, "leads to /sys"},
		"a volume of an image, by a link to below /sys": {image, "to-sys/kernel", false, false, "leads to /sys"},
		"a volume of an image, by a link to /proc":      {image, "to-proc", false, false, "leads to /proc"},
		"a volume of an image, by a chain of links":     {image, "to-link", false, false, "leads to /proc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			volume := t.TempDir()
			err := error(nil)
			for _, dir := range []string{"there", "data", "proc", "sys", "dev"} {
				err = errors.Join(err, os.Mkdir(filepath.Join(volume, dir), 0o755))
			}
			for link, target := range map[string]string{"to-data": "/data", "to-sys": "/sys", "to-proc": "../../proc", "to-link": "to-proc"} {
				err = errors.Join(err, os.Symlink(target, filepath.Join(volume, link)))
			}
			if err != nil {
				t.Fatal(err)
			}
			mount := specs.Mount{Source: bundle.SubPathSource(0), Options: []string{"rbind"}}
			if test.readOnly {
				mount.Options = append(mount.Options, "ro")
			}
			r := &Root{Bundle: &bundle.Bundle{Spec: &specs.Spec{Mounts: []specs.Mount{mount}}}}
			r.SubPaths = []bundle.SubPath{{Volume: test.volume, Path: test.path}}
			found, err := r.openSubPath(0, volume)
			if err == nil {
				found.Close()
			}
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
			_, err = os.Lstat(filepath.Join(volume, "new"))
			if made := !errors.Is(err, fs.ErrNotExist); made != test.made {
				t.Errorf("made: %v, want %v", made, test.made)
			}
		})
	}
}

// TestAVolumeOfWhichAPartIsMounted has a volume filled that someone mounts a part of already.
func TestAVolumeOfWhichAPartIsMounted(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	for name, test := range map[string]struct {
		noted string
		has   []string // of the volume, before
		want  string
	}{
		"empty":                         {"", nil, "a b"},
		"a part":                        {"part\n", []string{"part"}, "a b part"},
		"a part that the image has too": {"a\n", []string{"a/mine"}, "a a/mine b"},
		"a fill that was interrupted":   {"part\na\nb\n", []string{"part", "a/x"}, "a a/x b part"},
		"files of another container":    {"part\n", []string{"part", "other"}, "other part"},
	} {
		volume, rootfs := filepath.Join(bundle.VolumesDir, "site"), t.TempDir()
		err := errors.Join(os.RemoveAll(bundle.VolumesDir), os.MkdirAll(volume, 0o700), os.MkdirAll(rootfs+"/data/a", 0o755), os.MkdirAll(rootfs+"/data/b", 0o755),
			os.WriteFile(bundle.FreshVolume("site"), []byte(test.noted), 0o600))
		for _, dir := range test.has {
			err = errors.Join(err, os.MkdirAll(filepath.Join(volume, dir), 0o755))
		}
		r := &Root{Path: rootfs, Bundle: &bundle.Bundle{}}
		if err := errors.Join(err, r.fill(volume, "/data")); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		err = filepath.WalkDir(volume, func(path string, _ fs.DirEntry, err error) error {
			if path != volume {
				got = append(got, strings.TrimPrefix(path, volume+"/"))
			}
			return err
		})
		if is := strings.Join(got, " "); err != nil || is != test.want {
			t.Errorf("%s: the volume has %q, %v, want %q", name, is, err, test.want)
		}
		if left, err := os.ReadDir(bundle.VolumesDir); err != nil || len(left) != 1 {
			t.Errorf("%s: left beside the volume: %v, %v", name, left, err)
		}
	}
}
