package check_test

import (
	"strings"
	"testing"
)

func TestVolumesOfWorkloadsAreChecked(t *testing.T) {
	t.Parallel()
	const mount = "volumeMounts: [{name: v, mountPath: /v}]"
	const config = "volumes: [{name: v, configMap: "
	wantRefused(t, []refused{
		{spec(`volumes: [{name: a, hostPath: {path: "/srv/a "}}]`), `spec.volumes[0].hostPath.path: "/srv/a " begins or ends with white space, which systemd would drop`},
		{spec(`volumes: [{name: a, hostPath: {path: "/srv/a\\"}}]`), `spec.volumes[0].hostPath.path: "/srv/a\\" ends in a backslash`},
		{spec(`volumes: [{name: a, hostPath: {path: "/srv/\uFFFE"}}]`), `spec.volumes[0].hostPath.path: "/srv/\ufffe" has U+FFFE, which is no character`},
		{spec(`volumes: [{name: a, hostPath: {path: "/srv/\uFDD0"}}]`), `spec.volumes[0].hostPath.path: "/srv/\ufdd0" has U+FDD0, which is no character`},
		{spec(`volumes: [{name: a, hostPath: {path: "/srv/\a"}}]`), `spec.volumes[0].hostPath.path: "/srv/\a" has the control character U+0007`},
		{spec(`volumes: [{name: a, hostPath: {path: /srv/` + strings.Repeat("é", 128) + `}}]`), `spec.volumes[0].hostPath.path: "` + strings.Repeat("é", 60) + `…" has 256 bytes: the kernel takes at most 255`},
		{spec(`volumes: [{name: a, hostPath: {path: ` + strings.Repeat("/abc", 1024) + `}}]`), `spec.volumes[0].hostPath.path: has 4096 bytes: want at most 4095`},
		{spec("volumes: [{name: a, emptyDir: {}}]", "volumeMounts: [{name: a, mountPath: "+strings.Repeat("/abc", 961)+"}]"), `spec.volumeMounts[0].mountPath: has 3844 bytes: want at most 3840`},
		{spec("volumes: [{name: a, configMap: {items: [{key: a, path: a" + strings.Repeat("/abc", 960) + "}], name: c}}]"), `spec.volumes[0].configMap.items[0].path: has 3841 bytes: want at most 3840`},
		{spec("volumes: [{name: a, emptyDir: {}}]", "volumeMounts: [{name: a, mountPath: /a, subPath: "+strings.Repeat("a", 256)+"}]"), `spec.volumeMounts[0].subPath: "` + strings.Repeat("a", 60) + `…" has 256 bytes`},
		{spec("volumes: [{name: v}]"), `spec.volumes[0]: want one of hostPath, emptyDir, configMap`},
		{spec("volumes: [{name: v, emptyDir: {}, hostPath: {path: /a}}]"), `spec.volumes[0].emptyDir: there is hostPath already`},
		{spec("volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]"), `spec.volumes[1].name: volume v appears twice`},
		{spec("volumes: [{name: v, hostPath: {path: /a/../b}}]"), `spec.volumes[0].hostPath.path: "/a/../b": want an absolute path`},
		{spec("volumes: [{name: v, hostPath: {path: /a, type: Dir}}]"), `spec.volumes[0].hostPath.type: unknown value "Dir"`},
		{spec("volumes: [{name: v, emptyDir: {medium: RAM}}]"), `spec.volumes[0].emptyDir.medium: unknown value "RAM"`},
		{spec("volumes: [{name: v, emptyDir: {sizeLimit: some}}]"), `spec.volumes[0].emptyDir.sizeLimit: "some"`},
		{spec(config + "{name: nowhere}}]"), `spec.volumes[0].configMap.name: there is no Config "nowhere"`},
		{spec(config + "{name: a, optional: true, items: [{key: a/b, path: x}]}}]"), `spec.volumes[0].configMap.items[0].key: "a/b": want a key`},
		{spec(config + "{name: a, optional: true, items: [{key: a, path: ../x}]}}]"), `spec.volumes[0].configMap.items[0].path: "../x": want a path inside the volume`},
		{spec(config + "{name: a, optional: true, items: [{key: a, path: a, mode: 644}]}}]"), `spec.volumes[0].configMap.items[0].mode: want a mode, got the number 644`},
		{spec(config + "{name: a, optional: true, defaultMode: rw}}]"), `spec.volumes[0].configMap.defaultMode: want a mode in octal digits`},
		{spec(config + "{name: a, optional: true, uid: -1}}]"), `spec.volumes[0].configMap.uid: -1 is not a user or group id`},
		{spec("volumes: [{name: v, secret: {secretName: nowhere}}]"), `spec.volumes[0].secret.secretName: there is no Secret "nowhere"`},
		{spec("volumes: [{name: v, downwardAPI: {items: [{path: a}]}}]"), `spec.volumes[0].downwardAPI.items[0]: want one of fieldRef, resourceFieldRef`},
		{spec("volumes: [{name: v, downwardAPI: {items: [{path: a, fieldRef: {fieldPath: status.podIP}}]}}]"), `spec.volumes[0].downwardAPI.items[0].fieldRef.fieldPath: status.podIP is known only at start`},
		{spec("volumes: [{name: v, projected: {sources: [{}]}}]"), `spec.volumes[0].projected.sources[0]: want one of configMap, secret, downwardAPI`},
		{spec("volumes: [{name: v, projected: {sources: [{secret: {name: nowhere}}]}}]"), `spec.volumes[0].projected.sources[0].secret.name: there is no Secret "nowhere"`},
		{spec("volumes: [{name: v, persistentVolumeClaim: {claimName: nowhere}}]"), `spec.volumes[0].persistentVolumeClaim.claimName: there is no Volume "nowhere"`},
		{spec("volumes: [{name: v, image: {reference: nginx}}]"), `spec.volumes[0].image.reference: "nginx" is a short name`},
		{spec(mount), `spec.volumeMounts[0].name: there is no volume "v"`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: v}]"), `spec.volumeMounts[0].mountPath: "v": want an absolute path`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v}, {name: v, mountPath: /v}]"), `spec.volumeMounts[1].mountPath: /v has a volume already`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v, subPath: ../x}]"), `spec.volumeMounts[0].subPath: "../x": want a path inside`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v, subPath: x, subPathExpr: y}]"), `spec.volumeMounts[0].subPathExpr: there is a subPath already`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v, mountPropagation: Both}]"), `spec.volumeMounts[0].mountPropagation: unknown value "Both"`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v, recursiveReadOnly: Enabled}]"), `spec.volumeMounts[0].recursiveReadOnly: Enabled is for a mount that is read-only: add readOnly: true`},
		{spec("volumes: [{name: v, emptyDir: {}}]", "volumeMounts: [{name: v, mountPath: /v, readOnly: true, recursiveReadOnly: Enabled, mountPropagation: HostToContainer}]"), `spec.volumeMounts[0].recursiveReadOnly: mounts that mountPropagation: HostToContainer brings later are as they are on the node: leave one of the two out`},
		{spec("volumes: [{name: v, hostPath: {path: /}}]", "volumeMounts: [{name: v, mountPath: /v}]"), `spec.volumeMounts[0].name: the node's root is mounted read-only only: add readOnly: true`},
		{spec("volumes: [{name: v, hostPath: {path: /}}]", "volumeMounts: [{name: v, mountPath: /v, readOnly: true, recursiveReadOnly: Disabled}]"), `spec.volumeMounts[0].recursiveReadOnly: mounts below the node's root would be writable: leave it out`},
		{spec("volumes: [{name: v, hostPath: {path: /}}]", "volumeMounts: [{name: v, mountPath: /v, readOnly: true, mountPropagation: Bidirectional}]"), `spec.volumeMounts[0].mountPropagation: the container could mount over the node's root: want None or HostToContainer`},
		{spec("volumes: [{name: v, hostPath: {path: /}}]", "volumeMounts: [{name: v, mountPath: /v, readOnly: true, subPath: etc}]"), `spec.volumeMounts[0].name: a path in the node's root is a hostPath itself: leave subPath out`},
	})
}
