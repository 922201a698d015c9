package network

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/units/bundle"
)

// CNI's portMappings know no ranges (https://www.cni.dev/docs/conventions/).
func TestPluginsGetEachPortOfARange(t *testing.T) {
	t.Parallel()
	b := &bundle.Bundle{Launch: bundle.Launch{ID: "web", Network: bundle.Network{
		Ports:       []bundle.Port{{HostPort: 8000, ContainerPort: 80, Protocol: "tcp", HostIP: "127.0.0.1", Count: 2}, {HostPort: 53, ContainerPort: 53, Protocol: "udp"}},
		Attachments: []bundle.Attachment{{Network: "lan"}, {Network: "wan"}},
	}}}
	want := []bundle.Port{
		{HostPort: 8000, ContainerPort: 80, Protocol: "tcp", HostIP: "127.0.0.1"}, {HostPort: 8001, ContainerPort: 81, Protocol: "tcp", HostIP: "127.0.0.1"},
		{HostPort: 53, ContainerPort: 53, Protocol: "udp"},
	}
	if diff := cmp.Diff(want, runtimeConf(b, 0, "").CapabilityArgs["portMappings"]); diff != "" {
		t.Error(diff)
	}
	if got := runtimeConf(b, 1, "").CapabilityArgs["portMappings"]; got != nil {
		t.Errorf("ports are published by the second network, too: %v", got)
	}
}
