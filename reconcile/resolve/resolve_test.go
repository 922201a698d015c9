package resolve_test

import (
	"encoding/json"
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units/bundle"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestArgumentsFollowKubernetes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spec []string
		want []string
	}{
		"the image's entry point and cmd":          {nil, []string{"/app", "serve"}},
		"args replace the cmd":                     {[]string{"args: [check]"}, []string{"/app", "check"}},
		"command drops the cmd":                    {[]string{"command: [/bin/sh]"}, []string{"/bin/sh"}},
		"command and args replace everything":      {[]string{"command: [/bin/sh]", "args: [-c, date]"}, []string{"/bin/sh", "-c", "date"}},
		"dollars and percents are left as written": {[]string{`args: ["$HOME", "%n", "50%"]`}, []string{"/app", "$HOME", "%n", "50%"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desired := reconciletest.Resolve(t, reconciletest.Container("web", test.spec...), reconciletest.Command)
			got := desired.Workloads["web.service"].Bundle.Spec.Process.Args
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNothingOfAManifestReachesTheUnit(t *testing.T) {
	t.Parallel()
	const canary = "CANARY"
	desired := reconciletest.Resolve(t, reconciletest.Container("web",
		"command: [/bin/app, --token=CANARY]", "env: [{name: TOKEN, value: CANARY}]",
		"volumeMounts: [{name: scratch, mountPath: /CANARY}]", "volumes: [{name: scratch, emptyDir: {}}]"), reconciletest.Command)
	workload := desired.Workloads["web.service"]
	if strings.Contains(workload.UnitText, canary) {
		t.Errorf("the unit has a value of the container's:\n%s", workload.UnitText)
	}
	if !strings.Contains(string(reconciletest.Encoded(t, workload.Bundle)), canary) {
		t.Error("the bundle lacks it")
	}
}

func TestProblemsStayWithTheirObject(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		manifest string
		config   imagespec.ImageConfig
		fail     string
		want     string
	}{
		"an image that cannot be resolved": {
			reconciletest.Container("bad"), reconciletest.Command, "example.com/app:1", "registry is down",
		},
		"an unknown network": {
			reconciletest.Container("bad", "networks: [{name: nowhere}]"), reconciletest.Command, "", "network nowhere is not defined",
		},
		"a runtime that the node has not": {
			reconciletest.Container("bad", "runtime: youki"), reconciletest.Command, "", "runtime youki: the node has no such program",
		},
		"no command": {
			reconciletest.Container("bad"), imagespec.ImageConfig{}, "", "has no command",
		},
		"a working directory below /proc in the image": {
			reconciletest.Container("bad"), imagespec.ImageConfig{Cmd: []string{"a"}, WorkingDir: "/proc/self/fd/7"}, "", "outside /proc",
		},
		"hooks of what runs to its end": {
			reconciletest.Container("bad", "oneshot: true", "lifecycle: {preStop: {sleep: {seconds: 1}}}"), reconciletest.Command, "", "leave lifecycle out",
		},
		"readiness of what runs to its end": {
			reconciletest.Container("bad", "oneshot: true", "notify: Container"), reconciletest.Command, "", "leave notify out",
		},
		"a stop signal nobody knows in the image": {
			reconciletest.Container("bad"), imagespec.ImageConfig{Cmd: []string{"a"}, StopSignal: "SIGX\nExecStart=/x"}, "", "no such signal",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := reconciletest.Load(t, test.manifest+strings.Replace(reconciletest.Container("good", "command: [/app]"), "app:1", "good:1", 1))
			images := reconciletest.Resolved(objects, test.config)
			for request := range images {
				if request.Reference == test.fail {
					images[request] = resolve.ImageResult{Err: errors.New("registry is down")}
				}
			}
			desired := resolve.Resolve(resolve.Input{Objects: objects, Images: images, Node: reconciletest.TestNode})
			for _, problem := range desired.Problems {
				if problem.Ref.Name == "bad" {
					if !strings.Contains(problem.Err.Error(), test.want) {
						t.Errorf("got %v, want %s", problem.Err, test.want)
					}
					return
				}
			}
			t.Errorf("no problem with bad: %v", desired.Problems)
		})
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	desired := reconciletest.Resolve(t, reconciletest.Header+"Network\nmetadata: {name: app}\n---\n"+
		reconciletest.Header+"Network\nmetadata: {name: closed}\nspec: {internal: true, subnets: [{subnet: 10.5.0.0/16}]}\n---\n"+
		reconciletest.Container("web", "networks: [{name: app, aliases: [www]}, {name: closed}]")+
		reconciletest.Container("plain")+reconciletest.Container("host", "hostNetwork: true")+reconciletest.Container("alone", "networks: [{name: none}]"), reconciletest.Command)
	if len(desired.Problems) > 0 {
		t.Fatal(desired.Problems)
	}
	if got := desired.Networks["default"].Subnets; !cmp.Equal(got, []string{"10.89.0.0/22", "fd64:6176:6974::/64"}) {
		t.Errorf("default network has %v", got)
	}
	for name, internal := range map[string]bool{"closed": true, "app": false, "default": false} {
		network, own, err := bundle.DecodeBridgeNetwork(desired.Networks[name].Conflist)
		if err != nil || !own || network.Internal != internal {
			t.Errorf("network %s: %+v, %v, %v", name, network, own, err)
		}
	}
	web := desired.Workloads["web.service"].Bundle.Network
	if got := web.Attachments[0].Names; !cmp.Equal(got, []string{"web", "www"}) {
		t.Errorf("names %v", got)
	}
	for unit, mode := range map[string]string{
		"plain.service": bundle.NetworkCNI, "host.service": bundle.NetworkHost, "alone.service": bundle.NetworkNone,
	} {
		if got := desired.Workloads[unit].Bundle.Network.Mode; got != mode {
			t.Errorf("%s has network mode %s, want %s", unit, got, mode)
		}
	}
}

func TestPullPolicyDefaults(t *testing.T) {
	t.Parallel()
	const digest = "@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	for reference, want := range map[string]v1.PullPolicy{
		"example.com/app":                  v1.PullAlways,
		"example.com/app:latest":           v1.PullAlways,
		"example.com:5000/app":             v1.PullAlways,
		"docker://example.com/app:latest":  v1.PullAlways,
		"example.com/app:1":                v1.PullIfNotPresent,
		"example.com:5000/app:1":           v1.PullIfNotPresent,
		"example.com/app:latest" + digest:  v1.PullIfNotPresent,
		"oci-archive:/srv/app.tar":         v1.PullIfNotPresent,
		"containers-storage:localhost/a:1": v1.PullIfNotPresent,
	} {
		if got := resolve.DefaultPullPolicy(reference); got != want {
			t.Errorf("%s: got %s, want %s", reference, got, want)
		}
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	if got := resolve.CapabilitySet(v1.SecurityContext{ContainerSecurityContext: v1.ContainerSecurityContext{Capabilities: v1.Capabilities{Drop: []string{"ALL"}, Add: []string{"net_bind_service"}}}}); !cmp.Equal(got, []string{"CAP_NET_BIND_SERVICE"}) {
		t.Errorf("got %v", got)
	}
	if got := resolve.CapabilitySet(v1.SecurityContext{ContainerSecurityContext: v1.ContainerSecurityContext{Capabilities: v1.Capabilities{}}}); !cmp.Equal(got, resolve.DefaultCapabilities) {
		t.Errorf("got %v", got)
	}
	if got := resolve.CapabilitySet(v1.SecurityContext{ContainerSecurityContext: v1.ContainerSecurityContext{Capabilities: v1.Capabilities{Add: []string{"ALL"}}}}); len(got) != len(resolve.AllCapabilities) {
		t.Errorf("got %d capabilities, want %d", len(got), len(resolve.AllCapabilities))
	}
}

func TestRestartsBackOff(t *testing.T) {
	t.Parallel()
	const (
		bySystemd  = "RestartSec=1\nRestartSteps=8\nRestartMaxDelaySec=300\n"
		byLauncher = "\n[X-Davit]\nObject=Container/web\nSource=/etc/davit/manifests/app.yaml\nRestartMaxDelaySec=300\n"
	)
	for name, test := range map[string]struct {
		systemd int
		spec    string
		want    string
	}{
		"a systemd that cannot":            {253, "restartPolicy: Always", byLauncher},
		"one that can":                     {254, "restartPolicy: Always", bySystemd},
		"on failure":                       {257, "restartPolicy: OnFailure", bySystemd},
		"on failure, by the launcher":      {252, "restartPolicy: OnFailure", byLauncher},
		"never":                            {257, "restartPolicy: Never", ""},
		"never, with an old systemd":       {252, "restartPolicy: Never", ""},
		"a wait of the manifest's own":     {257, "service: {RestartSec: 3}", ""},
		"a wait of its own, by an old one": {252, "service: {RestartSec: 3}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := reconciletest.Load(t, reconciletest.Container("web", test.spec))
			node := reconciletest.TestNode
			node.Systemd = test.systemd
			desired := resolve.Resolve(resolve.Input{Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: node})
			text := desired.Workloads["web.service"].UnitText
			for _, wait := range []string{bySystemd, byLauncher} {
				if got := strings.Contains(text, wait); got != (wait == test.want) {
					t.Errorf("%q: got %t in\n%s", wait, got, text)
				}
			}
		})
	}
}

func TestHostPathsHaveTheRootsOfThePolicy(t *testing.T) {
	t.Parallel()
	objects := reconciletest.Load(t, reconciletest.Container("web", "envFiles: [{path: /srv/data/env}]",
		"volumeMounts: [{name: data, mountPath: /data, subPath: sub}]", "volumes: [{name: data, hostPath: {path: /srv/data/web}}]"))
	for name, test := range map[string]struct {
		allowed    []policy.HostPath
		root       string
		hostPaths  []bundle.HostPath
		fromVolume string
	}{
		"none":   {nil, "", nil, "/srv/data/web"},
		"theirs": {[]policy.HostPath{{Path: "/srv/database"}, {Path: "/srv/data"}}, "/srv/data", []bundle.HostPath{{Path: "/srv/data/web", Root: "/srv/data"}}, bundle.HostSource(0)},
	} {
		desired := resolve.Resolve(resolve.Input{Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: reconciletest.TestNode, HostPaths: test.allowed})
		launch := desired.Workloads["web.service"].Bundle.Launch
		if got := launch.Env.Files[0].Root; got != test.root {
			t.Errorf("%s: variables from below %q, want %q", name, got, test.root)
		}
		if diff := cmp.Diff(test.hostPaths, launch.HostPaths); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got := launch.SubPaths[0].Volume; got != test.fromVolume {
			t.Errorf("%s: sub-path of %s, want %s", name, got, test.fromVolume)
		}
	}
}

func TestNetworksAreKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spec string
		kept bool
	}{
		"as usual":               {"ports: [{containerPort: 80, hostPort: 80}]", true},
		"two networks":           {"networks: [{name: default}, {name: back}]", true},
		"on failure":             {"restartPolicy: OnFailure", true},
		"another delay":          {"service: {RestartSec: 5}", true},
		"none":                   {"networks: [{name: none}]", false},
		"the node's":             {"hostNetwork: true", false},
		"of CNI plugins":         {"networks: [{name: default}, {name: macvlan}]", false},
		"never starts again":     {"restartPolicy: Never", false},
		"starts again once":      {"maxRestarts: 1", false},
		"starts as systemd does": {"unit: {StartLimitBurst: 5}", false},
		"restarts otherwise":     {"service: {Restart: on-abort}", false},
		"not after a status":     {"service: {RestartPreventExitStatus: 1}", false},
		"runs to its end":        {"oneshot: true", false},
		"users of its own":       {"hostUsers: false", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := reconciletest.Load(t, reconciletest.Container("web", test.spec)+"---\n"+reconciletest.Header+"Network\nmetadata: {name: back}\n")
			desired := resolve.Resolve(resolve.Input{
				Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: reconciletest.TestNode,
				NodeNetworks: map[string]json.RawMessage{"macvlan": []byte(`{"name": "macvlan", "plugins": [{"type": "macvlan"}]}`)},
			})
			web, ok := desired.Workloads["web.service"]
			if !ok {
				t.Fatalf("there is no web: %v", desired.Problems)
			}
			if web.Bundle.Network.Keep != test.kept || web.Unit.KeepsNetwork != test.kept {
				t.Errorf("keeps its network: %v, its unit %v, want %v", web.Bundle.Network.Keep, web.Unit.KeepsNetwork, test.kept)
			}
		})
	}
}
