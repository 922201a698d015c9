package images

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/docker/distribution/registry/api/errcode"
	v2 "github.com/docker/distribution/registry/api/v2"
	"go.podman.io/image/v5/docker"
)

// explained is an error in words for people. The library's own, in which each of its layers repeats the
// image's name, is its cause.
type explained struct {
	text  string
	cause error
}

// Error implements [error].
func (e explained) Error() string { return e.text }

// Unwrap returns the library's error.
func (e explained) Unwrap() error { return e.cause }

// errWebPage is the error of a registry that answers with HTML.
var errWebPage = errors.New("a web page instead of a manifest")

// explain describes a registry's failure, and the next step if one is known.
func (q query) explain(err error) error {
	if err == nil || q.source.registry == "" {
		return err
	}
	text := q.words(err)
	if text == "" {
		return err
	}
	if _, rest, ok := strings.Cut(err.Error(), "(Mirrors also failed: "); ok {
		if mirrors, _, ok := strings.Cut(rest, "]): "); ok {
			text += "; its mirrors failed too: " + strings.ReplaceAll(mirrors, "\n", ", ") + "]"
		}
	}
	return explained{text, err}
}

// words are those for a failure; empty where the library's own are good enough.
func (q query) words(err error) string {
	registry := q.source.registry
	if limited, ok := errors.AsType[Limited](err); ok {
		return limited.Error()
	}
	for _, known := range []error{errStalled, errSlow, errTooLong, errTooLarge} {
		if errors.Is(err, known) {
			return fmt.Sprintf("registry %s: %s", registry, err)
		}
	}
	switch {
	case errors.Is(err, errWebPage):
		return fmt.Sprintf("registry %s answers with a web page instead of a manifest: is it a registry, or does the network ask for a log-in?", registry)
	case isDenied(err):
		return fmt.Sprintf("registry %s refuses access: %s (credentials come from %s: podman login --authfile %s %s writes them)",
			registry, denial(err), q.system.AuthFilePath, q.system.AuthFilePath, registry)
	case isMissing(err):
		return fmt.Sprintf("registry %s does not have it: %s", registry, answer(err))
	}
	if text := q.ofTransport(err); text != "" {
		return text
	}
	return q.ofAnswer(err)
}

// ofTransport are the words for a registry that cannot be reached or trusted.
func (q query) ofTransport(err error) string {
	registry := q.source.registry
	if failed, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("cannot reach registry %s: its name does not resolve (%s)", registry, failed)
	}
	if isUntrusted(err) {
		return fmt.Sprintf("registry %s is not trusted: %s (put the registry's CA into /etc/containers/certs.d/%s/ca.crt)", registry, innermost(err), registry)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Sprintf("registry %s is not trusted: %s", registry, innermost(err))
	}
	number, isErrno := errors.AsType[syscall.Errno](err)
	failed, isNet := errors.AsType[*net.OpError](err)
	switch {
	case isErrno && isNet && failed.Op == "dial":
		return fmt.Sprintf("cannot reach registry %s: %s%s", registry, number, atAddress(failed, registry))
	case isErrno && isNet:
		return fmt.Sprintf("registry %s: the connection broke: %s", registry, number)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("registry %s does not answer within %s", registry, q.store.settings.resolveTimeout)
	case isTimeout(err):
		return fmt.Sprintf("cannot reach registry %s: %s", registry, innermost(err))
	case errors.Is(err, io.ErrUnexpectedEOF) || isClosed(err):
		return fmt.Sprintf("registry %s: the connection was closed in the middle", registry)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"): // net/http has no type for it
		return fmt.Sprintf("registry %s speaks HTTP, not HTTPS: if it is to be trusted all the same, set insecure = true for it in registries.conf", registry)
	case strings.Contains(err.Error(), "stopped after 10 redirects"):
		return fmt.Sprintf("registry %s redirects in a circle", registry)
	}
	return ""
}

// atAddress adds the address that a registry's name has led to.
func atAddress(failed *net.OpError, registry string) string {
	if failed.Addr == nil || failed.Addr.String() == registry {
		return ""
	}
	return " at " + failed.Addr.String()
}

func isTimeout(err error) bool {
	failed, ok := errors.AsType[net.Error](err)
	return ok && failed.Timeout()
}

func isClosed(err error) bool {
	request, ok := errors.AsType[*url.Error](err)
	return ok && errors.Is(request.Err, io.EOF)
}

// statusOf finds the status in the library's error about an answer that it could not read.
var statusOf = regexp.MustCompile(`(?:error parsing HTTP |StatusCode: )(\d{3})`)

// ofAnswer are the descriptions of a registry's answers.
func (q query) ofAnswer(err error) string {
	if status, ok := errors.AsType[docker.UnexpectedHTTPStatusError](err); ok {
		return fmt.Sprintf("registry %s answers %d %s", q.source.registry, status.StatusCode, http.StatusText(status.StatusCode))
	}
	if code := unreadable(err); code != 0 {
		return fmt.Sprintf("registry %s answers %d %s", q.source.registry, code, http.StatusText(code))
	}
	if digest := mismatch.FindString(err.Error()); digest != "" {
		return fmt.Sprintf("registry %s sends other bytes than the digest says: %s", q.source.registry, digest)
	}
	return ""
}

// mismatch is the library's text about a blob with wrong bytes.
var mismatch = regexp.MustCompile(`Digest did not match, expected \S+, got [^\s)]+|digest \S+ does not match expected \S+`)

// unreadable is the status of an answer whose body the library could not read, or 0. Its error has no type.
func unreadable(err error) int {
	found := statusOf.FindStringSubmatch(err.Error())
	if found == nil {
		return 0
	}
	code, _ := strconv.Atoi(found[1]) // it is three digits
	return code
}

// isDenied reports whether a registry wants other credentials.
func isDenied(err error) bool {
	if _, ok := errors.AsType[docker.ErrUnauthorizedForCredentials](err); ok {
		return true
	}
	if code := unreadable(err); code == http.StatusUnauthorized || code == http.StatusForbidden {
		return true
	}
	return hasCode(err, errcode.ErrorCodeUnauthorized, errcode.ErrorCodeDenied)
}

// denial is the text of a registry that refuses access.
func denial(err error) string {
	if code := unreadable(err); code != 0 {
		return fmt.Sprintf("%d %s", code, http.StatusText(code))
	}
	return answer(err)
}

func isMissing(err error) bool {
	return hasCode(err, v2.ErrorCodeManifestUnknown, v2.ErrorCodeNameUnknown, v2.ErrorCodeBlobUnknown)
}

func hasCode(err error, codes ...errcode.ErrorCode) bool {
	var coded errcode.ErrorCoder
	return errors.As(err, &coded) && slices.Contains(codes, coded.ErrorCode())
}

// answer is a registry's own text.
func answer(err error) string {
	if coded, ok := errors.AsType[errcode.Error](err); ok {
		return coded.Error()
	}
	if coded, ok := errors.AsType[errcode.ErrorCode](err); ok {
		return coded.Error()
	}
	return innermost(err)
}

// innermost is the last of a chain of errors that are wrapped one by one.
func innermost(err error) string {
	if verify, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return verify.Error()
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

func isUntrusted(err error) bool {
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	return ok
}

// unpackFailure is the library's text about a layer that it could not unpack in a process of its own.
var unpackFailure = regexp.MustCompile(`adding layer with blob "([^"]+)".*unpacking failed \(error: ([^;]*); output: ([^)]*)\)`)

// explainUnpacking says once which layer cannot be unpacked, and why.
func explainUnpacking(err error) error {
	found := unpackFailure.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if found == nil {
		return err
	}
	why := strings.TrimSpace(found[3])
	if why == "" {
		why = found[2]
	}
	if link, ok := errors.AsType[badLink](err); ok {
		why = link.words()
	}
	return explained{fmt.Sprintf("layer %s cannot be unpacked: %s", found[1], why), err}
}
