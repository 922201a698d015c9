package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// expected are the expected changes of the node: units that may be other ones, appear or go, and units that
// are the same and may have been started again.
type expected struct {
	changed, restarted map[string]bool
}

// everything stands for all units.
const everything = "all.service"

// compare returns the faults of a node that was another one before.
func (e expected) compare(was, is *node) error {
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(was.Units)) {
		wrong = append(wrong, e.compareUnit(name, was, is))
	}
	for _, name := range slices.Sorted(maps.Keys(is.Units)) {
		if _, old := was.Units[name]; !old && !e.changed[name] && !e.changed[everything] {
			wrong = append(wrong, fmt.Errorf("%s has appeared", name))
		}
	}
	for path, content := range was.Volumes {
		if is.Volumes[path] != content {
			wrong = append(wrong, fmt.Errorf("%s is lost or changed", path))
		}
	}
	for _, thing := range is.Leftovers {
		wrong = append(wrong, fmt.Errorf("left over: %s", thing))
	}
	for _, thing := range is.Broken {
		wrong = append(wrong, fmt.Errorf("broken: %s", thing))
	}
	if is.Jobs > 0 {
		wrong = append(wrong, fmt.Errorf("systemd has %d jobs to do", is.Jobs))
	}
	if was.Boot == is.Boot && maps.Equal(was.states(), is.states()) {
		wrong = append(wrong, compareCounts(was, is))
	}
	return errors.Join(append(wrong, compareAgents(was, is))...)
}

func (e expected) compareUnit(name string, was, is *node) error {
	before, after := was.Units[name], is.Units[name]
	switch {
	case e.changed[name] || e.changed[everything]:
		return nil // that it is whole was looked at
	case before.Text != after.Text || before.Bundle != after.Bundle:
		return fmt.Errorf("%s is gone or another one", name)
	case before.Active != after.Active:
		return fmt.Errorf("%s was %s and is %s", name, before.Active, after.Active)
	case was.Boot != is.Boot || e.restarted[name] || e.restarted[everything]:
		return nil
	case before.PID != after.PID || before.Started != after.Started:
		return fmt.Errorf("%s was to stay and was restarted", name)
	}
	return nil
}

// states tells which units run.
func (n *node) states() map[string]string {
	states := map[string]string{}
	for name, u := range n.Units {
		states[name] = u.Active
	}
	return states
}

func compareCounts(was, is *node) error {
	var wrong []error
	for _, count := range []struct {
		what    string
		was, is int
	}{
		{"network devices", was.Links, is.Links}, {"mounts", was.Mounts, is.Mounts}, {"control groups", was.Groups, is.Groups},
		{"network namespaces", was.Namespaces, is.Namespaces}, {"lines of firewall rules", was.Rules, is.Rules},
		{"launchers", was.Launchers, is.Launchers},
	} {
		if count.was != count.is {
			wrong = append(wrong, fmt.Errorf("there were %d %s and are %d", count.was, count.what, count.is))
		}
	}
	return errors.Join(wrong...)
}

// Bounds of the agent while a fault lasts: of a processor one part in twenty, beside a pass or two; so
// much memory, in KiB; and so many lines in the journal, beside those a minute.
const (
	passes         = 3 * time.Second
	processorParts = 20
	maxResident    = 300 << 10
	maxLines       = 100
	linesPerMinute = 60
)

func compareAgents(was, is *node) error {
	if is.Agent.Invocation == "" {
		return nil
	}
	var wrong []error
	took, lines, between := is.Agent.CPU, is.Agent.Lines, is.At.Sub(was.At)
	if was.Agent.Invocation == is.Agent.Invocation {
		took, lines = took-was.Agent.CPU, lines-was.Agent.Lines
	}
	if took > passes+between/processorParts {
		wrong = append(wrong, fmt.Errorf("the agent took %v of a processor in %v", took, between))
	}
	if is.Agent.Resident > maxResident {
		wrong = append(wrong, fmt.Errorf("the agent has %d KiB of memory", is.Agent.Resident))
	}
	if lines > maxLines+int(linesPerMinute*between.Minutes()) {
		wrong = append(wrong, fmt.Errorf("the agent wrote %d lines in %v", lines, between))
	}
	return errors.Join(wrong...)
}

// idle returns the changes that davit still has to make, though a pass has ended.
func idle() error {
	output, err := exec.Command("davit", "plan", "--output=json").Output()
	var plan struct {
		Actions []struct{ Verb, Object, Reason string }
	}
	if decodeErr := json.Unmarshal(output, &plan); decodeErr != nil {
		return fmt.Errorf("davit plan: %w: %s", errors.Join(err, decodeErr), output)
	}
	if len(plan.Actions) > 0 {
		return fmt.Errorf("davit plan has something to do: %v", plan.Actions)
	}
	return nil // a change that it holds back does not count
}

// tells looks for a secret, the text of a file, where it must not be. Its places are
// bundles and the records of running containers, which only root can read, and files of containers.
func tells(file string) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	secret := bytes.TrimSpace(text)
	var wrong []error
	for _, dir := range []string{"/etc/systemd", "/run/systemd/system", runDir, stateDir} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return ignoreMissing(err)
			case path == stateDir+"/bundles", path == runDir+"/containers", path == volumesDir, path == stateDir+"/containers":
				return fs.SkipDir
			case !entry.Type().IsRegular():
				return nil
			}
			content, err := os.ReadFile(path)
			if bytes.Contains(content, secret) {
				wrong = append(wrong, fmt.Errorf("the secret is in %s", path))
			}
			return ignoreMissing(err)
		})
		wrong = append(wrong, ignoreMissing(err))
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, command := range commands {
		if line, err := os.ReadFile(command); err == nil && bytes.Contains(line, secret) {
			wrong = append(wrong, fmt.Errorf("the secret is an argument: %s", strings.ReplaceAll(string(line), "\x00", " ")))
		}
	}
	journal, journalErr := exec.Command("journalctl", "--quiet", "--output=export").Output()
	if bytes.Contains(journal, secret) {
		wrong = append(wrong, errors.New("the secret is in the journal"))
	}
	return errors.Join(append(wrong, err, journalErr)...)
}
