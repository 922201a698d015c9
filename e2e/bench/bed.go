package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/davit-project/davit/e2e"
	"github.com/davit-project/davit/e2e/node"
)

// bed is a node that contestants run on, ready for all of them.
type bed struct {
	*e2e.Lab
	node *node.Node
}

// confFiles make the contestants run where the kernel has given the node's cgroups no controllers:
// Podman would set a limit of processes by default.
var confFiles = map[string]string{
	"/etc/containers/containers.conf": "[containers]\npids_limit = 0\n",
}

func newBed(ctx context.Context, kit *e2e.Kit) (*bed, error) {
	lab, err := e2e.NewLab(ctx, kit, "node")
	if err != nil {
		return nil, err
	}
	b := &bed{Lab: lab, node: lab.Machine.(*node.Node)}
	if err := b.put(confFiles); err != nil {
		return nil, errors.Join(err, lab.Close())
	}
	return b, nil
}

// put leaves files on the node.
func (b *bed) put(files map[string]string) error {
	for name, text := range files {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := b.Put(name, strings.NewReader(text), mode); err != nil {
			return err
		}
	}
	return nil
}

// run runs a command. Its output goes to a file: processes that it leaves may hold that open.
func (b *bed) run(ctx context.Context, args ...string) error {
	if len(args) == 0 {
		return nil
	}
	output, err := os.CreateTemp("", "davit-bench-")
	if err != nil {
		return err
	}
	defer output.Close()
	if err := os.Remove(output.Name()); err != nil {
		return err
	}
	if err := b.node.Run(ctx, node.Command{Args: args, Stdout: output, Stderr: output}); err != nil {
		text, _ := io.ReadAll(io.NewSectionReader(output, 0, 1<<16))
		return fmt.Errorf("%s: %w: %s", strings.Join(args[:min(3, len(args))], " "), err, bytes.TrimSpace(text))
	}
	return nil
}

// cost is the cost of a command: the time until it was done, and of the processors until the node was quiet again.
type cost struct{ wall, cpu time.Duration }

// measure runs a command and returns its cost for the node.
func (b *bed) measure(ctx context.Context, args ...string) (cost, error) {
	return b.measureFunc(ctx, func() error { return b.run(ctx, args...) })
}

func (b *bed) measureFunc(ctx context.Context, f func() error) (cost, error) {
	before, err := b.quiet(ctx)
	if err != nil {
		return cost{}, err
	}
	began := time.Now()
	if err := f(); err != nil {
		return cost{}, err
	}
	wall := time.Since(began)
	after, err := b.quiet(ctx)
	return cost{wall: wall, cpu: after - before}, err
}

// A node is quiet when its processes used less than quietUse within quietFor. It need not be, for longer
// than quietLimit: daemons and timers do not rest.
const (
	quietFor   = 40 * time.Millisecond
	quietUse   = 400 * time.Microsecond
	quietLimit = 3 * time.Second
)

// quiet waits until the node is quiet, so that no earlier work is counted with the next,
// and returns its use so far.
func (b *bed) quiet(ctx context.Context) (time.Duration, error) {
	limit := time.Now().Add(quietLimit)
	ticks := time.NewTicker(quietFor)
	defer ticks.Stop()
	last, err := b.node.CPUTime()
	for err == nil {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		var now time.Duration
		now, err = b.node.CPUTime()
		if now-last < quietUse || time.Now().After(limit) {
			return now, err
		}
		last = now
	}
	return 0, err
}

// until waits for a shell command to succeed.
func (b *bed) until(ctx context.Context, limit time.Duration, script string) error {
	return e2e.Until(ctx, limit, func(ctx context.Context) error { return b.run(ctx, "sh", "-c", script) })
}
