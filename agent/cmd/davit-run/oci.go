package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/agent/terminal"
)

// runOCI is the command line that OCI runtimes have
// (https://github.com/opencontainers/runtime-tools/blob/master/docs/command-line-interface.md).
func runOCI(args []string) error {
	logrus.SetLevel(logrus.WarnLevel) // the specification wants warnings
	flags := flagsOf("davit-run")
	root := flags.String("root", runtime.OCIRoot, "")
	logFile := flags.String("log", "", "")
	logFormat := flags.String("log-format", "text", "")
	showVersion := flags.Bool("version", false, "")
	if err := flags.Parse(args); err != nil {
		return errors.Join(err, errUsage)
	}
	if *showVersion {
		fmt.Printf("davit-run version %s\nspec: %s\n", version, specs.Version)
		return nil
	}
	err := ociCommand(runtime.OCI{Root: *root}, flags.Args())
	if err == nil || *logFile == "" {
		return err
	}
	return errors.Join(err, logError(*logFile, *logFormat, err))
}

var errUsage = errors.New("unknown command")

// flagsOf are flags whose mistakes are reported as any other error.
func flagsOf(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

func ociCommand(oci runtime.OCI, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flagsOf(args[0])
	var create runtime.OCICreate
	force := false
	switch args[0] {
	case "create":
		for _, name := range []string{"bundle", "b"} {
			flags.StringVar(&create.Bundle, name, ".", "")
		}
		flags.StringVar(&create.PidFile, "pid-file", "", "")
		flags.StringVar(&create.ConsoleSocket, "console-socket", "", "")
	case "delete":
		for _, name := range []string{"force", "f"} {
			flags.BoolVar(&force, name, false, "")
		}
	}
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	id := flags.Arg(0)
	if id == "" {
		return fmt.Errorf("%s: want the id of a container", args[0])
	}
	switch {
	case args[0] == "kill" && flags.NArg() == 1:
		return oci.Kill(id, "TERM")
	case args[0] == "kill" && flags.NArg() == 2:
		return oci.Kill(id, flags.Arg(1))
	case flags.NArg() > 1:
		return fmt.Errorf("%s: want one id", args[0])
	case args[0] == "create":
		return oci.Create(id, create)
	case args[0] == "start":
		return oci.Start(id)
	case args[0] == "state":
		return printState(oci, id)
	case args[0] == "delete":
		return oci.Delete(id, force)
	default:
		return errUsage
	}
}

func printState(oci runtime.OCI, id string) error {
	state, err := oci.State(id)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(terminal.NewWriter(os.Stdout))
	encoder.SetIndent("", "  ")
	return encoder.Encode(state)
}

// logError adds an error to a log as engines read it.
func logError(path, format string, failure error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	logger := logrus.New()
	logger.SetOutput(file)
	if format == "json" {
		logger.SetFormatter(&logrus.JSONFormatter{})
	}
	logger.Error(failure)
	return file.Close()
}
