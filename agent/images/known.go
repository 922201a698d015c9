package images

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// cache has the last answers for [Store.Known]. While nothing changes, a call reads the state of
// one directory and the policy.
type cache struct {
	mu sync.Mutex

	dir     stamp
	files   map[string]file // by image id
	names   map[name]recorded
	policy  *signature.Policy
	allowed map[string]bool // references, by the policy

	requests []reconcile.ImageRequest
	answers  map[reconcile.ImageRequest]reconcile.Image
}

// stamp tells versions of a file apart. A record is replaced, never written to, so that each has its own.
type stamp struct {
	modified time.Time
	size     int64
	inode    uint64
}

// file is a record.
type file struct {
	stamp  stamp
	names  []bundle.RootfsName
	config recordedConfig
}

// name is the key of a record for a request.
type name struct{ reference, platform string }

// recorded is the image that has a name.
type recorded struct {
	id, digest string
	config     recordedConfig
}

// fresh is the age from which the time of a directory's last change tells changes apart: that time has the
// resolution of the kernel's clock tick, and a second change within one tick does not show.
const fresh = 100 * time.Millisecond

// Known answers those requests that davit's records alone answer: IfNotPresent, for a reference that was
// pulled before, with its registry in its name, and that the node's policy admits by its name. Neither a
// registry nor the storage is asked, and a record's layers are not looked at: if they are damaged, they
// are pulled again, by the same digest.
//
// The map is the same one as long as the answer is; it must not be changed, and neither must requests.
func (s *Store) Known(requests []reconcile.ImageRequest) map[reconcile.ImageRequest]reconcile.Image {
	c := &s.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, err := c.read(&s.records)
	if err != nil {
		return nil // resolving reports it
	}
	policy, err := signature.DefaultPolicy(&s.settings.system)
	if err != nil {
		return nil // and this
	}
	if !reflect.DeepEqual(c.policy, policy) {
		c.policy, c.allowed, changed = policy, map[string]bool{}, true
	}
	if !changed && c.answers != nil && slices.Equal(c.requests, requests) {
		return c.answers
	}
	c.requests, c.answers = requests, c.answer(requests, &s.settings.system)
	return c.answers
}

func (c *cache) answer(requests []reconcile.ImageRequest, system *types.SystemContext) map[reconcile.ImageRequest]reconcile.Image {
	answers := make(map[reconcile.ImageRequest]reconcile.Image, len(requests))
	policy, err := signature.NewPolicyContext(c.policy)
	if err != nil {
		return answers
	}
	defer policy.Destroy()
	for _, request := range requests {
		found, ok := c.names[name{request.Reference, request.Platform}]
		if !ok || request.PullPolicy != v1.PullIfNotPresent || !c.admits(policy, request.Reference, system) {
			continue
		}
		answers[request] = reconcile.Image{
			Image:   bundle.Image{Reference: request.Reference, Digest: found.digest, ID: found.id},
			Request: request,
			Config:  found.config.ImageConfig,
			Docker:  found.config.DockerConfig,
		}
	}
	return answers
}

// admits asks the policy about a reference that names its source: the image of a short name or of the storage
// may change while the policy does not.
func (c *cache) admits(policy *signature.PolicyContext, reference string, system *types.SystemContext) bool {
	if allowed, ok := c.allowed[reference]; ok {
		return allowed
	}
	source, err := parse(reference, system)
	short := source.registry != "" && !strings.HasPrefix(strings.TrimPrefix(reference, "docker://"), source.registry+"/")
	if err != nil || source.onlyHere() || short {
		return false
	}
	allowed, err := policy.IsRunningImageAllowed(context.Background(), nameOnly{source.ref})
	c.allowed[reference] = allowed && err == nil
	return c.allowed[reference]
}

// read brings the records that it has up to date, and reports whether any changed.
func (c *cache) read(r *records) (changed bool, err error) {
	info, err := os.Stat(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		changed = c.files == nil || len(c.files) > 0
		c.dir, c.files, c.names = stamp{}, map[string]file{}, nil
		return changed, nil
	}
	if err != nil {
		return false, err
	}
	dir := stampOf(info)
	if c.files != nil && dir == c.dir {
		return false, nil
	}
	ids, err := r.ids()
	if err != nil {
		return false, err
	}
	files := make(map[string]file, len(ids))
	for _, id := range ids {
		old, had := c.files[id]
		found, ok := readFile(r, id, old)
		if ok {
			files[id] = found
		}
		changed = changed || had != ok || found.stamp != old.stamp
	}
	changed = changed || len(files) != len(c.files) || c.files == nil
	c.files, c.dir = files, dir
	if time.Since(dir.modified) < fresh {
		c.dir = stamp{} // it is read once more
	}
	if changed {
		c.index()
	}
	return changed, nil
}

// readFile reads a record, unless it is the one that was read before. One that does not decode counts as
// not there.
func readFile(r *records, id string, old file) (file, bool) {
	info, err := os.Lstat(r.path(id))
	if err != nil {
		return file{}, false
	}
	now := stampOf(info)
	if now == old.stamp {
		return old, true
	}
	record, err := r.read(id)
	if err != nil {
		return file{}, false
	}
	found := file{stamp: now, names: record.Names}
	if err := json.Unmarshal(record.Config, &found.config); err != nil {
		return file{}, false
	}
	return found, true
}

// index finds the image of each name.
func (c *cache) index() {
	c.names = make(map[name]recorded, len(c.files))
	for id, file := range c.files {
		for _, n := range file.names {
			c.names[name{n.Reference, n.Platform}] = recorded{id, n.Digest, file.config}
		}
	}
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{modified: info.ModTime(), size: info.Size()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = stat.Ino
	}
	return s
}
