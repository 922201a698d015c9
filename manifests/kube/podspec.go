package kube

import (
	"fmt"
	"maps"

	"go.podman.io/image/v5/docker/reference"
)

// podSpec turns a PodSpec into that of davit's Pod, whose fields are named alike.
func (c *conversion) podSpec(from map[string]any, path string) map[string]any {
	spec := maps.Clone(c.sort(from, podSpec, path))
	for key, value := range textsAt(spec, "nodeSelector") {
		c.selectNode(key, value)
	}
	if node := textAt(spec, "nodeName"); node != "" {
		c.selectNode("kubernetes.io/hostname", node)
	}
	if class := spec["runtimeClassName"]; class != nil {
		spec["runtime"] = class // a class is named after its handler, most often
	}
	delete(spec, "runtimeClassName")
	delete(spec, "nodeSelector")
	delete(spec, "nodeName")
	if spec["terminationGracePeriodSeconds"] == nil {
		spec["terminationGracePeriodSeconds"] = defaultGracePeriod
	}
	if security := mapAt(spec, "securityContext"); security != nil {
		spec["securityContext"] = c.without(security, podSecurity, path+".securityContext")
	}
	for i, item := range listAt(spec, "volumes") {
		if volume, ok := item.(map[string]any); ok && textAt(mapAt(volume, "image"), "reference") != "" {
			listAt(spec, "volumes")[i] = withImage(volume)
		}
	}
	for _, list := range []string{"initContainers", "containers"} {
		if spec[list] != nil {
			spec[list] = c.containers(listAt(spec, list), path+"."+list)
		}
	}
	return spec
}

// withImage writes out the name of the image that a volume is.
func withImage(volume map[string]any) map[string]any {
	volume, image := maps.Clone(volume), maps.Clone(mapAt(volume, "image"))
	image["reference"] = normalize(textAt(image, "reference"))
	volume["image"] = image
	return volume
}

func (c *conversion) containers(from []any, path string) []any {
	containers := make([]any, 0, len(from))
	for i, item := range from {
		member, _ := item.(map[string]any)
		containers = append(containers, c.container(member, fmt.Sprintf("%s[%d]", path, i)))
	}
	return containers
}

func (c *conversion) container(from map[string]any, path string) map[string]any {
	from = maps.Clone(from)
	if from["tty"] == true {
		delete(from, "stdin") // a terminal's input stays open
	}
	spec := c.sort(from, container, path)
	if image := textAt(spec, "image"); image != "" {
		spec["image"] = normalize(image)
	}
	if security := mapAt(spec, "securityContext"); security != nil {
		spec["securityContext"] = c.without(security, containerSecurity, path+".securityContext")
	}
	if resources := mapAt(spec, "resources"); resources != nil {
		spec["resources"] = c.resources(resources, path+".resources")
	}
	for i, item := range listAt(spec, "volumeMounts") {
		if mount, ok := item.(map[string]any); ok {
			listAt(spec, "volumeMounts")[i] = c.without(mount, volumeMount, fmt.Sprintf("%s.volumeMounts[%d]", path, i))
		}
	}
	if lifecycle := mapAt(spec, "lifecycle"); lifecycle["stopSignal"] != nil {
		lifecycle = maps.Clone(lifecycle)
		spec["stopSignal"] = lifecycle["stopSignal"]
		delete(lifecycle, "stopSignal")
		spec["lifecycle"] = lifecycle
	}
	return spec
}

// ephemeralStorage is a resource that davit limits and cannot set aside.
const ephemeralStorage = "ephemeral-storage"

// resources takes out what davit cannot set aside and a container can do without.
func (c *conversion) resources(from map[string]any, path string) map[string]any {
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
