package rootfs

import "testing"

func TestInitLayerIsTheTopmost(t *testing.T) {
	t.Parallel()
	got := overlayOptions(initLayerDir, []string{"l/A", "l/B"}, "/u", "/w")
	if want := "lowerdir=" + initLayerDir + ":l/A:l/B,upperdir=/u,workdir=/w,volatile"; got != want {
		t.Errorf("got %s", got)
	}
}
