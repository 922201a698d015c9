// davit runs containers as plain systemd services, from YAML manifests. It is both the
// command line and the agent that watches a manifest directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent/terminal"
)

// version is set when a release is built.
var version = "devel"

func main() {
	if status, done := begin(os.Args[1:]); done {
		os.Exit(status)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root := rootCommand()
	setOutput(root, terminal.NewWriter(os.Stdout), terminal.NewWriter(os.Stderr))
	err := root.ExecuteContext(ctx)
	stop()
	os.Exit(exitStatus(root.ErrOrStderr(), err))
}

// setOutput has all output escaped, also the log of the libraries for registries and images.
func setOutput(root *cobra.Command, out, errs *terminal.Writer) {
	root.SetOut(out)
	root.SetErr(errs)
	log.SetOutput(errs)
	setLibraryOutput(errs)
}

// printError prints each of the errors that were joined in a line.
func printError(w io.Writer, err error) {
	before := "davit: "
	for _, one := range joined(err) {
		printLine(w, "%s%s", before, one)
		before = ""
	}
}

// joined are the errors that were joined and nothing more, or the error itself.
func joined(err error) []error {
	parts, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	if whole := errors.Join(parts.Unwrap()...); whole == nil || whole.Error() != err.Error() {
		return []error{err}
	}
	var all []error
	for _, part := range parts.Unwrap() {
		all = append(all, joined(part)...)
	}
	return all
}

// exitError is a command's exit status beside 1, with nothing more to say.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// statusError is an error that ends davit with a status of its own.
type statusError struct {
	error
	status int
}

// exitStatus prints an error, and returns davit's exit status for it.
func exitStatus(w io.Writer, err error) int {
	var exit exitError
	var own statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	}
	printError(w, err)
	leaveBehind(err)
	if errors.As(err, &own) {
		return own.status
	}
	return 1
}
