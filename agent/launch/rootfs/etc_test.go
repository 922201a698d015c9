package rootfs

import (
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/units/bundle"
)

func TestFilesOfEtcAreReadOnlyWhereTheRootIs(t *testing.T) {
	t.Parallel()
	for _, readOnly := range []bool{false, true} {
		r := &Root{Bundle: &bundle.Bundle{
			Launch: bundle.Launch{ID: "app-web", Sandbox: "app-pod"}, Spec: &specs.Spec{Root: &specs.Root{Readonly: readOnly}},
		}}
		mounts := r.fileMounts()
		for i, name := range bundle.EtcFiles {
			if want := bundle.EtcFile("app-pod", name); mounts[i].Source != want || slices.Contains(mounts[i].Options, "ro") != readOnly {
				t.Errorf("read-only %v: got %+v, want %s", readOnly, mounts[i], want)
			}
		}
	}
}
