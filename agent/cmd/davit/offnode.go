//go:build !linux

package main

import (
	"io"

	"github.com/spf13/cobra"
)

// nodeCommands are the commands that need a node: there are none, a node runs Linux.
func nodeCommands(*settings) []*cobra.Command { return nil }

func begin([]string) (status int, done bool) { return 0, false }

func setLibraryOutput(io.Writer) {}

func leaveBehind(error) {}
