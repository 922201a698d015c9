//go:build linux

package main

import (
	"io"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent/images"
)

// nodeCommands are the commands that need a node. All others run on every system.
func nodeCommands(s *settings) []*cobra.Command {
	return []*cobra.Command{
		agentCommand(s), applyCommand(s), planCommand(s), statusCommand(s), whyCommand(s),
		historyCommand(s), diffCommand(s), rollbackCommand(s), suspendCommand(s), resumeCommand(s),
		renderCommand(s), logsCommand(s), execCommand(), attachCommand(), cpCommand(), topCommand(s), portCommand(s),
	}
}

// begin runs before the command line is read. If it has done all there is to do, davit exits with the status.
func begin(args []string) (status int, done bool) {
	// The storage library runs this program again to unpack layers; then it is not davit.
	if images.Init() {
		return 0, true
	}
	return supervise(args)
}

// setLibraryOutput sets the output of the libraries for registries and images.
func setLibraryOutput(w io.Writer) { logrus.SetOutput(w) }
