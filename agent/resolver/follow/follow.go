// Package follow keeps the /etc/resolv.conf of running containers like the node's while the agent runs: a node
// gets its name servers from DHCP after the first containers have started, or moves to another network.
package follow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/davit-project/davit/agent/resolver"
	"github.com/davit-project/davit/units/bundle"
)

// quiet is how long the node's file rests before it counts. Programs that write it in place empty it first.
const quiet = 200 * time.Millisecond

// Follower watches the node's file.
type Follower struct {
	log    *slog.Logger
	notify *fsnotify.Watcher
	again  chan struct{}
	counts map[string]bool // names whose change counts
	seen   map[string]part // by mode of the network
	unsure bool            // a container may have an older text than this
	warned map[string]bool
}

// part is the part of the node's file that containers get.
type part struct {
	text string
	err  string
}

// modes are those of networks that containers with a file of their own have.
var modes = []string{bundle.NetworkCNI, bundle.NetworkHost, bundle.NetworkNone}

// New makes a follower. [Follower.Run] begins to watch.
func New(log *slog.Logger) (*Follower, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", resolver.NodeFile, err)
	}
	return &Follower{log: log, notify: notify, again: make(chan struct{}, 1), warned: map[string]bool{}}, nil
}

// LookAgain has the follower look at the node's file: a change may be one that the kernel does not report, as a
// mount is. It may be called from anywhere and does not wait.
func (f *Follower) LookAgain() {
	select {
	case f.again <- struct{}{}:
	default:
	}
}

// Run follows until the context ends.
func (f *Follower) Run(ctx context.Context) {
	defer f.notify.Close()
	rested := time.NewTimer(0)
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-f.notify.Events:
			if f.counts[event.Name] {
				rested.Reset(quiet)
			}
		case <-f.notify.Errors: // anything may have changed
			rested.Reset(quiet)
		case <-f.again:
			rested.Reset(0)
		case <-rested.C:
			f.arm()
			f.look()
		}
	}
}

// arm watches the names that decide the node's file now.
func (f *Follower) arm() {
	f.counts = map[string]bool{}
	watched := map[string]bool{}
	for _, file := range append(filesOf(resolver.NodeFile), filesOf(resolver.ResolvedFile)...) {
		paths, name := toWatch(file)
		f.counts[name] = true
		for _, path := range paths {
			watched[path], f.counts[path] = true, true // a directory may be moved away
		}
	}
	for path := range watched {
		if err := f.notify.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.warn(fmt.Sprintf("changes of %s are seen only once a minute: watch %s: %v", resolver.NodeFile, path, err))
		}
	}
	for _, path := range f.notify.WatchList() {
		if !watched[path] {
			_ = f.notify.Remove(path) // it may be gone, and its watch with it
		}
	}
}

// look reads the node's file and rewrites those of containers where it has changed. It does so once more at the
// next look: a launcher may have read the older one just before, and written it since.
func (f *Follower) look() {
	now := map[string]part{}
	for _, mode := range modes {
		text, err := resolver.Node(mode)
		now[mode] = part{text: string(text)}
		if err != nil {
			now[mode] = part{text: string(text), err: err.Error()}
		}
	}
	changed := !reflect.DeepEqual(now, f.seen)
	if !changed && !f.unsure {
		return
	}
	if changed {
		clear(f.warned)
	}
	f.seen, f.unsure = now, changed
	if reason := now[bundle.NetworkCNI].err; reason != "" {
		f.warn("the node has no name server for containers: those that start look up no names but their neighbours': " + reason)
	}
	rewritten := 0
	for id, err := range f.rewriteAll() {
		if err != nil {
			f.unsure = true
			f.warn(fmt.Sprintf("%s keeps its name servers until its /etc/resolv.conf can be written: %v", id, err))
			continue
		}
		rewritten++
	}
	if rewritten > 0 {
		f.log.Info("running containers follow the node's name servers", "containers", rewritten)
	}
}

// warn logs a warning once for each state of the node's file.
func (f *Follower) warn(text string) {
	if !f.warned[text] {
		f.warned[text] = true
		f.log.Warn(text)
	}
}

// rewriteAll rewrites the files of running containers that are older than the node's. It returns those that it
// has rewritten, or could not.
func (f *Follower) rewriteAll() map[string]error {
	entries, err := os.ReadDir(bundle.AttachmentsDir)
	if err != nil {
		return nil // none has been started yet
	}
	outcome := map[string]error{}
	for _, entry := range entries {
		changed, err := f.rewrite(entry.Name())
		if changed || err != nil {
			outcome[entry.Name()] = err
		}
	}
	return outcome
}

// rewrite rewrites the file of one container. The older one stays where the node has none that is better.
func (f *Follower) rewrite(id string) (changed bool, err error) {
	text, err := os.ReadFile(filepath.Join(bundle.AttachmentsDir, id, bundle.ConfigFile))
	if err != nil {
		return false, nil // it is being started or cleaned up
	}
	b, err := bundle.Decode(text)
	if err != nil || b.Sandbox != "" || b.DNS.Only {
		return false, nil // half a record is that of a launcher which was killed
	}
	node := f.seen[b.Network.Mode]
	if !resolver.HasServer([]byte(node.text)) {
		return false, nil
	}
	return resolver.Replace(resolver.File(id), resolver.Text(b.DNS, []byte(node.text)))
}
