// node boots a throwaway node and runs a command in it, or a shell. The node ends with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/davit-project/davit/e2e/node"
)

func main() {
	err := run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	var config node.Config
	flag.StringVar(&config.Hostname, "hostname", "node", "the node's host `name`")
	flag.Func("layer", "copy the content of `directory` over the root; may be repeated",
		func(directory string) error {
			config.Layers = append(config.Layers, directory)
			return nil
		})
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: node [options] [COMMAND [ARG...]]")
		flag.PrintDefaults()
	}
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	began := time.Now()
	n, err := node.Boot(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	fmt.Fprintf(os.Stderr, "node: booted in %d ms\n", time.Since(began).Milliseconds())
	if flag.NArg() == 0 {
		return n.Shell(ctx)
	}
	return n.Run(ctx, node.Command{Args: flag.Args(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
}
