package check_test

import (
	"testing"
)

func TestPodsAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{pod("replicas: 2", "containers: [{name: a, image: x.y/z, sockets: [{name: a, listenStream: 80}]}]"), `spec.containers[0].sockets: replicas cannot listen`},
		{pod("containers: []"), `spec.containers: want at least one`},
		{pod("containers: [{name: a, image: x/y}, {name: a, image: x/y}]"), `spec.containers[0].image: "x/y" is a short name`},
		{pod("containers: [{name: a, image: x.y/z}, {name: a, image: x.y/z}]"), `spec.containers[1].name: container a appears twice`},
		{pod("containers: [{name: a, image: x.y/z, restartPolicy: Always}]"), `spec.containers[0].restartPolicy: is the pod's`},
		{pod("replicas: -1", "containers: [{name: a, image: x.y/z}]"), `spec.replicas: -1: want 0 or more`},
		{pod("containers: [{name: a, image: x.y/z, securityContext: {sysctls: []}}]"), `spec.containers[0].securityContext.sysctls: unknown field`},
	})
}
