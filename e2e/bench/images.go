package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/davit-project/davit/e2e"
	"github.com/davit-project/davit/e2e/images"
)

// The images, as a node's registry serves them: the workload alone, and the same with 1 GB in 20 layers.
const (
	payloadImage = e2e.RegistryAddress + "/payload:1"
	bigImage     = e2e.RegistryAddress + "/big:1"

	bigLayers    = 20
	bigLayerSize = 1 << 30 / bigLayers
	bigFileSize  = 1 << 20
)

// writeImages writes an OCI image layout with the images below a directory and returns its path.
func writeImages(directory, program string) (string, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	payload, err := layerOf(file{payloadName, text})
	if err != nil {
		return "", err
	}
	path := filepath.Join(directory, "images")
	target, err := layout.Write(path, empty.Index)
	if err != nil {
		return "", err
	}
	if err := appendImage(target, "payload:1", payload); err != nil {
		return "", err
	}
	layers := []v1.Layer{payload}
	for i := range bigLayers {
		layer, err := layerOf(fill(i)...)
		if err != nil {
			return "", err
		}
		layers = append(layers, layer)
	}
	return path, appendImage(target, "big:1", layers...)
}

func appendImage(target layout.Path, name string, layers ...v1.Layer) error {
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, layers...)
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{Entrypoint: []string{"/" + payloadName}}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	return target.AppendImage(image, layout.WithAnnotations(map[string]string{images.NameAnnotation: name}))
}

// file is an executable file of a layer.
type file struct {
	name string
	text []byte
}

// fill is the content of a layer of the big image. Of each file a half cannot be compressed, as is usual of
// programs, and no two are the same.
func fill(layer int) []file {
	random := rand.NewChaCha8([32]byte{byte(layer)})
	var files []file
	for i := range bigLayerSize / bigFileSize {
		text := make([]byte, bigFileSize)
		random.Read(text[:bigFileSize/2])
		files = append(files, file{"data/" + strconv.Itoa(layer) + "/" + strconv.Itoa(i), text})
	}
	return files
}

func layerOf(files ...file) (v1.Layer, error) {
	var text bytes.Buffer
	writer := tar.NewWriter(&text)
	for _, f := range files {
		if err := writer.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.text)), Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
		if _, err := writer.Write(f.text); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestSpeed))
}
