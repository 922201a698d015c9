package check_test

import (
	"testing"
)

func TestDependenciesAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("dependsOn: [{name: nowhere}]"), `spec.dependsOn[0].name: there is no Container/nowhere`},
		{spec("dependsOn: [{name: web}]"), `spec.dependsOn[0]: waits for itself: Container/web → Container/web`},
		{spec("dependsOn: [{condition: Up, name: a}]"), `spec.dependsOn[0].condition: unknown value "Up"`},
	})
}
