package arbitrary

import (
	"strings"
	"sync"
)

// unwanted are fields that every set would be refused for, or that take its workload off the node.
var unwanted = names(`nodeSelector disabled ephemeralContainers managedFields ownerReferences httpGet.protocol emptyDir.mode hostPath.mode`)

// needsNode are fields that a node or a registry has to have something for, that let a start last, or that two workloads of a
// node would get into each other's way by.
var needsNode = names(`platform authFile imagePullPolicy runtime runtimeClassName devices envFiles hostEnv networks dependsOn hostPort hostIP
	hostNetwork seccompProfile appArmorProfile seLinuxOptions sockets httpGet tcpSocket grpc sleep notify install
	activeDeadlineSeconds startingDeadlineSeconds timeZone image parallelism interface io cpuset memoryNodes suspend volumeClaimTemplates
	minReadySeconds progressDeadlineSeconds pid startWithPod runAsNonRoot`)

// runnable are the usual values of objects that are to start on a node, if they are others.
var runnable = map[string][]any{
	"quantity": words(`64Mi 1Gi 100M`), "cpu": words(`500m 1 2`), "pids": words(`100 1000`), "replicas": {1, 2}, "completions": {1, 2}, "env.name": words(`A B C a.b A-B é`), "limits.key": words(`memory cpu pids swap ephemeral-storage`),
	"workingDir": words(`/ /tmp /a/b`), "user": words(`root 0 1000:1000 65534`), "mountPath": words(`/v /v/w /data /srv/x.y /mnt/a`), "soft": {1024, 4096}, "hard": {4096, 8192}, "ulimits.name": words(`nofile core`),
	"number": {0, 1, 2, 5, 1000}, "sysctls.name": words(`net.ipv4.ip_unprivileged_port_start`), "sysctls.value": words(`0 1024 32768`), "schedule": words(`@yearly`), "onCalendar": words(`yearly`),
	"exec.command": words(`true`), "service.key": words(`Nice CPUWeight RestartSec`), "unit.key": words(`Documentation After Wants`), "initialDelaySeconds": {0, 1}, "periodSeconds": {1, 10}, "failureThreshold": {3},
	"timeoutSeconds": {30}, "hostPath.path": words(`/tmp/NAME`), "add": words(`NET_ADMIN CHOWN ALL`), "maxUnavailable": {1, "50%"}, "maxSurge": {0, 1}, "mode": words(`0644 0755`), "defaultMode": {"0644"}, "spec.mode": words(`0755 0777`),
}

func names(text string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(text) {
		set[name] = true
	}
	return set
}

// words are values that have no space.
func words(text string) []any {
	var values []any
	for _, word := range strings.Fields(text) {
		values = append(values, word)
	}
	return values
}

// usual are the values that people write, by the name of a field, by that and the name of its parent, or by the kind of
// value it takes.
var usual = map[string][]any{
	"text":     append(words(`a web x.y/z /srv 80 true app-1 UPPER é`), ""),
	"quantity": words(`1 2 500m 1.5 64Mi 256Mi 1Gi 10G 1e3 100k 1n 0 -1 9223372036854775807 1Ei 16384Pi`),
	"a port":   {80, 8080, "80", "http", 1, 65535, 0, "25%", "50%", 1},
	"number":   {0, 1, 2, 3, 5, 10, 30, 60, 1000, 65535, 65536, 86400, -1, 2147483647, 4294967294, 4294967295},
	"setting":  {"yes", "no", 1, 5, "10", "1G", "5s", "infinity", []any{"a.service", "b.service"}, "/srv", "man:a"},
	"key":      words(`a b.c example.com/d memory cpu`),

	"limits.key": words(`memory cpu memory cpu pids swap ephemeral-storage hugepages-2Mi`), "requests.key": words(`memory cpu`), "labels.key": words(`app tier example.com/x`),
	"matchLabels.key": words(`app`), "service.key": words(`MemoryHigh Nice CPUWeight LimitNOFILE LimitCORE IPAddressDeny RestartSec TimeoutStartSec ReadOnlyPaths CPUAffinity`),
	"unit.key": words(`Documentation After Wants StartLimitBurst ConditionPathExists AssertPathExists`), "install.key": words(`WantedBy Alias RequiredBy`),

	"value": append(words(`hello $(A) $$(A) $(B)-x 1 key=value`), "", "two words", "two\nlines", " spaces "), "env.name": words(`A B C HOME PATH a.b A-B é`), "prefix": words(`P_ x`),
	"configMapKeyRef.name": words(`NAME-settings`), "configMapKeyRef.key": words(`level level empty text a.b-c_d blob missing ascii`), "configMapRef.name": words(`NAME-settings`),
	"configMap.name": words(`NAME-settings`), "secret.secretName": words(`NAME-login`), "secret.name": words(`NAME-login`), "secretKeyRef.name": words(`NAME-login`),
	"secretKeyRef.key": words(`user user word key missing`), "secretRef.name": words(`NAME-login`), "imageRef": words(`NAME-image`), "claimName": words(`NAME-data`),
	"items.key": words(`level user text missing`), "items.path": words(`a b a/b c/d/e level`), "image": words(`example.com/app:1 docker://example.com/b@sha256:` + strings.Repeat("a", 64) + ` oci:/srv/image:1`),
	"fieldPath":           words(`metadata.name metadata.namespace metadata.uid metadata.labels metadata.annotations metadata.labels['app'] spec.nodeName status.podIP spec.serviceAccountName status.hostIP`),
	"fieldRef.apiVersion": words(`v1`), "resource": words(`limits.cpu limits.memory requests.memory`), "divisor": words(`1 1Mi 1m 0`), "containerName": words(`c0`),
	"command": append(words(`/bin/sh sleep true $(A) -c`), ""), "args": append(words(`run --level=$(A) -x 1`), "two words", ""),
	"workingDir": words(`/ /srv /tmp /a/b /srv /tmp/x`), "user": words(`root nobody 0 1000:1000 65534 app:app 4294967294`),
	"volumes.name": words(`v0 v1 v2`), "volumeMounts.name": words(`v0 v1 NAME-data`), "mountPath": words(`/v /v/w /data /etc/app /srv/x.y /etc/app/conf /var/run/a`),
	"subPath": words(`a a/b level`), "subPathExpr": words(`$(A) a/$(B) x`), "hostPath.path": words(`/srv /tmp/NAME /srv/a%b /opt/NAME /var/log`), "hostPath.type": words(`DirectoryOrCreate`),
	"mode": words(`0644 0600 0755 420`), "defaultMode": {"0644", 420, 0o400, "0600"}, "spec.mode": words(`0750 755 0777`), "medium": words(`Memory`),
	"containerPort": {80, 8080, 443, 65535}, "hostPort": {0, 18080, 18443, 65535}, "endPort": {0, 8090, 65535}, "hostIP": words(`127.0.0.1 ::1 0.0.0.0 10.0.0.1`), "ports.name": words(`http web-1 a`),
	"listenStream": {8088, "127.0.0.1:8089", "/run/NAME.sock", "[::1]:8090"}, "listenDatagram": {8091, "/run/NAME.dgram"}, "sockets.name": words(`a b`), "port": {80, 8080, 80, 443, "http", "80"},
	"path": words(`/ /healthz /a?b=c /dev/null /srv`), "devices.path": words(`/dev/null /dev/fuse /dev/dri`), "containerPath": words(`/dev/x`), "permissions": words(`r rw rwm`), "host": words(`127.0.0.1 localhost`),
	"httpHeaders.name": words(`Host X-A`), "stopSignal": words(`SIGTERM SIGQUIT SIGRTMIN+3 SIGKILL`), "signal": words(`SIGHUP SIGUSR1`), "tag": words(`web a/b:1`), "ulimits.name": words(`nofile core nproc memlock`),
	"soft": {1024, 0, -1, 65536}, "hard": {1024, -1, 65536, 4096}, "oomScoreAdj": {0, -1000, 1000, 500}, "runAsUser": {0, 1000, 65534, 65535, 65536, 4294967294}, "runAsGroup": {0, 1000, 4294967294},
	"supplementalGroups": {5, 1000, 65534}, "fsGroup": {0, 1000, 65534, 2147483647}, "uid": {0, 1000}, "gid": {0, 1000}, "add": words(`NET_ADMIN CHOWN ALL CAP_SYS_TIME net_raw`), "drop": words(`ALL CHOWN`),
	"maskedPaths": words(`/proc/x /sys/y`), "unmaskedPaths": words(`ALL /proc/acpi`), "sysctls.name": words(`net.ipv4.ip_unprivileged_port_start kernel.shmmax net.core.somaxconn kernel.msgmax fs.mqueue.msg_max`), "sysctls.value": words(`0 1024 65536`),
	"localhostProfile": words(`a.json profiles/b.json`), "level": words(`s0:c1,c2`), "type": words(`RuntimeDefault Unconfined Localhost`), "seLinuxOptions.type": words(`container_t`), "imagePullPolicy": words(`IfNotPresent Always Never`), "dnsPolicy": words(`Default ClusterFirst`), "hostnames": words(`a b.example db`), "aliases": words(`a b.example`),
	"addresses": words(`10.77.0.9 fd00:77::9 10.1.2.3`), "macAddress": words(`02:42:ac:11:00:02`), "hostAliases.ip": words(`10.0.0.1 fd00::1`), "nameservers": words(`10.0.0.53 fd00::53`), "searches": words(`example.com svc.local`),
	"options.name": words(`ndots edns0`), "options.value": words(`2`), "hostname": words(`h host-1 a.b`), "timeZone": words(`Europe/Berlin UTC Asia/Kathmandu America/New_York Etc/GMT+5`), "runtime": words(`crun /usr/bin/runc`),
	"networks.name": words(`default NAME-back NAME-back lan`), "dependsOn.name": words(`NAME-other`), "schedule": words(`@daily @hourly`), "onCalendar": append(words(`daily *:0/5 Mon weekly`), "Mon..Fri 06:30", "*-*-01 04:00 UTC", "Sat 10:00 Europe/Berlin"),
	"subnets.subnet": words(`10.77.0.0/24 fd00:77::/64 192.168.77.0/28`), "gateway": words(`10.77.0.1 fd00:77::1`), "interface": words(`br-back`), "mtu": {1500, 68, 9000}, "reference": words(`example.com/files:1 example.com/files@sha256:` + strings.Repeat("b", 64)),
	"replicas": {1, 2, 3, 0}, "completions": {1, 2, 3}, "parallelism": {1, 2}, "maxSurge": {0, 1, "25%"}, "maxUnavailable": {1, 1, 2, 0, "25%"}, "cpuset": words(`0 0-3 1,3 8191`), "memoryNodes": words(`0 0-1`),
	"weight": {1, 100, 10000}, "initialDelaySeconds": {0, 1, 10}, "periodSeconds": {1, 10, 3600}, "timeoutSeconds": {1, 5}, "successThreshold": {1}, "failureThreshold": {1, 3, 1000}, "grpc.port": {80, 50051},
	"terminationGracePeriodSeconds": {0, 1, 5, 30, 86400, 2147483647, 30, 30, 9007199254740993}, "restartPolicy": words(`Always OnFailure Never`), "seconds": {0, 1, 5}, "hostEnv.name": words(`LANG TERM`),
	"platform": words(`linux/arm64 linux/amd64/v3`), "authFile": words(`/etc/davit/auth.json`), "runtimeClassName": words(`crun`), "envFiles.path": words(`/etc/default/app /srv/env`),
	"serviceName": words(`NAME-service`), "spec.timeZone": words(`Europe/Berlin UTC America/New_York`), "intervalSeconds": {0, 1, 30}, "burst": {0, 100}, "volumeMounts.mountPropagation": words(`None HostToContainer`),
	"activeDeadlineSeconds": {1, 60, 86400}, "ttlSecondsAfterFinished": {0, 100}, "backoffLimit": {0, 3, 6}, "maxRestarts": {0, 3}, "start": {0, 5},
}

// odd are strings that break software.
var odd = sync.OnceValue(func() []string {
	return append(strings.Split(strings.TrimSpace(`
%n
%%
100%
%
$HOME
$$
$(
$(A
${A}
;
#c
[Service]
=
a=b
"
'
"unterminated
\
ends\
\x41
\n
{{ .Values.a }}
null
~
yes
0x1F
1e3
-1
00
../..
/../x
a//b
.
..
/
@
a.service
a@b.service
café
名前
🐳
a b
*
!x
&x
|
>
- a
a: b
`), "\n"),
		"", " ", " leading", "trailing ", "tab\there", "a\nb", "a\n[Service]\nExecStart=/bin/id", "a\rb", "\x00", "a\x00b", "\x1b[31m", "\x7f", "\u0085", "\u009b", "\u00a0", "a\u00a0",
		"\u2028", "\u202e", "\u2066x", "\u200b", "\ufeff", "\ufffd", "\ufffe", "\uffff", "a\ufdd0", "\U0001ffff", "\U0010ffff", "\U000e0001", strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 254),
		strings.Repeat("a", 255), strings.Repeat("a", 256), strings.Repeat("é", 128), strings.Repeat("/abc", 1023), strings.Repeat("/abc", 1024), strings.Repeat("x", 128<<10-1), strings.Repeat("x", 128<<10),
		strings.Repeat("$(A)", 1000), strings.Repeat("ab/", 40), strings.Repeat("(", 1000), "\U0001F468\u200D\U0001F469", "z\u0301\u0323")
})
