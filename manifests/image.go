package manifests

import (
	"errors"
	"path"
	"regexp"
	"strings"

	"go.podman.io/image/v5/docker/reference"

	v1 "github.com/davit-project/davit/manifests/v1"
)

func (d *document) checkImage(spec v1.ImageSpec) {
	if spec.Image == "" {
		d.errorf("spec.image", "missing")
		return
	}
	d.checkImageFields("spec", spec)
}

func (d *document) checkImageFields(at string, spec v1.ImageSpec) {
	d.checkReference(at+".image", spec.Image)
	if spec.Platform != "" && !platform.MatchString(spec.Platform) {
		d.errorf(at+".platform", "%q: want os/arch or os/arch/variant, such as linux/arm64/v8", spec.Platform)
	}
	if spec.AuthFile != "" {
		d.absolute(at+".authFile", spec.AuthFile)
	}
}

var platform = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$`)

// checkReference checks an image reference by its transport (containers-transports(5)).
func (d *document) checkReference(field, text string) {
	if !d.unitText(field, text) {
		return
	}
	transport, rest, _ := strings.Cut(text, ":")
	switch transport {
	case "oci", "oci-archive", "docker-archive", "dir":
		file, _, _ := strings.Cut(rest, ":")
		if !path.IsAbs(file) || path.Clean(file) != file {
			d.errorf(field, "%q: want an absolute path after %s:", text, transport)
			return
		}
		d.checkLengths(field, file)
	case "containers-storage":
		d.checkDockerReference(field, rest)
	case "docker-daemon", "ostree", "sif", "tarball":
		d.errorf(field, "transport %s: is not supported", transport)
	default:
		d.checkDockerReference(field, strings.TrimPrefix(text, "docker://"))
	}
}

func (d *document) checkDockerReference(field, name string) {
	_, err := reference.ParseNamed(name)
	if err == nil {
		return
	}
	normalized, normalizeErr := reference.ParseNormalizedNamed(name)
	if errors.Is(err, reference.ErrNameNotCanonical) && normalizeErr == nil {
		d.errorHint(field, "write "+normalized.String(), "%q is a short name: which registry it comes from would be a guess", name)
		return
	}
	d.errorf(field, "%q: %v", name, err)
}
