package manifests

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	// Its test data are Kubernetes' own cases of the Pod Security Standards.
	_ "k8s.io/pod-security-admission/policy"

	"github.com/davit-project/davit/manifests/fleet"
	"github.com/davit-project/davit/manifests/policy"
)

// loadUnder loads one text under a policy.
func loadUnder(text string, p *fleet.Policy) *Set {
	return Load([]File{{Path: "app.yaml", Text: []byte(text)}}, Options{Policy: p})
}

// notPolicy are cases that fail in Kubernetes and that no policy of davit's has to refuse, with
// the reason.
var notPolicy = map[string]string{
	"allowprivilegeescalation2": "davit's default is what Kubernetes wants to be said",
	"capabilities_baseline2":    "chown is a name for CHOWN here",
	"capabilities_baseline3":    "CAP_CHOWN is a name for CHOWN here",
	"seccompprofile_restricted": "davit's default is what Kubernetes wants to be said",
	"restrictedvolumes":         "davit has no such volumes",
	"windowshostprocess":        "davit runs Linux containers",
}

// TestPodSecurityStandards holds the presets against Kubernetes' own cases: what passes there
// is refused by no policy here, what fails there is refused.
func TestPodSecurityStandards(t *testing.T) {
	t.Parallel()
	for _, preset := range []policy.Preset{policy.Baseline, policy.Restricted} {
		for _, outcome := range []string{"pass", "fail"} {
			for _, file := range podSecurityCases(t, preset, outcome) {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				name := strings.TrimSuffix(filepath.Base(file), ".yaml")
				refused := refusals(loadUnder(string(text), fleet.PresetPolicy(preset, "test")))
				switch {
				case outcome == "pass" && len(refused) > 0:
					t.Errorf("%s: %s passes in Kubernetes: %v", preset, name, refused)
				case outcome == "fail" && len(refused) == 0 && !isNotPolicy(name):
					t.Errorf("%s: %s fails in Kubernetes and is not refused", preset, name)
				}
			}
		}
	}
}

// podSecurityCases are the files of the newest version of the standards.
func podSecurityCases(t *testing.T, preset policy.Preset, outcome string) []string {
	t.Helper()
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatal(err)
	}
	versions, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(module)), "test", "testdata", string(preset), "v1.*"))
	if err != nil || len(versions) == 0 {
		t.Fatalf("no cases for %s: %v", preset, err)
	}
	latest := slices.MaxFunc(versions, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	files, err := filepath.Glob(filepath.Join(latest, outcome, "*.yaml"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d cases in %s/%s: %v", len(files), latest, outcome, err)
	}
	return files
}

func refusals(set *Set) []string {
	var refused []string
	for _, diagnostic := range set.Diagnostics {
		if strings.Contains(diagnostic.Message, "refused by policy") {
			refused = append(refused, diagnostic.String())
		}
	}
	return refused
}

func isNotPolicy(name string) bool {
	for prefix := range notPolicy {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// wanted is "# want: RULE [FIELD]" at the end of a line of a hostile manifest; the rule always
// holds under every policy.
var wanted = regexp.MustCompile(`# want: (\w+)(?: (\S+))?$`)

// TestHostileManifests has a manifest for each way in which one could reach the node; what is
// refused stands beside the line that asks for it.
func TestHostileManifests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/deny/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			always, baseline := refusedLines(string(text))
			if diff := gocmp.Diff(always, linesOf(loadUnder(string(text), nil))); diff != "" {
				t.Errorf("under no policy: %s", diff)
			}
			if diff := gocmp.Diff(baseline, linesOf(loadUnder(string(text), fleet.PresetPolicy(policy.Baseline, "test")))); diff != "" {
				t.Errorf("under baseline: %s", diff)
			}
		})
	}
}

// refusedLines are what a hostile manifest says is refused: always, and under baseline.
func refusedLines(text string) (always, baseline []string) {
	for i, line := range strings.Split(text, "\n") {
		if match := wanted.FindStringSubmatch(line); match != nil {
			place := fmt.Sprintf("line %d: %s", i+1, match[2])
			baseline = append(baseline, place)
			if match[1] == "always" {
				always = append(always, place)
			}
		}
	}
	return always, baseline
}

func linesOf(set *Set) []string {
	var lines []string
	for _, diagnostic := range set.Diagnostics {
		field, _, _ := strings.Cut(diagnostic.Path, "\n") // a field's name may be hostile too
		lines = append(lines, fmt.Sprintf("line %d: %s", diagnostic.Line, field))
	}
	return slices.Compact(lines)
}

// TestPathsThatAreOpenedByName looks at what systemd or davit opens, where a container may write beside it.
func TestPathsThatAreOpenedByName(t *testing.T) {
	t.Parallel()
	nodePolicy, diagnostics := fleet.ParsePolicy(File{Path: "policy.yaml", Text: []byte(`apiVersion: davit/v1
kind: NodePolicy
preset: baseline
hostPaths: [{path: /srv/data}, {path: /srv/data/keys, readOnly: true}, {path: /run/app.sock}]
transports: [docker, oci, oci-archive, dir]
`)})
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	image := func(reference string) string {
		return strings.Replace(spec("hostname: a"), "example.com/a:1", reference, 1)
	}
	const link = "a container that can write /srv/data of the node could put a link in the place of "
	for text, want := range map[string]string{
		spec("sockets: [{name: a, listenStream: /srv/data/app.sock}]"):   "spec.sockets[0].listenStream: refused by policy baseline: " + link + "/srv/data/app.sock",
		spec("sockets: [{name: a, listenDatagram: /srv/data/a/b.sock}]"): link + "/srv/data/a/b.sock",
		spec("sockets: [{name: a, listenStream: /run/app.sock}]"):        "",
		spec("sockets: [{name: a, listenStream: /srv/data/keys/sock}]"):  "/srv/data/keys/sock of the node may be mounted read-only alone",
		spec("devices: [{path: /srv/data/disk}]"):                        "spec.devices[0].path: refused by policy baseline: " + link + "/srv/data/disk",
		spec("devices: [{path: /run/app.sock}]"):                         "",
		spec("authFile: /srv/data/auth.json"):                            link + "/srv/data/auth.json",
		spec("authFile: /srv/data/keys/auth.json"):                       "",
		image("oci-archive:/srv/data/app.tar:app"):                       link + "/srv/data/app.tar",
		image("dir:/srv/data/app"):                                       link + "/srv/data/app",
		image("dir:/srv/data"):                                           link + "/srv/data/manifest.json",
		image("dir:/srv/data/keys/app"):                                  "",
		image("oci:/srv/data:app"):                                       link + "/srv/data/manifest.json",
		image("oci-archive:/srv/data/keys/app.tar"):                      "",
		image("oci-archive:/srv/images/app.tar"):                         "",
	} {
		got := strings.Join(refusals(loadUnder(text, nodePolicy)), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q for\n%s", got, want, text)
		}
	}
}

const policyFile = `apiVersion: davit/v1
kind: NodePolicy
preset: baseline
hostPaths:
  - path: /srv/data
  - {path: /srv/read, readOnly: true}
  - {path: /srv/data/pub/in}
  - {path: /srv/data/pub, readOnly: true}
registries: [docker.io/library, ghcr.io/acme/app]
hostPorts: [{min: 8000, max: 8100}]
capabilities: [NET_ADMIN]
sysctls: [net.core.*]
targets: [kiosk.target]
units: [chrony.service]
passThrough: [service.WatchdogSec]
runtimes: [crun, /opt/kata/run]
subnets: [10.20.0.0/16, "2001:db8::/32"]
interfaces: [br-*]
hostIDs: [{min: 1000, max: 1999}]
hostEnv: [SITE, KIOSK_*]
devices: [nvidia.com/gpu=*, acme.example/reader=front]
`

func TestPolicySays(t *testing.T) {
	t.Parallel()
	nodePolicy, diagnostics := fleet.ParsePolicy(File{Path: "policy.yaml", Text: []byte(policyFile)})
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	const at = " (preset of policy.yaml:3:9)"
	container := func(lines ...string) string {
		return strings.Replace(spec(lines...), "example.com/a:1", "docker.io/library/a:1", 1)
	}
	for text, want := range map[string]string{
		container("hostPID: true"):                                                                                                   "app.yaml:6:12: spec.hostPID: refused by policy baseline: it would see the node's processes" + at,
		container("securityContext: {privileged: true}"):                                                                             "spec.securityContext.privileged: refused by policy baseline: root in it would be root on the node" + at,
		container("securityContext: {capabilities: {add: [NET_ADMIN, CHOWN, SYS_ADMIN]}}"):                                           "app.yaml:6:60: spec.securityContext.capabilities.add[2]: refused by policy baseline: it may not have the capability SYS_ADMIN (capabilities of policy.yaml:11:15)",
		container("volumes: [{name: v, hostPath: {path: /srv/other}}]"):                                                              "spec.volumes[0].hostPath.path: refused by policy baseline: it may not use /srv/other of the node (hostPaths of policy.yaml:5:3)",
		container("volumes: [{name: v, hostPath: {path: /srv/database}}]"):                                                           "it may not use /srv/database of the node",
		container("volumes: [{name: v, hostPath: {path: /srv/read/x}}]", "volumeMounts: [{name: v, mountPath: /v}]"):                 "/srv/read/x of the node may be mounted read-only alone",
		container("volumes: [{name: v, hostPath: {path: /srv/read/x}}]", "volumeMounts: [{name: v, mountPath: /v, readOnly: true}]"): "",
		container("volumes: [{name: v, hostPath: {path: /srv/data/x}}]", "volumeMounts: [{name: v, mountPath: /v}]"):                 "",
		container("volumes: [{name: v, hostPath: {path: /srv/data/pub/x}}]", "volumeMounts: [{name: v, mountPath: /v}]"):             "/srv/data/pub/x of the node may be mounted read-only alone",
		container("volumes: [{name: v, hostPath: {path: /srv/data/pub/in/x}}]", "volumeMounts: [{name: v, mountPath: /v}]"):          "",
		container("volumes: [{name: v, hostPath: {path: /srv/data}}]", "volumeMounts: [{name: v, mountPath: /v}]"):                   "/srv/data of the node has /srv/data/pub in it, which may be mounted read-only alone",
		container("volumes: [{name: v, hostPath: {path: /srv/data}}]", "volumeMounts: [{name: v, mountPath: /v, readOnly: true}]"):   "",
		container("devices: [{path: /dev/ttyUSB0}]"):                                                                                 "spec.devices[0].path: refused by policy baseline: it may not use /dev/ttyUSB0 of the node",
		container("devices: [{path: nvidia.com/gpu=all}, {path: acme.example/reader=front}]"):                                        "",
		container("devices: [{path: acme.example/reader=back}]"):                                                                     "spec.devices[0].path: refused by policy baseline: it may not use the CDI device acme.example/reader=back (devices of policy.yaml:21:10)",
		container("envFiles: [{path: /root/x.env}]"):                                                                                 "it may not use /root/x.env of the node",
		container("authFile: /root/auth.json"):                                                                                       "it may not use /root/auth.json of the node",
		container("ports: [{containerPort: 80, autoHostPort: true}]"):                                                                "spec.ports[0].autoHostPort: refused by policy baseline: it may not publish a port of the node from 30000 to 32767 (hostPorts of policy.yaml:10:12)",
		container("sockets: [{name: a, listenStream: 8099}]"):                                                                        "",
		container("sockets: [{name: a, listenStream: '127.0.0.1:22'}]"):                                                              "spec.sockets[0].listenStream: refused by policy baseline: it may not publish port 22 of the node",
		container("sockets: [{name: a, listenDatagram: /run/other.sock}]"):                                                           "spec.sockets[0].listenDatagram: refused by policy baseline: it may not use /run/other.sock of the node",
		container("ports: [{containerPort: 80, hostPort: 8099, endPort: 81}]"):                                                       "",
		container("ports: [{containerPort: 80, hostPort: 8100, endPort: 81}]"):                                                       "it may not publish port 8100 of the node (hostPorts of policy.yaml:10:12)",
		container("securityContext: {sysctls: [{name: net.core.somaxconn, value: '1'}]}"):                                            "",
		container("securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}"):                                                 "it may not set kernel.msgmax",
		container("securityContext: {unmaskedPaths: [/proc/kcore]}"):                                                                 "it would see paths that are hidden from containers",
		container("install: {WantedBy: [multi-user.target, kiosk.target]}"):                                                          "",
		container("install: {WantedBy: ssh.service}"):                                                                                "it may not name ssh.service, which is not davit's (targets of policy.yaml:13:10)",
		container("unit: {After: [network-online.target, chrony.service], Requires: chrony.service, PartOf: web.service}"):           "",
		container("install: {RequiredBy: multi-user.target}"):                                                                        "it may not name multi-user.target",
		container("service: {Slice: apps.slice}"):                                                                                    "it may not name apps.slice",
		container("service: {Nice: '-5'}"):                                                                                           "it may not set Nice",
		container("oomScoreAdj: -1"):                                                                                                 "spec.oomScoreAdj: refused by policy baseline: the node's own services would be killed before it",
		container("ulimits: [{name: nofile, soft: 5}, {name: memlock, soft: -1}]"):                                                   "spec.ulimits[1].name: refused by policy baseline: it may not set the limit memlock",
		container("env: [{name: A, valueFrom: {hostEnv: {name: TOKEN}}}]"):                                                           "spec.env[0].valueFrom.hostEnv.name: refused by policy baseline: it may not read TOKEN in the environment of the node's systemd (hostEnv of policy.yaml:20:10)",
		container("env: [{name: A, valueFrom: {hostEnv: {name: SITE}}}, {name: B, valueFrom: {hostEnv: {name: KIOSK_NUMBER}}}]"):     "",
		strings.Replace(container("hostname: a"), "name: web", "name: sshd", 1):                                                      "sshd.service is a name of the system's",
		container("unit: {After: network.target}"):                                                                                   "",
		container("unit: {Before: network.target}"):                                                                                  "it may not name network.target, which is not davit's",
		container("unit: {PartOf: ssh.service}"):                                                                                     "it may not name ssh.service, which is not davit's (units of policy.yaml:14:8)",
		container("userNamespace: {keepID: {uid: 1000}}"):                                                                            "",
		container("userNamespace: {keepID: {uid: 1000, gid: 27}}"):                                                                   "spec.userNamespace.keepID.gid: refused by policy baseline: it may not have the id 27 of the node (hostIDs of policy.yaml:19:10)",
		container("userNamespace: {uidMappings: [{containerID: 0, hostID: 1990, size: 10}]}"):                                        "",
		container("userNamespace: {uidMappings: [{containerID: 0, hostID: 1990, size: 11}]}"):                                        "spec.userNamespace.uidMappings[0].hostID: refused by policy baseline: it may not have the ids 1990 to 2000 of the node",
		container("hostUsers: false", "securityContext: {procMount: Unmasked}"):                                                      "",
		container("userNamespace: {keepID: {uid: 1000}}", "securityContext: {procMount: Unmasked}"):                                  "",
		container("runtime: crun"):                                                                                                   "",
		container("runtime: /opt/kata/run"):                                                                                          "",
		container("runtime: /usr/bin/crun"):                                                                                          "spec.runtime: refused by policy baseline: it may not have root run /usr/bin/crun of the node (runtimes of policy.yaml:16:11)",
		container("runtime: runc"):                                                                                                   "it may not have root run runc of the node",
		container("service: {CPUWeight: 5, MemoryHigh: 1G, WatchdogSec: 5}"):                                                         "",
		container("service: {CPUQuota: 10%, IODeviceWeight: x, ReadWritePaths: /}"):                                                  "it may not set ReadWritePaths (passThrough of policy.yaml:15:14)",
		spec("hostname: a"): "images may not come from example.com/a:1 (registries of policy.yaml:9:13)",
		strings.Replace(spec("hostname: a"), "example.com/a:1", "ghcr.io/acme/application:1", 1):      "images may not come from ghcr.io/acme/application:1",
		strings.Replace(spec("hostname: a"), "example.com/a:1", "ghcr.io/acme/app:1", 1):              "",
		strings.Replace(spec("hostname: a"), "example.com/a:1", "oci:/srv/image", 1):                  "images may not come by the transport oci",
		manifest("Network", "spec: {plugins: [{type: host-device}]}"):                                 "a chain of CNI plugins runs programs of the node",
		manifest("Network", "spec: {subnets: [{subnet: 10.20.7.0/24}, {subnet: '2001:db8:1::/64'}]}"): "",
		manifest("Network", "spec: {subnets: [{subnet: 10.0.0.0/8}]}"):                                "app.yaml:4:27: spec.subnets[0].subnet: refused by policy baseline: it may not have the subnet 10.0.0.0/8 (subnets of policy.yaml:17:10)",
		manifest("Network", "spec: {subnets: [{subnet: 192.168.7.0/24}]}"):                            "it may not have the subnet 192.168.7.0/24",
		manifest("Network", "spec: {interface: br-lan}"):                                              "",
		manifest("Network", "spec: {interface: dv-lan}"):                                              "",
		manifest("Network", "spec: {interface: wlan0}"):                                               "app.yaml:4:19: spec.interface: refused by policy baseline: it may not name its bridge wlan0 (interfaces of policy.yaml:18:13)",
		container("logging: {tag: shop}"):                                                             "",
		container("logging: {tag: systemd}"):                                                          "lines in the journal would seem to be of systemd of the system",
		container("logging: {tag: CROND}"):                                                            "lines in the journal would seem to be of CROND of the system",
		container("logging: {tag: networkmanager}"):                                                   "lines in the journal would seem to be of networkmanager of the system",
		container("logging: {tag: systemd-logind}"):                                                   "spec.logging.tag: refused by policy baseline: lines in the journal would seem to be of systemd-logind of the system",
		container("volumes: [{name: v, hostPath: {path: /srv/read/x, type: DirectoryOrCreate}}]", "volumeMounts: [{name: v, mountPath: /v, readOnly: true}]"): "/srv/read/x of the node may be mounted read-only alone",
		manifest("Volume", "spec: {hostPath: {path: /etc}}"): "it may not use /etc of the node",
	} {
		refused := refusals(loadUnder(text, nodePolicy))
		switch {
		case want == "" && len(refused) > 0:
			t.Errorf("%s\nis refused: %v", text, refused)
		case want != "" && (len(refused) != 1 || !strings.Contains(refused[0], want)):
			t.Errorf("%s\ngot  %v\nwant %s", text, refused, want)
		}
	}
}

// TestRootOfTheNodeSeesItsKernelSettings has a workload whose users include root of the node: they are not apart from it.
func TestRootOfTheNodeSeesItsKernelSettings(t *testing.T) {
	t.Parallel()
	nodePolicy, diagnostics := fleet.ParsePolicy(File{Path: "policy.yaml", Text: []byte("apiVersion: davit/v1\nkind: NodePolicy\npreset: baseline\nhostIDs: [{min: 0, max: 0}]\n")})
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	refused := refusals(loadUnder(spec("userNamespace: {uidMappings: [{containerID: 0, hostID: 0}]}", "securityContext: {procMount: Unmasked}"), nodePolicy))
	if len(refused) != 1 || !strings.Contains(refused[0], "spec.securityContext.procMount") {
		t.Errorf("got %v", refused)
	}
}

// TestExposures lists what an object asks of the host, for plans.
func TestExposures(t *testing.T) {
	t.Parallel()
	set := loadText(spec("hostNetwork: true", "securityContext: {capabilities: {add: [SYS_TIME]}}"))
	var got []string
	for _, exposure := range policy.Exposures(set.Objects[0].Object) {
		got = append(got, exposure.Path)
	}
	if diff := gocmp.Diff([]string{"spec.hostNetwork", "spec.securityContext.capabilities.add[0]"}, got); diff != "" {
		t.Error(diff)
	}
}
