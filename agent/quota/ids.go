package quota

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Project ids are numbers of 32 bits, and one means the same on a whole file system. Nothing hands them out: each program
// keeps to a range. Kubelet counts up from 1048577 (pkg/volume/util/fsquota/project.go), Podman and Docker from the project
// of their directory, which may be any but is small where people choose it, and systemd has the upper half
// (PROJ_ID_MIN in src/core/exec-invoke.c).
const (
	firstID = 1 << 30
	lastID  = firstID + 1<<20 - 1
)

// choose returns the first id of the range that has no name and is not in use.
func choose(named map[uint32]bool, isUsed func(id uint32) (bool, error)) (uint32, error) {
	for id := uint32(firstID); id <= lastID; id++ {
		if named[id] {
			continue
		}
		used, err := isUsed(id)
		if err != nil {
			return 0, fmt.Errorf("look at project %d: %w", id, err)
		}
		if !used {
			return id, nil
		}
	}
	return 0, fmt.Errorf("all projects from %d to %d are in use", firstID, lastID)
}

// namedProjects are the ids that the node's owner has given to directories and names, whether these exist or not
// (projects(5), projid(5)).
func namedProjects() (map[uint32]bool, error) {
	named := map[uint32]bool{}
	for path, field := range map[string]int{"/etc/projects": 0, "/etc/projid": 1} {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		addNamed(named, string(text), field)
	}
	return named, nil
}

// addNamed adds the ids of a file of lines like "10:/var/log" or "logs:10", in which the id is the field of that index.
func addNamed(named map[uint32]bool, text string, field int) {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if strings.HasPrefix(line, "#") || field >= len(fields) {
			continue
		}
		if id, err := strconv.ParseUint(strings.TrimSpace(fields[field]), 10, 32); err == nil {
			named[uint32(id)] = true
		}
	}
}
