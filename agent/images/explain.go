package images

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/docker/distribution/registry/api/errcode"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/types"
)

// explain adds the next step to an error of a registry, where there is one.
func explain(err error, system *types.SystemContext, source source) error {
	switch {
	case err == nil || source.registry == "":
		return err
	case isDenied(err):
		return fmt.Errorf("%w (credentials come from %s: podman login --authfile %s %s writes them)",
			err, system.AuthFilePath, system.AuthFilePath, source.registry)
	case isUntrusted(err):
		return fmt.Errorf("%w (put the registry's CA into /etc/containers/certs.d/%s/ca.crt)", err, source.registry)
	default:
		return err
	}
}

func isDenied(err error) bool {
	if _, ok := errors.AsType[docker.ErrUnauthorizedForCredentials](err); ok {
		return true
	}
	denied := []errcode.ErrorCode{errcode.ErrorCodeUnauthorized, errcode.ErrorCodeDenied}
	if answer, ok := errors.AsType[errcode.Error](err); ok {
		return slices.Contains(denied, answer.Code)
	}
	code, ok := errors.AsType[errcode.ErrorCode](err)
	return ok && slices.Contains(denied, code)
}

func isUntrusted(err error) bool {
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	return ok
}
