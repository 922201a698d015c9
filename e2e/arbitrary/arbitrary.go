// Package arbitrary draws manifests at random: workloads of davit's own kinds and of Kubernetes', with any of their fields,
// and what they refer to. Most values are such as people write; some are strings and numbers that break software.
//
// It knows the types of manifests and nothing of what davit takes or refuses.
package arbitrary

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/davit-project/davit/manifests/kube"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// Set draws a workload of this name and what it refers to, as YAML documents. Its images are one of images. The same seed and
// name give the same text.
func Set(seed uint64, name string, images []string) string {
	return (&drawer{Rand: rand.New(rand.NewPCG(seed, 0)), images: images}).set(name)
}

// Runnable is [Set] with a workload that starts on any node: it asks for nothing that a node may lack, and its programs do not
// fail. The image needs a shell. Sets of different names go together.
func Runnable(seed uint64, name, image string) string {
	return (&drawer{Rand: rand.New(rand.NewPCG(seed, 0)), images: []string{image}, runs: true}).set(name)
}

// drawer draws one set.
type drawer struct {
	*rand.Rand
	images []string
	// runs is set for what is to start on a node.
	runs bool
	// ends is set while a job is drawn.
	ends bool
	// often is how likely a field is there that need not be, of 100.
	often int
	// odd is how likely a string is none that people write, of 100.
	odd int
}

func (d *drawer) chance(percent int) bool { return d.IntN(100) < percent }

func oneOf[T any](d *drawer, of []T) T { return of[d.IntN(len(of))] }

func (d *drawer) set(name string) string {
	d.often = oneOf(d, []int{3, 8, 15, 30, 50})
	d.odd = oneOf(d, []int{0, 1, 2, 4, 10})
	objects := append([]map[string]any{d.workload(name)}, d.companions(name)...)
	var text strings.Builder
	for _, object := range objects {
		document, err := json.Marshal(object)
		if err != nil {
			panic(err) // it is made of strings and numbers
		}
		text.WriteString("---\n" + ascii(strings.ReplaceAll(string(document), placeholder, name)) + "\n")
	}
	return text.String()
}

// ascii escapes what YAML does not take as it is.
func ascii(document string) string {
	var text strings.Builder
	for _, r := range document {
		switch {
		case r < 0x7f:
			text.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&text, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&text, `\u%04x`, r)
		}
	}
	return text.String()
}

// placeholder stands for the workload's name in those of what it refers to.
const placeholder = "NAME"

// labels are those of a workload's pods.
var labels = map[string]any{"app": placeholder}

// workload draws the object that runs something.
func (d *drawer) workload(name string) map[string]any {
	names := []string{
		"Container", "Container", "Container", "Pod", "Pod", "Job", "CronJob", "v1 Pod", "v1 ReplicationController", "apps/v1 Deployment", "apps/v1 Deployment",
		"apps/v1 ReplicaSet", "apps/v1 DaemonSet", "apps/v1 StatefulSet", "batch/v1 Job", "batch/v1 CronJob",
	}
	kind := oneOf(d, names)
	d.ends = strings.HasSuffix(kind, "Job")
	version, kind, isKubernetes := strings.Cut(kind, " ")
	if !isKubernetes {
		version, kind = v1.APIVersion, version
	}
	object := map[string]any{"apiVersion": version, "kind": kind, "metadata": d.metadata(name)}
	if isKubernetes {
		of, _ := kube.Type(version, kind)
		object["spec"] = d.kubernetesSpec(kind, fieldNamed(of, "spec"))
		return object
	}
	spec, _ := d.structure(fieldNamed(reflect.TypeOf(v1.Kinds[kind]()).Elem(), "spec"), "spec").(map[string]any)
	switch kind {
	case v1.KindContainer:
		d.completeContainer(spec, "")
		d.matchMounts(spec, spec)
	case v1.KindPod:
		d.completePod(spec, "")
	case v1.KindJob:
		d.completeJob(spec)
	case v1.KindCronJob:
		d.completeCronJob(spec)
		d.completeJob(spec["jobTemplate"].(map[string]any)["spec"].(map[string]any))
	}
	object["spec"] = spec
	return object
}

// kubernetesSpec draws the specification of a kind of Kubernetes'.
func (d *drawer) kubernetesSpec(kind string, of reflect.Type) any {
	spec, _ := d.structure(of, "spec").(map[string]any)
	restart := ""
	if kind != "Pod" && kind != "Job" && kind != "CronJob" {
		restart = "Always"
	}
	switch kind {
	case "Pod":
		d.completePod(spec, restart)
		return spec
	case "CronJob":
		d.completeCronJob(spec)
		d.completeJob(spec["jobTemplate"].(map[string]any)["spec"].(map[string]any))
		return spec
	case "Job":
		d.completeJob(spec)
		return spec
	case "ReplicationController":
		spec["selector"] = labels
	default:
		spec["selector"] = map[string]any{"matchLabels": labels}
	}
	template := d.template(spec["template"])
	d.completePod(template, restart)
	spec["template"] = map[string]any{"metadata": map[string]any{"labels": labels}, "spec": template}
	return spec
}

// template is the specification of a pod's template, drawn if it was not.
func (d *drawer) template(drawn any) map[string]any {
	template, _ := drawn.(map[string]any)
	spec, ok := template["spec"].(map[string]any)
	if !ok {
		spec, _ = d.structure(reflect.TypeFor[core.PodSpec](), "spec").(map[string]any)
	}
	return spec
}

func (d *drawer) completeCronJob(spec map[string]any) {
	if d.chance(50) || spec["onCalendar"] == nil {
		delete(spec, "onCalendar")
		spec["schedule"] = d.text("spec", "schedule")
	} else {
		delete(spec, "schedule")
	}
	template, _ := spec["jobTemplate"].(map[string]any)
	if template["spec"] == nil {
		spec["jobTemplate"] = map[string]any{"spec": map[string]any{}}
	}
}

func (d *drawer) completeJob(spec map[string]any) {
	template := d.template(spec["template"])
	without(template, "replicas", "updatePolicy", "ordinals")
	if template["restartPolicy"] != "Never" {
		template["restartPolicy"] = "OnFailure"
	}
	d.completePod(template, "")
	for _, container := range template["containers"].([]any) {
		without(container.(map[string]any), "sockets", "lifecycle", "notify", "startWithPod")
	}
	without(spec, "selector")
	spec["template"] = map[string]any{"spec": template}
}

// completePod gives a pod containers of different names; restart is the restart policy that it has to have.
func (d *drawer) completePod(spec map[string]any, restart string) {
	if restart != "" {
		spec["restartPolicy"] = restart
	}
	for _, list := range []string{"containers", "initContainers"} {
		containers, _ := spec[list].([]any)
		for i, container := range containers {
			fields := container.(map[string]any)
			fields["name"] = fmt.Sprintf("%c%d", list[0], i)
			d.completeContainer(fields, list)
			d.matchMounts(spec, fields)
		}
	}
	if containers, _ := spec["containers"].([]any); len(containers) == 0 {
		container := map[string]any{"name": "c0"}
		d.completeContainer(container, "containers")
		spec["containers"] = []any{container}
	}
}

// completeContainer gives a container an image, and takes away what its place in a pod forbids.
func (d *drawer) completeContainer(fields map[string]any, list string) {
	if _, ok := fields["imageRef"]; !ok || d.runs || d.chance(70) {
		delete(fields, "imageRef")
		fields["image"] = oneOf(d, d.images)
	} else {
		without(fields, "image", "imagePullPolicy", "platform", "authFile")
	}
	if list == "containers" {
		delete(fields, "restartPolicy")
	}
	if list == "initContainers" && fields["restartPolicy"] != "Always" {
		without(fields, "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "sockets")
	}
	if fields["tty"] == true {
		delete(fields, "logging")
	}
	if fields["init"] == true || fields["oneshot"] == true {
		delete(fields, "sockets")
	}
	if fields["oneshot"] == true {
		without(fields, "lifecycle", "notify", "restartPolicy")
	}
	if d.runs {
		program := "exec sleep 1000"
		if d.ends || fields["oneshot"] == true || list == "initContainers" && fields["restartPolicy"] != "Always" {
			program = "true"
		}
		fields["command"] = []string{"sh", "-c", program}
	}
}

// matchMounts has a container mount the volumes that its pod has.
func (d *drawer) matchMounts(spec, fields map[string]any) {
	names := []string{placeholder + "-data"}
	volumes, _ := spec["volumes"].([]any)
	for _, volume := range volumes {
		if name, ok := volume.(map[string]any)["name"].(string); ok && volume.(map[string]any)["persistentVolumeClaim"] == nil {
			names = append(names, name, name)
		}
	}
	mounts, _ := fields["volumeMounts"].([]any)
	for i, mount := range mounts {
		mount := mount.(map[string]any)
		mount["name"] = oneOf(d, names)
		if _, ok := mount["subPath"]; ok {
			delete(mount, "subPathExpr")
		}
		if mount["readOnly"] == true && d.runs {
			without(mount, "subPath", "subPathExpr") // nothing is made there
		}
		if i > 0 && d.runs && d.chance(50) {
			mount["mountPath"] = fmt.Sprintf("/mount-%d", i)
		}
	}
	if mounts != nil {
		fields["volumeMounts"] = distinct(mounts, "mountPath")
	}
}

// withoutPrivileges takes privileges from a container, or from those of a pod.
func withoutPrivileges(values map[string]any) {
	for _, list := range []string{"containers", "initContainers"} {
		containers, _ := values[list].([]any)
		for _, container := range containers {
			withoutPrivileges(container.(map[string]any))
		}
	}
	if context, ok := values["securityContext"].(map[string]any); ok {
		delete(context, "privileged")
	}
}

func without(fields map[string]any, names ...string) {
	for _, name := range names {
		delete(fields, name)
	}
}

// companions draws what workloads refer to.
func (d *drawer) companions(name string) []map[string]any {
	values := map[string]any{"level": "debug", "empty": "", "text": d.text("data", "value"), "a.b-c_d": "x"}
	binary := map[string]any{"blob": "//4AAQ==", "ascii": "YQ=="}
	objects := []map[string]any{}
	if d.chance(70) {
		objects = append(objects, map[string]any{"apiVersion": v1.APIVersion, "kind": "Config", "data": values, "binaryData": binary})
	} else {
		objects = append(objects, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": values, "binaryData": binary})
	}
	objects[0]["metadata"] = map[string]any{"name": placeholder + "-settings"}
	version := v1.APIVersion
	if d.chance(30) {
		version = "v1"
	}
	objects = append(objects, map[string]any{
		"apiVersion": version, "kind": "Secret", "metadata": map[string]any{"name": placeholder + "-login"},
		"data": map[string]any{"key": "//4=", "word": "d29yZA=="}, "stringData": map[string]any{"user": d.text("stringData", "value")},
	})
	if d.chance(50) {
		volume, _ := d.structure(reflect.TypeFor[v1.VolumeSpec](), "spec").(map[string]any)
		switch d.IntN(3) {
		case 0:
			without(volume, "hostPath", "emptyDir")
		case 1:
			without(volume, "emptyDir", "uid", "gid", "mode", "reclaimPolicy")
		case 2:
			without(volume, "hostPath", "reclaimPolicy")
		}
		objects = append(objects, map[string]any{"apiVersion": v1.APIVersion, "kind": "Volume", "metadata": map[string]any{"name": placeholder + "-data"}, "spec": volume})
	} else {
		objects = append(objects, map[string]any{
			"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": map[string]any{"name": placeholder + "-data"},
			"spec": map[string]any{"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}},
		})
	}
	if !d.runs {
		network, _ := d.structure(reflect.TypeFor[v1.NetworkSpec](), "spec").(map[string]any)
		without(network, "plugins")
		if subnets, ok := network["subnets"].([]any); ok {
			network["subnets"] = subnets[:1]
		}
		image, _ := d.structure(reflect.TypeFor[v1.ImageSpec](), "spec").(map[string]any)
		objects = append(objects,
			map[string]any{"apiVersion": v1.APIVersion, "kind": "Network", "metadata": map[string]any{"name": placeholder + "-back"}, "spec": network},
			map[string]any{"apiVersion": v1.APIVersion, "kind": "Image", "metadata": map[string]any{"name": placeholder + "-image"}, "spec": image})
	}
	if !d.runs {
		objects = append(objects, map[string]any{
			"apiVersion": v1.APIVersion, "kind": "Container", "metadata": map[string]any{"name": placeholder + "-other"},
			"spec": map[string]any{"image": d.images[0], "oneshot": d.chance(50)},
		})
	}
	if d.chance(20) {
		objects = append(objects, map[string]any{
			"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": placeholder + "-service"},
			"spec": map[string]any{"selector": labels, "ports": []any{map[string]any{"port": 80, "targetPort": 8080}}},
		})
	}
	return objects
}

func (d *drawer) metadata(name string) map[string]any {
	metadata := map[string]any{"name": name, "labels": labels}
	if d.chance(d.often) {
		metadata["annotations"] = map[string]any{"example.com/note": d.text("annotations", "value")}
	}
	return metadata
}

func fieldNamed(of reflect.Type, name string) reflect.Type {
	for _, field := range v1.Fields(of) {
		if field.Name == name {
			return field.Type
		}
	}
	return nil
}

// ownNames are the names of all fields of davit's own kinds. Most of what Kubernetes has beyond them matters to a cluster.
var ownNames = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	var walk func(of reflect.Type)
	seen := map[reflect.Type]bool{}
	walk = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || seen[of] {
			return
		}
		seen[of] = true
		for _, field := range v1.Fields(of) {
			names[field.Name] = true
			walk(field.Type)
		}
	}
	for _, object := range v1.Kinds {
		walk(reflect.TypeOf(object()))
	}
	return names
})

// choices are the structs of which exactly one of the pointers is set.
var choices = strings.Fields("VolumeSource EnvVarSource EnvFromSource Handler ProbeHandler LifecycleHandler Projection VolumeProjection DownwardFile DownwardAPIVolumeFile")

// structure draws some of a struct's fields. Those of Kubernetes are all optional by their tags.
func (d *drawer) structure(of reflect.Type, name string) any {
	values := map[string]any{}
	chosen := map[reflect.Type]string{}
	for _, field := range v1.Fields(of) {
		if slices.Contains(choices, field.Owner.Name()) && field.Type.Kind() == reflect.Pointer && chosen[field.Owner] == "" {
			chosen[field.Owner] = d.choose(field.Owner)
		}
		isKubernetes := strings.HasPrefix(field.Owner.PkgPath(), "k8s.io/")
		switch choice := chosen[field.Owner]; {
		case field.Name == "" || field.Name == "status" || unwanted[field.Name], unwanted[name+"."+field.Name], d.runs && (needsNode[field.Name] || needsNode[name+"."+field.Name]):
			continue
		case choice != "" && field.Type.Kind() == reflect.Pointer:
			if choice != field.Name {
				continue
			}
		case isKubernetes && !ownNames()[field.Name] && d.IntN(5000) > 0:
			continue
		case isNeeded(field):
		case !d.chance(d.often):
			continue
		}
		values[field.Name] = d.value(field, name)
	}
	d.match(of, name, values)
	return values
}

// match takes away what two fields of a struct exclude.
func (d *drawer) match(of reflect.Type, name string, values map[string]any) {
	switch of.Name() {
	case "Probe":
		if values["exec"] != nil || values["httpGet"] != nil || values["tcpSocket"] != nil {
			delete(values, "grpc")
		}
		if name != "livenessProbe" {
			without(values, "onFailure", "terminationGracePeriodSeconds")
		}
	case "Hook":
		delete(values, "sleep")
	case "EnvVar":
		if values["valueFrom"] != nil {
			delete(values, "value")
		}
	case "Socket":
		if values["listenStream"] == nil && values["listenDatagram"] == nil {
			values["listenStream"] = d.pick("text", "sockets", "listenStream")
		} else if values["listenStream"] != nil {
			delete(values, "listenDatagram")
		}
	case "HostPath", "HostPathVolumeSource":
		if d.runs {
			values["type"] = "DirectoryOrCreate"
		}
	case "Subnet":
		if d.chance(80) {
			delete(values, "gateway")
		}
	case "Reload":
		if values["exec"] != nil {
			delete(values, "signal")
		}
	case "Ulimit":
		if hard, ok := values["hard"].(int); ok && hard >= 0 && (values["soft"].(int) > hard || values["soft"].(int) < 0) {
			delete(values, "hard")
		}
	case "ContainerSpec", "PodSpec":
		d.matchNamespaces(values)
	case "SeccompProfile", "AppArmorProfile":
		if values["type"] == "Localhost" {
			values["localhostProfile"] = d.pick("text", "", "localhostProfile")
		} else {
			delete(values, "localhostProfile")
		}
	}
}

// choose picks one of the pointers of a struct.
func (d *drawer) choose(of reflect.Type) string {
	var names []string
	for _, field := range v1.Fields(of) {
		if field.Owner == of && field.Type.Kind() == reflect.Pointer && ownNames()[field.Name] && !(d.runs && needsNode[field.Name]) {
			names = append(names, field.Name)
		}
	}
	return oneOf(d, names)
}

// isNeeded reports whether a manifest has to have a field.
func isNeeded(field v1.Field) bool {
	switch name := field.Owner.Name() + "." + field.Name; {
	case name == "ExecAction.command", name == "PodDNSConfigOption.name", name == "GRPCAction.port", slices.Contains(numbersOr, field.Type):
		return true
	default:
		return field.Required && (field.Owner.PkgPath() != "k8s.io/api/core/v1" || field.Type.Kind() != reflect.Struct)
	}
}

var (
	quantities = []reflect.Type{reflect.TypeFor[v1.Quantity](), reflect.TypeFor[resource.Quantity]()}
	numbersOr  = []reflect.Type{reflect.TypeFor[v1.PortRef](), reflect.TypeFor[intstr.IntOrString]()}
)

// value draws the value of a field in what has a name.
func (d *drawer) value(field v1.Field, parent string) any {
	if field.Enum != nil && d.chance(97) {
		return oneOf(d, field.Enum)
	}
	return d.ofType(field.Type, parent, field.Name)
}

func (d *drawer) ofType(of reflect.Type, parent, name string) any {
	switch {
	case of.Kind() == reflect.Pointer:
		return d.ofType(of.Elem(), parent, name)
	case slices.Contains(quantities, of):
		return d.pick("quantity", parent, name)
	case slices.Contains(numbersOr, of):
		return d.pick("a port", parent, name)
	case of == reflect.TypeFor[v1.Values]():
		return d.pick("setting", parent, name)
	case of == reflect.TypeFor[json.RawMessage]():
		return "x"
	}
	switch of.Kind() {
	case reflect.Struct:
		return d.structure(of, name)
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Uint8 {
			return "YQ=="
		}
		items := []any{}
		for range oneOf(d, []int{1, 1, 1, 2, 2, 3}) {
			items = append(items, d.ofType(of.Elem(), parent, name))
		}
		return distinct(items, "name", "path", "mountPath", "containerPort", "ip")
	case reflect.Map:
		return d.entries(of.Elem(), name)
	case reflect.String:
		return d.text(parent, name)
	case reflect.Bool:
		return d.chance(50)
	case reflect.Int32, reflect.Int64, reflect.Uint8:
		return d.pick("number", parent, name)
	default:
		return nil
	}
}

// matchNamespaces takes away what namespaces that are the node's, or the workload's own, exclude.
func (d *drawer) matchNamespaces(values map[string]any) {
	if values["hostUsers"] == false {
		without(values, "hostNetwork", "hostIPC", "hostPID", "runtime")
	}
	if values["hostUsers"] == false && d.runs {
		// The kernel of a node in a container lets no other users mount a sysfs that can be written.
		withoutPrivileges(values)
	}
	if values["hostNetwork"] == true {
		delete(values, "networks")
	}
	if values["hostIPC"] == true {
		delete(values, "shmSize")
	}
	if values["dnsPolicy"] == "None" {
		delete(values, "dnsPolicy")
	}
	if values["hostPID"] == true || values["shareProcessNamespace"] == true {
		delete(values, "sockets")
		containers, _ := values["containers"].([]any)
		for _, container := range containers {
			delete(container.(map[string]any), "sockets")
		}
	}
	if d.chance(5) && values["hostNetwork"] == nil && values["networks"] != nil {
		values["networks"] = []any{map[string]any{"name": "none"}}
	}
}

// distinct leaves out items that have one of these fields in common with an earlier one.
func distinct(items []any, keys ...string) []any {
	seen := map[string]bool{}
	return slices.DeleteFunc(items, func(item any) bool {
		fields, ok := item.(map[string]any)
		if !ok {
			return false
		}
		again := false
		for _, key := range keys {
			if value, ok := fields[key]; ok {
				id := fmt.Sprint(key, value)
				again, seen[id] = again || seen[id], true
			}
		}
		return again
	})
}

// entries draws a map's.
func (d *drawer) entries(of reflect.Type, name string) any {
	values := map[string]any{}
	for range d.IntN(3) {
		key := fmt.Sprint(d.pick("key", name, "key"))
		values[key] = d.ofType(of, name, key)
	}
	return values
}

// text draws a string.
func (d *drawer) text(parent, name string) any {
	if d.chance(d.odd) && !(d.runs && parent+"."+name == "exec.command") {
		return d.oddText(name)
	}
	return d.pick("text", parent, name)
}

// oddText draws a string that people do not write, as a path where that is wanted.
func (d *drawer) oddText(name string) string {
	text := oneOf(d, odd())
	if strings.HasSuffix(strings.ToLower(name), "path") && d.chance(80) {
		return oneOf(d, []string{"/", "/srv/", "a/"}) + text
	}
	return text
}

// pick draws one of the usual values of a field: by the name of what it is in, by its own, or of any of its kind.
func (d *drawer) pick(kind, parent, name string) any {
	for _, key := range []string{parent + "." + name, name, kind} {
		values := usual[key]
		if small, ok := runnable[key]; ok && d.runs {
			values = small
		}
		if kind == "number" {
			values = slices.DeleteFunc(slices.Clone(values), func(value any) bool { return reflect.TypeOf(value).Kind() != reflect.Int })
		}
		if len(values) > 0 {
			return oneOf(d, values)
		}
	}
	return nil
}
