package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// These checks are the API server's: davit could run some of the manifests that they refuse. A manifest that passes here passes
// there (https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/apis/core/validation/validation.go and its neighbours).

// checkLabels checks labels and annotations below a field.
func checkLabels(c *conversion, meta map[string]any, path string) {
	labels, annotations := textsAt(meta, "labels"), textsAt(meta, "annotations")
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		checkLabel(c, path+".labels."+name, name, labels[name])
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		size += len(name) + len(annotations[name])
		if len(validation.IsQualifiedName(strings.ToLower(name))) > 0 {
			c.errorf(path+".annotations."+name, "", "%q is not the name of an annotation: want NAME or example.com/NAME", name)
		}
	}
	if size > maxAnnotations {
		c.errorf(path+".annotations", "", "%d bytes are more than the annotations of an object may have (%d)", size, maxAnnotations)
	}
}

// maxAnnotations bounds the annotations of an object together, in bytes.
const maxAnnotations = 256 << 10

func checkLabel(c *conversion, path, name, value string) {
	if len(validation.IsQualifiedName(name)) > 0 {
		c.errorf(path, "", "%q is not a label: want NAME or example.com/NAME", name)
	}
	if len(validation.IsValidLabelValue(value)) > 0 {
		c.errorf(path, "", "%q is not a label's value: want at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit", value)
	}
}

// checkContainer checks one container; once is set for an init container that runs to its end.
func checkContainer(c *conversion, from map[string]any, path string, once bool) {
	checkPortNames(c, from, path)
	checkRequests(c, mapAt(from, "resources"), path+".resources")
	security := mapAt(from, "securityContext")
	if security["privileged"] == true && security["allowPrivilegeEscalation"] == false {
		c.errorf(path+".securityContext.allowPrivilegeEscalation", "leave it out", "false goes not with privileged: true")
	}
	if security["allowPrivilegeEscalation"] == false && slices.Contains(listAt(mapAt(security, "capabilities"), "add"), any("CAP_SYS_ADMIN")) {
		c.errorf(path+".securityContext.allowPrivilegeEscalation", "leave it out", "false goes not with the capability CAP_SYS_ADMIN")
	}
	if !once {
		return
	}
	for _, name := range []string{"readinessProbe", "livenessProbe", "startupProbe", "lifecycle"} {
		if !isEmpty(from[name]) {
			c.errorf(path+"."+name, "leave it out, or write restartPolicy: Always", "an init container runs to its end")
		}
	}
}

// checkPortNames checks the names of a container's ports (RFC 6335, 5.1).
func checkPortNames(c *conversion, from map[string]any, path string) {
	taken := map[string]bool{}
	for i, item := range listAt(from, "ports") {
		port, _ := item.(map[string]any)
		name, at := textAt(port, "name"), fmt.Sprintf("%s.ports[%d].name", path, i)
		switch {
		case name == "":
		case len(validation.IsValidPortName(name)) > 0:
			c.errorf(at, "", "%q: want at most 15 of a-z, 0-9 and '-', with a letter, and '-' neither at an end nor twice in a row", name)
		case taken[name]:
			c.errorf(at, "", "port %s appears twice", name)
		}
		taken[name] = true
	}
}

// checkRequests refuses a request that its limit is below.
func checkRequests(c *conversion, resources map[string]any, path string) {
	limits, requests := mapAt(resources, "limits"), mapAt(resources, "requests")
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		limit, limited := quantityAt(limits, name)
		request, requested := quantityAt(requests, name)
		if limited && requested && request.Cmp(limit) > 0 {
			c.errorf(path+".requests."+name, "", "%s is more than the limit of %s", request.String(), limit.String())
		}
	}
}

// quantityAt is a quantity; ok is false where there is none, or none that can be read, which is reported elsewhere.
func quantityAt(from map[string]any, name string) (quantity resource.Quantity, ok bool) {
	text, found := from[name]
	if !found {
		return resource.Quantity{}, false
	}
	quantity, err := resource.ParseQuantity(fmt.Sprint(text))
	return quantity, err == nil
}

// checkRolling refuses an update that could replace nothing, and a deadline that is over before a version can be ready.
func checkRolling(c *conversion, spec map[string]any, field string) {
	rolling := mapAt(mapAt(spec, field), "rollingUpdate")
	path := "spec." + field + ".rollingUpdate.maxUnavailable"
	switch unavailable, surge := rolling["maxUnavailable"], rolling["maxSurge"]; {
	case isNone(unavailable) && isNone(surge):
		c.errorf(path, "write 1 for one of them", "0 together with maxSurge: 0 lets nothing be replaced")
	case c.kind == "DaemonSet" && unavailable != nil && surge != nil && !isNone(unavailable) && !isNone(surge):
		c.errorf(path, "leave one of them out", "goes not with maxSurge")
	}
	ready, _ := spec["minReadySeconds"].(int64)
	if deadline, ok := spec["progressDeadlineSeconds"].(int64); ok && deadline <= ready {
		c.errorf("spec.progressDeadlineSeconds", "", "%d: want more than minReadySeconds, %d", deadline, ready)
	}
}

func isNone(value any) bool { return value == int64(0) || value == "0" || value == "0%" }

// maxCronJobName leaves room for the suffixes of the names of its jobs.
const maxCronJobName = 52

func checkCronJob(c *conversion, spec map[string]any) {
	if len(c.meta.Name) > maxCronJobName {
		c.errorf("metadata.name", "", "%d characters are more than the name of a CronJob may have (%d)", len(c.meta.Name), maxCronJobName)
	}
	if zone, ok := spec["timeZone"].(string); ok && zone == "" {
		c.errorf("spec.timeZone", "leave it out", "is empty")
	}
}

// secretKeys are the keys that a Secret of a type must have; of several in a row one is enough.
var secretKeys = map[string][][]string{
	"kubernetes.io/tls":              {{"tls.crt"}, {"tls.key"}},
	"kubernetes.io/ssh-auth":         {{"ssh-privatekey"}},
	"kubernetes.io/basic-auth":       {{"username", "password"}},
	"kubernetes.io/dockercfg":        {{".dockercfg"}},
	"kubernetes.io/dockerconfigjson": {{".dockerconfigjson"}},
}

func checkSecret(c *conversion) {
	kind := textAt(c.document, "type")
	data, texts := mapAt(c.document, "data"), mapAt(c.document, "stringData")
	for _, keys := range secretKeys[kind] {
		if !slices.ContainsFunc(keys, func(key string) bool { return data[key] != nil || texts[key] != nil }) {
			c.errorf("data", "", "a Secret of type %s has %s", kind, strings.Join(keys, " or "))
		}
	}
	if key := ".dockerconfigjson"; kind == "kubernetes.io/dockerconfigjson" && texts[key] != nil && !json.Valid([]byte(textAt(texts, key))) {
		c.errorf("stringData."+key, "", "is not JSON")
	}
}

// accessModes are those of a claim.
var accessModes = []any{"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"}

// checkClaim checks the specification of a claim.
func checkClaim(c *conversion, spec map[string]any, path string) {
	modes := listAt(spec, "accessModes")
	if len(modes) == 0 {
		c.errorf(path+".accessModes", "write [ReadWriteOnce]", "missing")
	}
	for i, mode := range modes {
		if !slices.Contains(accessModes, mode) {
			c.errorf(fmt.Sprintf("%s.accessModes[%d]", path, i), "", "%q: want ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod", mode)
		}
	}
	c.sort(mapAt(spec, "resources"), volumeResources, path+".resources")
	size, ok := quantityAt(mapAt(mapAt(spec, "resources"), "requests"), "storage")
	if !ok {
		c.errorf(path+".resources.requests.storage", "write a size such as 1Gi", "missing")
	} else if size.Sign() <= 0 {
		c.errorf(path+".resources.requests.storage", "", "%s: want more than nothing", size.String())
	}
}

// checkServicePorts checks the ports of a service.
func checkServicePorts(c *conversion, service *Service, headless bool) {
	if len(service.Ports) == 0 && !headless && service.Type != externalName {
		c.errorf("spec.ports", "", "missing")
	}
	names := map[string]bool{}
	for i, port := range service.Ports {
		path := fmt.Sprintf("spec.ports[%d]", i)
		if port.Port < 1 || port.Port > 65535 {
			c.errorf(path+".port", "", "want a port from 1 to 65535")
		}
		if port.NodePort != 0 && service.Type == clusterIP {
			c.errorf(path+".nodePort", "write type: NodePort", "goes not with type ClusterIP")
		}
		switch {
		case port.Name == "" && len(service.Ports) > 1:
			c.errorf(path+".name", "", "missing: there are several ports")
		case port.Name != "" && len(validation.IsDNS1123Label(port.Name)) > 0:
			c.errorf(path+".name", "", "%q: want at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit", port.Name)
		case port.Name != "" && names[port.Name]:
			c.errorf(path+".name", "", "port %s appears twice", port.Name)
		}
		names[port.Name] = true
	}
}

// gracePeriod is how long a stop waits; one below nothing is a second, as the API server has it.
func gracePeriod(c *conversion, spec map[string]any, path string) int64 {
	grace, ok := spec["terminationGracePeriodSeconds"].(int64)
	switch {
	case !ok:
		return defaultGracePeriod
	case grace < 0:
		c.warnf(path+".terminationGracePeriodSeconds", "%d means 1, as in Kubernetes", grace)
		return 1
	default:
		return grace
	}
}

// isOnce reports whether an init container runs to its end.
func isOnce(from map[string]any) bool {
	return textAt(from, "restartPolicy") != string(v1.RestartAlways)
}
