package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// dialTimeout is far more than an idle node needs. A connection to a published port whose container
// goes away at that moment hangs: the kernel remembers the old address for its first packet.
const (
	dialTimeout   = time.Second
	answerTimeout = 10 * time.Second
)

// Get asks a web server from inside the machine and returns its answer. An answer other
// than 2xx is an error too. The URL's host is an IP address.
func (l *Lab) Get(ctx context.Context, url string) (string, error) {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, l.Wait(dialTimeout))
		defer cancel()
		return l.Dial(ctx, network, address)
	}
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: transport, Timeout: l.Wait(answerTimeout)}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return string(body), err
}
