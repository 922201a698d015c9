package main

import (
	"encoding/json"
	"fmt"
)

const manifests = "/etc/davit/manifests/"

var davit = contestant{
	name: "davit", title: "davit", networks: networks, many: true,
	files: func(ws []workload) map[string]string {
		return filesOf(ws, func(name string) string { return manifests + name + ".yaml" }, davitManifest)
	},
	apply: func([]workload) string { return "davit apply --wait --confirm-prune" },
	remove: func(ws []workload) string {
		return "rm" + namesOf(ws, " "+manifests, ".yaml") + "; davit apply --wait --confirm-prune"
	},
	start: systemctl("start"), stop: systemctl("stop"),
	exec: func(w workload, command ...string) []string {
		return append([]string{"davit", "exec", w.name, "--"}, command...)
	},
}

// object is a part of a manifest.
type object map[string]any

func davitManifest(w workload) string {
	spec := object{
		"image":   payloadImage,
		"env":     []object{{"name": "REVISION", "value": fmt.Sprint(w.revision)}},
		"service": object{"RestartSec": restartDelay},
	}
	switch w.network {
	case none:
		spec["networks"] = []object{{"name": "none"}}
	case bridgePort:
		spec["ports"] = []object{{"containerPort": 80, "hostPort": w.port}}
	}
	if w.probed {
		spec["livenessProbe"] = object{"exec": object{"command": []string{"/" + payloadName, "check"}}, "periodSeconds": 1}
	}
	return marshal(object{"apiVersion": "davit/v1", "kind": "Container", "metadata": object{"name": w.name}, "spec": spec})
}

// marshal writes a manifest; JSON is YAML.
func marshal(o object) string {
	text, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		panic(err) // objects can be marshalled
	}
	return string(text) + "\n"
}
