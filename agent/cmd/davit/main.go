// davit runs containers as plain systemd services, from YAML manifests. It is both the
// command line and the agent that watches a manifest directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"go.podman.io/storage/pkg/reexec"
	"golang.org/x/sys/unix"
)

// version is set when a release is built.
var version = "devel"

func main() {
	// The storage library runs this program again to unpack layers; then it is not davit.
	if reexec.Init() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	os.Exit(exitStatus(err))
}

// exitError is a command's exit status beside 1, with nothing more to say.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func exitStatus(err error) int {
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	default:
		fmt.Fprintln(os.Stderr, "davit:", err)
		return 1
	}
}
