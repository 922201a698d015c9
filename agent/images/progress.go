package images

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
)

// Progress is how far one pull is.
type Progress struct {
	// Reference is the image.
	Reference string
	// Done and Total are bytes of the layers seen so far; layers that are on the node
	// already count for nothing.
	Done, Total int64
	// Layers is how many layers are done, of LayersSeen.
	Layers, LayersSeen int
	// Ended is set with the last report of a pull, whether it succeeded or not.
	Ended bool
}

// transfer follows the library's reports about single layers, the configuration among
// them, and ends a context when too little comes.
type transfer struct {
	reference string
	settings  settings
	progress  func(Progress)
	events    chan types.ProgressProperties
	layers    map[digest.Digest]types.ProgressProperties
	// room looks at the file system on which layers lie while they are fetched.
	room func() (room, error)
	// densities are those of the layers that arrive.
	densities densities

	reported time.Time // the last progress
	looked   time.Time // at the room
	window   *window
}

func newTransfer(reference string, settings settings, progress func(Progress)) *transfer {
	return &transfer{
		reference: reference,
		settings:  settings,
		progress:  progress,
		events:    make(chan types.ProgressProperties),
		layers:    map[digest.Digest]types.ProgressProperties{},
	}
}

// follow reports until events is closed. It calls stop when nothing comes for as long as stallTimeout, or
// less than minBytes within rateWindow, although something is being fetched, and when more comes than there should or there
// is room for.
func (t *transfer) follow(stop context.CancelCauseFunc) {
	quiet := time.NewTimer(t.settings.stallTimeout)
	defer quiet.Stop()
	rate := time.NewTicker(max(t.settings.rateWindow/8, time.Millisecond))
	defer rate.Stop()
	for {
		select {
		case event, ok := <-t.events:
			if !ok {
				return
			}
			t.note(event)
			if err := t.checkSize(event, time.Now()); err != nil {
				stop(err)
			}
			quiet.Reset(t.settings.stallTimeout)
		case <-rate.C:
			if t.tooSlow(time.Now()) {
				stop(fmt.Errorf("%w: less than %d KiB arrived within %s", errSlow, t.settings.minBytes>>10, t.settings.rateWindow))
			}
		case <-quiet.C:
			if len(t.layers) == 0 || t.fetching() {
				stop(fmt.Errorf("%w for %s", errStalled, t.settings.stallTimeout))
			}
		}
	}
}

// note takes a report in, and passes progress on, but not with each read.
func (t *transfer) note(event types.ProgressProperties) {
	t.layers[event.Artifact.Digest] = event
	if now := time.Now(); event.Event != types.ProgressEventRead || now.Sub(t.reported) >= t.settings.progressInterval {
		t.reported = now
		t.progress(t.sum())
	}
}

// checkSize refuses a layer that is larger than its manifest states, or unpacks to far more than it is, and one that leaves too
// little room.
func (t *transfer) checkSize(event types.ProgressProperties, now time.Time) error {
	if stated := event.Artifact.Size; stated >= 0 && event.Offset > uint64(stated) && !hasEnded(event) {
		return fmt.Errorf("%w: more arrives than the %d bytes that the manifest states for %s", errTooLarge, stated, event.Artifact.Digest)
	}
	if now.Sub(t.looked) < lookEvery {
		return nil
	}
	t.looked = now
	if err := t.densities.check(); errors.Is(err, errTooLarge) {
		return err
	}
	left, err := t.room()
	if err != nil || !left.isShort() {
		return nil // an unknown amount is no reason to end a pull: a disk that is full ends it
	}
	return errNoRoom{fmt.Sprintf("only %d MiB are left where layers lie while they are fetched: make room on that file system", left.bytes>>20)}
}

// end reports the end of the transfer.
func (t *transfer) end() {
	last := t.sum()
	last.Ended = true
	t.progress(last)
}

// window is a time during which something is being fetched without a break.
type window struct {
	began time.Time
	done  int64 // bytes at its beginning
	ended int   // layers at its beginning
}

// tooSlow reports whether too few bytes came since the window began. The end of a layer is enough:
// many small ones are no sign of a slow line.
func (t *transfer) tooSlow(now time.Time) bool {
	if !t.fetching() {
		t.window = nil
		return false
	}
	sum := t.sum()
	if t.window == nil || sum.Layers > t.window.ended || sum.Done-t.window.done >= t.settings.minBytes {
		t.window = &window{now, sum.Done, sum.Layers}
	}
	return now.Sub(t.window.began) >= t.settings.rateWindow
}

// fetching reports whether something is to come from the source. Otherwise the storage is at work, and a
// slow disk is no reason to give up: a layer of which all bytes have arrived is being unpacked.
func (t *transfer) fetching() bool {
	for _, layer := range t.layers {
		if !hasEnded(layer) && int64(layer.Offset) < layer.Artifact.Size {
			return true
		}
	}
	return false
}

func hasEnded(layer types.ProgressProperties) bool {
	return layer.Event == types.ProgressEventDone || layer.Event == types.ProgressEventSkipped
}

func (t *transfer) sum() Progress {
	sum := Progress{Reference: t.reference, LayersSeen: len(t.layers)}
	for _, layer := range t.layers {
		if hasEnded(layer) {
			sum.Layers++
		}
		if layer.Event == types.ProgressEventSkipped {
			continue
		}
		sum.Done += int64(layer.Offset)
		sum.Total += max(layer.Artifact.Size, int64(layer.Offset))
	}
	return sum
}
