package arbitrary

import (
	"reflect"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// companions draws the objects that workloads refer to.
func (d *drawer) companions() []map[string]any {
	objects := []map[string]any{d.settings(), d.login(), d.data()}
	if !d.runs {
		network, _ := d.structure(reflect.TypeFor[v1.NetworkSpec](), "spec").(map[string]any)
		without(network, "plugins")
		if subnets, ok := network["subnets"].([]any); ok {
			network["subnets"] = subnets[:1]
		}
		image, _ := d.structure(reflect.TypeFor[v1.ImageSpec](), "spec").(map[string]any)
		other := map[string]any{"image": d.images[0], "oneshot": d.chance(50)}
		objects = append(objects, companion(v1.APIVersion, "Network", "back", network), companion(v1.APIVersion, "Image", "image", image),
			companion(v1.APIVersion, "Container", "other", other))
	}
	if d.chance(20) {
		ports := []any{map[string]any{"port": 80, "targetPort": 8080}}
		objects = append(objects, companion("v1", "Service", "service", map[string]any{"selector": labels, "ports": ports}))
	}
	return objects
}

// companion is an object whose name is the workload's with a suffix.
func companion(version, kind, suffix string, spec map[string]any) map[string]any {
	return map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": placeholder + "-" + suffix}, "spec": spec}
}

// settings draws a Config or a ConfigMap.
func (d *drawer) settings() map[string]any {
	object := companion(v1.APIVersion, "Config", "settings", nil)
	if d.chance(30) {
		object = companion("v1", "ConfigMap", "settings", nil)
	}
	delete(object, "spec")
	object["data"] = map[string]any{"level": "debug", "empty": "", "text": d.text("data", "value"), "a.b-c_d": "x"}
	object["binaryData"] = map[string]any{"blob": "//4AAQ==", "ascii": "YQ=="}
	return object
}

// login draws a Secret.
func (d *drawer) login() map[string]any {
	object := companion(oneOf(d, []string{v1.APIVersion, v1.APIVersion, "v1"}), "Secret", "login", nil)
	delete(object, "spec")
	object["data"] = map[string]any{"key": "//4=", "word": "d29yZA=="}
	object["stringData"] = map[string]any{"user": d.text("stringData", "value")}
	return object
}

// data draws a Volume or a PersistentVolumeClaim.
func (d *drawer) data() map[string]any {
	if d.chance(50) {
		return companion("v1", "PersistentVolumeClaim", "data", map[string]any{
			"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}},
		})
	}
	volume, _ := d.structure(reflect.TypeFor[v1.VolumeSpec](), "spec").(map[string]any)
	without(volume, oneOf(d, [][]string{
		{"hostPath", "emptyDir"}, {"emptyDir", "uid", "gid", "mode", "reclaimPolicy"}, {"hostPath", "reclaimPolicy"},
	})...)
	return companion(v1.APIVersion, "Volume", "data", volume)
}
