package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/davit-project/davit/e2e/node"
	"github.com/davit-project/davit/e2e/registry"
	"github.com/davit-project/davit/e2e/vm"
)

// commands are the commands of scenarios beside testscript's own:
//
//	node COMMAND [ARG...]      run a command in the node, as root
//	put FILE PATH              put a file, or a directory, of the scenario at the node's
//	                           path; a file appears in one rename, a script executable
//	draw N DIRECTORY           write N files of manifests with random workloads that davit validate takes
//	                           into a directory of the scenario (-draw-seed draws others)
//	http URL                   GET a URL from inside the node; fails unless it answers 2xx
//	until [-t 10s] [-o REGEXP] COMMAND [ARG...]
//	                           repeat node, http or their like until it succeeds and its
//	                           output matches; `until !` until it fails. The time is that
//	                           on an idle machine: a slower one gets more (measurePatience)
//	terminal DIALOGUE COMMAND [ARG...]
//	                           run a command in the node on a terminal, and hold the dialogue
//	                           of the file with it: see speak
//	reboot [-f] [ARGUMENT...]  shut the node down and boot it again; -f pulls the plug; a machine's
//	                           kernel gets the arguments from then on
//	registry up | down         the registry answers, or its machine is gone
//	registry tag FROM TO       push an image under another name, repository:tag
//	registry fault REPOSITORY MODE | none
//	                           a repository, or * for all, misbehaves until `none`: see registry.Fault;
//	                           one at 127.0.0.1:5099 takes connections and never answers
//	registry derive FROM REPOSITORY N
//	                           add N images with the layers of another and one of their own
//	registry requests          print the requests to the registry since last time
//
// The output of a command can be checked with testscript's stdout and stderr.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"node":     check(runNodeOnce),
	"http":     check(runHTTP),
	"until":    check(runUntil),
	"put":      check(runPut),
	"draw":     check(runDraw),
	"reboot":   check(runReboot),
	"registry": check(runRegistry),
	"terminal": check(runTerminal),
}

// scene is the surroundings of a command.
type scene struct {
	ts  *testscript.TestScript
	lab *Lab
	// out and err become the scenario's stdout and stderr.
	out, err io.Writer
}

// patience is a variable for waits in the node itself, the scripts of the scenarios and e2e/judge:
// how many times longer than on an idle machine, in whole times.
func (s scene) patience() string { return fmt.Sprintf("PATIENCE=%.0f", math.Ceil(s.lab.Patience)) }

// command is one scenario command; an error is a failure that `!` may expect.
type command func(ctx context.Context, s scene, args []string) error

// usage is a mistake in a scenario, which `!` does not excuse.
type usage string

func (u usage) Error() string { return "usage: " + string(u) }

// check makes a command testscript's.
func check(run command) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		lab := ts.Value(labKey{}).(*Lab)
		limit := lab.Wait(2 * time.Minute)
		if *long || *faults {
			limit *= 60
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		err := run(ctx, scene{ts, lab, ts.Stdout(), ts.Stderr()}, args)
		if wrong := usage(""); errors.As(err, &wrong) || (err != nil) != neg {
			if err == nil {
				err = errors.New("succeeded unexpectedly")
			}
			ts.Fatalf("%v", err)
		}
	}
}

func runNode(ctx context.Context, s scene, args []string) error {
	if len(args) == 0 {
		return usage("node COMMAND [ARG...]")
	}
	return s.lab.Run(ctx, node.Command{Args: args, Env: []string{s.patience()}, Stdout: s.out, Stderr: s.err})
}

// runNodeOnce runs a command that is not repeated. One that reads the journal finds in it all that was
// written before.
func runNodeOnce(ctx context.Context, s scene, args []string) error {
	line := strings.Join(args, " ")
	if strings.Contains(line, "journalctl") || strings.HasPrefix(line, "davit logs") {
		// An error is that of a journal that is down, which the command itself reports.
		_, _ = s.lab.Output(ctx, "timeout", "10", "journalctl", "--sync")
	}
	return runNode(ctx, s, args)
}

func runHTTP(ctx context.Context, s scene, args []string) error {
	if len(args) != 1 {
		return usage("http URL")
	}
	body, err := s.lab.Get(ctx, args[0])
	_, writeErr := io.WriteString(s.out, body)
	return errors.Join(err, writeErr)
}

// repeatable are the commands that until can repeat; any other is the node's.
var repeatable = map[string]command{"http": runHTTP, "node": runNode}

func runUntil(ctx context.Context, s scene, args []string) error {
	flags := flag.NewFlagSet("until", flag.ContinueOnError)
	flags.SetOutput(s.err)
	limit := flags.Duration("t", 10*time.Second, "")
	pattern := flags.String("o", "", "")
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		return usage("until [-t DURATION] [-o REGEXP] [!] COMMAND [ARG...]")
	}
	want, err := regexp.Compile("(?m)" + *pattern)
	if err != nil {
		return usage(err.Error())
	}
	args = flags.Args()
	fails := args[0] == "!"
	if fails {
		args = args[1:]
	}
	run, rest := repeatable[args[0]], args[1:]
	if run == nil {
		run, rest = runNode, args
	}
	var stdout, stderr bytes.Buffer
	err = Until(ctx, s.lab.Wait(*limit), func(ctx context.Context) error {
		stdout.Reset()
		stderr.Reset()
		err := run(ctx, scene{s.ts, s.lab, &stdout, &stderr}, rest)
		switch {
		case fails && err == nil:
			return errors.New("still succeeds")
		case !fails && err != nil:
			return err
		case !want.Match(stdout.Bytes()):
			return fmt.Errorf("output does not match %q", *pattern)
		}
		return nil
	})
	_, outErr := stdout.WriteTo(s.out)
	_, errErr := stderr.WriteTo(s.err)
	if err != nil {
		err = fmt.Errorf("not within %s: %w", s.lab.Wait(*limit), err)
	}
	return errors.Join(err, outErr, errErr)
}

func runPut(_ context.Context, s scene, args []string) error {
	if len(args) != 2 {
		return usage("put FILE PATH")
	}
	source := s.ts.MkAbs(args[0])
	if info, err := os.Stat(source); errors.Is(err, fs.ErrNotExist) {
		return usage(err.Error())
	} else if err != nil {
		return err
	} else if info.IsDir() {
		return s.lab.putDirectory(source, args[1])
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if bytes.HasPrefix(text, []byte("#!")) {
		mode = 0o755 // the files of a txtar have no mode
	}
	return s.lab.Put(args[1], bytes.NewReader(text), mode)
}

func runReboot(ctx context.Context, s scene, args []string) error {
	crash := len(args) > 0 && args[0] == "-f"
	if crash {
		args = args[1:]
	}
	if len(args) > 0 {
		machine, ok := s.lab.Machine.(*vm.Machine)
		if !ok {
			return usage("reboot: a node has the kernel of its machine")
		}
		machine.SetKernel(args...)
	}
	return s.lab.Reboot(ctx, crash)
}

func runRegistry(_ context.Context, s scene, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "up":
		return s.lab.registryUp()
	case len(args) == 1 && args[0] == "down":
		return s.lab.Registry.Down()
	case len(args) == 3 && args[0] == "tag":
		return s.lab.Registry.Tag(args[1], args[2])
	case len(args) == 3 && args[0] == "fault":
		if err := s.lab.Registry.SetFault(args[1], registry.Fault(args[2])); err != nil {
			return usage(err.Error())
		}
		return nil
	case len(args) == 4 && args[0] == "derive":
		count, err := strconv.Atoi(args[3])
		if err != nil {
			return usage(err.Error())
		}
		return s.lab.Registry.Derive(args[1], args[2], count)
	case len(args) == 1 && args[0] == "requests":
		_, err := fmt.Fprintln(s.out, strings.Join(s.lab.Registry.Requests(), "\n"))
		return err
	}
	return usage("registry up | down | tag FROM TO | derive FROM REPOSITORY N | fault REPOSITORY MODE | requests")
}
