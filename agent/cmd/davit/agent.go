//go:build linux

package main

import (
	"errors"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/agent/images"
)

func agentCommand(s *settings) *cobra.Command {
	options := agent.Options{}
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Watch the manifest directory and apply its changes to the node",
		Long: `Watch the manifest directory and apply its changes to the node. Meant to run as
davit.service; containers do not need the agent, and keep running when it exits.

The agent applies a change once the directory has been quiet for a moment, because a half
written file may parse. It removes units without a manifest later still, and
only when all manifests are free of errors.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			owner, err := s.ownerID()
			if err != nil {
				return err
			}
			options.Manifests, options.Config, options.Policy, options.Owner = s.manifests, s.config, s.policy, owner
			if err := runAgent(cmd, options); !errors.Is(err, agent.ErrRenew) {
				return err
			}
			return os.NewSyscallError("execve", unix.Exec("/proc/self/exe", os.Args, os.Environ()))
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&options.Resync, "resync", time.Minute, "compare the node with the manifests this often")
	flags.DurationVar(&options.Quiet, "settle", 300*time.Millisecond, "apply a directory that was quiet this long; 50ms are enough when none of its files is open for writing")
	flags.DurationVar(&options.PruneQuiet, "prune-settle", 3*time.Second, "remove missing objects when the directory was quiet this long; after four times as long while other files keep changing")
	return cmd
}

func runAgent(cmd *cobra.Command, options agent.Options) error {
	log := newLog()
	ctx := cmd.Context()
	status := agent.NewStatus(log)
	status.Beat()
	patience := agent.ForAgent
	patience.Progress = func(images.Progress) { status.Beat() }
	node, err := agent.Open(ctx, patience)
	if err != nil {
		return err
	}
	defer node.Close()
	go status.Watchdog(ctx)
	now := make(chan os.Signal, 1)
	signal.Notify(now, unix.SIGHUP)
	defer signal.Stop(now)
	return agent.NewAgent(node, options, log, status).Run(ctx, now)
}
