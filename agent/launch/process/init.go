package process

import (
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/units/bundle"
)

// initPrograms are the paths at which distributions install a small static init for containers: catatonit, as Podman
// uses it, or tini. The first that exists is used.
var initPrograms = []string{
	"/usr/libexec/catatonit/catatonit", "/usr/libexec/podman/catatonit", "/usr/bin/catatonit", "/usr/bin/tini-static",
}

// initPath is its path in a container.
const initPath = "/dev/init"

// AddInit makes the node's init program the container's first process, if the bundle asks for that. It reaps orphans and
// passes signals on.
func AddInit(b *bundle.Bundle) error {
	if !b.Init {
		return nil
	}
	for _, program := range initPrograms {
		if _, err := os.Stat(program); err != nil {
			continue
		}
		b.Spec.Mounts = append(b.Spec.Mounts, specs.Mount{
			Type: "bind", Source: program, Destination: initPath, Options: []string{"bind", "rprivate", "ro", "nosuid", "nodev"},
		})
		b.Spec.Process.Args = append([]string{initPath, "--"}, b.Spec.Process.Args...)
		return nil
	}
	return errors.New("init: the node has no init program for containers: install the package catatonit")
}
