// allowed prints the permissions of its process that a container's confinement could take
// away, one a line, sorted: capabilities, system calls, files of the kernel, devices, inherited
// descriptors. Of two runs, the one whose lines are a part of the other's is the tighter confined.
//
//	allowed            all of it
//	allowed devices    the devices that it can make and open, for a container with CAP_MKNOD
//	allowed keyring    the name of its session keyring
//	allowed wait       nothing, and waits until it is stopped
package main

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "allowed:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var sections []func() ([]string, error)
	switch {
	case len(args) == 0:
		// Descriptors first: the others open some.
		sections = []func() ([]string, error){descriptors, process, limits, environment, mounts, kernelFiles, deviceFiles, systemCalls}
	case args[0] == "devices":
		sections = []func() ([]string, error){devices}
	case args[0] == "keyring":
		sections = []func() ([]string, error){keyring}
	case args[0] == "wait":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		return nil
	case args[0] == callsCommand && len(args) == 2:
		return makeCalls(args[1])
	default:
		return fmt.Errorf("unknown command %q", args[0])
	}
	var lines []string
	for _, section := range sections {
		more, err := section()
		if err != nil {
			return err
		}
		lines = append(lines, more...)
	}
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		fmt.Println(line)
	}
	return nil
}
