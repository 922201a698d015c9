// Package probe checks whether a container is healthy: it makes one check of it, over HTTP, TCP or
// gRPC, and counts the results of checks in a row.
//
// It knows the checks of a bundle and a container's network namespace. It must never know
// systemd, or the consequence of a result: the launcher and the agent are its users.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/davit-project/davit/units/bundle"
)

// Target is the container that checks look at.
type Target struct {
	// Address is where its servers are unless a check says otherwise.
	Address string
	// Dial connects from where the container is.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Exec runs a command in the container; its exit status must be 0.
	Exec func(ctx context.Context, args []string) error
	// Close closes the target.
	Close func() error
}

// Check makes one check and returns nil when the container passes it.
func (t Target) Check(ctx context.Context, check bundle.Check) error {
	switch {
	case len(check.Exec) > 0:
		return t.Exec(ctx, check.Exec)
	case check.HTTP != nil:
		return t.http(ctx, *check.HTTP)
	case check.GRPC != nil:
		return t.grpc(ctx, *check.GRPC)
	case check.TCP != nil:
		return t.tcp(ctx, *check.TCP)
	default:
		return errors.New("the bundle names no check: run davit apply to write it again")
	}
}

// Probe makes one check of a probe, within its timeout.
func (t Target) Probe(ctx context.Context, probe bundle.Probe) error {
	within, cancel := context.WithTimeout(ctx, time.Duration(probe.Timeout)*time.Second)
	defer cancel()
	err := t.Check(within, probe.Check)
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		return fmt.Errorf("%s: no answer within %d s", describe(probe.Check, t.Address), probe.Timeout)
	}
	return err
}

func (t Target) tcp(ctx context.Context, check bundle.TCPCheck) error {
	conn, err := t.Dial(ctx, "tcp", address(check.Host, check.Port, t.Address))
	if err != nil {
		return described(bundle.Check{TCP: &check}, t.Address, err)
	}
	return conn.Close()
}

func address(host string, port int, own string) string {
	if host == "" {
		host = own
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// describe describes a check: "GET http://10.88.0.5:80/".
func describe(check bundle.Check, own string) string {
	switch {
	case len(check.Exec) > 0:
		return fmt.Sprintf("exec %q", check.Exec[0])
	case check.HTTP != nil:
		return "GET " + check.HTTP.Scheme + "://" + address(check.HTTP.Host, check.HTTP.Port, own) + check.HTTP.Path
	case check.GRPC != nil:
		return "gRPC " + address("", check.GRPC.Port, own)
	case check.TCP != nil:
		return "TCP " + address(check.TCP.Host, check.TCP.Port, own)
	default:
		return "nothing"
	}
}

// described names the check, and of its error only the part that explains it: net's errors
// repeat the address, and name the system call.
func described(check bundle.Check, own string, err error) error {
	var operation *net.OpError
	if errors.As(err, &operation) {
		err = operation.Err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return fmt.Errorf("%s: %w", describe(check, own), err)
}
