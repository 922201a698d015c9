package manifests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// TestWhatClustersTakeToo has what Kubernetes and its runtimes take though it is written otherwise than davit does.
func TestWhatClustersTakeToo(t *testing.T) {
	t.Parallel()
	set := loadText(`apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: -5
  hostnameOverride: front.example.com
  securityContext: {seccompProfile: {type: Localhost, localhostProfile: profiles/tight.json}}
  containers:
  - name: a
    image: nginx
    tty: true
    stdin: true
    securityContext: {capabilities: {add: [net_admin, CAP_SYS_TIME], drop: [all]}}
    env: [{name: UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
    volumeMounts:
    - {name: data, mountPath: /data/}
    - {name: nothing, mountPath: /nothing}
    - {name: cache, mountPath: /cache}
    - {name: serial, mountPath: /dev/ttyS0, readOnly: true}
    - {name: video, mountPath: /dev/dri}
    - {name: video, mountPath: /video}
    - {name: shm, mountPath: /dev/shm}
  volumes:
  - {name: data, hostPath: {path: /srv/data/}}
  - {name: nothing}
  - {name: cache, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}
  - {name: serial, hostPath: {path: /dev/ttyUSB0, type: CharDevice}}
  - {name: video, hostPath: {path: /dev/dri}}
  - {name: shm, emptyDir: {medium: Memory}}
`)
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	spec := set.Objects[0].Object.(*v1.Pod).Spec
	container := spec.Containers[0]
	wantMounts := []v1.VolumeMount{
		{Name: "data", MountPath: "/data"}, {Name: "nothing", MountPath: "/nothing"}, {Name: "cache", MountPath: "/cache"},
		{Name: "video", MountPath: "/video"}, {Name: "shm", MountPath: "/dev/shm"},
	}
	wantDevices := []v1.Device{{Path: "/dev/ttyUSB0", ContainerPath: "/dev/ttyS0", Permissions: "r"}, {Path: "/dev/dri"}}
	wantVolumes := []v1.PodVolume{
		{Name: "data", VolumeSource: v1.VolumeSource{HostPath: &v1.HostPath{Path: "/srv/data"}}},
		{Name: "nothing", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDir{}}},
		{Name: "cache", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDir{SizeLimit: "1Gi"}}},
		{Name: "video", VolumeSource: v1.VolumeSource{HostPath: &v1.HostPath{Path: "/dev/dri"}}},
		{Name: "shm", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDir{Medium: v1.MediumMemory}}},
	}
	for _, diff := range []string{
		cmp.Diff(wantMounts, container.VolumeMounts), cmp.Diff(wantDevices, container.Devices), cmp.Diff(wantVolumes, spec.Volumes),
		cmp.Diff(v1.Capabilities{Add: []string{"NET_ADMIN", "SYS_TIME"}, Drop: []string{"ALL"}}, container.SecurityContext.Capabilities),
		cmp.Diff(int64(1), *spec.TerminationGracePeriodSeconds), cmp.Diff("front.example.com", spec.Hostname),
	} {
		if diff != "" {
			t.Error(diff)
		}
	}
	sockets := kubePod("volumes: [{name: log, hostPath: {path: /dev/log}}]")
	sockets = strings.Replace(sockets, "image: nginx,", "image: nginx, volumeMounts: [{name: log, mountPath: /dev/log}],", 1)
	if set := loadText(sockets); len(set.Diagnostics) == 0 {
		t.Errorf("a socket below /dev is taken for a device: %v", set.Objects)
	}
}

// TestSetsOfClaims has a claim template that hides a volume of the template's, as in Kubernetes.
func TestSetsOfClaims(t *testing.T) {
	t.Parallel()
	set := loadText(strings.Replace(kubeClaimTemplate, "NAME", "web", 1))
	if err := set.Diagnostics.Err(); err != nil || len(set.Objects) != 2 {
		t.Fatal(err, set.Objects)
	}
	if volumes := set.Objects[0].Object.(*v1.Pod).Spec.Volumes; len(volumes) != 1 || volumes[0].PersistentVolumeClaim == nil {
		t.Errorf("got %+v", volumes)
	}
}
