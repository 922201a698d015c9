package check_test

import (
	"testing"
)

func TestVolumesAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{manifest("Volume", "spec: {gid: 4294967295}"), `spec.gid: 4294967295 is not a user or group id: want 0 to 4294967294`},
		{manifest("Volume", "spec: {uid: -1}"), `spec.uid: -1 is not a user or group id`},
		{manifest("Volume", "spec: {hostPath: {path: /srv}, uid: 1}"), `spec.hostPath: davit does not change the owner`},
	})
}
