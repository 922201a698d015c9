package resolve

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// isAddressField reports whether a field is known only at start.
func isAddressField(path string) bool {
	return path == "status.podIP" || path == "status.podIPs"
}

// field is a field of the object, as Kubernetes' downward API names it
// (https://kubernetes.io/docs/concepts/workloads/pods/downward-api/).
func (r *resolver) field(run runnable, path string) (string, error) {
	switch path {
	case "metadata.name":
		return run.meta.Name, nil
	case "metadata.namespace":
		return cmp.Or(run.meta.Namespace, "default"), nil
	case "metadata.uid":
		return uid(r.in.Node.Hostname, run), nil
	case "metadata.labels":
		return formatMap(run.meta.Labels), nil
	case "metadata.annotations":
		return formatMap(run.meta.Annotations), nil
	case "spec.nodeName":
		return r.in.Node.Hostname, nil
	case "spec.serviceAccountName":
		return "default", nil
	}
	for prefix, values := range map[string]map[string]string{
		"metadata.labels['": run.meta.Labels, "metadata.annotations['": run.meta.Annotations,
	} {
		if key, ok := strings.CutPrefix(path, prefix); ok && strings.HasSuffix(key, "']") {
			return values[strings.TrimSuffix(key, "']")], nil
		}
	}
	return "", fmt.Errorf("field %s: davit has no such field", path)
}

// uid is a UUID of an object that stays the same as long as its kind, its name and its node do (RFC 9562, 5.8).
func uid(hostname string, run runnable) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{hostname, run.meta.Namespace, run.ref.String(), run.hostname}, "\x00")))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// formatMap writes labels as the downward API does: a line each, sorted, values quoted.
func formatMap(values map[string]string) string {
	lines := make([]string, 0, len(values))
	for key, value := range values {
		lines = append(lines, key+"="+strconv.Quote(value))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// resourceField is a limit or request in units of the divisor, rounded up: of the container itself
// unless the reference names another one of its pod.
func resourceField(run runnable, ref v1.ResourceFieldRef) (string, error) {
	resources, whose := run.Resources, "the container"
	if ref.ContainerName != "" {
		var ok bool
		if resources, ok = run.pod[ref.ContainerName]; !ok {
			return "", fmt.Errorf("the pod has no container %q", ref.ContainerName)
		}
		whose = "container " + ref.ContainerName
	}
	kind, name, _ := strings.Cut(ref.Resource, ".")
	list, ok := map[string]v1.ResourceList{"limits": resources.Limits, "requests": resources.Requests}[kind]
	if !ok {
		return "", fmt.Errorf("resource %s: want limits or requests, and cpu or memory", ref.Resource)
	}
	text, ok := list[name]
	if !ok {
		return "", fmt.Errorf("%s has no resources.%s", whose, ref.Resource)
	}
	value, err := resource.ParseQuantity(string(text))
	if err != nil {
		return "", fmt.Errorf("%s %q: %w", ref.Resource, text, err)
	}
	divisor := resource.MustParse("1")
	if ref.Divisor != "" && ref.Divisor != "0" {
		if divisor, err = resource.ParseQuantity(string(ref.Divisor)); err != nil {
			return "", fmt.Errorf("divisor %q: %w", ref.Divisor, err)
		}
	}
	return strconv.FormatInt(int64(math.Ceil(value.AsApproximateFloat64()/divisor.AsApproximateFloat64())), 10), nil
}
