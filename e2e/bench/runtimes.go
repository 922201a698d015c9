package main

import (
	"encoding/json"

	"github.com/opencontainers/runc/libcontainer/specconv"
)

// crun and runc alone: no image, no network, no supervisor.
var (
	crun = runtimeNamed("crun")
	runc = runtimeNamed("runc")
)

// rootfs is the root of all their containers; its file system is only read.
const rootfs = "/root/rootfs"

func runtimeNamed(name string) contestant {
	return contestant{
		name: name, title: name + " alone", networks: []network{none},
		setup: "mkdir -p " + rootfs + "; cp /usr/local/bin/" + payloadName + " " + rootfs,
		files: func(ws []workload) map[string]string {
			return filesOf(ws, func(name string) string { return bundle(name) + "/config.json" }, func(workload) string { return runtimeConfig() })
		},
		apply: func(ws []workload) string {
			return name + " run --detach --bundle " + bundle(ws[0].name) + " " + ws[0].name
		},
		remove: func(ws []workload) string { return name + " delete --force " + ws[0].name },
		start: func(w workload) []string {
			return []string{name, "run", "--detach", "--bundle", bundle(w.name), w.name}
		},
		stop: func(w workload) []string { return []string{name, "delete", "--force", w.name} },
		exec: func(w workload, command ...string) []string {
			return append([]string{name, "exec", w.name}, command...)
		},
	}
}

func bundle(name string) string { return "/root/bundles/" + name }

// runtimeConfig is the output of `runc spec`, with the payload as the command.
func runtimeConfig() string {
	spec := specconv.Example()
	spec.Process.Terminal = false
	spec.Process.Args = []string{"/" + payloadName}
	spec.Root.Path = rootfs
	text, err := json.Marshal(spec)
	if err != nil {
		panic(err) // a specification can be marshalled
	}
	return string(text)
}
