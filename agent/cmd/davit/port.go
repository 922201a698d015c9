//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/units/bundle"
)

func portCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "port NAME",
		Short: "Show the ports that a container publishes on the node",
		Long: `Show the ports that a running container publishes on the node. The containers of a pod share
their ports.`,
		Example: `  davit port web
  davit port -o json app/db`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRunning,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := find(args[0])
			if err != nil {
				return err
			}
			published, err := publishedPorts(found)
			if err != nil {
				return err
			}
			return s.print(cmd.OutOrStdout(), published, func() error { return printPorts(cmd.OutOrStdout(), published) })
		},
	}
}

func printPorts(w io.Writer, published []bundle.Port) error {
	for _, port := range published {
		first, last := int(port.ContainerPort), int(port.ContainerPort+port.Last()-port.HostPort)
		address := net.JoinHostPort(cmp.Or(port.HostIP, "0.0.0.0"), span(int(port.HostPort), int(port.Last())))
		printLine(w, "%s/%s -> %s", span(first, last), port.Protocol, address)
	}
	return nil
}

// span is a port, or a range of ports: "9000-9099".
func span(first, last int) string {
	if last > first {
		return fmt.Sprintf("%d-%d", first, last)
	}
	return strconv.Itoa(first)
}

// publishedPorts are those of containers that run, each pod's once.
func publishedPorts(all []ownUnit) ([]bundle.Port, error) {
	if err := needRoot(); err != nil {
		return nil, err
	}
	published := []bundle.Port{}
	seen := map[string]bool{}
	for _, unit := range all {
		if !unit.Running {
			return nil, fmt.Errorf("%s does not run: see systemctl status %s", unit.ID, unit.ID)
		}
		b, err := unit.bundle()
		if err != nil {
			return nil, err
		}
		if b.Sandbox != "" {
			if b, err = (ownUnit{ID: b.Sandbox}).bundle(); err != nil {
				return nil, err
			}
		}
		if !seen[b.ID] {
			published = append(published, b.Network.Ports...)
		}
		seen[b.ID] = true
	}
	return published, nil
}
