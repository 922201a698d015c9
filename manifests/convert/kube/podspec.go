package kube

import (
	"fmt"
	"maps"
	"strings"

	"go.podman.io/image/v5/docker/reference"
)

// convertPodSpec converts the PodSpec of a template at a path, or of a Pod. The fields of davit's Pod have the same names.
func convertPodSpec(c *conversion, template map[string]any, at string) map[string]any {
	path := join(at, "spec")
	spec := maps.Clone(c.sort(mapAt(template, "spec"), podSpec, path))
	for key, value := range textsAt(spec, "nodeSelector") {
		selectNode(c, key, value)
	}
	if node := textAt(spec, "nodeName"); node != "" {
		selectNode(c, "kubernetes.io/hostname", node)
	}
	if class := spec["runtimeClassName"]; class != nil {
		spec["runtime"] = class // a class is named after its handler, most often
	}
	delete(spec, "runtimeClassName")
	delete(spec, "nodeSelector")
	delete(spec, "nodeName")
	spec["terminationGracePeriodSeconds"] = gracePeriod(c, spec, path)
	if security := mapAt(spec, "securityContext"); security != nil {
		spec["securityContext"] = c.without(security, podSecurity, path+".securityContext")
	}
	if spec["volumes"] != nil {
		spec["volumes"] = convertVolumes(c, listAt(spec, "volumes"), path+".volumes")
	}
	if name := spec["hostnameOverride"]; name != nil {
		spec["hostname"] = name
	}
	delete(spec, "hostnameOverride")
	for _, list := range []string{"initContainers", "containers"} {
		if spec[list] != nil {
			spec[list] = convertContainers(c, listAt(spec, list), path+"."+list)
		}
	}
	openDevices(spec)
	convertAppArmor(c, spec, textsAt(mapAt(template, "metadata"), "annotations"), join(at, "metadata.annotations"))
	return spec
}

// withImage writes out the name of the image that a volume is.
func withImage(volume map[string]any) map[string]any {
	image := mapAt(volume, "image")
	return with(volume, "image", with(image, "reference", normalize(textAt(image, "reference"))))
}

func convertContainers(c *conversion, from []any, path string) []any {
	containers := make([]any, 0, len(from))
	for i, item := range from {
		member, _ := item.(map[string]any)
		at := fmt.Sprintf("%s[%d]", path, i)
		checkContainer(c, member, at, strings.HasSuffix(path, "initContainers") && isOnce(member))
		containers = append(containers, convertContainer(c, member, at))
	}
	return containers
}

func convertContainer(c *conversion, from map[string]any, path string) map[string]any {
	from = maps.Clone(from)
	if from["tty"] == true {
		delete(from, "stdin") // a terminal's input stays open
	}
	spec := c.sort(from, container, path)
	if image := textAt(spec, "image"); image != "" {
		spec["image"] = normalize(image)
	}
	if security := mapAt(spec, "securityContext"); security != nil {
		spec["securityContext"] = withCapabilities(c.without(security, containerSecurity, path+".securityContext"))
	}
	if resources := mapAt(spec, "resources"); resources != nil {
		spec["resources"] = convertResources(c, resources, path+".resources")
	}
	for i, item := range listAt(spec, "volumeMounts") {
		if mount, ok := item.(map[string]any); ok {
			mount = c.without(mount, volumeMount, fmt.Sprintf("%s.volumeMounts[%d]", path, i))
			listAt(spec, "volumeMounts")[i] = with(mount, "mountPath", clean(textAt(mount, "mountPath")))
		}
	}
	if hooks := mapAt(spec, "lifecycle"); hooks["stopSignal"] != nil {
		spec["stopSignal"] = hooks["stopSignal"]
		spec["lifecycle"] = c.without(hooks, lifecycle, path+".lifecycle")
	}
	return spec
}

// ephemeralStorage is a resource that davit limits and cannot set aside.
const ephemeralStorage = "ephemeral-storage"

// convertResources removes requests that davit cannot reserve and a container can do without.
func convertResources(c *conversion, from map[string]any, path string) map[string]any {
	requests := maps.Clone(mapAt(from, "requests"))
	if requests[ephemeralStorage] == nil {
		return from
	}
	c.warnf(path+".requests."+ephemeralStorage, "is ignored: davit sets no room on the disk aside")
	delete(requests, ephemeralStorage)
	resources := maps.Clone(from)
	resources["requests"] = requests
	return resources
}

// normalize writes out what a short name means in Kubernetes: nginx is
// docker.io/library/nginx (https://kubernetes.io/docs/concepts/containers/images/#image-names).
func normalize(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image // the check of references says what is wrong
	}
	return named.String()
}
