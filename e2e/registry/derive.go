package registry

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Derive adds images that have the layers of another one and a layer of random content each: repository:1
// and so on.
func (r *Registry) Derive(from, repository string, count int) error {
	base, err := r.image(from)
	if err != nil {
		return fmt.Errorf("derive from %s: %w", from, err)
	}
	for i := range count {
		layer, err := random.Layer(4096, types.OCILayer)
		if err != nil {
			return err
		}
		image, err := mutate.AppendLayers(base, layer)
		if err != nil {
			return err
		}
		if err := r.add(repository+":"+strconv.Itoa(i+1), image, layer); err != nil {
			return fmt.Errorf("derive from %s: %w", from, err)
		}
	}
	return nil
}

// image finds one of the layout by its name.
func (r *Registry) image(name string) (v1.Image, error) {
	repository, tag, err := split(name)
	if err != nil {
		return nil, err
	}
	answer := r.ask(http.MethodGet, "/v2/"+repository+"/manifests/"+tag, "", nil)
	if answer.Code != http.StatusOK {
		return nil, fmt.Errorf("%s", answer.Body)
	}
	digest, _, err := v1.SHA256(bytes.NewReader(answer.Body.Bytes()))
	if err != nil {
		return nil, err
	}
	return layout.Path(r.layout).Image(digest)
}

// add serves an image with a layer that the layout has not.
func (r *Registry) add(name string, image v1.Image, layer v1.Layer) error {
	config, err := image.RawConfigFile()
	if err != nil {
		return err
	}
	content, err := layer.Compressed()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	for _, blob := range [][]byte{config, text} {
		digest, _, err := v1.SHA256(bytes.NewReader(blob))
		if err != nil {
			return err
		}
		r.derived.Store(digest, blob)
	}
	manifest, err := image.RawManifest()
	if err != nil {
		return err
	}
	kind, err := image.MediaType()
	if err != nil {
		return err
	}
	return r.put(name, string(kind), manifest)
}
