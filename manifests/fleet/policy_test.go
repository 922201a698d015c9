package fleet

import (
	"strings"
	"testing"

	"github.com/davit-project/davit/manifests/yaml"
)

func TestPolicyFilesThatAreWrong(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: davit/v1\nkind: NodePolicy\npreset: baseline\n"
	for text, want := range map[string]string{
		"":                       "policy.yaml:1:1: want one document, got 0",
		head + "---\n" + head:    "policy.yaml:1:1: want one document, got 2",
		"apiVersion: davit/v1\n": "policy.yaml:1:1: kind: missing",
		strings.Replace(head, "baseline", "none", 1):                   `policy.yaml:3:9: preset: unknown value "none" (one of privileged, baseline, restricted)`,
		head + "hostPath: []\n":                                        `policy.yaml:4:1: hostPath: unknown field (did you mean "hostPaths"?)`,
		head + "hostPaths: [{path: srv}]\n":                            `policy.yaml:4:20: hostPaths[0].path: "srv": want an absolute path without . and ..`,
		head + "hostPaths: [{path: /a}, {path: /a, readOnly: true}]\n": `policy.yaml:4:32: hostPaths[1].path: /a appears twice`,
		head + "hostPorts: [{min: 2, max: 1}]\n":                       `policy.yaml:4:13: hostPorts[0]: want min at most max, from 1 to 65535`,
		head + "hostIDs: [{min: 5, max: 4294967295}]\n":                `policy.yaml:4:11: hostIDs[0]: want min at most max, from 0 to 4294967294`,
		head + "subnets: [10.0.0.1/8]\n":                               `policy.yaml:4:11: subnets[0]: "10.0.0.1/8": want a prefix such as 10.20.0.0/16`,
		head + "runtimes: [../crun]\n":                                 `policy.yaml:4:12: runtimes[0]: "../crun": want the name of a program such as crun, or its absolute path`,
		head + "devices: ['*']\n":                                      `policy.yaml:4:11: devices[0]: "*": want the name of a CDI device such as nvidia.com/gpu=0`,
		head + "devices: [/dev/fuse]\n":                                `policy.yaml:4:11: devices[0]: "/dev/fuse": want the name of a CDI device such as nvidia.com/gpu=0`,
		head + "capabilities: [ROOT]\n":                                `policy.yaml:4:16: capabilities[0]: "ROOT": want a capability such as NET_ADMIN, or ALL`,
	} {
		_, diagnostics := ParsePolicy(yaml.File{Path: "policy.yaml", Text: []byte(text)})
		if len(diagnostics) == 0 || diagnostics[0].String() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, diagnostics, want)
		}
	}
}
