package images

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/reconcile"
)

// patient is a storage that the tests damage: one image that davit pulled is mounted like that of a running
// container, another image belongs to another tool, which has a container of it.
type patient struct {
	*Store
	t        *testing.T
	registry *fakeRegistry
	root     string // the storage's
	app      reconcile.Image
	base     ggcr.Image
	foreign  reconcile.Image
	// merged is the mount point of the first image, content the files expected there.
	merged, content string
	pulls           int
	// lenient is set where earlier damage may have left nothing to damage.
	lenient bool
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	p := &patient{Store: newRootNode(t), t: t, registry: newRegistry(t), base: newImage(t, "amd64", 3)}
	p.foreign = pull(t, p.Store, always(p.registry.push(t, "foreign:1", newImage(t, "amd64", 2))))
	p.app = pull(t, p.Store, ifNotPresent(p.registry.push(t, "app:1", p.base)))
	forget(t, p.Store, p.foreign.ID)
	store, err := p.storage()
	if err != nil {
		t.Fatal(err)
	}
	p.root = store.GraphRoot()
	if _, err := store.CreateContainer("", []string{"of-another-tool"}, p.foreign.ID, "", "its own", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.storage(); err != nil { // which copies the indexes, as any use does
		t.Fatal(err)
	}
	p.mount()
	return p
}

// mount mounts as the launcher does.
func (p *patient) mount() {
	p.t.Helper()
	record, err := p.records.read(p.app.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	var lower []string
	for _, dir := range record.Lower {
		lower = append(lower, filepath.Join(record.Base, dir))
	}
	p.merged = p.t.TempDir()
	if err := unix.Mount("overlay", p.merged, "overlay", unix.MS_RDONLY, "lowerdir="+strings.Join(lower, ":")); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = unix.Unmount(p.merged, unix.MNT_DETACH) })
	p.content = hashTree(p.t, p.merged)
}

func hashTree(t *testing.T, dir string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(sum, "%s %d %x\n", path, len(text), sha256.Sum256(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// restart has everything after it seen by a process that has not opened the storage yet: the library keeps
// one storage a process for each pair of directories.
func (p *patient) restart() {
	options, err := p.settings.storage()
	if err != nil {
		p.t.Fatal(err)
	}
	options.RunRoot = filepath.Join(p.t.TempDir(), "run")
	settings := p.settings
	settings.storage = func() (storage.StoreOptions, error) { return options, nil }
	p.Store = newStore(settings)
	p.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			p.t.Error(err)
		}
	})
}

// wantHealthy checks that the node can go on: another image that shares layers is pulled, damaged parts of
// the first one is pulled again, and sizes are no reason to fail.
func (p *patient) wantHealthy() {
	p.t.Helper()
	if _, err := p.Layers(p.app.ID); err != nil {
		p.t.Errorf("sizes of layers: %v", err)
	}
	layer, err := random.Layer(1024, "application/vnd.docker.image.rootfs.diff.tar.gzip")
	if err != nil {
		p.t.Fatal(err)
	}
	derived, err := mutate.AppendLayers(p.base, layer)
	if err != nil {
		p.t.Fatal(err)
	}
	p.pulls++
	another := pull(p.t, p.Store, ifNotPresent(p.registry.push(p.t, fmt.Sprintf("derived:%d", p.pulls), derived)))
	if again := pull(p.t, p.Store, p.app.Request); again.Key() != p.app.Key() {
		p.t.Errorf("got %s, want %s", again.Key(), p.app.Key())
	}
	for _, image := range []reconcile.Image{p.app, another} {
		if len(p.keys(p.t, image.ID)) == 0 {
			p.t.Errorf("image %s does not count as present", image.Reference)
		}
	}
	// Without the records, all of it is read back.
	for _, image := range []reconcile.Image{p.app, another} {
		if err := p.records.remove(image.ID); err != nil {
			p.t.Fatal(err)
		}
	}
	for _, image := range []reconcile.Image{p.app, another} {
		if err := p.EnsureImage(p.t.Context(), image, func(Progress) {}); err != nil {
			p.t.Fatal(err)
		}
		p.wantIntact(image)
	}
}

// wantIntact reads all of an image back.
func (p *patient) wantIntact(image reconcile.Image) {
	p.t.Helper()
	store, err := p.storage()
	if err != nil {
		p.t.Fatal(err)
	}
	stored, err := store.Image(image.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := checkData(store, stored); err != nil {
		p.t.Error(err)
	}
	layers, err := chain(store, stored)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, layer := range layers {
		if err := readBack(p.t.Context(), store, layer); err != nil {
			p.t.Error(err)
		}
	}
	if _, err := store.Container(pinName(image.ID)); err != nil {
		p.t.Errorf("image %s is not pinned: %v", image.Reference, err)
	}
}

func (p *patient) wantUndisturbed() {
	p.t.Helper()
	if got := hashTree(p.t, p.merged); got != p.content {
		p.t.Error("the container that runs sees other files")
	}
}

// wantForeign checks that the data of another tool is unchanged.
func (p *patient) wantForeign() {
	p.t.Helper()
	store, err := p.storage()
	if err != nil {
		p.t.Fatal(err)
	}
	if stored, err := store.Image(p.foreign.Reference); err != nil || stored.ID != p.foreign.ID {
		p.t.Errorf("the image of another tool is lost: %v", err)
	}
	if container, err := store.Container("of-another-tool"); err != nil || container.Metadata != "its own" {
		p.t.Errorf("the container of another tool is lost: %v", err)
	}
}

// damages are ways to damage a file.
var damages = map[string]func(path string) error{
	"empty": func(path string) error { return os.Truncate(path, 0) },
	"cut": func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, info.Size()/2)
	},
	"garbage": func(path string) error { return os.WriteFile(path, []byte("\x00garbage[{"), 0o600) },
	"gone":    os.Remove,
	"a directory": func(path string) error {
		return errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Join(path, "with", "something"), 0o700))
	},
}

// each damages files, by pattern below the storage's root, in each way.
func each(files []string, into map[string]func(p *patient)) {
	for _, file := range files {
		for name, damage := range damages {
			into[file+" "+name] = func(p *patient) {
				found, err := filepath.Glob(filepath.Join(p.root, file))
				if err != nil || len(found) == 0 && !p.lenient {
					p.t.Fatalf("no %s (%v)", file, err)
				}
				for _, path := range found {
					if err := damage(path); err != nil && !p.lenient {
						p.t.Fatal(err)
					}
				}
			}
		}
	}
}

// harmless is damage after which nothing but a file of the library is missing.
func harmless() map[string]func(p *patient) {
	all := map[string]func(p *patient){}
	each([]string{
		"overlay-layers/layers.json", "overlay-images/images.json", "overlay-containers/containers.json",
		"storage.lock", "userns.lock", "overlay-layers/layers.lock", "overlay-images/images.lock", "overlay-containers/containers.lock",
		"overlay/*/link", "overlay/*/lower", "overlay/*/lower-layers",
		"overlay-images/*/manifest", "overlay-images/*/=*", "overlay-layers/*.tar-split.gz",
		"../images/*.json", "../images/.indexes/*",
	}, all)
	all["indexes that hold null"] = func(p *patient) {
		for _, k := range kinds {
			write(p.t, filepath.Join(p.root, k.file), "[null]")
		}
	}
	all["all indexes of other tools emptied and written again"] = func(p *patient) {
		for _, k := range kinds {
			write(p.t, filepath.Join(p.root, k.file), "[]")
		}
	}
	all["volatile indexes garbage"] = func(p *patient) {
		write(p.t, filepath.Join(p.root, layerKind.volatile), "{")
		write(p.t, filepath.Join(p.root, containerKind.volatile), "")
	}
	all["mount counts garbage"] = func(p *patient) {
		options, _ := p.settings.storage()
		dir := filepath.Join(options.RunRoot, driver+"-layers")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			p.t.Fatal(err)
		}
		write(p.t, filepath.Join(dir, "mountpoints.json"), "[{")
		p.t.Cleanup(func() { _ = os.RemoveAll(dir) }) // for the first process, which closes it
	}
	all["the links"] = func(p *patient) {
		if err := os.RemoveAll(filepath.Join(p.root, driver, linksDir)); err != nil {
			p.t.Fatal(err)
		}
	}
	all["a file for the links"] = func(p *patient) {
		if err := os.RemoveAll(filepath.Join(p.root, driver, linksDir)); err != nil {
			p.t.Fatal(err)
		}
		write(p.t, filepath.Join(p.root, driver, linksDir), "")
	}
	all["the links and the files that name them"] = func(p *patient) {
		files, _ := filepath.Glob(filepath.Join(p.root, driver, "*", linkFile))
		for _, file := range append(files, filepath.Join(p.root, driver, linksDir)) {
			if err := os.RemoveAll(file); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	all["the image's files"] = func(p *patient) {
		if err := os.RemoveAll(filepath.Join(p.root, driver+"-images", p.app.ID)); err != nil {
			p.t.Fatal(err)
		}
	}
	return all
}

// fault: a file of the image storage is damaged or gone
func TestDamagedFilesOfTheStorageStopNothing(t *testing.T) {
	all := harmless()
	for i, name := range slices.Sorted(maps.Keys(all)) {
		damage := all[name]
		for j, restarted := range []bool{false, true} {
			if testing.Short() && (i+j)%9 > 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s, restarted %t", name, restarted), func(t *testing.T) {
				t.Parallel()
				p := newPatient(t)
				damage(p)
				if restarted {
					p.restart()
				}
				p.wantHealthy()
				p.wantUndisturbed()
				if !strings.HasPrefix(name, "overlay-images/*/") { // davit does not pull images of other tools again
					p.wantForeign()
				}
			})
		}
	}
}

// fault: a file of the image storage is damaged or gone
func TestDamageAccumulates(t *testing.T) {
	p := newPatient(t)
	p.lenient = true
	all := harmless()
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(name, "overlay-images/*/") {
			continue // another tool's image would be lost, too
		}
		for range 2 {
			all[name](p)
		}
		if strings.HasPrefix(name, "../images/") { // an index that is lost with its copy is lost for other tools
			if _, err := p.storage(); err != nil {
				t.Fatal(err)
			}
		}
		if i%5 != 0 || testing.Short() && i%20 != 0 {
			continue // with the next ones
		}
		p.wantHealthy()
		p.wantUndisturbed()
		if t.Failed() {
			t.Fatalf("after %s", name)
		}
	}
	p.restart()
	p.wantHealthy()
	p.wantUndisturbed()
	p.wantForeign()
	files, err := readNames(filepath.Join(p.root, asideFiles))
	if err != nil || len(files) > maxAside {
		t.Errorf("%d damaged files are kept (%v), want at most %d", len(files), err, maxAside)
	}
}

// fault: an index of the image storage is lost with its copy | pulled again; nothing that runs is disturbed
func TestIndexesWithoutACopyArePulledAgain(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			if err := os.RemoveAll(filepath.Join(p.settings.records, ".indexes")); err != nil {
				t.Fatal(err)
			}
			for _, k := range kinds {
				if err := damage(filepath.Join(p.root, k.file)); err != nil {
					t.Fatal(err)
				}
			}
			p.restart()
			if _, err := p.storage(); err != nil {
				t.Fatal(err)
			}
			if len(p.keys(t, p.app.ID)) > 0 {
				t.Error("an image that the storage does not know counts as present")
			}
			pull(t, p.Store, p.app.Request)
			if len(p.keys(t, p.app.ID)) != 1 {
				t.Error("the image is not there again")
			}
			p.wantUndisturbed()
			p.wantIntact(p.app)
		})
	}
}

// fault: a layer of a running container is emptied or gone
func TestDamagedLayersArePulledAgain(t *testing.T) {
	for name, damage := range map[string]func(p *patient, diff string) error{
		"emptied": func(p *patient, diff string) error {
			return exec.Command("find", diff, "-mindepth", "1", "-delete").Run()
		},
		"its content gone": func(_ *patient, diff string) error { return os.RemoveAll(diff) },
		"gone":             func(_ *patient, diff string) error { return os.RemoveAll(filepath.Dir(diff)) },
		"another one's": func(_ *patient, diff string) error {
			return errors.Join(os.RemoveAll(diff), os.MkdirAll(filepath.Join(diff, "etc"), 0o700))
		},
		"a file": func(_ *patient, diff string) error {
			return errors.Join(os.RemoveAll(diff), os.WriteFile(diff, nil, 0o600))
		},
	} {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarted %t", name, restarted), func(t *testing.T) {
				t.Parallel()
				p := newPatient(t)
				if err := damage(p, lowerOf(t, p.Store, p.app.ID)); err != nil {
					t.Fatal(err)
				}
				if len(p.keys(t, p.app.ID)) > 0 {
					t.Error("a damaged image counts as whole")
				}
				if restarted {
					p.restart()
				}
				p.wantHealthy()
				p.wantForeign()
			})
		}
	}
}

// fault: a layer of a running container is emptied or gone
func TestADamagedLayerStaysWhileItIsMounted(t *testing.T) {
	p := newPatient(t)
	diff := lowerOf(t, p.Store, p.app.ID)
	emptyFiles(t, diff)
	write(t, filepath.Join(diff, "new"), "unexpected")
	content := hashTree(t, p.merged)
	p.wantHealthy()
	if got := hashTree(t, p.merged); got != content {
		t.Error("the container that runs sees other files")
	}
	aside, err := readNames(filepath.Join(p.root, asideLayers))
	if err != nil || len(aside) == 0 {
		t.Fatalf("no layer was moved aside (%v)", err)
	}
	if err := unix.Unmount(p.merged, 0); err != nil {
		t.Fatal(err)
	}
	p.wantHealthy()
	if aside, _ := readNames(filepath.Join(p.root, asideLayers)); len(aside) > 0 {
		t.Errorf("%q are still there when nothing has them mounted", aside)
	}
}

// fault: a layer of an image is damaged, or removed behind davit's back
func TestARecordThatIsNotWholeIsReadBack(t *testing.T) {
	p := newPatient(t)
	emptyFiles(t, lowerOf(t, p.Store, p.app.ID))
	if err := os.Remove(p.records.path(p.app.ID)); err != nil {
		t.Fatal(err)
	}
	p.wantHealthy()
}

// fault: the image storage is removed while containers run
func TestTheWholeStorageIsPulledAgain(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarted %t", restarted), func(t *testing.T) {
			p := newPatient(t)
			for range 2 {
				if err := os.RemoveAll(p.root); err != nil {
					t.Fatal(err)
				}
				if restarted {
					p.restart()
				}
				p.wantHealthy()
			}
		})
	}
}

// fault: a process that has locked the image storage is killed | its locks end with it
func TestLocksOfAKilledProcessEndWithIt(t *testing.T) {
	p := newPatient(t)
	holder := exec.Command("python3", "-c", `
import fcntl, sys, time
held = [open(f, "r+") for f in sys.argv[1:]]
for f in held: fcntl.lockf(f, fcntl.LOCK_EX); fcntl.flock(f, fcntl.LOCK_EX)
print("held", flush=True); time.sleep(600)`,
		filepath.Join(p.root, "storage.lock"), filepath.Join(p.root, layerKind.lockFile()), filepath.Join(p.root, imageKind.lockFile()))
	output, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Skip(err)
	}
	if _, err := output.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, func() { _ = holder.Process.Kill() })
	p.wantHealthy()
	_ = holder.Wait()
}
