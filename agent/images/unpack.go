package images

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"go.podman.io/storage"
	"go.podman.io/storage/pkg/reexec"
	"golang.org/x/sys/unix"
)

// A manifest states the size of layers while they are fetched, and nothing states their unpacked size: a few bytes may
// become any number. So the free space is watched while a layer is unpacked.

// unpacker is the name by which the storage library runs this program to unpack a layer, and fullStatus is how that process
// says that the disk is full (chrootarchive of go.podman.io/storage).
const (
	unpacker   = "storage-untar"
	fullStatus = 2
)

// lookEvery is the time between two looks at the free space. The bytes that the fastest disk takes in that time are a small part of
// minFree.
const lookEvery = 10 * time.Millisecond

// Init does the work for which the storage library runs this program, and reports whether there was any. It must be the first
// call of main, which must return then.
//
// The process that unpacks a layer ends itself when too little room is left: the bytes that the library has read of a layer and not
// unpacked yet may become more than a disk has.
func Init() bool {
	if os.Args[0] == unpacker {
		// Opened now: the process is about to change its root.
		if target, err := os.OpenFile(os.Args[len(os.Args)-1], unix.O_PATH, 0); err == nil {
			go endWhenFull(target)
		}
	}
	return reexec.Init()
}

// endWhenFull ends this process when a file system has too little room.
func endWhenFull(target *os.File) {
	for {
		if left, err := roomOf(target); err == nil && left.isFull() {
			os.Exit(fullStatus)
		}
		time.Sleep(lookEvery)
	}
}

// pulled is the storage for one pull: it watches the free space, and knows which layers are the pull's.
type pulled struct {
	storage.Store
	mu     sync.Mutex
	layers []string
}

// PutLayer implements [storage.Store].
func (p *pulled) PutLayer(id, parent string, names []string, mountLabel string, writeable bool, options *storage.LayerOptions, diff io.Reader) (*storage.Layer, int64, error) {
	root, packed := p.GraphRoot(), diff
	if diff != nil {
		diff = &whileRoom{from: diff, root: root}
	}
	layer, size, err := p.Store.PutLayer(id, parent, names, mountLabel, writeable, options, diff)
	err = withLink(err, packed)
	if errors.Is(err, unix.ENOSPC) {
		err = errNoRoom{fmt.Sprintf("the image unpacks to more than there is room for in %s, where %d MiB stay free: use a smaller image, or make room, for example with podman image prune", root, minFree>>20)}
	}
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.layers = append(p.layers, layer.ID)
	}
	return layer, size, err
}

// discard removes the layers again, the topmost first. One that another image uses by now stays.
func (p *pulled) discard() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range slices.Backward(p.layers) {
		_ = p.DeleteLayer(id)
	}
}

// whileRoom reads until there is too little room: the library reads on to the end of a layer after the process that
// unpacks it has ended.
type whileRoom struct {
	from   io.Reader
	root   string
	looked time.Time
}

// Read implements [io.Reader].
func (w *whileRoom) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(w.looked) >= lookEvery {
		w.looked = now
		left, err := roomAt(w.root)
		if err == nil && left.isFull() {
			err = errNoRoom{"too little room is left in " + w.root}
		}
		if err != nil {
			return 0, err
		}
	}
	return w.from.Read(p)
}
