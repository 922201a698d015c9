package kube

import (
	"maps"
	"slices"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// appArmorAnnotation named a container's AppArmor profile before the field did
// (https://kubernetes.io/docs/tutorials/security/apparmor/#pods-and-containers).
const appArmorAnnotation = "container.apparmor.security.beta.kubernetes.io/"

// convertAppArmor honours the annotations that name profiles, where the container has no field that does.
func convertAppArmor(c *conversion, spec map[string]any, annotations map[string]string, path string) {
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		container, ok := strings.CutPrefix(name, appArmorAnnotation)
		if !ok {
			continue
		}
		profile := appArmorProfile(annotations[name])
		member := memberOf(spec, container)
		switch {
		case profile == nil:
			c.errorf(path+"."+name, "", "%q: want runtime/default, unconfined or localhost/NAME", annotations[name])
		case member == nil:
			c.errorf(path+"."+name, "", "there is no container %q", container)
		case mapAt(member, "securityContext")["appArmorProfile"] == nil:
			security := maps.Clone(mapAt(member, "securityContext"))
			if security == nil {
				security = map[string]any{}
			}
			security["appArmorProfile"] = profile
			member["securityContext"] = security
		}
	}
}

// appArmorProfile returns the field for the annotation; nil if the annotation sets nothing.
func appArmorProfile(text string) map[string]any {
	kind, name, _ := strings.Cut(text, "/")
	switch {
	case text == "runtime/default":
		return map[string]any{"type": v1.SeccompRuntimeDefault}
	case text == "unconfined":
		return map[string]any{"type": v1.SeccompUnconfined}
	case kind == "localhost" && name != "":
		return map[string]any{"type": v1.SeccompLocalhost, "localhostProfile": name}
	default:
		return nil
	}
}

// memberOf is the container of that name; nil when the pod has none.
func memberOf(spec map[string]any, name string) map[string]any {
	for _, item := range slices.Concat(listAt(spec, "initContainers"), listAt(spec, "containers")) {
		if member, ok := item.(map[string]any); ok && textAt(member, "name") == name {
			return member
		}
	}
	return nil
}
