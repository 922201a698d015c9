package generations

import (
	"slices"

	"github.com/davit-project/davit/reconcile/history"
)

// DefaultKeepBytes is the room that earlier generations may take by default.
const DefaultKeepBytes = 10 << 30

// Layers are the layers of an image, by name, and how much each takes in bytes, as far as that is known.
type Layers func(imageID string) map[string]int64

// Within is how many of the generations, the newest one first, can be kept beside one that needs the
// wanted images: at most so many, and so many that the further data they need takes no more than the bytes.
// The newest can always. Layers whose sizes are not known count as nothing.
func Within(kept []history.Generation, wanted []string, most int, bytes int64, layers Layers) int {
	var extra int64
	images, known := map[string]bool{}, map[string]bool{}
	add := func(ids []string, counts bool) {
		for _, id := range ids {
			if images[id] {
				continue
			}
			images[id] = true
			for layer, size := range layers(id) {
				if !known[layer] && counts {
					extra += size
				}
				known[layer] = true
			}
		}
	}
	most = min(most, len(kept))
	if !slices.ContainsFunc(kept[:most], func(g history.Generation) bool { return needsMore(g, wanted) }) {
		return most
	}
	add(wanted, false)
	for i, generation := range kept[:most] {
		add(generation.Images, true)
		if i > 0 && extra > bytes {
			return i
		}
	}
	return most
}

// needsMore reports whether a generation needs an image that is not wanted: only then its size counts.
func needsMore(generation history.Generation, wanted []string) bool {
	return slices.ContainsFunc(generation.Images, func(id string) bool { return !slices.Contains(wanted, id) })
}
