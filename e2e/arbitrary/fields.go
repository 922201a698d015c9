package arbitrary

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	v1 "github.com/davit-project/davit/manifests/v1"
)

func fieldNamed(of reflect.Type, name string) reflect.Type {
	for _, field := range v1.Fields(of) {
		if field.Name == name {
			return field.Type
		}
	}
	return nil
}

// ownNames are the names of all fields of davit/v1. Most other fields of Kubernetes kinds matter to a cluster only.
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

// match removes fields of a struct that exclude each other.
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

// value draws the value of a field of a struct that lies in a field of the name parent.
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

// matchNamespaces removes fields that do not go together with the namespaces of the node, or with own ones.
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

// entries draws the entries of a map.
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

// oddText draws an unusual string, as a path if the field is one.
func (d *drawer) oddText(name string) string {
	text := oneOf(d, odd())
	if strings.HasSuffix(strings.ToLower(name), "path") && d.chance(80) {
		return oneOf(d, []string{"/", "/srv/", "a/"}) + text
	}
	return text
}

// pick draws one of the usual values of a field: by the names of its parent and its own, by its own, or by its kind.
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
