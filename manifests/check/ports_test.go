package check_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/davit-project/davit/manifests"
)

func TestPortsAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("ports: [{containerPort: 0}]"), `spec.ports[0].containerPort: want a port from 1 to 65535`},
		{spec("ports: [{containerPort: 80, endPort: 79}]"), `spec.ports[0].endPort: 79 is below containerPort 80`},
		{spec("ports: [{containerPort: 80, hostPort: 65536}]"), `spec.ports[0].hostPort: want ports from 1 to 65535`},
		{spec("ports: [{containerPort: 80, hostPort: 80, autoHostPort: true}]"), `spec.ports[0].autoHostPort: there is hostPort already`},
		{spec("ports: [{containerPort: 80, endPort: 81, autoHostPort: true}]"), `spec.ports[0].autoHostPort: a range needs hostPort`},
		{spec("hostNetwork: true", "ports: [{containerPort: 80, autoHostPort: true}]"), `spec.ports[0].autoHostPort: with hostNetwork`},
		{spec("networks: [{name: none}]", "ports: [{containerPort: 80, autoHostPort: true}]"), `spec.ports[0].autoHostPort: network none`},
		{spec("ports: [{containerPort: 80, protocol: ICMP}]"), `spec.ports[0].protocol: unknown value "ICMP"`},
		{spec("ports: [{containerPort: 80, hostIP: localhost}]"), `spec.ports[0].hostIP: "localhost" is not an IP address`},
		{spec("hostNetwork: true", "ports: [{containerPort: 80, hostPort: 81}]"), `spec.ports[0].hostPort: with hostNetwork`},
	})
}

func TestRangesOfPortsAreOneReportEach(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 100 {
		text.WriteString(strings.Replace(spec("ports: [{containerPort: 1, endPort: 65535, hostPort: 1}]"), "name: web", fmt.Sprintf("name: w%d", i), 1) + "---\n")
	}
	begin := time.Now()
	if n := len(loadText(text.String()).Diagnostics); n != 100 {
		t.Errorf("%d reports", n)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestPortsThatTwoWant(t *testing.T) {
	t.Parallel()
	with := func(name, port string) manifests.File {
		return manifests.File{Path: name + ".yaml", Text: []byte(strings.Replace(spec("ports: ["+port+"]"), "name: web", "name: "+name, 1))}
	}
	for name, test := range map[string]struct {
		a, b  string
		clash bool
	}{
		"the same":             {"{containerPort: 1, hostPort: 80}", "{containerPort: 2, hostPort: 80}", true},
		"one address and all":  {"{containerPort: 1, hostPort: 80, hostIP: 10.0.0.1}", "{containerPort: 2, hostPort: 80}", true},
		"two addresses":        {"{containerPort: 1, hostPort: 80, hostIP: 10.0.0.1}", "{containerPort: 2, hostPort: 80, hostIP: 10.0.0.2}", false},
		"two protocols":        {"{containerPort: 1, hostPort: 80}", "{containerPort: 1, hostPort: 80, protocol: UDP}", false},
		"ranges that overlap":  {"{containerPort: 1, endPort: 9, hostPort: 80}", "{containerPort: 1, hostPort: 88}", true},
		"ranges side by side":  {"{containerPort: 1, endPort: 9, hostPort: 80}", "{containerPort: 1, hostPort: 89}", false},
		"not published at all": {"{containerPort: 80}", "{containerPort: 80}", false},
	} {
		if got := !manifests.Load([]manifests.File{with("a", test.a), with("b", test.b)}, manifests.Options{}).Complete(); got != test.clash {
			t.Errorf("%s: clash %v, want %v", name, got, test.clash)
		}
	}
}
