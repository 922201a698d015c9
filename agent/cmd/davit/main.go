// davit runs containers as plain systemd services, from YAML manifests. It is both the
// command line and the agent that watches a manifest directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/images"
	"github.com/davit-project/davit/agent/terminal"
)

// version is set when a release is built.
var version = "devel"

func main() {
	// The storage library runs this program again to unpack layers; then it is not davit.
	if images.Init() {
		return
	}
	if status, done := supervise(os.Args[1:]); done {
		os.Exit(status)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	root := rootCommand()
	root.SetOut(terminal.NewWriter(os.Stdout))
	root.SetErr(terminal.NewWriter(os.Stderr))
	err := root.ExecuteContext(ctx)
	stop()
	os.Exit(exitStatus(root.ErrOrStderr(), err))
}

// exitError is a command's exit status beside 1, with nothing more to say.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// statusError is an error that ends davit with a status of its own.
type statusError struct {
	error
	status int
}

// exitStatus prints an error, and returns what davit ends with because of it.
func exitStatus(w io.Writer, err error) int {
	var exit exitError
	var own statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	}
	fmt.Fprintln(w, "davit:", err)
	leaveBehind(err)
	if errors.As(err, &own) {
		return own.status
	}
	return 1
}
