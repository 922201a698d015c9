package images

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

// storageTransport names images that are in the storage alone.
const storageTransport = "containers-storage"

// fileTransports are the transports of containers-transports(5) that read a path of the
// node. Others (docker-daemon:, sif:, …) are refused, and not linked in.
var fileTransports = map[string]types.ImageTransport{
	"dir":            directory.Transport,
	"docker-archive": dockerarchive.Transport,
	"oci":            layout.Transport,
	"oci-archive":    ociarchive.Transport,
}

// source is the origin of an image.
type source struct {
	// ref is nil for an image that is only in the storage.
	ref types.ImageReference
	// name is the image's name in the storage.
	name string
	// registry is the host of a registry, empty for anything else.
	registry string
	// path is the path of an image on the node; empty for other sources.
	path string
}

// parse reads a manifest's reference; one without a transport is a registry's.
func parse(text string, system *types.SystemContext) (source, error) {
	if name, ok := strings.CutPrefix(text, "docker://"); ok {
		return parseRegistry(name, system)
	}
	transport, rest, ok := strings.Cut(text, ":")
	if !ok || !isTransport(transport) {
		return parseRegistry(text, system)
	}
	if transport == storageTransport {
		return source{name: rest}, nil
	}
	reader, ok := fileTransports[transport]
	if !ok {
		return source{}, fmt.Errorf("transport %s: is not one of docker, oci, oci-archive, docker-archive, dir and containers-storage", transport)
	}
	if !filepath.IsAbs(rest) {
		return source{}, fmt.Errorf("path %q is not absolute: write %s:/… with the whole path", rest, transport)
	}
	ref, err := reader.ParseReference(rest)
	if err != nil {
		return source{}, err
	}
	return source{ref: ref, name: localName(text), path: pathOf(transport, rest)}, nil
}

// isTransport tells a transport's name from a registry's or a repository's.
func isTransport(name string) bool {
	switch name {
	case storageTransport, "docker-daemon", "tarball", "sif", "atomic", "ostree":
		return true
	default:
		_, ok := fileTransports[name]
		return ok
	}
}

func parseRegistry(name string, system *types.SystemContext) (source, error) {
	named, err := qualify(name, system)
	if err != nil {
		return source{}, err
	}
	// With both, the digest says which image it is, as in Kubernetes and Podman.
	if digested, ok := named.(reference.Digested); ok {
		if named, err = reference.WithDigest(reference.TrimNamed(named), digested.Digest()); err != nil {
			return source{}, err
		}
	}
	named = reference.TagNameOnly(named)
	ref, err := docker.NewReference(named)
	if err != nil {
		return source{}, err
	}
	return source{ref: ref, name: named.String(), registry: reference.Domain(named)}, nil
}

// qualify reads a name with its registry. One without is never guessed: the node's
// registries.conf may define it as an alias, which short-name-mode=enforcing allows too.
func qualify(name string, system *types.SystemContext) (reference.Named, error) {
	parsed, err := reference.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%w: write registry/name:tag", err)
	}
	short, ok := parsed.(reference.Named)
	if !ok {
		return nil, fmt.Errorf("it has no name: write registry/name:tag")
	}
	if host, _, ok := strings.Cut(short.Name(), "/"); ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return reference.ParseNormalizedNamed(name)
	}
	alias, _, err := sysregistriesv2.ResolveShortNameAlias(system, short.Name())
	if err != nil {
		return nil, fmt.Errorf("look up the short name in registries.conf: %w", err)
	}
	if alias == nil {
		return nil, fmt.Errorf("it names no registry: write docker.io/%s, or define the alias %s in registries.conf", libraryName(name), short.Name())
	}
	return reference.ParseNormalizedNamed(alias.Name() + strings.TrimPrefix(name, short.Name()))
}

// libraryName is the whole name that a short one has at Docker Hub.
func libraryName(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return "library/" + name
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// localName is the name that an image from a file has in the storage: the name of the
// file, and enough of a hash to distinguish two such files.
func localName(text string) string {
	base := strings.Trim(notInName.ReplaceAllString(strings.ToLower(filepath.Base(text)), "-"), "-")
	if base == "" {
		base = "image"
	}
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("localhost/%s:%s", base, hex.EncodeToString(sum[:6]))
}

// at is the source bound to one manifest, so that a tag that moves meanwhile changes
// nothing. A reference by digest stays as it is: the digest may be that of a list of
// images, and the storage files the image under it.
//
// The policy then sees a digest where the manifest has a tag, which its signedIdentity
// matchExact never accepts; the default, matchRepoDigestOrExact, does.
func (s source) at(manifest digest.Digest) (types.ImageReference, error) {
	if s.registry == "" {
		return s.ref, nil
	}
	named := s.ref.DockerReference()
	if _, ok := named.(reference.Digested); ok {
		return s.ref, nil
	}
	bound, err := reference.WithDigest(reference.TrimNamed(named), manifest)
	if err != nil {
		return nil, err
	}
	return docker.NewReference(bound)
}

// onlyHere reports that no registry has the image: the one that the storage has under its name now
// is meant, a build by Buildah for example.
func (s source) onlyHere() bool { return s.ref == nil || s.registry == "localhost" }

// RegistryOf returns the registry that a reference names; empty for a file, for the storage, and for a
// short name, of which only the node's registries.conf knows the registry.
func RegistryOf(reference string) string {
	name := strings.TrimPrefix(reference, "docker://")
	if transport, _, ok := strings.Cut(name, ":"); ok && isTransport(transport) {
		return ""
	}
	host, _, ok := strings.Cut(name, "/")
	if !ok || !strings.ContainsAny(host, ".:") {
		return ""
	}
	return host
}
