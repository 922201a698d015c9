package manifests

import (
	"slices"
	"strings"
	"testing"

	"github.com/davit-project/davit/manifests/object"
)

// TestFieldsAreChecked has a wrong value for each field that can have one; want is the
// beginning of what is said of it, the field's path first.
func TestFieldsAreChecked(t *testing.T) {
	t.Parallel()
	const (
		mount  = "volumeMounts: [{name: v, mountPath: /v}]"
		config = "volumes: [{name: v, configMap: "
	)
	long := strings.Repeat("a", 256)
	for _, test := range []struct{ text, want string }{
		{spec("rootfs: /srv/tree", "command: [a]"), `spec.rootfs: a directory of the node is no image: leave image out`},
		{strings.Replace(spec("command: [a]"), "image: example.com/a:1", "rootfs: /var/lib", 1), `spec.rootfs: /var/lib would open /var/lib/davit to the container`},
		{strings.Replace(spec("command: [a]"), "image: example.com/a:1", "rootfs: tree", 1), `spec.rootfs: "tree": want an absolute path`},
		{strings.Replace(spec("tty: true"), "image: example.com/a:1", "rootfs: /srv/tree", 1), `spec.command: missing: a directory says no command to run`},
		{spec("imageRef: base"), `spec.imageRef: there is an image already`},
		{spec("platform: arm64"), `spec.platform: "arm64": want os/arch`},
		{spec("authFile: auth.json"), `spec.authFile: "auth.json": want an absolute path`},
		{spec(`command: ["a\0b"]`), `spec.command[0]: has a NUL character`},
		{spec("args: [a, " + strings.Repeat("a", 128<<10) + "]"), `spec.args[1]: has 131072 bytes: the kernel takes at most 131071 in one argument`},
		{spec("env: [{name: A, value: " + strings.Repeat("a", 128<<10-2) + "}]"), `spec.env[0].value: has 131072 bytes with its name: the kernel takes at most`},
		{spec("workingDir: /proc/self"), `spec.workingDir: "/proc/self": want a directory outside`},
		{spec("user: 'a b'"), `spec.user: "a b": want user or user:group`},
		{spec("env: [{name: A=B}]"), `spec.env[0].name: "A=B" is not the name of a variable`},
		{spec("env: [{name: A, valueFrom: {}}]"), `spec.env[0].valueFrom: want one of configMapKeyRef, secretKeyRef`},
		{spec("env: [{name: A, value: x, valueFrom: {hostEnv: {name: B}}}]"), `spec.env[0].valueFrom: there is a value already`},
		{spec("env: [{name: A, valueFrom: {hostEnv: {name: B}, fieldRef: {fieldPath: metadata.name}}}]"), `spec.env[0].valueFrom.hostEnv: there is fieldRef already`},
		{spec("env: [{name: A, valueFrom: {hostEnv: {name: 'A='}}}]"), `spec.env[0].valueFrom.hostEnv.name: "A=" is not`},
		{spec("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.nam}}}]"), `spec.env[0].valueFrom.fieldRef.fieldPath: davit has no field "metadata.nam"`},
		{spec("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.gpu}}}]"), `spec.env[0].valueFrom.resourceFieldRef.resource: unknown value "limits.gpu"`},
		{spec("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: x}}}]"), `spec.env[0].valueFrom.resourceFieldRef.divisor: "x": want a positive quantity`},
		{spec("env: [{name: A, valueFrom: {configMapKeyRef: {name: nowhere, key: a}}}]"), `spec.env[0].valueFrom.configMapKeyRef.name: there is no Config "nowhere"`},
		{spec("env: [{name: A, valueFrom: {secretKeyRef: {name: nowhere, key: a}}}]"), `spec.env[0].valueFrom.secretKeyRef.name: there is no Secret "nowhere"`},
		{spec("envFrom: [{prefix: A}]"), `spec.envFrom[0]: want one of configMapRef, secretRef`},
		{spec("envFrom: [{prefix: '=', configMapRef: {name: a, optional: true}}]"), `spec.envFrom[0].prefix: "=" cannot begin`},
		{spec("envFrom: [{secretRef: {name: nowhere}}]"), `spec.envFrom[0].secretRef.name: there is no Secret "nowhere"`},
		{spec("envFiles: [{path: a.env}]"), `spec.envFiles[0].path: "a.env": want an absolute path`},
		{spec("hostUsers: false", "hostNetwork: true"), `spec.hostUsers: users of its own have no power over the node's: leave hostNetwork out`},
		{spec("hostUsers: false", "runtime: crun"), `spec.runtime: with hostUsers: false containers run by davit's own runtime`},
		{spec("hostUsers: false", "hostPID: true"), `spec.hostUsers: users`},
		{spec("userNamespace: {keepID: {uid: 1000}}", "hostIPC: true"), `spec.userNamespace: users of its own have no power over the node's: leave hostIPC out`},
		{spec("userNamespace: {keepID: {uid: 1000}}", "hostUsers: true"), `spec.userNamespace: hostUsers: true has the users of the node`},
		{spec("userNamespace: {keepID: {gid: 1000}}"), `spec.userNamespace.keepID.uid: missing`},
		{spec("userNamespace: {keepID: {uid: 4294967295}}"), `spec.userNamespace.keepID.uid: 4294967295 is not a user or group id`},
		{spec("userNamespace: {uidMappings: [{containerID: 0, hostID: -1}]}"), `spec.userNamespace.uidMappings[0].hostID: -1 is not`},
		{spec("userNamespace: {gidMappings: [{containerID: 0, hostID: 4294967290, size: 6}]}"), `spec.userNamespace.gidMappings[0].hostID: 6 ids from 4294967290 on go past the last one`},
		{spec("userNamespace: {gidMappings: [{containerID: 0, hostID: 1, size: -6}]}"), `spec.userNamespace.gidMappings[0].size: -6: want 1 or more`},
		{spec("userNamespace: {uidMappings: [{containerID: 0, hostID: 10, size: 5}, {containerID: 4, hostID: 20}]}"), `spec.userNamespace.uidMappings[1].containerID: id 4 of the container is mapped twice`},
		{spec("userNamespace: {keepID: {uid: 12}, uidMappings: [{containerID: 0, hostID: 10, size: 5}]}"), `spec.userNamespace.uidMappings[0].hostID: id 12 of the node is mapped twice`},
		{spec("userNamespace: {uidMappings: [" + strings.Repeat("{containerID: 1, hostID: 1}, ", 33) + "]}"), `spec.userNamespace.uidMappings: 33 mappings are more than 32`},
		{spec("logging: {driver: syslog}"), `spec.logging.driver: unknown value "syslog"`},
		{spec("logging: {tag: 'a b'}"), `spec.logging.tag: "a b": want at most 128`},
		{spec("logging: {rateLimit: {intervalSeconds: -1}}"), `spec.logging.rateLimit.intervalSeconds: -1: want 0 or more`},
		{spec("terminationGracePeriodSeconds: 2147483648"), `spec.terminationGracePeriodSeconds: 2147483648: want at most 2147483647, which are 68 years`},
		{spec("lifecycle: {preStop: {sleep: {seconds: 9007199254740993}}}"), `spec.lifecycle.preStop.sleep.seconds: 9007199254740993: want at most`},
		{spec("tty: true", "logging: {driver: pipe}"), `spec.logging.driver: a terminal's output goes to the journal`},
		{spec("ports: [{containerPort: 0}]"), `spec.ports[0].containerPort: want a port from 1 to 65535`},
		{spec("ports: [{containerPort: 80, endPort: 79}]"), `spec.ports[0].endPort: 79 is below containerPort 80`},
		{spec("ports: [{containerPort: 80, hostPort: 65536}]"), `spec.ports[0].hostPort: want ports from 1 to 65535`},
		{spec("ports: [{containerPort: 80, hostPort: 80, autoHostPort: true}]"), `spec.ports[0].autoHostPort: there is hostPort already`},
		{spec("ports: [{containerPort: 80, endPort: 81, autoHostPort: true}]"), `spec.ports[0].autoHostPort: a range needs hostPort`},
		{spec("hostNetwork: true", "ports: [{containerPort: 80, autoHostPort: true}]"), `spec.ports[0].autoHostPort: with hostNetwork`},
		{spec("networks: [{name: none}]", "ports: [{containerPort: 80, autoHostPort: true}]"), `spec.ports[0].autoHostPort: network none`},
		{spec("ports: [{containerPort: 80, protocol: ICMP}]"), `spec.ports[0].protocol: unknown value "ICMP"`},
		{spec("ports: [{containerPort: 80, hostIP: localhost}]"), `spec.ports[0].hostIP: "localhost" is not an IP address`},
		{spec("sockets: [{name: http}]"), `spec.sockets[0]: want one of listenStream, listenDatagram`},
		{spec("sockets: [{name: http, listenStream: 80, listenDatagram: 80}]"), `spec.sockets[0].listenDatagram: there is listenStream already`},
		{spec("sockets: [{name: 'a:b', listenStream: 80}]"), `spec.sockets[0].name: "a:b": want`},
		{spec("sockets: [{name: a, listenStream: 80}, {name: a, listenStream: 81}]"), `spec.sockets[1].name: socket a appears twice`},
		{spec("sockets: [{name: a, listenStream: '026'}]"), `spec.sockets[0].listenStream: "026": want a port`},
		{spec("sockets: [{name: a, listenStream: '127.0.0.1:0022'}]"), `spec.sockets[0].listenStream: "127.0.0.1:0022": want a port`},
		{spec("sockets: [{name: a, listenStream: 65536}]"), `spec.sockets[0].listenStream: "65536": want a port`},
		{spec("sockets: [{name: a, listenStream: 'localhost:80'}]"), `spec.sockets[0].listenStream: "localhost:80": want a port`},
		{spec("sockets: [{name: a, listenDatagram: '@abstract'}]"), `spec.sockets[0].listenDatagram: "@abstract": want a port`},
		{spec("sockets: [{name: a, listenStream: /run/../etc/x}]"), `spec.sockets[0].listenStream: "/run/../etc/x": want an absolute path`},
		{spec("sockets: [{name: a, listenStream: 80}]", "init: true"), `spec.sockets: init would be the process`},
		{spec("sockets: [{name: a, listenStream: 80}]", "hostPID: true"), `spec.sockets: need a process namespace`},
		{spec("sockets: [{name: a, listenStream: 80}]", "oneshot: true"), `spec.sockets: a oneshot container`},
		{pod("replicas: 2", "containers: [{name: a, image: x.y/z, sockets: [{name: a, listenStream: 80}]}]"), `spec.containers[0].sockets: replicas cannot listen`},
		{spec("hostNetwork: true", "ports: [{containerPort: 80, hostPort: 81}]"), `spec.ports[0].hostPort: with hostNetwork`},
		{spec("hostNetwork: true", "networks: [{name: a}]"), `spec.networks: hostNetwork has the node's networks`},
		{spec("networks: [{name: none}, {name: a}]"), `spec.networks[0].name: none stands alone`},
		{spec("networks: [{name: a}, {name: a}]"), `spec.networks[1].name: network a appears twice`},
		{spec("networks: [{name: a, aliases: ['x y']}]"), `spec.networks[0].aliases[0]: "x y" is not a host name`},
		{spec("networks: [{name: a, addresses: [10.0.0]}]"), `spec.networks[0].addresses[0]: "10.0.0" is not an IP address`},
		{spec("networks: [{name: a, addresses: [10.0.0.1, 10.0.0.2]}]"), `spec.networks[0].addresses[1]: want at most one IPv4`},
		{spec("networks: [{name: none, addresses: [10.0.0.1]}]"), `spec.networks[0].addresses[0]: network none has no addresses`},
		{spec("networks: [{name: a, macAddress: '01:00:00:00:00:01'}]"), `spec.networks[0].macAddress: "01:00:00:00:00:01": want a unicast`},
		{spec("hostname: " + strings.Repeat("a", 65)), `spec.hostname: 65 bytes are more than Linux allows (64)`},
		{spec("hostAliases: [{ip: x, hostnames: [a]}]"), `spec.hostAliases[0].ip: "x" is not an IP address`},
		{spec("hostAliases: [{ip: '::1', hostnames: ['a b']}]"), `spec.hostAliases[0].hostnames[0]: "a b" is not a host name`},
		{spec("dnsPolicy: Cluster"), `spec.dnsPolicy: unknown value "Cluster"`},
		{spec("dnsPolicy: None"), `spec.dnsPolicy: None needs dnsConfig.nameservers`},
		{spec("dnsConfig: {nameservers: [dns.example]}"), `spec.dnsConfig.nameservers[0]: "dns.example" is not an IP address`},
		{spec("dnsConfig: {nameservers: ['::1', '::2', '::3', '::4']}"), `spec.dnsConfig.nameservers: want at most 3`},
		{spec("dnsConfig: {searches: ['a b']}"), `spec.dnsConfig.searches[0]: "a b" is not a host name`},
		{spec(`dnsConfig: {options: [{name: "ndots\nnameserver"}]}`), `spec.dnsConfig.options[0]: "ndots\nnameserver" is not an option`},
		{spec("timeZone: ../../etc/shadow"), `spec.timeZone: "../../etc/shadow": want the name of a time zone such as`},
		{spec("timeZone: Europe/Berlim"), `spec.timeZone: "Europe/Berlim": want the name of a time zone such as`},
		{spec("user: '4294967295'"), `spec.user: 4294967295 is not a user or group id: want 0 to 2147483647`},
		{spec("user: app:99999999999999999999"), `spec.user: 9223372036854775807 is not`},
		{spec("securityContext: {runAsGroup: 4294967295}"), `spec.securityContext.runAsGroup: 4294967295 is not`},
		{spec("securityContext: {runAsUser: 2147483648}"), `spec.securityContext.runAsUser: 2147483648 is not a user or group id: want 0 to 2147483647`},
		{spec("hostUsers: false", "user: '65536'"), `spec.user: 65536 is not a user or group id: want 0 to 65535`},
		{pod("hostUsers: false", "securityContext: {fsGroup: 65536}", "containers: [{name: a, image: x.y/z}]"), `spec.securityContext.fsGroup: 65536 is not`},
		{manifest("Volume", "spec: {gid: 4294967295}"), `spec.gid: 4294967295 is not a user or group id: want 0 to 4294967294`},
		{spec(`volumes: [{name: a, hostPath: {path: "/srv/a "}}]`), `spec.volumes[0].hostPath.path: "/srv/a " begins or ends with white space, which systemd would drop`},
		{spec(`volumes: [{name: a, hostPath: {path: "/srv/a\\"}}]`), `spec.volumes[0].hostPath.path: "/srv/a\\" ends in a backslash`},
		{spec(`volumes: [{name: a, hostPath: {path: "/srv/\uFFFE"}}]`), `spec.volumes[0].hostPath.path: "/srv/\ufffe" has U+FFFE, which is no character`},
		{spec(`volumes: [{name: a, hostPath: {path: "/srv/\uFDD0"}}]`), `spec.volumes[0].hostPath.path: "/srv/\ufdd0" has U+FDD0, which is no character`},
		{spec(`volumes: [{name: a, hostPath: {path: "/srv/\a"}}]`), `spec.volumes[0].hostPath.path: "/srv/\a" has the control character U+0007`},
		{spec(`volumes: [{name: a, hostPath: {path: /srv/` + strings.Repeat("é", 128) + `}}]`), `spec.volumes[0].hostPath.path: "` + strings.Repeat("é", 60) + `…" has 256 bytes: the kernel takes at most 255`},
		{spec(`volumes: [{name: a, hostPath: {path: ` + strings.Repeat("/abc", 1024) + `}}]`), `spec.volumes[0].hostPath.path: has 4096 bytes: want at most 4095`},
		{spec("volumes: [{name: a, emptyDir: {}}]", "volumeMounts: [{name: a, mountPath: "+strings.Repeat("/abc", 961)+"}]"), `spec.volumeMounts[0].mountPath: has 3844 bytes: want at most 3840`},
		{spec("volumes: [{name: a, configMap: {items: [{key: a, path: a" + strings.Repeat("/abc", 960) + "}], name: c}}]"), `spec.volumes[0].configMap.items[0].path: has 3841 bytes: want at most 3840`},
		{spec("volumes: [{name: a, emptyDir: {}}]", "volumeMounts: [{name: a, mountPath: /a, subPath: "+strings.Repeat("a", 256)+"}]"), `spec.volumeMounts[0].subPath: "` + strings.Repeat("a", 60) + `…" has 256 bytes`},
		{spec("workingDir: /" + strings.Repeat("a", 256)), `spec.workingDir: "` + strings.Repeat("a", 60) + `…" has 256 bytes`},
		{spec(`resources: {io: {devices: [{path: "/dev/sda\\", readIOPS: 5}]}}`), `spec.resources.io.devices[0].path: "/dev/sda\\" ends in a backslash`},
		{spec(`sockets: [{name: a, listenStream: "/run/\uFFFF"}]`), `spec.sockets[0].listenStream: "/run/\uffff" has U+FFFF, which is no character`},
		{spec(`service: {Nice: "1\uFFFE"}`), `spec.service.Nice: "1\ufffe" has U+FFFE, which is no character`},
		{spec(`service: {CPUAffinity: '` + strings.Repeat("1,", 1<<19) + `1'}`), `spec.service.CPUAffinity: has 1048577 bytes: systemd takes at most 1048320 in a line`},
		{spec("livenessProbe: {exec: {command: [a, " + strings.Repeat("a", 128<<10) + "]}}"), `spec.livenessProbe.exec.command[1]: has 131072 bytes: the kernel takes at most 131071 in one argument`},
		{spec(`lifecycle: {preStop: {exec: {command: ["a\0b"]}}}`), `spec.lifecycle.preStop.exec.command[0]: has a NUL character`},
		{spec(`reload: {exec: {command: ["a\0b"]}}`), `spec.reload.exec.command[0]: has a NUL character`},
		{strings.Replace(spec(), "example.com/a:1", `"oci:/images/a\uFFFE"`, 1), `spec.image: "oci:/images/a\ufffe" has U+FFFE`},
		{cronJob("onCalendar: ['25:00']"), `spec.onCalendar[0]: "25:00": want a calendar event`},
		{cronJob("onCalendar: ['10:00 UTC']", "timeZone: Europe/Berlin"), `spec.onCalendar[0]: "10:00 UTC": want a calendar event of systemd.time(7) such as "Mon..Fri 06:30": UTC is a second time zone`},
		{spec("shmSize: -1"), `spec.shmSize: "-1": want a positive quantity`},
		{spec("hostIPC: true", "shmSize: 1Mi"), `spec.shmSize: hostIPC has the node's shared memory`},
		{spec("volumes: [{name: v}]"), `spec.volumes[0]: want one of hostPath, emptyDir, configMap`},
		{spec("volumes: [{name: v, emptyDir: {}, hostPath: {path: /a}}]"), `spec.volumes[0].emptyDir: there is hostPath already`},
		{spec("volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]"), `spec.volumes[1].name: volume v appears twice`},
		{spec("volumes: [{name: v, hostPath: {path: /a/../b}}]"), `spec.volumes[0].hostPath.path: "/a/../b": want an absolute path`},
		{spec("volumes: [{name: v, hostPath: {path: /a, type: Dir}}]"), `spec.volumes[0].hostPath.type: unknown value "Dir"`},
		{spec("volumes: [{name: v, emptyDir: {medium: RAM}}]"), `spec.volumes[0].emptyDir.medium: unknown value "RAM"`},
		{spec("volumes: [{name: v, emptyDir: {sizeLimit: some}}]"), `spec.volumes[0].emptyDir.sizeLimit: "some"`},
		{spec("resources: {requests: {ephemeral-storage: 1Gi}}"), `spec.resources.requests.ephemeral-storage: unknown resource`},
		{spec(config + "{name: nowhere}}]"), `spec.volumes[0].configMap.name: there is no Config "nowhere"`},
		{spec(config + "{name: a, optional: true, items: [{key: a/b, path: x}]}}]"), `spec.volumes[0].configMap.items[0].key: "a/b": want a key`},
		{spec(config + "{name: a, optional: true, items: [{key: a, path: ../x}]}}]"), `spec.volumes[0].configMap.items[0].path: "../x": want a path inside the volume`},
		{spec(config + "{name: a, optional: true, items: [{key: a, path: a, mode: 644}]}}]"), `spec.volumes[0].configMap.items[0].mode: want a mode, got the number 644`},
		{spec(config + "{name: a, optional: true, defaultMode: rw}}]"), `spec.volumes[0].configMap.defaultMode: want a mode in octal digits`},
		{spec(config + "{name: a, optional: true, uid: -1}}]"), `spec.volumes[0].configMap.uid: -1 is not a user or group id`},
		{spec("volumes: [{name: v, secret: {secretName: nowhere}}]"), `spec.volumes[0].secret.secretName: there is no Secret "nowhere"`},
		{spec("volumes: [{name: v, downwardAPI: {items: [{path: a}]}}]"), `spec.volumes[0].downwardAPI.items[0]: want one of fieldRef, resourceFieldRef`},
		{spec("volumes: [{name: v, downwardAPI: {items: [{path: a, fieldRef: {fieldPath: status.podIP}}]}}]"), `spec.volumes[0].downwardAPI.items[0].fieldRef.fieldPath: status.podIP is known only at start`},
		{spec("volumes: [{name: v, projected: {sources: [{}]}}]"), `spec.volumes[0].projected.sources[0]: want one of configMap, secret, downwardAPI`},
		{spec("volumes: [{name: v, projected: {sources: [{secret: {name: nowhere}}]}}]"), `spec.volumes[0].projected.sources[0].secret.name: there is no Secret "nowhere"`},
		{spec("volumes: [{name: v, persistentVolumeClaim: {claimName: nowhere}}]"), `spec.volumes[0].persistentVolumeClaim.claimName: there is no Volume "nowhere"`},
		{spec("volumes: [{name: v, image: {reference: nginx}}]"), `spec.volumes[0].image.reference: "nginx" is a short name`},
		{spec(mount), `spec.volumeMounts[0].name: there is no volume "v"`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: v}]"), `spec.volumeMounts[0].mountPath: "v": want an absolute path`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v}, {name: v, mountPath: /v}]"), `spec.volumeMounts[1].mountPath: /v has a volume already`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v, subPath: ../x}]"), `spec.volumeMounts[0].subPath: "../x": want a path inside`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v, subPath: x, subPathExpr: y}]"), `spec.volumeMounts[0].subPathExpr: there is a subPath already`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v, mountPropagation: Both}]"), `spec.volumeMounts[0].mountPropagation: unknown value "Both"`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v, recursiveReadOnly: Enabled}]"), `spec.volumeMounts[0].recursiveReadOnly: Enabled is for a mount that is read-only: add readOnly: true`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v, readOnly: true, recursiveReadOnly: Enabled, mountPropagation: HostToContainer}]"), `spec.volumeMounts[0].recursiveReadOnly: mounts that mountPropagation: HostToContainer brings later are as they are on the node: leave one of the two out`},
		{spec("volumes: [{name: v, hostPath: {path: /}}]", "volumeMounts: [{name: v, mountPath: /v}]"), `spec.volumeMounts[0].name: the node's root is mounted read-only only: add readOnly: true`},
		{spec("volumes: [{name: v, hostPath: {path: /}}]", "volumeMounts: [{name: v, mountPath: /v, readOnly: true, recursiveReadOnly: Disabled}]"), `spec.volumeMounts[0].recursiveReadOnly: mounts below the node's root would be writable: leave it out`},
		{spec("volumes: [{name: v, hostPath: {path: /}}]", "volumeMounts: [{name: v, mountPath: /v, readOnly: true, mountPropagation: Bidirectional}]"), `spec.volumeMounts[0].mountPropagation: the container could mount over the node's root: want None or HostToContainer`},
		{spec("volumes: [{name: v, hostPath: {path: /}}]", "volumeMounts: [{name: v, mountPath: /v, readOnly: true, subPath: etc}]"), `spec.volumeMounts[0].name: a path in the node's root is a hostPath itself: leave subPath out`},
		{spec("devices: [{path: /etc/shadow}]"), `spec.devices[0].path: "/etc/shadow": want a device below /dev`},
		{spec("devices: [{path: /dev/a, containerPath: /etc/x}]"), `spec.devices[0].containerPath: "/etc/x": want a path below /dev`},
		{spec("devices: [{path: 'nvidia.com/gpu=a b'}]"), `spec.devices[0].path: "nvidia.com/gpu=a b": want the name of a CDI device such as nvidia.com/gpu=0`},
		{spec("devices: [{path: gpu=0}]"), `spec.devices[0].path: "gpu=0": want the name of a CDI device`},
		{spec("devices: [{path: nvidia.com/gpu=0, containerPath: /dev/x}]"), `spec.devices[0].containerPath: the CDI specification of nvidia.com/gpu=0 says this: leave it out`},
		{spec("devices: [{path: nvidia.com/gpu=0, permissions: r}]"), `spec.devices[0].permissions: the CDI specification`},
		{spec("devices: [{path: /dev/a, permissions: wr}]"), `spec.devices[0].permissions: "wr": want r, w and m`},
		{spec("resources: {limits: {gpu: 1}}"), `spec.resources.limits.gpu: unknown resource`},
		{spec("resources: {requests: {pids: 1}}"), `spec.resources.requests.pids: unknown resource`},
		{spec("resources: {requests: {swap: 1}}"), `spec.resources.requests.swap: unknown resource`},
		{spec("resources: {limits: {memory: 0}}"), `spec.resources.limits.memory: "0": want a positive quantity`},
		{spec("resources: {limits: {swap: -1}}"), `spec.resources.limits.swap: "-1": want a positive quantity`},
		{spec("resources: {limits: {cpu: 256Mi}}"), `spec.resources.limits.cpu: 256Mi: want at most 100000 processors`},
		{spec("resources: {cpuset: 3-1}"), `spec.resources.cpuset: "3-1": want numbers up to 8191`},
		{spec("resources: {cpuset: '8192'}"), `spec.resources.cpuset: "8192": want numbers up to 8191`},
		{spec("resources: {cpuset: 0-}"), `spec.resources.cpuset: "0-": want numbers up to 8191`},
		{spec("resources: {memoryNodes: 'all'}"), `spec.resources.memoryNodes: "all": want numbers up to 8191`},
		{spec("resources: {io: {weight: 10001}}"), `spec.resources.io.weight: 10001: want 1 to 10000`},
		{spec("resources: {io: {devices: [{path: vda, readIOPS: 1}]}}"), `spec.resources.io.devices[0].path: "vda": want an absolute path`},
		{spec("resources: {io: {devices: [{path: /dev/vda}]}}"), `spec.resources.io.devices[0]: bounds nothing`},
		{spec("resources: {io: {devices: [{path: /dev/vda, readBandwidth: fast}]}}"), `spec.resources.io.devices[0].readBandwidth: "fast": want a positive quantity`},
		{spec("oomScoreAdj: -1001"), `spec.oomScoreAdj: -1001: want -1000 to 1000`},
		{spec("ulimits: [{name: files, soft: 1}]"), `spec.ulimits[0].name: there is no limit "files"`},
		{spec("ulimits: [{name: nofile, soft: 2, hard: 1}]"), `spec.ulimits[0]: want soft at most hard`},
		{spec("livenessProbe: {}"), `spec.livenessProbe: want one of exec, httpGet, tcpSocket, grpc`},
		{spec("livenessProbe: {httpGet: {port: web}}"), `spec.livenessProbe.httpGet.port: the container has no port "web"`},
		{spec("livenessProbe: {httpGet: {port: 0}}"), `spec.livenessProbe.httpGet.port: want a port from 1 to 65535`},
		{spec("livenessProbe: {httpGet: {port: 80, scheme: FTP}}"), `spec.livenessProbe.httpGet.scheme: unknown value "FTP"`},
		{spec("livenessProbe: {tcpSocket: {port: 80}, successThreshold: 2}"), `spec.livenessProbe.successThreshold: want 1`},
		{spec("readinessProbe: {exec: {command: []}}"), `spec.readinessProbe.exec.command: missing`},
		{spec("readinessProbe: {grpc: {port: 0}}"), `spec.readinessProbe.grpc.port: want a port from 1 to 65535`},
		{spec("startupProbe: {tcpSocket: {port: 80}, periodSeconds: -1}"), `spec.startupProbe.periodSeconds: -1: want 0 or more`},
		{spec("livenessProbe: {tcpSocket: {port: 80}, onFailure: restart}"), `spec.livenessProbe.onFailure: unknown value "restart"`},
		{spec("readinessProbe: {tcpSocket: {port: 80}, onFailure: Stop}"), `spec.readinessProbe.onFailure: only a liveness probe`},
		{spec("readinessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 5}"), `spec.readinessProbe.terminationGracePeriodSeconds: a readiness probe stops nothing`},
		{spec("livenessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 0}"), `spec.livenessProbe.terminationGracePeriodSeconds: 0: want 1 or more`},
		{spec(`livenessProbe: {httpGet: {port: 80, path: "/%zz"}}`), `spec.livenessProbe.httpGet.path: "/%zz": want a path`},
		{spec(`livenessProbe: {httpGet: {port: 80, httpHeaders: [{name: "a b", value: x}]}}`), `spec.livenessProbe.httpGet.httpHeaders[0].name: "a b" is not the name of a header`},
		{spec(`livenessProbe: {httpGet: {port: 80, httpHeaders: [{name: a, value: "x\r\nb: c"}]}}`), `spec.livenessProbe.httpGet.httpHeaders[0].value: has a character`},
		{spec("lifecycle: {preStop: {}}"), `spec.lifecycle.preStop: want one of exec, httpGet, tcpSocket, sleep`},
		{spec("lifecycle: {postStart: {sleep: {seconds: -1}}}"), `spec.lifecycle.postStart.sleep.seconds: -1: want 0 or more`},
		{spec("notify: ready"), `spec.notify: unknown value "ready"`},
		{spec("reload: {signal: HUP}"), `spec.reload.signal: "HUP": want the name of a signal`},
		{spec("reload: {signal: SIGHUP, exec: {command: [a]}}"), `spec.reload: want one of signal and exec`},
		{spec("service: {MemoryMaxx: 1G}"), `spec.service.MemoryMaxx: is no setting of [Service] in systemd 252 to 257`},
		{spec("unit: {Wants: [a.service], MemoryMax: 1G}"), `spec.unit.MemoryMax: is no setting of [Unit] in systemd 252 to 257`},
		{spec("service: {TimeoutStartSec: 5parsecs}"), `spec.service.TimeoutStartSec: "5parsecs": want a time such as`},
		{spec("service: {LimitNOFILE: 5, CPUWeight: [5, heavy]}"), `spec.service.CPUWeight: "heavy": want a number from 1 to 10000, or idle`},
		{spec("service: {Slice: a b.slice}"), `spec.service.Slice: "a b.slice": want a slice below the root slice`},
		{spec("updatePolicy: {progressDeadlineSeconds: 0}"), `spec.updatePolicy.progressDeadlineSeconds: 0: want 1 or more`},
		{spec("updatePolicy: {maxUnavailable: 0}"), `spec.updatePolicy.maxUnavailable: 0: want 1 or more`},
		{spec("updatePolicy: {strategy: Canary}"), `spec.updatePolicy.strategy: unknown value "Canary"`},
		{spec("updatePolicy: {minReadySeconds: -1}"), `spec.updatePolicy.minReadySeconds: -1: want 0 or more`},
		{spec("updatePolicy: {atomic: Some}"), `spec.updatePolicy.atomic: unknown value "Some"`},
		{spec("maxRestarts: -1"), `spec.maxRestarts: -1: want 0 or more`},
		{spec("terminationGracePeriodSeconds: -1"), `spec.terminationGracePeriodSeconds: -1: want 0 or more`},
		{spec("activeDeadlineSeconds: 0"), `spec.activeDeadlineSeconds: 0: want 1 or more`},
		{spec("runtime: bin/crun"), `spec.runtime: "bin/crun": want the name of a program such as crun, or its absolute path`},
		{spec("runtime: " + long), `spec.runtime: "` + long + `": want the name of a program such as crun, or its absolute path`},
		{spec("runtime: /usr/../crun"), `spec.runtime: "/usr/../crun": want an absolute path without . and ..`},
		{spec("runtime: /" + strings.Repeat("a", 255)), `spec.runtime: 256 bytes are more than 255`},
		{spec("dependsOn: [{name: nowhere}]"), `spec.dependsOn[0].name: there is no Container/nowhere`},
		{spec("dependsOn: [{name: web}]"), `spec.dependsOn[0]: waits for itself: Container/web → Container/web`},
		{spec("dependsOn: [{condition: Up, name: a}]"), `spec.dependsOn[0].condition: unknown value "Up"`},
		{spec("securityContext: {capabilities: {add: [NET_ADMNI]}}"), `spec.securityContext.capabilities.add[0]: "NET_ADMNI": want a capability`},
		{spec("securityContext: {seccompProfile: {type: Localhost}}"), `spec.securityContext.seccompProfile.localhostProfile: goes with type Localhost`},
		{spec("securityContext: {seccompProfile: {type: Localhost, localhostProfile: ../x}}"), `spec.securityContext.seccompProfile.localhostProfile: "../x": want the path of a file`},
		{spec("securityContext: {appArmorProfile: {type: Localhost, localhostProfile: unconfined}}"), `spec.securityContext.appArmorProfile.localhostProfile: "unconfined" is not a profile: want type Unconfined`},
		{spec("resources: {limits: {hugepages-2Mi: 3Mi}}"), `spec.resources.limits.hugepages-2Mi: "3Mi": want a whole number of pages, such as 4Mi`},
		{spec("resources: {limits: {hugepages-2Mi: 4Mi}, requests: {hugepages-2Mi: 2Mi}}"), `spec.resources.requests.hugepages-2Mi: "2Mi": want the value in limits`},
		{spec("resources: {limits: {hugepages-1Gi: 1Gi}}", "volumes: [{name: a, emptyDir: {medium: HugePages-2Mi}}]"), `spec.volumes[0].emptyDir.medium: wants a limit of hugepages-2Mi`},
		{spec("volumes: [{name: a, emptyDir: {medium: HugePages}}]"), `spec.volumes[0].emptyDir.medium: HugePages wants a limit of one of hugepages-2Mi and hugepages-1Gi, there are 0: or say HugePages-2Mi or HugePages-1Gi`},
		{spec("securityContext: {seLinuxOptions: {type: 'a:b'}}"), `spec.securityContext.seLinuxOptions.type: "a:b": want at most 255 letters, digits, '_', '.' and '-'`},
		{spec("securityContext: {seLinuxOptions: {fileType: 'a b'}}"), `spec.securityContext.seLinuxOptions.fileType: "a b": want at most 255 letters`},
		{spec("securityContext: {seLinuxOptions: {disabled: true, level: s0}}"), `spec.securityContext.seLinuxOptions.disabled: without a label`},
		{spec("securityContext: {seLinuxOptions: {role: " + long + "}}"), `spec.securityContext.seLinuxOptions.role: "` + long + `": want at most 255 letters`},
		{spec("securityContext: {seLinuxOptions: {level: " + long + "}}"), `spec.securityContext.seLinuxOptions.level: "` + long + `": want a level`},
		{spec("securityContext: {appArmorProfile: {type: Localhost}}"), `spec.securityContext.appArmorProfile.localhostProfile: goes with type Localhost`},
		{spec("securityContext: {runAsUser: -1}"), `spec.securityContext.runAsUser: -1 is not a user or group id`},
		{spec("securityContext: {runAsNonRoot: true, runAsUser: 0}"), `spec.securityContext.runAsUser: 0 is root`},
		{spec("securityContext: {procMount: None}"), `spec.securityContext.procMount: unknown value "None"`},
		{spec("securityContext: {maskedPaths: [x]}"), `spec.securityContext.maskedPaths[0]: "x": want an absolute path`},
		{spec("securityContext: {supplementalGroups: [4294967295]}"), `spec.securityContext.supplementalGroups[0]: 4294967295 is not`},
		{spec("securityContext: {sysctls: [{name: kernel.core_pattern, value: x}]}"), `spec.securityContext.sysctls[0].name: "kernel.core_pattern" is not a setting that a container has`},
		{spec("hostNetwork: true", "securityContext: {sysctls: [{name: net.core.somaxconn, value: '1'}]}"), `spec.securityContext.sysctls[0].name: with hostNetwork`},
		{pod("containers: []"), `spec.containers: want at least one`},
		{pod("containers: [{name: a, image: x/y}, {name: a, image: x/y}]"), `spec.containers[0].image: "x/y" is a short name`},
		{pod("containers: [{name: a, image: x.y/z}, {name: a, image: x.y/z}]"), `spec.containers[1].name: container a appears twice`},
		{pod("containers: [{name: a, image: x.y/z, restartPolicy: Always}]"), `spec.containers[0].restartPolicy: is the pod's`},
		{pod("replicas: -1", "containers: [{name: a, image: x.y/z}]"), `spec.replicas: -1: want 0 or more`},
		{pod("securityContext: {fsGroup: -1}", "containers: [{name: a, image: x.y/z}]"), `spec.securityContext.fsGroup: -1 is not`},
		{pod("containers: [{name: a, image: x.y/z, securityContext: {sysctls: []}}]"), `spec.containers[0].securityContext.sysctls: unknown field`},
		{job("restartPolicy: Always"), `spec.template.spec.restartPolicy: a job ends`},
		{job("restartPolicy: Never", "replicas: 2"), `spec.template.spec.replicas: a job has completions`},
		{cronJob("schedule: '* * * *'"), `spec.schedule: "* * * *": expected exactly 5 fields`},
		{cronJob("schedule: '61 * * * *'"), `spec.schedule: "61 * * * *": end of range (61) above maximum (59)`},
		{cronJob("schedule: 'TZ=UTC * * * * *'"), `spec.schedule: a time zone has a field of its own`},
		{cronJob("schedule: '@every 1h'"), `spec.schedule: "@every 1h" is not a time`},
		{cronJob("onCalendar: [someday]"), `spec.onCalendar[0]: "someday": want a calendar event`},
		{cronJob("schedule: '@daily'", "onCalendar: [daily]"), `spec.onCalendar: there is schedule already`},
		{cronJob("schedule: '@daily'", "concurrencyPolicy: Queue"), `spec.concurrencyPolicy: unknown value "Queue"`},
		{manifest("Config", "data: {a/b: x}"), `data.a/b: "a/b": want a key`},
		{manifest("Config", "binaryData: {a: '%'}"), `binaryData.a: want base64, got "%"`},
		{manifest("Config", "data: {a: x}", "binaryData: {a: eA==}"), `binaryData.a: is in data already`},
		{manifest("Secret", "data: {a: hunter2!}"), `data.a: want base64`},
		{manifest("Network", "spec: {interface: a/b}"), `spec.interface: "a/b": want at most 15`},
		{manifest("Network", "spec: {mtu: 1}"), `spec.mtu: 1: want 68 to 65535`},
		{manifest("Network", "spec: {plugins: [{type: a}], internal: true}"), `spec.plugins: the plugins say it all`},
		{manifest("Network", "spec: {plugins: [{}]}"), `spec.plugins[0].type: want the name of a CNI plugin`},
		{manifest("Network", "spec: {subnets: [{subnet: 169.254.169.0/24}]}"), `spec.subnets[0].subnet: 169.254.169.0/24 overlaps 169.254.0.0/16, the link-local addresses`},
		{manifest("Network", "spec: {subnets: [{subnet: '::ffff:10.0.0.0/104'}]}"), `spec.subnets[0].subnet: ::ffff:10.0.0.0/104 overlaps ::/8, the loopback, mapped`},
		{manifest("Network", "spec: {subnets: [{subnet: 0.0.0.0/0}]}"), `spec.subnets[0].subnet: 0.0.0.0/0 is a default route`},
		{manifest("Network", "spec: {subnets: [{subnet: 10.0.0.0/24, gateway: 10.1.0.1}]}"), `spec.subnets[0].gateway: "10.1.0.1" is not an address of`},
		{manifest("Volume", "spec: {uid: -1}"), `spec.uid: -1 is not a user or group id`},
		{manifest("Volume", "spec: {hostPath: {path: /srv}, uid: 1}"), `spec.hostPath: davit does not change the owner`},
	} {
		set := loadText(test.text)
		if len(set.Diagnostics) == 0 {
			t.Errorf("no error: want %s\n%s", test.want, test.text)
			continue
		}
		first := set.Diagnostics[0]
		if got := first.Path + ": " + first.Message; !strings.HasPrefix(got, test.want) {
			t.Errorf("got  %s\nwant %s", first, test.want)
		}
	}
}

// manifest is one of any kind with further lines.
func manifest(kind string, lines ...string) string {
	return "apiVersion: davit/v1\nkind: " + kind + "\nmetadata: {name: a}\n" + strings.Join(lines, "\n") + "\n"
}

func pod(lines ...string) string {
	return manifest("Pod", "spec:\n  "+strings.Join(lines, "\n  "))
}

func job(lines ...string) string {
	return manifest("Job", "spec:\n  template:\n    spec:\n      containers: [{name: a, image: x.y/z}]\n      "+strings.Join(lines, "\n      "))
}

func cronJob(lines ...string) string {
	return manifest("CronJob", "spec:\n  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: x.y/z}]}}}}\n  "+strings.Join(lines, "\n  "))
}

// TestObjectsClash has what two objects cannot both have.
//
// fault: an object is defined twice, or clashes with another
func TestObjectsClash(t *testing.T) {
	t.Parallel()
	container := func(name string, lines ...string) string {
		text := manifest("Container", "spec:\n  image: x.y/z\n  "+strings.Join(lines, "\n  "))
		return strings.Replace(text, "{name: a}", "{name: "+name+"}", 1)
	}
	for _, test := range []struct{ a, b, want string }{
		{
			container("web-main"), strings.Replace(pod("containers: [{name: main, image: x.y/z}]"), "{name: a}", "{name: web}", 1),
			`b.yaml:5:23: spec.containers[0].name: its unit web-main.service is that of Container/web-main too, in a.yaml:1:1`,
		},
		{
			container("web-db"), container("web", "install: {Alias: web-db.service}"),
			`b.yaml:6:20: spec.install.Alias: its unit web-db.service is that of Container/web-db too, in a.yaml:1:1`,
		},
		{
			container("one", "networks: [{name: n, addresses: [10.0.0.5]}]"), container("two", "networks: [{name: n, addresses: [10.0.0.5]}]"),
			`b.yaml:6:36: spec.networks[0].addresses[0]: 10.0.0.5 is Container/one's address on network n already, in a.yaml:6:36`,
		},
		{
			container("one", "networks: [{name: n, macAddress: '02:00:00:00:00:0A'}]"), container("two", "networks: [{name: n, macAddress: '02:00:00:00:00:0a'}]"),
			`b.yaml:6:36: spec.networks[0].macAddress: 02:00:00:00:00:0a is Container/one's address on network n already, in a.yaml:6:36`,
		},
		{
			container("one", "dependsOn: [{name: two}]"), container("two", "dependsOn: [{name: one}]"),
			`a.yaml:6:14: spec.dependsOn: waits for itself: Container/one → Container/two → Container/one`,
		},
		{
			container("one", "sockets: [{name: http, listenStream: 8080}]"), container("two", "ports: [{containerPort: 80, hostPort: 8080}]"),
			`a.yaml:6:40: spec.sockets[0].listenStream: port 8080/TCP of the node is wanted by Container/two too, in b.yaml:6:41`,
		},
		{
			container("one"), container("two", "dependsOn: [{name: one, condition: Completed}]"),
			`b.yaml:6:38: spec.dependsOn[0].condition: Container/one never completes (set oneshot on it)`,
		},
	} {
		set := Load([]File{{Path: "a.yaml", Text: []byte(test.a)}, {Path: "b.yaml", Text: []byte(test.b)}}, Options{})
		if !slices.ContainsFunc(set.Diagnostics, func(d object.Diagnostic) bool { return d.String() == test.want }) {
			t.Errorf("got  %s\nwant %s", set.Diagnostics, test.want)
		}
	}
}
