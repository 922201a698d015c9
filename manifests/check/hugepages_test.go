package check_test

import (
	"testing"
)

func TestHugePagesAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("resources: {limits: {hugepages-2Mi: 3Mi}}"), `spec.resources.limits.hugepages-2Mi: "3Mi": want a whole number of pages, such as 4Mi`},
		{spec("resources: {limits: {hugepages-2Mi: 4Mi}, requests: {hugepages-2Mi: 2Mi}}"), `spec.resources.requests.hugepages-2Mi: "2Mi": want the value in limits`},
		{spec("resources: {limits: {hugepages-1Gi: 1Gi}}", "volumes: [{name: a, emptyDir: {medium: HugePages-2Mi}}]"), `spec.volumes[0].emptyDir.medium: wants a limit of hugepages-2Mi`},
		{spec("volumes: [{name: a, emptyDir: {medium: HugePages}}]"), `spec.volumes[0].emptyDir.medium: HugePages wants a limit of one of hugepages-2Mi and hugepages-1Gi, there are 0: or say HugePages-2Mi or HugePages-1Gi`},
	})
}
