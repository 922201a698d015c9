package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	unitsDir   = "/etc/systemd/system.attached"
	stateDir   = "/var/lib/davit"
	runDir     = "/run/davit"
	volumesDir = stateDir + "/volumes"
	groupsDir  = "/sys/fs/cgroup/davit.slice"
)

// node is the state of a node.
type node struct {
	// At is when one looked, Boot the kernel's id of this boot.
	At   time.Time
	Boot string
	// Units are the units of containers and sandboxes, by name.
	Units map[string]unit
	// Volumes are the hashes of all files in named volumes, by path.
	Volumes map[string]string
	// Leftovers are files that no finished write leaves, and things that belong to no unit that runs.
	Leftovers []string
	// Broken are missing files that units need, and damaged parts of the storage of images.
	Broken []string
	// Links and Mounts are the numbers of network devices and mounts, Groups of davit's control groups, Namespaces of
	// network namespaces, Rules of lines of firewall rules, Launchers of processes of davit-run.
	Links, Mounts, Groups, Namespaces, Rules, Launchers int
	// Jobs are systemd's pending jobs.
	Jobs int
	// Agent is the agent's process.
	Agent process
}

// unit is one unit file, and its state in systemd.
type unit struct {
	// Object is the object that the unit is a part of.
	Object string
	// Text and Bundle are hashes of the file, and of the configuration that it starts; Bundle is
	// empty where there is none.
	Text, Bundle string
	// Active is systemd's ActiveState, PID the main process, Started when that was started, in
	// clock ticks since boot.
	Active, PID, Started string
	// Versions are the versions that the process finds where tests put them: in its
	// environment, its image and its configuration. A place that it does not have is left out.
	Versions []string
}

// process is the resource use of the agent's process.
type process struct {
	// Invocation is systemd's name of the run; empty while none runs.
	Invocation string
	// CPU is the time on a processor, Resident the most memory, in KiB, Lines how many it has written
	// to the journal.
	CPU             time.Duration
	Resident, Lines int
}

func look() (*node, error) {
	n := &node{At: time.Now(), Units: map[string]unit{}, Volumes: map[string]string{}, Leftovers: []string{}}
	for _, part := range []func(*node) error{jobs, unitFiles, volumes, temporaries, owned, leases, storage, counts, processes, agent} {
		if err := part(n); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// Where a unit file names its bundle, and its object.
var (
	starts = regexp.MustCompile(`(?m)^ExecStart=\S+ (?:start|sandbox) "?([^"\n]+)"?$`)
	partOf = regexp.MustCompile(`(?m)^Object=(.+)$`)
)

func unitFiles(n *node) error {
	files, err := filepath.Glob(unitsDir + "/*.service")
	if err != nil || len(files) == 0 {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		u := unit{Text: hash(text)}
		if object := partOf.FindStringSubmatch(string(text)); object != nil {
			u.Object = object[1]
		}
		if bundle := starts.FindStringSubmatch(string(text)); bundle != nil {
			config, err := os.ReadFile(filepath.Join(bundle[1], "config.json"))
			if err == nil {
				err = wholeImage(config)
			}
			if err != nil {
				n.Broken = append(n.Broken, fmt.Sprintf("%s starts %s: %v", file, bundle[1], err))
			}
			u.Bundle = hash(config)
		}
		n.Units[filepath.Base(file)] = u
	}
	return askSystemd(n)
}

// wholeImage looks whether all layers of a bundle's image are there.
func wholeImage(config []byte) error {
	var bundle struct{ Annotations map[string]string }
	var launch struct{ Image struct{ ID string } }
	if err := json.Unmarshal(config, &bundle); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(bundle.Annotations["io.davit.launch"]), &launch); err != nil {
		return err
	}
	if launch.Image.ID == "" {
		return nil // a sandbox
	}
	text, err := os.ReadFile(filepath.Join(stateDir, "images", launch.Image.ID+".json"))
	if err != nil {
		return err
	}
	var record struct {
		Base  string
		Lower []string
	}
	if err := json.Unmarshal(text, &record); err != nil {
		return err
	}
	for _, layer := range record.Lower {
		if !filepath.IsAbs(layer) {
			layer = filepath.Join(record.Base, layer)
		}
		if _, err := os.Stat(layer); err != nil {
			return err
		}
	}
	return nil
}

// askSystemd asks for all units at once.
func askSystemd(n *node) error {
	args := []string{"show", "--property=Id,ActiveState,MainPID"}
	for name := range n.Units {
		args = append(args, name)
	}
	output, err := exec.Command("systemctl", args...).Output()
	if err != nil {
		return fmt.Errorf("systemctl show: %w", err)
	}
	for block := range strings.SplitSeq(string(output), "\n\n") {
		property := properties(block)
		name := property["Id"]
		u, ok := n.Units[name]
		if !ok {
			continue // an alias
		}
		u.Active, u.PID = property["ActiveState"], property["MainPID"]
		u.Started, u.Versions = started(u.PID), versions(u.PID)
		n.Units[name] = u
	}
	return nil
}

func properties(block string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(block) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[name] = value
		}
	}
	return values
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

// versions are the versions that the process can find.
func versions(pid string) []string {
	told := []string{}
	environment, _ := os.ReadFile("/proc/" + pid + "/environ")
	for variable := range strings.SplitSeq(string(environment), "\x00") {
		if version, ok := strings.CutPrefix(variable, "VERSION="); ok {
			told = append(told, version)
		}
	}
	for _, file := range []string{"/version", "/words/version"} {
		if text, err := os.ReadFile("/proc/" + pid + "/root" + file); err == nil {
			told = append(told, strings.TrimSpace(string(text)))
		}
	}
	return told
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
// Those of pulls have names of their own.
var temporary = regexp.MustCompile(`^\.(davit-)?new-|^\.pulling$|/\.fetching/`)

// temporaries finds the rest of interrupted writes.
func temporaries(n *node) error {
	for _, dir := range []string{unitsDir, stateDir, runDir} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return ignoreMissing(err)
			case path == volumesDir, path == stateDir+"/containers":
				return fs.SkipDir // files of containers
			case temporary.MatchString(entry.Name()), temporary.MatchString(path):
				n.Leftovers = append(n.Leftovers, path)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// runs reports whether a container may have something on the node: its unit has not ended.
func (n *node) runs(id string) bool {
	u, ok := n.Units[id+".service"]
	return ok && u.Active != "inactive" && u.Active != "failed"
}

// owned finds directories of containers that no unit runs.
func owned(n *node) error {
	for _, dir := range []string{runDir + "/containers", runDir + "/runtime", stateDir + "/containers", "/run/davit-rootfs"} {
		entries, err := os.ReadDir(dir)
		if ignoreMissing(err) != nil {
			return err
		}
		for _, entry := range entries {
			if !n.runs(entry.Name()) && !n.runs(strings.Replace(entry.Name(), ".", "@", 1)) {
				n.Leftovers = append(n.Leftovers, filepath.Join(dir, entry.Name()))
			}
		}
	}
	links, err := filepath.Glob("/etc/systemd/system/*.wants/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && filepath.Dir(target) == unitsDir && n.Units[filepath.Base(target)].Text == "" &&
			strings.HasSuffix(target, ".service") {
			n.Leftovers = append(n.Leftovers, link)
		}
	}
	return err
}

// leases finds addresses that host-local has given out to no container that runs. It writes the
// container's id into the first line of a file that the address names.
func leases(n *node) error {
	members, err := filepath.Glob(runDir + "/members/*")
	if err != nil {
		return err
	}
	var used strings.Builder
	for _, member := range members {
		text, err := os.ReadFile(member)
		if ignoreMissing(err) != nil {
			return err
		}
		used.Write(text)
	}
	files, err := filepath.Glob(runDir + "/cni/networks/*/[0-9a-f]*[.:]*")
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			if ignoreMissing(err) == nil {
				continue
			}
			return err
		}
		id, _, _ := strings.Cut(string(text), "\n")
		id = strings.TrimSpace(id)
		inUse := strings.Contains(used.String(), `"`+filepath.Base(file)+`"`)
		if !inUse && !n.runs(id) && !n.runs(strings.Replace(id, ".", "@", 1)) {
			n.Leftovers = append(n.Leftovers, fmt.Sprintf("%s of %q", file, id))
		}
	}
	return nil
}

func counts(n *node) error {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	n.Boot = strings.TrimSpace(string(boot))
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		return err
	}
	n.Links = len(links)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	n.Mounts = bytes.Count(mounts, []byte("\n"))
	err = filepath.WalkDir(groupsDir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.HasSuffix(path, ".service") {
			n.Groups++
		}
		return ignoreMissing(err)
	})
	if err != nil {
		return err
	}
	for _, list := range [][]string{{"nft", "list", "ruleset"}, {"iptables-legacy-save"}} {
		// A machine may have one of them, or none.
		if output, err := exec.Command(list[0], list[1:]...).Output(); err == nil {
			n.Rules += bytes.Count(output, []byte("\n"))
		}
	}
	return nil
}

// jobs counts systemd's pending jobs. It comes before all else: the state once there is nothing to do is how
// things stay.
func jobs(n *node) error {
	list, err := exec.Command("systemctl", "list-jobs", "--no-legend", "--plain").Output()
	n.Jobs = bytes.Count(list, []byte("\n"))
	return err
}

// processes counts namespaces and launchers.
func processes(n *node) error {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	namespaces := map[uint64]bool{}
	for _, dir := range all {
		var stat syscall.Stat_t
		if syscall.Stat(dir+"/ns/net", &stat) == nil { // it has ended otherwise
			namespaces[stat.Ino] = true
		}
		if name, err := os.ReadFile(dir + "/comm"); err == nil && strings.TrimSpace(string(name)) == "davit-run" {
			n.Launchers++
		}
	}
	n.Namespaces = len(namespaces)
	return nil
}

// agent reads the resource use of the agent since it started.
func agent(n *node) error {
	output, err := exec.Command("systemctl", "show", "--property=InvocationID,MainPID,CPUUsageNSec", "davit.service").Output()
	if err != nil {
		return err
	}
	property := properties(string(output))
	if property["MainPID"] == "0" || property["MainPID"] == "" {
		return nil
	}
	n.Agent.Invocation = property["InvocationID"]
	if used, err := strconv.ParseInt(property["CPUUsageNSec"], 10, 64); err == nil {
		n.Agent.CPU = time.Duration(used)
	}
	status, err := os.ReadFile("/proc/" + property["MainPID"] + "/status")
	if err != nil {
		return ignoreMissing(err)
	}
	if peak := regexp.MustCompile(`VmHWM:\s*(\d+)`).FindSubmatch(status); peak != nil {
		if n.Agent.Resident, err = strconv.Atoi(string(peak[1])); err != nil {
			return err
		}
	}
	// The journal itself may be broken.
	lines, _ := exec.Command("journalctl", "--quiet", "--output=cat", "_SYSTEMD_INVOCATION_ID="+n.Agent.Invocation).Output()
	n.Agent.Lines = bytes.Count(lines, []byte("\n"))
	return nil
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// ignoreMissing ignores files that have gone meanwhile.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
