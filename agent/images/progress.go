package images

import (
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
)

const progressInterval = 500 * time.Millisecond

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

// report adds the library's reports of single layers up. The caller closes the channel
// and then calls wait.
func (s *Store) report(reference string) (events chan types.ProgressProperties, wait func()) {
	events = make(chan types.ProgressProperties)
	done := make(chan struct{})
	go func() {
		defer close(done)
		layers := map[digest.Digest]types.ProgressProperties{}
		for event := range events {
			layers[event.Artifact.Digest] = event
			s.progress(total(reference, layers))
		}
		last := total(reference, layers)
		last.Ended = true
		s.progress(last)
	}()
	return events, func() { <-done }
}

func total(reference string, layers map[digest.Digest]types.ProgressProperties) Progress {
	progress := Progress{Reference: reference, LayersSeen: len(layers)}
	for _, layer := range layers {
		switch layer.Event {
		case types.ProgressEventSkipped:
			progress.Layers++
			continue
		case types.ProgressEventDone:
			progress.Layers++
		}
		progress.Done += int64(layer.Offset)
		progress.Total += max(layer.Artifact.Size, int64(layer.Offset))
	}
	return progress
}
