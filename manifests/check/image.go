package check

import (
	"errors"
	"path"
	"regexp"
	"strings"

	"go.podman.io/image/v5/docker/reference"

	v1 "github.com/davit-project/davit/manifests/v1"
)

func checkImage(s *Subject, spec v1.ImageSpec) {
	if spec.Image == "" {
		s.errorf("spec.image", "missing")
		return
	}
	checkImageFields(s, "spec", spec)
}

func checkImageFields(s *Subject, at string, spec v1.ImageSpec) {
	checkReference(s, at+".image", spec.Image)
	if spec.Platform != "" && !platform.MatchString(spec.Platform) {
		s.errorf(at+".platform", "%q: want os/arch or os/arch/variant, such as linux/arm64/v8", spec.Platform)
	}
	if spec.AuthFile != "" {
		absolute(s, at+".authFile", spec.AuthFile)
	}
}

var platform = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$`)

// checkReference checks an image reference by its transport (containers-transports(5)).
func checkReference(s *Subject, field, text string) {
	if !unitText(s, field, text) {
		return
	}
	transport, rest, _ := strings.Cut(text, ":")
	switch transport {
	case "oci", "oci-archive", "docker-archive", "dir":
		file, _, _ := strings.Cut(rest, ":")
		if !path.IsAbs(file) || path.Clean(file) != file {
			s.errorf(field, "%q: want an absolute path after %s:", text, transport)
			return
		}
		checkLengths(s, field, file)
	case "containers-storage":
		checkDockerReference(s, field, rest)
	case "docker-daemon", "ostree", "sif", "tarball":
		s.errorf(field, "transport %s: is not supported", transport)
	default:
		checkDockerReference(s, field, strings.TrimPrefix(text, "docker://"))
	}
}

func checkDockerReference(s *Subject, field, name string) {
	_, err := reference.ParseNamed(name)
	if err == nil {
		return
	}
	normalized, normalizeErr := reference.ParseNormalizedNamed(name)
	if errors.Is(err, reference.ErrNameNotCanonical) && normalizeErr == nil {
		s.errorHint(field, "write "+normalized.String(), "%q is a short name: which registry it comes from would be a guess", name)
		return
	}
	s.errorf(field, "%q: %v", name, err)
}
