// Package agent is the node: it reads the actual state, has the core decide, and carries the plan out. The command line and the
// long-running agent share it.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"time"

	"go.podman.io/common/pkg/seccomp"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bundles"
	"github.com/davit-project/davit/agent/cdi"
	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/facts"
	"github.com/davit-project/davit/agent/fetch"
	"github.com/davit-project/davit/agent/generations"
	"github.com/davit-project/davit/agent/images"
	"github.com/davit-project/davit/agent/networks"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/fleet"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/systemd"
)

// Node is the machine davit runs on.
type Node struct {
	Systemd *systemd.Manager
	images  *images.Store
	// fetcher asks registries and pulls; passes do not wait for it.
	fetcher  *fetch.Fetcher
	cleanUps cleanUps
	damage   damage
	repairs  repairQueue
	// unchecked is why running containers cannot be checked; nil if they can.
	unchecked error
	facts     resolve.Node
	plugins   []string
	files     systemd.Files
	bundles   bundles.Cache
	known     stateCache
	ranges    networks.RangeWatch
	// Refresh renders all objects in the present way, also those that another davit has rendered and that still work.
	Refresh bool
	// queued are the units that have a job of systemd which nothing precedes, and do not start yet, and since when.
	queued map[string]time.Time
	// shadowed are the units that systemd reads, or has read, from a file that davit did not write.
	shadowed map[string]string
	// last is the last input of the resolver with its result: most of the time nothing has changed since.
	last struct {
		set      *manifests.Set // asks for
		images   []reconcile.ImageRequest
		runtimes []string
		bridges  []string
		devices  []string

		input    resolve.Input
		desired  reconcile.Desired
		resolved resolve.Memory

		inputs map[string]string // inputs of the objects on the disk; nil if not read

		digestOf *manifests.Set
		digest   string
	}

	generations generations.Store
	keep        int   // how many of them
	keepBytes   int64 // how much the images may take that only earlier ones need
}

// Configure applies the node's configuration.
func (n *Node) Configure(config fleet.Config) {
	n.keep = cmp.Or(config.Generations, generations.DefaultKeep)
	n.keepBytes = cmp.Or(config.GenerationsSize, generations.DefaultKeepBytes)
	n.facts.MinReadySeconds, n.facts.Proxy = config.MinReadySeconds, resolve.Proxy(config.Proxy)
	n.images.UseProxy(config.Proxy.HTTP, config.Proxy.HTTPS, config.Proxy.No)
}

// How patient a Node is with registries, for the agent, for a command that changes the node, and for one
// that looks at it.
var (
	// ForAgent: a task is tried until it succeeds.
	ForAgent = fetch.Options{}
	// ForChange: a person sees the failure, and calls it again.
	ForChange = fetch.Options{Tries: 4, FirstRetry: time.Second, LastRetry: 30 * time.Second}
	// ForLook: a person waits for a command that changes nothing.
	ForLook = fetch.Options{Tries: 1, Patience: 5 * time.Second}
)

// Open connects to systemd. patience says how registries are asked.
func Open(ctx context.Context, patience fetch.Options) (*Node, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("davit needs root to manage units, networks and images: try sudo")
	}
	launcher, err := Launcher()
	if err != nil {
		return nil, err
	}
	root, err := images.Root()
	if err != nil {
		return nil, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	systemd, err := systemd.Connect(ctx)
	if err != nil {
		return nil, err
	}
	version, err := systemd.Version(ctx)
	if err != nil {
		systemd.Close()
		return nil, err
	}
	store := images.New()
	n := &Node{
		Systemd: systemd,
		images:  store,
		fetcher: fetch.New(store, patience),
		facts: resolve.Node{
			Launcher: launcher, StorageRoot: root, Architecture: runtime.GOARCH, Hostname: hostname, Systemd: version, Zone: time.Local,
			DefaultSeccomp:    seccomp.DefaultProfile(),
			RecursiveReadOnly: facts.RecursiveReadOnly(),
		},
		plugins: []string{bundle.UserPluginDir, filepath.Join(filepath.Dir(launcher), "cni")},
	}
	n.cleanUps.systemd, n.cleanUps.launcher = systemd, launcher
	n.repairs.systemd, n.repairs.launcher = systemd, launcher
	n.Configure(fleet.Config{})
	return n, nil
}

// Close ends the connections.
func (n *Node) Close() error {
	n.cleanUps.wait()
	n.repairs.close()
	n.Systemd.Close()
	n.fetcher.Close()
	return errors.Join(n.ranges.Close(), n.images.Close())
}

// Launcher is the path of davit-run: where davit is PREFIX/bin/davit, it is
// PREFIX/libexec/davit/davit-run.
func Launcher() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find davit-run: %w", err)
	}
	path := filepath.Join(filepath.Dir(filepath.Dir(self)), "libexec", "davit", "davit-run")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find davit-run: %w: install davit with make install", err)
	}
	return path, nil
}

// lockCheck is how often one who waits for the lock tries to take it.
const lockCheck = 100 * time.Millisecond

// lockPatience is how long one waits for the lock before that is worth a word: a pass takes less.
const lockPatience = time.Second

// Lock keeps two davits from changing the node at once. If another one holds the lock, Lock waits for it until the context ends,
// and calls waiting with its name if that takes long. waited reports that the other one may have changed the node in the
// meantime. Files of a newer davit are not touched.
func Lock(ctx context.Context, waiting func(holder string)) (unlock func(), waited bool, err error) {
	const path, holderPath = bundle.RunDir + "/lock", bundle.RunDir + "/lock-holder"
	holder, began := "another davit", time.Now()
	for reported := ""; ; waited = true {
		unlock, err = disk.Lock(path, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		text, _ := os.ReadFile(holderPath) // for people only
		if holder = cmp.Or(string(text), holder); holder != reported && time.Since(began) > lockPatience {
			reported = holder
			waiting(holder)
		}
		select {
		case <-time.After(lockCheck):
		case <-ctx.Done():
			return nil, true, fmt.Errorf("wait for %s: %w", holder, context.Cause(ctx))
		}
	}
	if err != nil {
		return nil, waited, err
	}
	self := fmt.Sprintf("davit %s, process %d", strings.Join(os.Args[1:], " "), os.Getpid())
	_ = os.WriteFile(holderPath, []byte(self), 0o600) // for people only
	if err := claimState(); err != nil {
		unlock()
		return nil, waited, err
	}
	return unlock, waited, nil
}

// Plan computes the changes. It does not touch the node.
func (n *Node) Plan(ctx context.Context, set *manifests.Set, guard Guard) (reconcile.Plan, error) {
	n.AskRegistries(ctx, set)
	v, err := n.look(ctx, set)
	if err != nil {
		return reconcile.Plan{}, err
	}
	return n.planFor(v, guard, true)
}

// AskRegistries waits for the answers about the images of the manifests, for as long as the node's
// patience lasts.
func (n *Node) AskRegistries(ctx context.Context, set *manifests.Set) {
	n.requests(set)
	n.fetcher.Resolve(n.last.images)
	n.fetcher.Settle(ctx)
}

// requests returns the images that the manifests request, computed again only if the manifests changed.
func (n *Node) requests(set *manifests.Set) {
	if n.last.set != set {
		n.last.set, n.last.images = set, resolve.Requests(set.Objects)
		n.last.runtimes, n.last.bridges = resolve.Runtimes(set.Objects), resolve.Bridges(set.Objects)
		n.last.devices = resolve.CDIDevices(set.Objects)
	}
}

// Resolve binds the objects to this node: images to digests, as far as those are known now, and networks
// to configurations.
func (n *Node) Resolve(set *manifests.Set) (reconcile.Desired, error) {
	nodeNetworks, err := networks.NodeNetworks()
	if err != nil {
		return reconcile.Desired{}, err
	}
	facts := n.facts
	if facts.SeccompProfiles, err = seccompProfiles(); err != nil {
		return reconcile.Desired{}, err
	}
	n.requests(set)
	facts.Runtimes = runtimes(n.last.runtimes)
	if facts.CDI, err = cdi.Find(n.last.devices, cdi.Dirs); err != nil {
		return reconcile.Desired{}, err
	}
	if facts.Devices, err = networks.Foreign(n.last.bridges); err != nil {
		return reconcile.Desired{}, err
	}
	if facts.Ranges, err = n.ranges.Ranges(); err != nil {
		return reconcile.Desired{}, err
	}
	inUse, err := n.portsInUse(set)
	if err != nil {
		return reconcile.Desired{}, err
	}
	input := resolve.Input{
		Objects:      set.Objects,
		HostPaths:    set.HostPaths,
		HostPorts:    set.HostPorts,
		InUse:        inUse,
		Images:       n.fetcher.Resolve(n.last.images),
		NodeNetworks: nodeNetworks,
		Node:         facts,
	}
	if n.last.input.Objects == nil || !reflect.DeepEqual(n.last.input, input) {
		n.last.input, n.last.desired = input, n.last.resolved.Resolve(input)
	}
	return n.last.desired, nil
}

// seccompDir is where the node's owner keeps seccomp profiles for containers.
const seccompDir = "/etc/davit/seccomp"

// maxSeccompDepth is how deep directories of profiles may lie in each other.
const maxSeccompDepth = 4

// seccompProfiles reads the profiles, by path below the directory. Links are not followed.
func seccompProfiles() (map[string][]byte, error) {
	profiles := map[string][]byte{}
	err := filepath.WalkDir(seccompDir, func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(strings.TrimPrefix(path, seccompDir), "/")
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case entry.IsDir() && strings.Count(name, "/") >= maxSeccompDepth:
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		profiles[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read seccomp profiles: %w", err)
	}
	return profiles, nil
}
