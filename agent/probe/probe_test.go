package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/davit-project/davit/units/bundle"
)

func target(address string) Target {
	var dialer net.Dialer
	return Target{Address: address, Dial: dialer.DialContext}
}

// at returns the address at which a server listens.
func at(t *testing.T, rawURL string) (host string, port int) {
	t.Helper()
	where, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	port, err = strconv.Atoi(where.Port())
	if err != nil {
		t.Fatal(err)
	}
	return where.Hostname(), port
}

func answers(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/redirect":
		http.Redirect(w, r, r.FormValue("to"), http.StatusFound)
	case "/loop":
		http.Redirect(w, r, "/loop", http.StatusFound)
	case "/headers":
		if r.Host != "example.org" || r.UserAgent() != "mine" || fmt.Sprint(r.Header["X-Two"]) != "[1 2]" {
			http.Error(w, fmt.Sprint(r.Host, r.Header), http.StatusBadRequest)
		}
	case "/own":
		if !r.Close || !strings.HasPrefix(r.UserAgent(), "davit-probe/") || r.Header.Get("Accept") != "*/*" {
			http.Error(w, fmt.Sprint(r.Close, r.Header), http.StatusBadRequest)
		}
	case "/large":
		for range 1 << 10 {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	case "/early":
		w.WriteHeader(http.StatusEarlyHints)
	case "/slow":
		<-r.Context().Done()
	case "/cut":
		panic(http.ErrAbortHandler)
	default:
		if status, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/")); err == nil {
			w.WriteHeader(status)
		}
	}
}

func TestHTTPIsJudgedAsTheKubeletDoes(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(answers))
	defer server.Close()
	host, port := at(t, server.URL)
	for path, want := range map[string]string{
		"/":                      "",
		"/200?q=1":               "",
		"/204":                   "",
		"/304":                   "",
		"/399":                   "",
		"/400":                   "status 400 Bad Request",
		"/503":                   "status 503 Service Unavailable",
		"/own":                   "",
		"/early":                 "",
		"/large":                 "",
		"/cut":                   "the connection was closed without an answer",
		"/slow":                  "no answer within 1 s",
		"/loop":                  "more than 10 redirects",
		"/redirect?to=" + "/204": "",
		"/redirect?to=" + "/503": "status 503",
		"/redirect?to=" + "http://elsewhere.invalid/":      "",
		"/redirect?to=" + "gopher://" + host + "/":         "gopher",
		"/redirect?to=" + "https://" + host + ":1/nowhere": "connection refused",
	} {
		probe := bundle.Probe{Timeout: 1, Check: bundle.Check{HTTP: &bundle.HTTPCheck{Scheme: "http", Port: port, Path: path}}}
		judge(t, path, target(host).Probe(t.Context(), probe), want)
	}
}

func TestHeadersOfARequest(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(answers))
	defer server.Close()
	host, port := at(t, server.URL)
	check := bundle.HTTPCheck{Scheme: "https", Port: port, Path: "/headers", Headers: []bundle.HTTPHeader{
		{Name: "host", Value: "example.org"}, {Name: "user-agent", Value: "mine"}, {Name: "X-Two", Value: "1"}, {Name: "x-two", Value: "2"},
	}}
	judge(t, "https", target(host).Check(t.Context(), bundle.Check{HTTP: &check}), "")
}

func TestAServerThatIsNone(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	host, port := at(t, "http://"+listener.Addr().String())
	for name, test := range map[string]struct {
		check bundle.Check
		want  string
	}{
		"TCP":         {bundle.Check{TCP: &bundle.TCPCheck{Port: port}}, ""},
		"TCP refused": {bundle.Check{TCP: &bundle.TCPCheck{Port: 1}}, "TCP 127.0.0.1:1: connection refused"},
		"HTTP":        {bundle.Check{HTTP: &bundle.HTTPCheck{Scheme: "http", Port: port, Path: "/"}}, "no answer within 1 s"},
		"HTTPS":       {bundle.Check{HTTP: &bundle.HTTPCheck{Scheme: "https", Port: port, Path: "/"}}, "no answer within 1 s"},
		"gRPC":        {bundle.Check{GRPC: &bundle.GRPCCheck{Port: port}}, "no answer within 1 s"},
		"elsewhere":   {bundle.Check{TCP: &bundle.TCPCheck{Host: "localhost", Port: port}}, ""},
		"nothing":     {bundle.Check{}, "names no check"},
	} {
		judge(t, name, target(host).Probe(t.Context(), bundle.Probe{Timeout: 1, Check: test.check}), test.want)
	}
}

func TestGRPCHealth(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service, server, bare := health.NewServer(), grpc.NewServer(), grpc.NewServer()
	healthpb.RegisterHealthServer(server, service)
	service.SetServingStatus("up", healthpb.HealthCheckResponse_SERVING)
	service.SetServingStatus("down", healthpb.HealthCheckResponse_NOT_SERVING)
	service.SetServingStatus("new", healthpb.HealthCheckResponse_UNKNOWN)
	go server.Serve(listener)
	defer server.Stop()
	host, port := at(t, "http://"+listener.Addr().String())
	for name, want := range map[string]string{
		"": "", "up": "", "down": "health status NOT_SERVING", "new": "health status UNKNOWN",
		"missing": `gRPC status "5": unknown service`, strings.Repeat("long", 100): `gRPC status "5"`,
	} {
		check := bundle.Check{GRPC: &bundle.GRPCCheck{Port: port, Service: name}}
		judge(t, name, target(host).Check(t.Context(), check), want)
	}

	without, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go bare.Serve(without)
	defer bare.Stop()
	_, port = at(t, "http://"+without.Addr().String())
	judge(t, "no service", target(host).Check(t.Context(), bundle.Check{GRPC: &bundle.GRPCCheck{Port: port}}), "has no health service")

	plain := httptest.NewServer(http.HandlerFunc(answers))
	defer plain.Close()
	_, port = at(t, plain.URL)
	judge(t, "HTTP/1", target(host).Probe(t.Context(), bundle.Probe{Timeout: 1, Check: bundle.Check{GRPC: &bundle.GRPCCheck{Port: port}}}), "gRPC 127.0.0.1:")
}

func TestHostileHealthAnswers(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string][]byte{
		"empty": {}, "short": {0, 0, 0}, "compressed": {1, 0, 0, 0, 2, 8, 1}, "longer than it says": {0, 0, 0, 0, 1, 8, 1},
		"another field": {0, 0, 0, 0, 2, 16, 1}, "no value": {0, 0, 0, 0, 1, 8}, "endless value": {0, 0, 0, 0, 3, 8, 0x80, 0x80},
	} {
		if status, err := servingStatus(frame); err == nil {
			t.Errorf("%s is taken for status %d", name, status)
		}
	}
}

func TestACheckEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(answers))
	defer server.Close()
	host, port := at(t, server.URL)
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(gone) })
	check := bundle.Check{HTTP: &bundle.HTTPCheck{Scheme: "http", Port: port, Path: "/slow"}}
	if err := target(host).Check(ctx, check); err == nil {
		t.Error("a check that was ended succeeds")
	}
}

// judge compares an error with a part of its text; "" wants none.
func judge(t *testing.T, name string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got %v, want %q", name, err, want)
	}
}
