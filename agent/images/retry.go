package images

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.podman.io/image/v5/docker"
)

// errStalled is why a transfer that stood still was given up; it is tried again.
var errStalled = errors.New("no progress")

// retry calls operation until it succeeds, fails for good, or was tried often enough.
func (s *Store) retry(ctx context.Context, what string, operation func() error) error {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval, waits.Multiplier = s.settings.firstRetry, s.settings.lastRetry, 2
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := operation()
		if err != nil && !isPassing(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	},
		backoff.WithBackOff(waits),
		backoff.WithMaxTries(s.settings.tries),
		backoff.WithMaxElapsedTime(0), // ctx bounds it
		backoff.WithNotify(func(err error, wait time.Duration) {
			slog.WarnContext(ctx, "image transfer failed, trying again", "image", what, "wait", wait.Round(time.Millisecond), "error", err)
		}),
	)
	if permanent, ok := errors.AsType[*backoff.PermanentError](err); ok {
		return permanent.Unwrap()
	}
	return err
}

// isPassing tells a failure that may go away by itself: of the connection, or of a server
// that says it is in trouble. Not so a refusal by policy, a wrong digest, missing
// credentials, a missing image, and too many requests, for which the library has already
// waited as long as the registry asked, several times.
func isPassing(err error) bool {
	if errors.Is(err, errStalled) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
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
