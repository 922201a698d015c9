// trial boots the node of the scenarios, with davit installed and the lab's registry and images, and
// runs a script of a folder in it, or a shell. The node ends with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/e2e"
	"github.com/davit-project/davit/e2e/node"
)

func main() {
	folder := flag.String("folder", "", "the `directory` of SCRIPT, copied to "+trialPath+" of the node")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: trial [-folder DIRECTORY SCRIPT]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 1 || (flag.Arg(0) == "") != (*folder == "") {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	status, err := run(ctx, *folder, flag.Arg(0))
	switch {
	case ctx.Err() != nil:
		status = 128 + int(unix.SIGINT) // err only reports a command that was killed
	case err != nil:
		fmt.Fprintln(os.Stderr, "trial:", err)
		status = 1
	}
	stop()
	os.Exit(status)
}

// run returns the exit status of the script, or of the shell.
func run(ctx context.Context, folder, script string) (status int, err error) {
	if script != "" {
		if _, err := os.Stat(filepath.Join(folder, script)); err != nil {
			return 0, err
		}
	}
	installation, err := os.MkdirTemp("", "davit-trial-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(installation)) }()
	kit, err := e2e.NewKit(ctx, installation)
	if err != nil {
		return 0, err
	}
	lab, err := e2e.NewLab(ctx, kit, "node")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	if script == "" {
		fmt.Fprintln(os.Stderr, "A node with davit installed. Manifests go to /etc/davit/manifests; `systemctl start davit` starts the agent; `exit` ends the node.")
		return exitStatus(lab.Shell(ctx))
	}
	if err := copyFolder(ctx, lab, folder); err != nil {
		return 0, err
	}
	return exitStatus(lab.Run(ctx, node.Command{
		Args: []string{"bash", path.Join(trialPath, script)}, Dir: trialPath, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}

// exitStatus is the status with which a shell reports how a command ended.
func exitStatus(err error) (int, error) {
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) {
		return 0, err
	}
	if wait, ok := exit.Sys().(syscall.WaitStatus); ok && wait.Signaled() {
		return 128 + int(wait.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// trialPath is the path of the folder in the node.
const trialPath = "/trial"

// copyFolder copies all of the folder into the node, with modes and links.
func copyFolder(ctx context.Context, lab *e2e.Lab, folder string) error {
	pack := exec.CommandContext(ctx, "tar", "--create", "--directory", folder, ".")
	pack.Stderr = os.Stderr
	archive, err := pack.StdoutPipe()
	if err != nil {
		return err
	}
	if err := pack.Start(); err != nil {
		return fmt.Errorf("pack %s: %w", folder, err)
	}
	unpackErr := lab.Run(ctx, node.Command{
		Args:  []string{"sh", "-c", "mkdir " + trialPath + " && exec tar --extract --no-same-owner --directory " + trialPath},
		Stdin: archive, Stderr: os.Stderr,
	})
	if unpackErr != nil {
		archive.Close() // ends tar, which may have more to write
		unpackErr = fmt.Errorf("unpack %s in the node: %w", folder, unpackErr)
	}
	if err := pack.Wait(); err != nil && unpackErr == nil {
		return fmt.Errorf("pack %s: %w", folder, err)
	}
	return unpackErr
}
