package check_test

import (
	"testing"
)

func TestUpdatePoliciesAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("updatePolicy: {progressDeadlineSeconds: 0}"), `spec.updatePolicy.progressDeadlineSeconds: 0: want 1 or more`},
		{spec("updatePolicy: {maxUnavailable: 0}"), `spec.updatePolicy.maxUnavailable: 0: want 1 or more`},
		{spec("updatePolicy: {strategy: Canary}"), `spec.updatePolicy.strategy: unknown value "Canary"`},
		{spec("updatePolicy: {minReadySeconds: -1}"), `spec.updatePolicy.minReadySeconds: -1: want 0 or more`},
		{spec("updatePolicy: {atomic: Some}"), `spec.updatePolicy.atomic: unknown value "Some"`},
	})
}
