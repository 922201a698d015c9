package manifests

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInstancesOfOneTemplate makes two instances of one template, each with a volume and a
// configuration of its own.
func TestInstancesOfOneTemplate(t *testing.T) {
	t.Parallel()
	const template = `apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
      - name: app
        image: nginx
        envFrom: [{configMapRef: {name: settings}}]
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`
	instance := func(name string) []File {
		folder := "sites/" + name + "/kustomization.yaml"
		return []File{{Path: folder, Name: folder, Text: []byte("namePrefix: " + name + "-\nresources: [../../template]\n" +
			"configMapGenerator: [{name: settings, literals: [SITE=" + name + "]}]\ngeneratorOptions: {disableNameSuffixHash: true}\n")}}
	}
	files := []File{
		{Path: "template/kustomization.yaml", Name: "template/kustomization.yaml", Text: []byte("resources: [app.yaml]\n")},
		{Path: "template/app.yaml", Name: "template/app.yaml", Text: []byte(template)},
	}
	files = append(append(files, instance("rome")...), instance("berlin")...)
	set := Load(files, Options{})
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, object := range set.Objects {
		got = append(got, object.Ref().String())
	}
	want := []string{"Config/berlin-settings", "Config/rome-settings", "Pod/berlin-app", "Pod/rome-app", "Volume/berlin-data", "Volume/rome-data"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
