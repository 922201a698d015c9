// davit-run is the launcher: it starts the container of a bundle as the main process of
// the systemd unit it runs in, and exits.
//
// The limits of the container's own group are nothing to the launcher's count of threads: it need
// not look for them each time it runs, nor look again.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/davit-project/davit/agent/launch/cleanup"
	"github.com/davit-project/davit/agent/launch/exec"
	"github.com/davit-project/davit/agent/launch/lifecycle"
	"github.com/davit-project/davit/agent/launch/mend"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/agent/launch/schedule"
	"github.com/davit-project/davit/agent/launch/start"
	"github.com/davit-project/davit/agent/terminal"
)

// version is set when a release is built.
var version = "devel"

const usage = `davit-run starts the containers of davit's systemd units.

  davit-run start BUNDLE         start the bundle's container as this unit's main process
  davit-run sandbox BUNDLE       make the namespaces that the containers of a pod share
  davit-run ready ID             return when the container has started up and can serve
  davit-run prestop ID SECONDS   run the preStop hook before the container is stopped
  davit-run due BUNDLE           exit with status 1 when a timer starts the bundle too late
  davit-run beside UNIT...       start the first of the units that does not run
  davit-run finish ID            remove the leftovers of a container that has completed
  davit-run cleanup ID           note how a container or a sandbox ended, and remove its leftovers
  davit-run mend ID...           restore the devices, rules and links that others have removed of
                                 running containers, and print those that cannot be restored
  davit-run reload ID            reload as the container's manifest says
  davit-run check ID PROBE       make one check of a probe that runs a command, and print why it
                                 failed
  davit-run exec [options] ID -- COMMAND [ARG...]
                                 run a command in a container
  davit-run attach [options] ID  join this terminal with the container's
  davit-run version

All but mend, which the agent calls, check, exec, attach and version are called by the units that davit writes; BUNDLE is a
path with a slash.

With plain OCI bundles it is a runtime like any other:

  davit-run [--root DIR] [--log FILE] [--log-format text|json] COMMAND
    create [--bundle DIR] [--pid-file FILE] [--console-socket PATH] ID
    start ID
    state ID
    kill ID [SIGNAL]             SIGTERM by default
    delete [--force] ID
`

// memoryLimit is from where on garbage is collected after all, for commands that stay, in bytes.
const memoryLimit = 32 << 20

// init comes before main so that nothing else in the program has run when a container's
// first process begins.
//
// It keeps the main goroutine on the main thread, whose namespaces are the process's own in
// /proc: a thread that makes a container's network namespace must be another.
func init() {
	// A start ends before it has used up the memory that a collection of its garbage would give back.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	goruntime.LockOSThread()
	if len(os.Args) > 1 && os.Args[1] == "init" {
		runtime.Init()
	}
}

// messages is the writer for errors: they contain texts of images and containers.
var messages = terminal.NewWriter(os.Stderr)

func main() {
	// libcontainer warns of things that only its own command line could act on.
	logrus.SetLevel(logrus.ErrorLevel)
	logrus.SetOutput(messages)
	status, err := run(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(messages, "davit-run:", err)
		os.Exit(max(status, 1))
	}
	os.Exit(status)
}

func run(ctx context.Context, args []string) (int, error) {
	switch {
	case len(args) == 2 && args[0] == "start" && strings.Contains(args[1], "/"):
		return 0, start.Container(ctx, args[1])
	case len(args) == 2 && args[0] == "sandbox":
		return 0, start.Sandbox(ctx, args[1])
	case len(args) == 2 && args[0] == "ready":
		return 0, lifecycle.Ready(ctx, args[1])
	case len(args) == 3 && args[0] == "prestop":
		grace, err := seconds(args[2])
		if err != nil {
			return 0, err
		}
		return 0, lifecycle.PreStop(ctx, args[1], grace)
	case len(args) == 2 && args[0] == "expire":
		within, err := time.ParseDuration(args[1])
		if err != nil {
			return 0, err
		}
		return 0, lifecycle.Expire(within)
	case len(args) == 3 && args[0] == "explain":
		pid, err := strconv.Atoi(args[2])
		if err != nil {
			return 0, err
		}
		return 0, start.Explain(args[1], pid)
	case len(args) == 3 && args[0] == "check":
		return 0, check(ctx, args[1], args[2])
	case len(args) == 2 && args[0] == "due":
		return due(ctx, args[1])
	case len(args) > 1 && args[0] == "beside":
		return 0, schedule.Overlap(ctx, args[1:])
	case len(args) == 2 && args[0] == "finish":
		return 0, cleanup.Finish(ctx, args[1])
	case len(args) == 2 && args[0] == "cleanup":
		return 0, cleanup.End(ctx, args[1], time.Now())
	case len(args) > 1 && args[0] == "mend":
		printFailures(args[1:], mend.All(args[1:]))
		return 0, nil
	case len(args) == 3 && args[0] == "reload":
		return 0, lifecycle.Reload(args[1], args[2])
	case len(args) > 1 && args[0] == "exec":
		return execIn(args[1:])
	case len(args) > 1 && args[0] == "attach":
		return 0, attach(args[1:])
	case len(args) == 1 && args[0] == "version":
		fmt.Println("davit-run", version)
		return 0, nil
	}
	err := runOCI(args)
	if errors.Is(err, errUsage) {
		fmt.Fprint(messages, usage)
	}
	return 0, err
}

// printFailures prints the failures to restore containers, one line for each, in their order: a line may refer to an
// earlier one.
func printFailures(ids []string, failures map[string]error) {
	for _, id := range ids {
		if err := failures[id]; err != nil {
			fmt.Printf("%s: %s\n", id, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
}

// check prints why a check has failed: the caller needs the fact that it was made.
func check(ctx context.Context, id, probe string) error {
	if err := exec.Check(ctx, id, probe); err != nil {
		fmt.Println(err)
	}
	return nil
}

func seconds(text string) (time.Duration, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of seconds", text)
	}
	return time.Duration(n) * time.Second, nil
}

// due is an ExecCondition=: status 1 skips the start, 255 fails it (systemd.service(5)).
func due(ctx context.Context, dir string) (int, error) {
	due, err := schedule.Due(ctx, dir, time.Now())
	switch {
	case err != nil:
		fmt.Fprintln(messages, "davit-run:", err)
		return 255, nil
	case !due:
		fmt.Println("its time is too long ago: startingDeadlineSeconds has passed")
		return 1, nil
	default:
		return 0, nil
	}
}

func execIn(args []string) (int, error) {
	var options exec.Options
	flags := flag.NewFlagSet("davit-run exec", flag.ContinueOnError)
	flags.BoolVar(&options.Interactive, "interactive", false, "pass standard input on")
	flags.BoolVar(&options.Terminal, "tty", false, "give the command a terminal")
	detachKeys(flags, &options.DetachKeys)
	flags.StringVar(&options.User, "user", "", "run as user[:group]")
	flags.StringVar(&options.WorkingDir, "workdir", "", "run in this directory")
	flags.Func("env", "set NAME=VALUE; may be repeated", func(entry string) error {
		options.Env = append(options.Env, entry)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return exec.StatusError, err
	}
	if flags.NArg() < 3 || flags.Arg(1) != "--" {
		return exec.StatusError, errors.New("exec: want the name of a container, -- and a command")
	}
	options.Args = flags.Args()[2:]
	return exec.Run(flags.Arg(0), options)
}

func attach(args []string) error {
	var keys []byte
	flags := flag.NewFlagSet("davit-run attach", flag.ContinueOnError)
	detachKeys(flags, &keys)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("attach: want the name of a container")
	}
	return exec.Attach(flags.Arg(0), keys)
}

func detachKeys(flags *flag.FlagSet, keys *[]byte) {
	flags.Func("detach-keys", "keys that leave the terminal, such as ctrl-p,ctrl-q", func(text string) (err error) {
		*keys, err = exec.DetachKeys(text)
		return err
	})
}
