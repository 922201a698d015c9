package check_test

import (
	"testing"
)

func TestResourcesAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec(`resources: {io: {devices: [{path: "/dev/sda\\", readIOPS: 5}]}}`), `spec.resources.io.devices[0].path: "/dev/sda\\" ends in a backslash`},
		{spec("resources: {requests: {ephemeral-storage: 1Gi}}"), `spec.resources.requests.ephemeral-storage: unknown resource`},
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
	})
}
