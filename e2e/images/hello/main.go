// hello is the smallest useful workload: a web server that prints its name. It also talks to
// Redis and PostgreSQL if it gets their addresses, so that a test can see a whole
// application work.
//
//	/          hello from HOSTNAME, version VERSION
//	/env       its environment
//	/visits    counts a visit in Redis and PostgreSQL and says how many each has seen
//	/exit      ends the process with status 1
//	/ready     status 200 once there is a file /tmp/ready or HELLO_READY_AFTER (such as 2s) is
//	           over, 503 before
//	/alive     status 200, and 500 while there is a file /tmp/ill
//	/served    status 200, and 503 while there is a file /tmp/unready
//	/checks    how often /alive was asked for
//	/redirect  leads to where ?to= says
//	/leave     ends it as a program does that has nothing more to do
//
// Where systemd listens for it (sd_listen_fds(3)) it takes over the sockets.
//
// HELLO_VERSION, HELLO_PORT (default 80), HELLO_REDIS (host:port) and HELLO_POSTGRES
// (postgres://user:password@host:port/database) configure it. With HELLO_TLS_PORT it serves HTTPS
// too, with HELLO_GRPC_PORT the health service of gRPC. With NOTIFY_SOCKET it tells systemd how
// it is, see notify.go. hello -touch FILE makes a file, hello -remove FILE removes it,
// and hello -ask URL asks for it again and again and says how that goes; -ask-one asks but one of a name's addresses. With HELLO_DATAGRAMS it answers
// datagrams to that port; hello -datagram "PORT HOST:PORT" sends one from a port and prints the answer.
// hello -lease-read FILE and -lease-write FILE hold a lease on a file; hello -nest DIRECTORY makes thousands of directories there,
// each in the one before.
package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 3 {
		if err := manage(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "hello:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

func run() error {
	http.HandleFunc("/{$}", hello)
	http.HandleFunc("/env", environment)
	http.HandleFunc("/visits", visits)
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(1) })

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second}
	http.HandleFunc("/leave", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "leaving", http.StatusServiceUnavailable) // whether or not it still gets out
		stop()
	})
	listeners, err := listen()
	if err != nil {
		return err
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		<-ctx.Done()
		// Servers that were asked already answer; old requests do not delay the stop.
		limited, cancel := context.WithTimeout(context.Background(), time.Second/2)
		defer cancel()
		if server.Shutdown(limited) != nil {
			server.Close()
		}
	}()
	handleHealth()
	if err := serveMore(); err != nil {
		return err
	}
	if err := tellSystemd(); err != nil {
		return err
	}
	ended := make(chan error)
	for _, listener := range listeners {
		fmt.Println("listening on", listener.Addr())
		go func() { ended <- server.Serve(listener) }()
	}
	if err := <-ended; ctx.Err() == nil {
		return err
	}
	<-drained
	fmt.Println("asked to stop")
	return nil
}

// manage does something to a file: the image has no shell.
func manage(verb, path string) error {
	switch verb {
	case "-touch":
		return os.WriteFile(path, nil, 0o644)
	case "-remove":
		return os.Remove(path)
	case "-ask":
		return ask(path, dialAny)
	case "-ask-one":
		return ask(path, dialOne)
	case "-datagram":
		return sendDatagram(path)
	case "-notify":
		return notify(path)
	case "-lease-read":
		return lease(path, syscall.F_RDLCK)
	case "-lease-write":
		return lease(path, syscall.F_WRLCK)
	case "-nest":
		return nest(path)
	default:
		return fmt.Errorf("%s: want -touch, -remove, -ask, -ask-one, -datagram, -notify, -lease-read, -lease-write or -nest", verb)
	}
}

// nested is more directories than a path has room for, and than a process has descriptors by default.
const nested = 5000

func nest(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	for range nested {
		if err := os.Mkdir("deeper", 0o755); err != nil {
			return err
		}
		if err := syscall.Chdir("deeper"); err != nil {
			return err
		}
	}
	return nil
}

func listen() ([]net.Listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		listener, err := net.Listen("tcp", ":"+cmp.Or(os.Getenv("HELLO_PORT"), "80"))
		return []net.Listener{listener}, err
	}
	var listeners []net.Listener
	for i, name := range strings.Split(os.Getenv("LISTEN_FDNAMES"), ":") {
		listener, err := net.FileListener(os.NewFile(uintptr(3+i), name))
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

func hello(w http.ResponseWriter, r *http.Request) {
	host, err := os.Hostname()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Printf("%s %s\n", r.Method, r.URL.Path)
	fmt.Fprintf(w, "hello from %s, version %s\n", host, os.Getenv("HELLO_VERSION"))
}

func environment(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, strings.Join(os.Environ(), "\n"))
}

func visits(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	inRedis, err := countInRedis(ctx, os.Getenv("HELLO_REDIS"))
	if err != nil {
		http.Error(w, "redis: "+err.Error(), http.StatusBadGateway)
		return
	}
	inPostgres, err := countInPostgres(ctx, os.Getenv("HELLO_POSTGRES"))
	if err != nil {
		http.Error(w, "postgres: "+err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprintf(w, "visits: redis %s, postgres %s\n", inRedis, inPostgres)
}
