package kube

import "k8s.io/apimachinery/pkg/labels"

// convertSelector is the selector of a document; a ReplicationController has labels, and those of the template where it has none.
func convertSelector(c *conversion, spec, template map[string]any) any {
	if c.kind != "ReplicationController" {
		return spec["selector"]
	}
	labels := mapAt(spec, "selector")
	if len(labels) == 0 {
		labels = mapAt(mapAt(template, "metadata"), "labels")
	}
	return map[string]any{"matchLabels": labels}
}

// checkSelector refuses a selector that the template's labels do not match, as the API server does: the document would
// not own its pods.
func checkSelector(c *conversion, selector any, template map[string]any) {
	const path = "spec.selector"
	if isEmpty(selector) {
		c.errorf(path, "write the labels of spec.template.metadata", "missing")
		return
	}
	problems := len(c.result.Problems)
	match := parseSelector(c, selector, path)
	switch {
	case len(c.result.Problems) > problems:
	case match.Empty():
		c.errorf(path, "write the labels of spec.template.metadata", "selects nothing")
	case !match.Matches(labels.Set(textsAt(mapAt(template, "metadata"), "labels"))):
		c.errorf(path, "write the labels of spec.template.metadata", "does not match the labels of the template")
	}
}
