package fetch

import "context"

// measurement is the room that an image's layers take.
type measurement struct {
	task
	sizes map[string]int64
	known bool
}

// Layers are the layers of an image and how much each takes in bytes, and whether that is known yet: it is
// measured in the background, because only the storage knows it. An image that is not on the node has none.
func (f *Fetcher) Layers(imageID string) (map[string]int64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.sizes[imageID]
	if !ok {
		m = &measurement{}
		m.try = func(context.Context) (func(), error) {
			sizes, err := f.store.Layers(imageID)
			return func() { f.measured(m, sizes) }, err
		}
		m.again = func() { f.begin(&m.task) }
		f.sizes[imageID] = m
		f.begin(&m.task)
	}
	return m.sizes, m.known
}

func (f *Fetcher) measured(m *measurement, sizes map[string]int64) {
	m.sizes, m.known = sizes, true
	f.changed()
}

// forgetSizes forgets an image that came or went.
func (f *Fetcher) forgetSizes(imageID string) {
	if m, ok := f.sizes[imageID]; ok {
		f.drop(&m.task)
		delete(f.sizes, imageID)
	}
}

// forgetMissing forgets the images that were not on the node: another davit process may have pulled them.
func (f *Fetcher) forgetMissing() {
	for imageID, m := range f.sizes {
		if m.known && m.sizes == nil {
			f.forgetSizes(imageID)
		}
	}
}
