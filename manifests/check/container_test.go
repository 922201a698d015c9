package check_test

import (
	"strings"
	"testing"
)

func TestContainersAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("rootfs: /srv/tree", "command: [a]"), `spec.rootfs: a directory of the node is no image: leave image out`},
		{strings.Replace(spec("command: [a]"), "image: example.com/a:1", "rootfs: /var/lib", 1), `spec.rootfs: /var/lib would open /var/lib/davit to the container`},
		{strings.Replace(spec("command: [a]"), "image: example.com/a:1", "rootfs: tree", 1), `spec.rootfs: "tree": want an absolute path`},
		{spec("imageRef: base"), `spec.imageRef: there is an image already`},
		{spec("platform: arm64"), `spec.platform: "arm64": want os/arch`},
		{spec("authFile: auth.json"), `spec.authFile: "auth.json": want an absolute path`},
		{strings.Replace(spec(), "example.com/a:1", `"oci:/images/a\uFFFE"`, 1), `spec.image: "oci:/images/a\ufffe" has U+FFFE`},
		{spec("oomScoreAdj: -1001"), `spec.oomScoreAdj: -1001: want -1000 to 1000`},
		{spec("notify: ready"), `spec.notify: unknown value "ready"`},
	})
}
