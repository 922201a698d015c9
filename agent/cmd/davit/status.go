//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

func statusCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the state of workloads, and differences from the manifests",
		Long: `Show each workload: its state, whether it is ready, how often systemd restarted it, the generation
that applied it, the age of the state, and its image. If it is not in the desired state, show the
reason, the next event and its time. davit why shows more.

With -o json each workload has conditions as Kubernetes objects have them: Accepted, Applied, Ready,
Reconciling, Stalled.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.withNode(cmd, func(node *agent.Node, from source) error {
				report, err := node.Report(cmd.Context(), from.set, from.guard)
				if err != nil {
					return err
				}
				return s.print(cmd.OutOrStdout(), report, func() error { return printReport(cmd.OutOrStdout(), report) })
			})
		},
	}
}

func printReport(w io.Writer, report agent.Report) error {
	table := newTable(w, "OBJECT", "STATE", "READY", "RESTARTS", "GENERATION", "AGE", "IMAGE", "WHY")
	for _, object := range report.Objects {
		table.row(subject(object), object.State, ready(object), object.Restarts, generation(object), since(object.Since), image(object), reason(object))
		for _, port := range chosenPorts(object.Ports) {
			table.row("  port", publishedAs(port), "", "", "", "", "", "")
		}
		for _, run := range object.Runs {
			table.row("  run", runState(run), "", "", "", since(&run.Started), "", "")
		}
	}
	if err := table.columns.Flush(); err != nil {
		return err
	}
	for _, held := range report.Held {
		printLine(w, "%s: %s", held.Object, held.Reason)
	}
	if report.Warning != "" {
		printLine(w, "a part of the history is left out: %s", report.Warning)
	}
	if report.Unchecked != "" {
		printLine(w, "cannot check running containers: %s", report.Unchecked)
	}
	for _, name := range report.Orphans {
		printLine(w, "Volume/%s is retained, though no manifest has it: /var/lib/davit/volumes/%s", name, name)
	}
	rows := map[string]bool{}
	for _, object := range report.Objects {
		rows[object.Object] = true
	}
	for _, diagnostic := range report.Diagnostics {
		if !rows[diagnostic.Object] {
			printLine(w, "%s", diagnostic)
		}
	}
	return nil
}

// chosenPorts are those from which davit chooses for autoHostPort: no manifest says them.
func chosenPorts(published []bundle.Port) []bundle.Port {
	return slices.DeleteFunc(slices.Clone(published), func(port bundle.Port) bool {
		return port.HostPort < v1.MinAutoHostPort || port.HostPort > v1.MaxAutoHostPort
	})
}

// subject is the object, and the unit where it has others, or has none yet.
func subject(object agent.ObjectReport) string {
	if object.Unit == "" {
		return object.Object
	}
	return reconcile.Subject(object.Object, object.Unit)
}

func generation(object agent.ObjectReport) string {
	if object.Generation == 0 {
		return "-"
	}
	return strconv.Itoa(object.Generation)
}

// image is the reference, and as much of the digest as tells images apart.
func image(object agent.ObjectReport) string {
	if object.Digest == "" || strings.Contains(object.Image, "@") {
		return cmp.Or(object.Image, "-")
	}
	return object.Image + "@" + short(strings.TrimPrefix(object.Digest, "sha256:"))
}

// reason returns the reason why a workload is not in its desired state, and the next step; otherwise its own status
// text.
func reason(object agent.ObjectReport) string {
	var parts []string
	if len(object.Causes) > 0 {
		parts = append(parts, causesFor(object))
	} else if object.Status != "" {
		parts = append(parts, object.Status)
	}
	if object.Next != nil {
		parts = append(parts, "next: "+object.Next.String())
	}
	return strings.Join(parts, "; ")
}

// causesFor is the root cause, and before it the one that the object itself waits for if the root is another object's.
func causesFor(object agent.ObjectReport) string {
	root := object.Causes[0]
	text := string(root.Stage) + ": " + root.Message
	if root.Object != object.Object {
		text = object.Causes[len(object.Causes)-1].Message + ": " + root.String()
	}
	return text
}

// ready is the state of the readiness probe: unknown without the agent, which makes it.
func ready(object agent.ObjectReport) string {
	switch {
	case !object.Probed:
		return "-"
	case object.Ready == nil:
		return "unknown"
	case *object.Ready:
		return "yes"
	default:
		return "no"
	}
}

// runState says how a run of a job ended, and how long it took.
func runState(run agent.Run) string {
	if run.Ended == nil {
		return "goes on"
	}
	state := run.Result
	if run.Exit != "" {
		state += " " + run.Exit
	}
	return fmt.Sprintf("%s (%s)", state, run.Ended.Sub(run.Started).Round(time.Second))
}

func since(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return time.Since(*at).Round(time.Second).String()
}
