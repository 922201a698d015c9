package generations

import (
	"slices"

	"github.com/davit-project/davit/reconcile"
)

// DefaultKeepBytes is how much earlier generations may take where nobody says.
const DefaultKeepBytes = 10 << 30

// Layers are the layers of an image, by name, and how much each takes in bytes.
type Layers func(imageID string) (map[string]int64, error)

// Within is how many of the generations, the newest one first, can be kept beside one that needs the
// wanted images: at most so many, and so many that what they need more takes no more than the bytes.
// The newest can always.
func Within(kept []reconcile.Generation, wanted []string, most int, bytes int64, layers Layers) (int, error) {
	var extra int64
	images, known := map[string]bool{}, map[string]bool{}
	add := func(ids []string, counts bool) error {
		for _, id := range ids {
			if images[id] {
				continue
			}
			images[id] = true
			found, err := layers(id)
			if err != nil {
				return err
			}
			for layer, size := range found {
				if !known[layer] && counts {
					extra += size
				}
				known[layer] = true
			}
		}
		return nil
	}
	most = min(most, len(kept))
	if !slices.ContainsFunc(kept[:most], func(g reconcile.Generation) bool { return needsMore(g, wanted) }) {
		return most, nil
	}
	if err := add(wanted, false); err != nil {
		return 0, err
	}
	for i, generation := range kept[:most] {
		if err := add(generation.Images, true); err != nil {
			return 0, err
		}
		if i > 0 && extra > bytes {
			return i, nil
		}
	}
	return most, nil
}

// needsMore reports whether a generation needs an image that is not wanted: only then its size counts.
func needsMore(generation reconcile.Generation, wanted []string) bool {
	return slices.ContainsFunc(generation.Images, func(id string) bool { return !slices.Contains(wanted, id) })
}
