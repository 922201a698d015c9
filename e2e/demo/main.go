// demo shows davit's main job on a throwaway node: a manifest dropped into a directory becomes a systemd service, an
// edit replaces it, a deletion removes it. It runs an operator's commands, shows their output, and fails if one of the
// results is not as described.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/davit-project/davit/e2e"
	"github.com/davit-project/davit/e2e/node"
)

func main() {
	keep := flag.Bool("keep", false, "leave a shell in the node at the end")
	examples := flag.String("examples", "examples", "the `directory` of example manifests")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *examples, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, examples string, keep bool) (err error) {
	installation, err := os.MkdirTemp("", "davit-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(installation)) }()
	say("Making the test images (once on this machine) and installing davit for the node")
	kit, err := e2e.NewKit(ctx, installation)
	if err != nil {
		return err
	}
	began := time.Now()
	lab, err := e2e.NewLab(ctx, kit, "node")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	say("A node has booted in %d ms: a real systemd, nothing of it on this machine's disk", time.Since(began).Milliseconds())
	d := &demo{lab: lab, examples: examples}
	if err := d.tour(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, lab.Journal(ctx))
	}
	if !keep {
		return nil
	}
	say("The node is yours. Manifests go to %s; leave with exit", manifests)
	return lab.Shell(ctx)
}

// manifests is the directory that the node's agent watches.
const manifests = "/etc/davit/manifests"

// demo is the operator.
type demo struct {
	lab      *e2e.Lab
	examples string
}

// tour shows the steps in order. It stops at the first one that fails.
func (d *demo) tour(ctx context.Context) error {
	for _, step := range []func(context.Context) error{d.agent, d.drop, d.look, d.edit, d.remove} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	say("All of it held")
	return nil
}

func (d *demo) agent(ctx context.Context) error {
	say("The agent runs as a service of its own")
	if _, err := d.typed(ctx, "systemctl", "start", "davit"); err != nil {
		return err
	}
	_, err := d.typed(ctx, "systemctl", "is-active", "davit")
	return err
}

// activeWithin is how soon a dropped manifest must run.
const activeWithin = 2 * time.Second

func (d *demo) drop(ctx context.Context) error {
	say("A manifest is dropped into %s", manifests)
	text, err := os.ReadFile(filepath.Join(d.examples, "hello.yaml"))
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n", bytes.TrimSpace(text))
	if err := d.put("neighbour.yaml", strings.NewReplacer("name: hello", "name: neighbour", "8080", "8081").Replace(string(text))); err != nil {
		return err
	}
	began := time.Now()
	if err := d.put("hello.yaml", string(text)); err != nil {
		return err
	}
	if err := e2e.Until(ctx, activeWithin, func(ctx context.Context) error {
		_, err := d.lab.Output(ctx, "systemctl", "is-active", "--quiet", "hello")
		return err
	}); err != nil {
		return fmt.Errorf("hello.service was not active within %s: %w", activeWithin, err)
	}
	say("hello.service is active %d ms after the drop, image pulled", time.Since(began).Milliseconds())
	return d.answers(ctx, "version 1")
}

func (d *demo) look(ctx context.Context) error {
	say("It is an ordinary service; its main process is the container's own")
	status, err := d.typed(ctx, "systemctl", "status", "hello")
	if err != nil {
		return err
	}
	if !strings.Contains(status, "(hello)") {
		return errors.New("the main process of hello.service is not the container's")
	}
	processes, err := d.typed(ctx, "sh", "-c", "pgrep --list-full davit")
	if err != nil {
		return err
	}
	if lines := strings.Count(processes, "\n"); lines != 1 {
		return fmt.Errorf("%d davit processes run, want the agent alone", lines)
	}
	_, err = d.typed(ctx, "journalctl", "--unit=hello", "--output=cat")
	return err
}

func (d *demo) edit(ctx context.Context) error {
	say("An edit replaces it, and touches nothing else")
	neighbour, err := d.mainPID(ctx, "neighbour")
	if err != nil {
		return err
	}
	if _, err := d.typed(ctx, "sed", "-i", "s/hello:1/hello:2/", manifests+"/hello.yaml"); err != nil {
		return err
	}
	if err := d.answers(ctx, "version 2"); err != nil {
		return err
	}
	if after, err := d.mainPID(ctx, "neighbour"); err != nil || after != neighbour {
		return errors.Join(fmt.Errorf("neighbour.service was touched: its main process was %s and is %s", neighbour, after), err)
	}
	_, err = d.typed(ctx, "davit", "status")
	return err
}

func (d *demo) remove(ctx context.Context) error {
	say("A deletion removes it")
	if _, err := d.typed(ctx, "rm", manifests+"/hello.yaml"); err != nil {
		return err
	}
	began := time.Now()
	if err := e2e.Until(ctx, 15*time.Second, func(ctx context.Context) error {
		output, err := d.lab.Output(ctx, "systemctl", "cat", "hello")
		if err == nil {
			return fmt.Errorf("the unit is still there:\n%s", output)
		}
		return nil
	}); err != nil {
		return err
	}
	say("hello.service is gone %.1f s later: a deletion must stand for a while before it counts", time.Since(began).Seconds())
	if _, err := d.typed(ctx, "systemctl", "status", "hello"); err == nil {
		return errors.New("hello.service is still there")
	}
	left, err := d.typed(ctx, "sh", "-c", "find /etc/systemd /run/davit -name '*hello*'")
	if err == nil && left != "" {
		err = fmt.Errorf("left behind:\n%s", left)
	}
	return err
}

// answers waits until the hello container answers over HTTP with a text.
func (d *demo) answers(ctx context.Context, want string) error {
	const url = "http://127.0.0.1:8080/"
	var body string
	err := e2e.Until(ctx, 15*time.Second, func(ctx context.Context) (err error) {
		if body, err = d.lab.Get(ctx, url); err == nil && !strings.Contains(body, want) {
			err = fmt.Errorf("%s answers %q, want %q", url, body, want)
		}
		return err
	})
	prompt("curl " + url)
	fmt.Print(body)
	return err
}

func (d *demo) mainPID(ctx context.Context, unit string) (string, error) {
	return d.lab.Output(ctx, "systemctl", "show", "--property=MainPID", "--value", unit)
}

// put drops a manifest.
func (d *demo) put(name, text string) error {
	prompt("cp " + name + " " + manifests + "/")
	return d.lab.Put(filepath.Join(manifests, name), strings.NewReader(text), 0o644)
}

// typed runs a command in the node and shows it with its output.
func (d *demo) typed(ctx context.Context, args ...string) (string, error) {
	line := strings.Join(args, " ")
	if args[0] == "sh" {
		line = args[2]
	}
	prompt(line)
	var output bytes.Buffer
	err := d.lab.Run(ctx, node.Command{Args: args, Stdout: &output, Stderr: &output})
	fmt.Print(output.String())
	if err != nil {
		err = fmt.Errorf("%s: %w", line, err)
	}
	return output.String(), err
}

func prompt(line string) { fmt.Printf("\nnode # %s\n", line) }

func say(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }
