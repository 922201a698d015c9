package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/agent/probe"
	"github.com/davit-project/davit/units/bundle"
)

// checkOutput is how many bytes of a check's output are kept.
const checkOutput = 512

// Command runs a command of a check in a container, which succeeds with exit status 0. The error of any other has the
// command's last line.
func Command(ctx context.Context, b *bundle.Bundle, args []string) error {
	return withLastLine(func(output *os.File) error { return RunCommand(ctx, b, args, output, output) })
}

// leftOpen bounds the wait for the end of the output of a command that has ended: all of the output can be read by
// then, but processes that the command has left running may hold the pipe open for ever.
const leftOpen = time.Second

// withLastLine adds the last line of run's output to its error.
func withLastLine(run func(output *os.File) error) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	said := make(chan string, 1)
	go func() { said <- lastLine(reader) }()
	ran := run(writer)
	writer.Close()
	if ran == nil {
		return nil
	}
	if err := reader.SetReadDeadline(time.Now().Add(leftOpen)); err != nil {
		return errors.Join(ran, err)
	}
	if text := <-said; text != "" {
		return fmt.Errorf("%w: %s", ran, text)
	}
	return ran
}

// lastLine reads to the end and returns the last line that says something.
func lastLine(reader io.Reader) string {
	var kept []byte
	buffer := make([]byte, checkOutput)
	for {
		n, err := reader.Read(buffer)
		kept = append(kept, buffer[:n]...)
		kept = kept[max(len(kept)-checkOutput, 0):]
		if err != nil {
			break
		}
	}
	lines := strings.Split(strings.ToValidUTF8(string(bytes.TrimSpace(kept)), "?"), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// RunCommand runs a command in a container to its end, or kills it when the context ends.
func RunCommand(ctx context.Context, b *bundle.Bundle, args []string, stdout, stderr *os.File) error {
	container, pid, err := joinable(b)
	if err != nil {
		return err
	}
	// The command has an environment of its own; the bundle is used again.
	copied := *b.Spec.Process
	spec := *b.Spec
	spec.Process = &copied
	joining, err := processFor(&bundle.Bundle{Spec: &spec, Launch: b.Launch}, pid, Options{Args: args})
	if err != nil {
		return err
	}
	process, _, err := container.Exec(joining, runtime.Streams{Stdout: stdout, Stderr: stderr})
	if err != nil {
		return fmt.Errorf("exec %q: %w", args[0], err)
	}
	stop := context.AfterFunc(ctx, func() { _ = process.Signal(unix.SIGKILL) })
	defer stop()
	state, err := process.Wait()
	switch {
	case state == nil:
		return fmt.Errorf("exec %q: %w", args[0], err)
	case ctx.Err() != nil:
		return fmt.Errorf("exec %q: %w", args[0], context.Cause(ctx))
	case !state.Success():
		return fmt.Errorf("exec %q ended with %s", args[0], state)
	default:
		return nil
	}
}

// Check makes one check of the named probe of a running container, whose check is a command. Its
// error is the result of the check.
func Check(ctx context.Context, id, name string) error {
	b, err := record.ReadRunning(id)
	if err != nil {
		return err
	}
	checked := map[string]*bundle.Probe{
		"startup": b.Health.Startup, "readiness": b.Health.Readiness, "liveness": b.Health.Liveness,
	}[name]
	if checked == nil || len(checked.Exec) == 0 {
		return errors.New("its manifest has no such probe")
	}
	target := probe.Target{Exec: func(ctx context.Context, args []string) error { return Command(ctx, b, args) }}
	return target.Probe(ctx, *checked)
}
