package main

import (
	"fmt"
	"strings"
)

var kubePlay = contestant{
	name: "kube-play", title: "podman kube play", networks: networks,
	setup: "podman pull -q " + payloadImage,
	files: func(ws []workload) map[string]string { return filesOf(ws, podFile, podManifest) },
	apply: func(ws []workload) string {
		var script strings.Builder
		for _, w := range ws {
			fmt.Fprintln(&script, strings.Join(playPod(w), " "))
		}
		return script.String()
	},
	remove: func(ws []workload) string {
		var script strings.Builder
		for _, w := range ws {
			fmt.Fprintf(&script, "podman kube down %s; rm %[1]s\n", podFile(w.name))
		}
		return script.String()
	},
	start: playPod,
	stop:  func(w workload) []string { return []string{"podman", "kube", "down", podFile(w.name)} },
	exec: func(w workload, command ...string) []string {
		return append([]string{"podman", "exec", w.name + "-" + payloadName}, command...)
	},
}

func podFile(name string) string { return "/root/pods/" + name + ".yaml" }

func playPod(w workload) []string {
	args := []string{"podman", "kube", "play", "--quiet"}
	if w.network == none {
		args = append(args, "--network=none")
	}
	return append(args, podFile(w.name))
}

func podManifest(w workload) string {
	container := object{"name": payloadName, "image": payloadImage}
	if w.network == bridgePort {
		container["ports"] = []object{{"containerPort": 80, "hostPort": w.port}}
	}
	return marshal(object{
		"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": w.name},
		"spec": object{"containers": []object{container}},
	})
}

// compose has all workloads of a call in one project, named after the first.
var compose = contestant{
	name: "compose", title: "Docker Compose", networks: networks, many: true,
	setup: "systemctl start docker; docker pull -q " + payloadImage,
	files: func(ws []workload) map[string]string {
		services := object{}
		for _, w := range ws {
			services[w.name] = composeService(w)
		}
		return map[string]string{projectFile(ws[0]): marshal(object{"services": services})}
	},
	apply: func(ws []workload) string {
		return "docker compose -f " + projectFile(ws[0]) + " up --quiet-pull --detach"
	},
	remove: func(ws []workload) string {
		return "docker compose -f " + projectFile(ws[0]) + " down; rm " + projectFile(ws[0])
	},
	start: func(w workload) []string {
		return []string{"docker", "compose", "-f", projectFile(w), "up", "--detach"}
	},
	stop: func(w workload) []string { return []string{"docker", "compose", "-f", projectFile(w), "down"} },
	exec: func(w workload, command ...string) []string {
		return append([]string{"docker", "exec", w.name}, command...)
	},
}

// projectFile lies in a directory of its own, which Compose names the project after.
func projectFile(w workload) string { return "/root/" + w.name + "/compose.yaml" }

func composeService(w workload) object {
	service := object{
		"image": payloadImage, "container_name": w.name, "network_mode": "bridge", "restart": "always",
		"environment": object{"REVISION": fmt.Sprint(w.revision)},
	}
	switch w.network {
	case none:
		service["network_mode"] = "none"
	case bridgePort:
		service["ports"] = []string{fmt.Sprintf("%d:80", w.port)}
	}
	if w.probed {
		service["healthcheck"] = object{"test": []string{"CMD", "/" + payloadName, "check"}, "interval": "1s"}
	}
	return service
}
