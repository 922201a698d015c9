// judge prints what a node is, as JSON, for a test to compare: the units that davit wrote and what
// systemd makes of them, what lies about, and what volumes hold. It knows where davit keeps things
// from the documents alone and uses none of its code, so that it does not share its mistakes.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	unitsDir   = "/etc/systemd/system.attached"
	stateDir   = "/var/lib/davit"
	runDir     = "/run/davit"
	volumesDir = stateDir + "/volumes"
)

// node is what is printed.
type node struct {
	// Units are the units of containers and sandboxes, by name.
	Units map[string]unit
	// Volumes are the hashes of all files in named volumes, by path.
	Volumes map[string]string
	// Leftovers are files that no finished write leaves, and what belongs to no unit.
	Leftovers []string
	// Links and Mounts are how many network devices and mounts there are, Groups how many control
	// groups of davit's.
	Links, Mounts, Groups int
	// Jobs are what systemd still has to do.
	Jobs int
}

// unit is one unit file, and what systemd makes of it.
type unit struct {
	// Text and Bundle are hashes of the file, and of the configuration that it starts; Bundle is
	// empty where there is none.
	Text, Bundle string
	// Active is systemd's ActiveState, PID the main process, Started when that was started, in
	// clock ticks since boot.
	Active, PID, Started string
}

func main() {
	found, err := look()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

func look() (*node, error) {
	n := &node{Units: map[string]unit{}, Volumes: map[string]string{}, Leftovers: []string{}}
	for _, part := range []func(*node) error{units, volumes, leftovers, counts} {
		if err := part(n); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// starts is where a unit file names its bundle.
var starts = regexp.MustCompile(`(?m)^ExecStart=\S+ (?:start|sandbox) "?([^"\n]+)"?$`)

func units(n *node) error {
	files, err := filepath.Glob(unitsDir + "/*.service")
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		u := unit{Text: hash(text)}
		if bundle := starts.FindStringSubmatch(string(text)); bundle != nil {
			config, err := os.ReadFile(filepath.Join(bundle[1], "config.json"))
			if err != nil {
				n.Leftovers = append(n.Leftovers, fmt.Sprintf("%s starts %s: %v", file, bundle[1], err))
			}
			u.Bundle = hash(config)
		}
		name := filepath.Base(file)
		if u.Active, err = show(name, "ActiveState"); err != nil {
			return err
		}
		if u.PID, err = show(name, "MainPID"); err != nil {
			return err
		}
		u.Started = started(u.PID)
		n.Units[name] = u
	}
	return nil
}

func show(unit, property string) (string, error) {
	output, err := exec.Command("systemctl", "show", "--value", "--property="+property, unit).Output()
	return strings.TrimSpace(string(output)), err
}

// started is field 22 of proc_pid_stat(5).
func started(pid string) string {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	if fields := strings.Fields(rest); len(fields) > 19 {
		return fields[19]
	}
	return ""
}

func volumes(n *node) error {
	return filepath.WalkDir(volumesDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return ignoreMissing(err)
		}
		content, err := os.ReadFile(path)
		n.Volumes[path] = hash(content)
		return err
	})
}

// temporary are the names of files and directories that are being written.
var temporary = regexp.MustCompile(`^\.(davit-)?new-`)

// leftovers finds what interrupted writes left, and containers that no unit has.
func leftovers(n *node) error {
	for _, dir := range []string{unitsDir, stateDir, runDir} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return ignoreMissing(err)
			case path == volumesDir, path == stateDir+"/containers":
				return fs.SkipDir // what containers write
			case temporary.MatchString(entry.Name()):
				n.Leftovers = append(n.Leftovers, path)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	running, err := os.ReadDir(runDir + "/containers")
	if err != nil {
		return ignoreMissing(err)
	}
	for _, entry := range running {
		if _, ok := n.Units[entry.Name()+".service"]; !ok {
			n.Leftovers = append(n.Leftovers, filepath.Join(runDir, "containers", entry.Name()))
		}
	}
	return nil
}

func counts(n *node) error {
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		return err
	}
	n.Links = len(links)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	n.Mounts = strings.Count(string(mounts), "\n")
	groups, err := filepath.Glob("/sys/fs/cgroup/davit.slice/*.service")
	if err != nil {
		return err
	}
	n.Groups = len(groups)
	jobs, err := exec.Command("systemctl", "list-jobs", "--no-legend", "--plain").Output()
	n.Jobs = strings.Count(string(jobs), "\n")
	return err
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

func ignoreMissing(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
