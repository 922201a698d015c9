package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"syscall"

	"go.podman.io/image/v5/docker"
)

var (
	// errStalled ends a transfer of which nothing arrives.
	errStalled = errors.New("no progress")
	// errSlow ends a transfer of which too little arrives.
	errSlow = errors.New("the transfer is too slow")
	// errTooLong ends a pull that takes longer than any may.
	errTooLong = errors.New("the pull takes too long")
	// errTooLarge ends a transfer of which more arrives than was stated.
	errTooLarge = errors.New("a layer is too large")
)

// IsPassing reports whether a failure may go away by itself: of the connection, or of a server that says
// it is in trouble. A refusal by policy, a wrong digest, missing credentials, a missing image and a
// registry that limits requests ([Limited]) do not.
func IsPassing(err error) bool {
	for _, passing := range []error{errStalled, errSlow, errTooLong, io.ErrUnexpectedEOF} {
		if errors.Is(err, passing) {
			return true
		}
	}
	if status, ok := errors.AsType[docker.UnexpectedHTTPStatusError](err); ok {
		return status.StatusCode >= http.StatusInternalServerError || status.StatusCode == http.StatusRequestTimeout
	}
	if errors.Is(err, context.Canceled) {
		return false
	}
	if isPassingErrno(err) {
		return true
	}
	if failed, ok := errors.AsType[*net.DNSError](err); ok {
		return failed.IsTemporary || failed.IsTimeout
	}
	if request, ok := errors.AsType[*url.Error](err); ok && errors.Is(request.Err, io.EOF) {
		return true // the server took the connection and closed it
	}
	failed, ok := errors.AsType[net.Error](err)
	return ok && failed.Timeout()
}

var passingErrnos = []syscall.Errno{
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
	syscall.ENETDOWN, syscall.ENETUNREACH, syscall.ENETRESET, syscall.EHOSTDOWN, syscall.EHOSTUNREACH,
}

func isPassingErrno(err error) bool {
	number, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains(passingErrnos, number)
}

// overrun replaces the error of a context that ended by its deadline by the purpose of the deadline.
func overrun(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errTooLong) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}
