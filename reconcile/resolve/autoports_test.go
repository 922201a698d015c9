package resolve_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units/bundle"
)

const autoPort = "ports: [{containerPort: 80, autoHostPort: true}]"

// assignedTo are the ports of the node that objects have, by object, as "30123/tcp".
func assignedTo(objects []object.Object) map[string][]string {
	found := map[string][]string{}
	for _, object := range objects {
		for _, list := range resolve.PortLists(object.Object) {
			for _, port := range resolve.Ports(list) {
				found[object.Ref().String()] = append(found[object.Ref().String()], port.OnNode().String())
			}
		}
	}
	return found
}

// publishedBy returns the ports of the node that assigned objects publish.
func publishedBy(objects []object.Object) map[string][]bundle.Port {
	found := map[string][]bundle.Port{}
	for _, object := range objects {
		for _, list := range resolve.PortLists(object.Object) {
			found[object.Ref().String()] = append(found[object.Ref().String()], resolve.Ports(list)...)
		}
	}
	return found
}

func TestAutoHostPortsStay(t *testing.T) {
	t.Parallel()
	web := reconciletest.Load(t, reconciletest.Container("web", autoPort))
	fresh := func(used resolve.PortsInUse, allowed ...policy.PortRange) string {
		t.Helper()
		return strings.Join(assignedTo(resolve.AssignPorts(web, allowed, used))["Container/web"], " ")
	}
	first := fresh(resolve.PortsInUse{})
	var number int32
	if _, err := fmt.Sscanf(first, "%d/tcp", &number); err != nil || number < v1.MinAutoHostPort || number > v1.MaxAutoHostPort {
		t.Fatalf("got %q, %v", first, err)
	}
	kept := bundle.Port{HostPort: 31234, ContainerPort: 80, Protocol: "tcp"}
	of := func(port bundle.Port) map[string][]bundle.Port {
		return map[string][]bundle.Port{"Container/web": {port}}
	}
	for name, test := range map[string]struct {
		used    resolve.PortsInUse
		allowed []policy.PortRange
		want    string
	}{
		"without any state it is the same":    {resolve.PortsInUse{}, nil, first},
		"as the bundle publishes it":          {resolve.PortsInUse{Published: of(kept)}, nil, "31234/tcp"},
		"though a program listens there":      {resolve.PortsInUse{Published: of(kept), Listening: map[string][]int32{"tcp": {31234}}}, nil, "31234/tcp"},
		"in a range":                          {resolve.PortsInUse{Published: of(bundle.Port{HostPort: 31230, ContainerPort: 76, Protocol: "tcp", Count: 9})}, nil, "31234/tcp"},
		"another port of the container":       {resolve.PortsInUse{Published: of(bundle.Port{HostPort: 31234, ContainerPort: 81, Protocol: "tcp"})}, nil, first},
		"another protocol":                    {resolve.PortsInUse{Published: of(bundle.Port{HostPort: 31234, ContainerPort: 80, Protocol: "udp"})}, nil, first},
		"one that a manifest said":            {resolve.PortsInUse{Published: of(bundle.Port{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"})}, nil, first},
		"the policy does not allow it":        {resolve.PortsInUse{Published: of(kept)}, []policy.PortRange{{Min: 100, Max: 200}, {Min: 30000, Max: 30000}}, "30000/tcp"},
		"the policy allows it":                {resolve.PortsInUse{Published: of(kept)}, []policy.PortRange{{Min: 31000, Max: 40000}}, "31234/tcp"},
		"a program listens on the first one":  {resolve.PortsInUse{Listening: map[string][]int32{"tcp": {number}}}, nil, fmt.Sprintf("%d/tcp", number+1)},
		"one by another protocol":             {resolve.PortsInUse{Listening: map[string][]int32{"udp": {number}}}, nil, first},
		"another container has the first one": {resolve.PortsInUse{Published: map[string][]bundle.Port{"Container/gone": {{HostPort: number, ContainerPort: 1, Protocol: "tcp"}}}}, nil, fmt.Sprintf("%d/tcp", number+1)},
	} {
		if got := fresh(test.used, test.allowed...); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

// TestAPortOfAManifestGoesBeforeAChosenOne has a manifest name the port that davit had chosen for another object.
func TestAPortOfAManifestGoesBeforeAChosenOne(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"published": "ports: [{containerPort: 1, hostPort: 31234}]", "in a range": "ports: [{containerPort: 1, endPort: 9, hostPort: 31230}]",
		"a socket": "sockets: [{name: a, listenStream: 31234}]",
	} {
		objects := reconciletest.Load(t, reconciletest.Container("other", line)+reconciletest.Container("web", autoPort))
		used := resolve.PortsInUse{Published: map[string][]bundle.Port{"Container/web": {{HostPort: 31234, ContainerPort: 80, Protocol: "tcp"}}}}
		if got := assignedTo(resolve.AssignPorts(objects, nil, used))["Container/web"]; len(got) != 1 || got[0] == "31234/tcp" {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestNoFreePortIsAProblem of the object that wants one.
func TestNoFreePortIsAProblem(t *testing.T) {
	t.Parallel()
	objects := reconciletest.Load(t, reconciletest.Container("a", autoPort)+reconciletest.Container("b", autoPort)+reconciletest.Container("c"))
	desired := resolve.Resolve(resolve.Input{
		Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: reconciletest.TestNode, HostPorts: []policy.PortRange{{Min: 30007, Max: 30007}},
	})
	if len(desired.Problems) != 1 || !strings.Contains(desired.Problems[0].Err.Error(), "port 80/tcp: of the node's ports from 30000 to 32767") {
		t.Errorf("problems are %v", desired.Problems)
	}
	published := desired.Workloads["a.service"].Bundle.Network.Ports
	if want := (bundle.Port{HostPort: 30007, ContainerPort: 80, Protocol: "tcp"}); !slices.Equal(published, []bundle.Port{want}) {
		t.Errorf("a publishes %v", published)
	}
	if objects[0].Object.(*v1.Container).Spec.Ports[0].HostPort != 0 {
		t.Error("the manifest's object was changed")
	}
}

// TestNoTwoHaveOnePort draws objects that come, go and change their ports. An object keeps its port, and no two have the same.
func TestNoTwoHaveOnePort(t *testing.T) {
	t.Parallel()
	lines := []string{
		"", autoPort, "ports: [{containerPort: 80, autoHostPort: true}, {containerPort: 81, autoHostPort: true}, {containerPort: 80, protocol: UDP, autoHostPort: true}]",
		"ports: [{containerPort: 80, hostPort: 30002}]", "ports: [{containerPort: 80, hostPort: 30003}, {containerPort: 81, autoHostPort: true}]",
	}
	rapid.Check(t, func(rt *rapid.T) {
		published := map[string][]bundle.Port{}
		allowed := []policy.PortRange{{Min: 30000, Max: 30000 + int32(rapid.IntRange(0, 12).Draw(rt, "width"))}}
		for range rapid.IntRange(1, 6).Draw(rt, "passes") {
			var text strings.Builder
			fixed := map[string]bool{}
			for _, name := range []string{"a", "b", "c", "d"} {
				line := rapid.SampledFrom(append(lines, "absent")).Draw(rt, name)
				if _, port, isFixed := strings.Cut(line, "hostPort: 3"); line == "absent" || isFixed && fixed[port[:4]] {
					continue
				} else if isFixed {
					fixed[port[:4]] = true
				}
				text.WriteString(reconciletest.Container(name, line))
			}
			objects := reconciletest.Load(t, text.String())
			assigned := resolve.AssignPorts(objects, allowed, resolve.PortsInUse{Published: published})
			owners := map[string]string{}
			for object, all := range assignedTo(assigned) {
				for _, port := range all {
					if owners[port] != "" {
						rt.Fatalf("%s and %s have %s", owners[port], object, port)
					}
					owners[port] = object
				}
			}
			now := publishedBy(assigned)
			again := publishedBy(resolve.AssignPorts(objects, allowed, resolve.PortsInUse{Published: now}))
			for object, all := range now {
				for _, port := range bundle.Split(all) {
					if !slices.Contains(bundle.Split(again[object]), port) {
						rt.Fatalf("%s loses %v in the next pass, which gives %v", object, port, again)
					}
				}
			}
			published = now
		}
	})
}
