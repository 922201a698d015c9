package images

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/transports/alltransports"
	"go.podman.io/image/v5/types"
)

const storageTransport = "containers-storage:"

// source is where an image comes from.
type source struct {
	// ref is nil for an image that is only in the storage.
	ref types.ImageReference
	// name is the image's name in the storage.
	name string
}

// parse reads a manifest's reference; one without a transport is docker's.
func parse(text string) (source, error) {
	if name, ok := strings.CutPrefix(text, storageTransport); ok {
		return source{name: name}, nil
	}
	if !hasTransport(text) {
		text = "docker://" + text
	}
	ref, err := alltransports.ParseImageName(text)
	if err != nil {
		return source{}, fmt.Errorf("image reference: %w", err)
	}
	if named := ref.DockerReference(); named != nil && ref.Transport().Name() == docker.Transport.Name() {
		return source{ref: ref, name: named.String()}, nil
	}
	return source{ref: ref, name: localName(text)}, nil
}

func hasTransport(text string) bool {
	transport, _, ok := strings.Cut(text, ":")
	if !ok {
		return false
	}
	switch transport {
	case "oci", "oci-archive", "docker-archive", "dir":
		return true
	default:
		return strings.HasPrefix(text, "docker://")
	}
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// localName is the name that an image from a file has in the storage: what the file is
// called, and enough of a hash to tell two such files apart.
func localName(text string) string {
	base := notInName.ReplaceAllString(strings.ToLower(filepath.Base(text)), "-")
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("localhost/%s:%s", strings.Trim(base, "-"), hex.EncodeToString(sum[:6]))
}

// at is the source bound to one digest, so that a tag that moves meanwhile changes
// nothing.
func (s source) at(manifest digest.Digest) (types.ImageReference, error) {
	named := s.ref.DockerReference()
	if named == nil || s.ref.Transport().Name() != docker.Transport.Name() {
		return s.ref, nil
	}
	bound, err := reference.WithDigest(reference.TrimNamed(named), manifest)
	if err != nil {
		return nil, err
	}
	return docker.NewReference(bound)
}
