package main

import (
	"fmt"
	"strings"
)

// plain is a service of systemd's without a container: the floor.
var plain = contestant{
	name: "plain", title: "plain service", networks: []network{none}, many: true,
	files: func(ws []workload) map[string]string {
		return filesOf(ws, plainUnit, func(w workload) string {
			return fmt.Sprintf(unlimited+"[Service]\nType=notify\nExecStart=/usr/local/bin/%s\nRestart=always\nRestartSec=%s\nEnvironment=REVISION=%d\n"+
				"[Install]\nWantedBy=multi-user.target\n", payloadName, restartDelay, w.revision)
		})
	},
	apply: func(ws []workload) string {
		return "systemctl daemon-reload; systemctl --quiet enable --now" + namesOf(ws, " ", "")
	},
	remove: func(ws []workload) string {
		return "systemctl --quiet disable --now" + namesOf(ws, " ", "") + "; rm" + namesOf(ws, " /etc/systemd/system/", ".service") + "; systemctl daemon-reload"
	},
	start: systemctl("start"), stop: systemctl("stop"),
	exec: func(w workload, command ...string) []string {
		return append([]string{"sh", "-c", `exec nsenter -t "$(systemctl show -P MainPID ` + w.name + `)" -a "$@"`, "sh"}, command...)
	},
}

func plainUnit(name string) string { return "/etc/systemd/system/" + name + ".service" }

// restartDelay is the RestartSec of the units.
const restartDelay = "0"

// unlimited lets a unit be started as often as one likes, as davit's are.
const unlimited = "[Unit]\nStartLimitIntervalSec=0\n"

var quadlet = contestant{
	name: "quadlet", title: "Podman Quadlet", networks: networks, many: true,
	// A node masks all generators.
	setup: "rm -f /etc/systemd/system-generators/podman-system-generator; podman pull -q " + payloadImage,
	files: func(ws []workload) map[string]string {
		return filesOf(ws, func(name string) string { return "/etc/containers/systemd/" + name + ".container" }, quadletFile)
	},
	apply: func(ws []workload) string {
		return "systemctl daemon-reload; systemctl start" + namesOf(ws, " ", "")
	},
	remove: func(ws []workload) string {
		return "systemctl stop" + namesOf(ws, " ", "") + "; rm" + namesOf(ws, " /etc/containers/systemd/", ".container") + "; systemctl daemon-reload"
	},
	start: systemctl("start"), stop: systemctl("stop"),
	exec: func(w workload, command ...string) []string {
		return append([]string{"podman", "exec", w.name}, command...)
	},
}

func quadletFile(w workload) string {
	lines := []string{unlimited + "[Container]", "Image=" + payloadImage, "ContainerName=" + w.name, fmt.Sprintf("Environment=REVISION=%d", w.revision)}
	switch w.network {
	case none:
		lines = append(lines, "Network=none")
	case bridgePort:
		lines = append(lines, fmt.Sprintf("PublishPort=%d:80", w.port))
	}
	if w.probed {
		lines = append(lines, `HealthCmd=["/`+payloadName+`","check"]`, "HealthInterval=1s")
	}
	lines = append(lines, "[Service]", "Restart=always", "RestartSec="+restartDelay, "[Install]", "WantedBy=multi-user.target", "")
	return strings.Join(lines, "\n")
}
