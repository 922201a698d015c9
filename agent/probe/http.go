package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/davit-project/davit/units/bundle"
)

const (
	userAgent = "davit-probe/1"
	// maxBody is how much of an answer is read, as the kubelet does.
	maxBody = 10 << 10
	// maxRedirects is where the kubelet gives up.
	maxRedirects = 10
)

// http asks for a page as the kubelet does: a status from 200 to 399 is success, a redirect is
// followed on the same host and taken for success when it leads elsewhere.
func (t Target) http(ctx context.Context, check bundle.HTTPCheck) error {
	tried := bundle.Check{HTTP: &check}
	request, err := newRequest(ctx, check, t.Address)
	if err != nil {
		return described(tried, t.Address, err)
	}
	client := http.Client{Transport: transport{t.Dial}, CheckRedirect: followLocal}
	answer, err := client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // it repeats the URL
		}
		return described(tried, t.Address, err)
	}
	defer answer.Body.Close()
	// A server that cannot write its answer may log that.
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, maxBody)); err != nil {
		return described(tried, t.Address, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode >= 400 {
		return described(tried, t.Address, errors.New("status "+answer.Status))
	}
	return nil
}

func newRequest(ctx context.Context, check bundle.HTTPCheck, own string) (*http.Request, error) {
	where := check.Scheme + "://" + address(check.Host, check.Port, own) + check.Path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Accept", "*/*")
	named := map[string]bool{}
	for _, header := range check.Headers {
		name := http.CanonicalHeaderKey(header.Name)
		switch {
		case name == "Host":
			request.Host = header.Value
		case named[name]:
			request.Header.Add(name, header.Value)
		default:
			// It replaces davit's own.
			request.Header.Set(name, header.Value)
			named[name] = true
		}
	}
	return request, nil
}

func followLocal(request *http.Request, via []*http.Request) error {
	if request.URL.Hostname() != via[0].URL.Hostname() {
		return http.ErrUseLastResponse
	}
	if len(via) >= maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	return nil
}

// transport makes one request on one connection, and closes it with the answer. [http.Transport]
// would start two goroutines for that and keep a pool.
type transport struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	conn, err := t.dial(ctx, "tcp", hostPort(request.URL))
	if err != nil {
		return nil, err
	}
	// The use of the connection ends with the request's context.
	forget := context.AfterFunc(ctx, func() { conn.Close() })
	done := func() error { forget(); return conn.Close() }
	stream := conn
	if request.URL.Scheme == "https" {
		// A certificate is made out to names that clients use, and the check goes to an address.
		stream = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	answer, err := exchange(stream, request)
	if err != nil {
		_ = done() // the earlier error has the cause
		return nil, err
	}
	answer.Body = &body{answer.Body, done}
	return answer, nil
}

func hostPort(where *url.URL) string {
	if where.Port() != "" {
		return where.Host
	}
	return net.JoinHostPort(where.Hostname(), map[string]string{"http": "80", "https": "443"}[where.Scheme])
}

// exchange sends the request and reads the head of the answer, after any that only say that the
// server is working on it (RFC 9110, 15.2).
func exchange(conn net.Conn, request *http.Request) (*http.Response, error) {
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	reader := bufio.NewReaderSize(io.LimitReader(conn, maxHead+maxBody), 4096)
	for {
		answer, err := http.ReadResponse(reader, request)
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				err = errors.New("the connection was closed without an answer")
			}
			return nil, err
		}
		if answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, nil
		}
	}
}

// maxHead bounds the headers of an answer.
const maxHead = 64 << 10

// body closes the connection with the answer.
type body struct {
	io.ReadCloser
	done func() error
}

// Close implements [io.Closer]. The rest of the answer is not read.
func (b *body) Close() error { return b.done() }
