package launch

import (
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// initPrograms are where distributions have a small static init for containers: catatonit,
// as Podman uses it, or tini. The first that is there is used.
var initPrograms = []string{
	"/usr/libexec/catatonit/catatonit", "/usr/libexec/podman/catatonit", "/usr/bin/catatonit", "/usr/bin/tini-static",
}

// initPath is where a container sees it.
const initPath = "/dev/init"

// addInit makes the node's init program the container's first process. It reaps what nobody
// waits for and passes signals on.
func (r *run) addInit() error {
	if !r.Init {
		return nil
	}
	for _, program := range initPrograms {
		if _, err := os.Stat(program); err != nil {
			continue
		}
		r.Spec.Mounts = append(r.Spec.Mounts, specs.Mount{
			Type: "bind", Source: program, Destination: initPath, Options: []string{"bind", "rprivate", "ro", "nosuid", "nodev"},
		})
		r.Spec.Process.Args = append([]string{initPath, "--"}, r.Spec.Process.Args...)
		return nil
	}
	return errors.New("init: the node has no init program for containers: install the package catatonit")
}
