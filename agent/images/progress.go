package images

import (
	"context"
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
	// Ended is set with the last report of a pull, whatever became of it.
	Ended bool
}

// transfer follows the library's reports about single layers, the configuration among
// them, and ends a context when they cease.
type transfer struct {
	reference string
	events    chan types.ProgressProperties
	layers    map[digest.Digest]types.ProgressProperties
}

func newTransfer(reference string) *transfer {
	return &transfer{
		reference: reference,
		events:    make(chan types.ProgressProperties),
		layers:    map[digest.Digest]types.ProgressProperties{},
	}
}

// follow reports until events is closed. When nothing moves for as long as stall although
// something is being fetched, it calls stop.
func (t *transfer) follow(progress func(Progress), stall time.Duration, stop context.CancelCauseFunc) {
	quiet := time.NewTimer(stall)
	defer quiet.Stop()
	for {
		select {
		case event, ok := <-t.events:
			if !ok {
				return
			}
			t.layers[event.Artifact.Digest] = event
			progress(t.sum())
			quiet.Reset(stall)
		case <-quiet.C:
			if t.fetching() {
				stop(errStalled)
			}
		}
	}
}

// fetching tells that something is to come from the source; otherwise the storage is at
// work, and a slow disk is no reason to give up.
func (t *transfer) fetching() bool {
	for _, layer := range t.layers {
		if !hasEnded(layer) {
			return true
		}
	}
	return len(t.layers) == 0
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
