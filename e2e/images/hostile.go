package images

import (
	"fmt"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// hostileLinks are symbolic links that make a runtime act on the node where it takes them for the
// node's own paths: /canary of the node would change.
func hostileLinks() map[string]string {
	links := map[string]string{
		// CVE-2026-41579, CVE-2023-27561: the runtime makes links, devices and mounts there.
		"dev": "/canary", "proc": "/canary", "sys": "/canary", "etc": "/canary",
		// Where volumes are to be mounted; CVE-2025-31133 and the like want them over these.
		"data": "/canary", "out": "../../../../../../../../canary",
		"devices": "/dev", "terminals": "/dev/pts", "settings": "/proc/sys/kernel", "status": "/proc/self",
		// CVE-2019-5736: a program that is the runtime itself.
		"exe": "/proc/self/exe",
	}
	// CVE-2024-21626: a working directory that is a file descriptor of the runtime's.
	for descriptor := 3; descriptor <= 40; descriptor++ {
		links[fmt.Sprintf("fd%d", descriptor)] = fmt.Sprintf("/proc/self/fd/%d", descriptor)
	}
	return links
}

// hostileImages are images that try to make a runtime act on the node.
func hostileImages(shell v1.Layer) ([]named, error) {
	entries := map[string]entry{}
	for name, target := range hostileLinks() {
		entries[name] = entry{mode: fs.ModeSymlink | 0o777, link: target}
	}
	layer, err := (&content{entries: entries}).layer(nil)
	if err != nil {
		return nil, err
	}
	var made []named
	for tag, workingDir := range map[string]string{"links": "", "workdir": "/proc/self/fd/7"} {
		config := v1.Config{Cmd: []string{"sh"}, Env: []string{searchPath}, WorkingDir: workingDir}
		image, err := imageOf(config, shell, layer)
		if err != nil {
			return nil, fmt.Errorf("image hostile: %w", err)
		}
		made = append(made, named{image, namesOf("davit-project/hostile", []string{tag})})
	}
	return made, nil
}
