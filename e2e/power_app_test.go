package e2e

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/davit-project/davit/e2e/images"
)

// edition is one of many versions of the same application. Each part of an edition knows its number:
// environment and configuration that of the edition, images that of the newest image in it.
type edition struct{ number, image int }

// next is the edition that follows, with a new image or without.
func (e edition) next(newImage bool) edition {
	e.number++
	if newImage {
		e.image++
	}
	return e
}

// versions are the versions that the containers that change with the edition get.
func (e edition) versions() []string {
	return []string{fmt.Sprint(e.number), fmt.Sprint(e.image), fmt.Sprint(e.number)}
}

// canaries is the volume whose content stays as it is.
const canaries = "/var/lib/davit/volumes/canaries"

// units are the units of the edition, and whether they change with it.
func (e edition) units() map[string]bool {
	return map[string]bool{
		"app.service": true, "joined.service": true, "pod-one.service": true, "pod-two.service": true, "pod-pod.service": false,
		fmt.Sprintf("only-%d.service", e.number%2): true, "stays.service": false,
	}
}

// manifests are a container with all that an edition has, one with a network, a pod, one that exists in
// every other edition only, with its network and its volume, and one that stays.
func (e edition) manifests() string {
	const script = `"trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"`
	changing := fmt.Sprintf(`image: "%s/power:%d", command: [sh, -c, %s], env: [{name: VERSION, value: "%d"}], volumeMounts: [{name: words, mountPath: /words}`,
		RegistryAddress, e.image, script, e.number)
	const words = "volumes: [{name: words, configMap: {name: words}}]"
	only := fmt.Sprintf("only-%d", e.number%2)
	var set strings.Builder
	object := func(kind, name, rest string) {
		fmt.Fprintf(&set, "apiVersion: davit/v1\nkind: %s\nmetadata: {name: %s}\n%s---\n", kind, name, rest)
	}
	container := func(name, mounts, rest string) {
		object("Container", name, fmt.Sprintf("spec:\n  {%s%s], %s%s}\n", changing, mounts, words, rest))
	}
	object("Volume", "canaries", "")
	object("Volume", only, "")
	object("Network", "lab", "spec: {subnets: [{subnet: 10.77.0.0/24}]}\n")
	object("Network", only, fmt.Sprintf("spec: {subnets: [{subnet: 10.78.%d.0/24}]}\n", e.number%2))
	object("Config", "words", fmt.Sprintf("data: {version: %q}\n", fmt.Sprint(e.number)))
	const update = ", updatePolicy: {minReadySeconds: 3, progressDeadlineSeconds: 600}"
	container("app", ", {name: canaries, mountPath: /data}", ", hostNetwork: true"+update)
	container("joined", "", ", networks: [{name: lab}]"+update)
	container(only, ", {name: "+only+", mountPath: /data}", fmt.Sprintf(", networks: [{name: %s}]", only)+update)
	object("Container", "stays", fmt.Sprintf("spec: {image: docker.io/library/busybox:1, command: [sh, -c, %s], hostNetwork: true}\n", script))
	object("Pod", "pod", fmt.Sprintf("spec: {%s, hostNetwork: true, containers: [{name: one, %s]}, {name: two, %s]}]%s}\n", words, changing, changing, update))
	return set.String()
}

// The layers of an edition's image beside busybox's: they take their time, because of their many
// files, and that no other image has.
const (
	ownLayers     = 5
	filesOfLayer  = 50
	largestOfFile = 8 << 10
)

// editionImages makes an image layout with busybox, and so many images of editions.
func editionImages(directory, kit string, editions int, random *rand.Rand) error {
	busybox, err := namedImage(kit, "library/busybox:1")
	if err != nil {
		return err
	}
	to, err := layout.Write(directory, empty.Index)
	if err != nil {
		return err
	}
	named := func(name string) layout.Option {
		return layout.WithAnnotations(map[string]string{images.NameAnnotation: name})
	}
	if err := to.AppendImage(busybox, named("library/busybox:1")); err != nil {
		return err
	}
	for number := range editions {
		image := busybox
		for layer := range ownLayers {
			files := map[string][]byte{"version": fmt.Append(nil, number)}
			for file := range filesOfLayer {
				files[fmt.Sprintf("layer-%d/file-%d", layer, file)] = randomBytes(random, 1+random.IntN(largestOfFile))
			}
			if image, err = withLayer(image, files); err != nil {
				return err
			}
		}
		if err := to.AppendImage(image, named(fmt.Sprintf("power:%d", number))); err != nil {
			return err
		}
	}
	return nil
}

// namedImage finds an image of a layout.
func namedImage(directory, name string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(directory)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, image := range manifest.Manifests {
		if image.Annotations[images.NameAnnotation] == name {
			return index.Image(image.Digest)
		}
	}
	return nil, fmt.Errorf("%s has no image %s", directory, name)
}

func withLayer(image v1.Image, files map[string][]byte) (v1.Image, error) {
	var archive bytes.Buffer
	to := tar.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := files[name]
		if err := to.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := to.Write(content); err != nil {
			return nil, err
		}
	}
	if err := to.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, layer)
}

func randomBytes(random *rand.Rand, length int) []byte {
	content := make([]byte, length)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	return content
}
