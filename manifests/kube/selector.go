package kube

import (
	"encoding/json"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// checkSelector refuses a selector that the template's labels do not match, as the API server does: the document would
// not own its pods.
func (c *conversion) checkSelector(selector any, template map[string]any) {
	const path = "spec.selector"
	if isEmpty(selector) {
		c.errorf(path, "write the labels of spec.template.metadata", "missing")
		return
	}
	var parsed meta.LabelSelector
	text, err := json.Marshal(selector)
	if err == nil {
		err = json.Unmarshal(text, &parsed)
	}
	var match labels.Selector
	if err == nil {
		match, err = meta.LabelSelectorAsSelector(&parsed)
	}
	switch {
	case err != nil:
		c.errorf(path, "", "%v", err)
	case match.Empty():
		c.errorf(path, "write the labels of spec.template.metadata", "selects nothing")
	case !match.Matches(labels.Set(textsAt(mapAt(template, "metadata"), "labels"))):
		c.errorf(path, "write the labels of spec.template.metadata", "does not match the labels of the template")
	}
}
