package kube

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// The annotations that say for any kind what davit's own have fields for.
const (
	nodeSelectorAnnotation = "davit.io/node-selector"
	disabledAnnotation     = "davit.io/disabled"
)

// serverAnnotations are written by kubectl and by controllers, and say what a manifest says already.
var serverAnnotations = []string{
	"kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation",
}

// defaultNamespace is that of a document that names none.
const defaultNamespace = "default"

// dotless is a name without dots, which would be one of several parts in names of units and hosts.
func dotless(name string) string { return strings.ReplaceAll(name, ".", "-") }

// rename takes the dots from the name of what becomes a unit or a directory.
func (c *conversion) rename() {
	if strings.Contains(c.meta.Name, ".") && len(validation.IsDNS1123Subdomain(c.meta.Name)) == 0 {
		c.warnf("metadata.name", "its name has no dots here: %s", dotless(c.meta.Name))
		c.meta.Name = dotless(c.meta.Name)
	}
}

// metadata reads what a document says of itself. What only a server sets means nothing here.
func (c *conversion) metadata() {
	meta := mapAt(c.document, "metadata")
	c.sort(meta, objectMeta, "metadata")
	checkLabels(c, meta, "metadata")
	c.meta = v1.ObjectMeta{
		Name: textAt(meta, "name"), Namespace: textAt(meta, "namespace"), Labels: textsAt(meta, "labels"), Annotations: textsAt(meta, "annotations"),
	}
	if c.meta.Name == "" && meta["generateName"] != nil {
		c.errorf("metadata.generateName", "write name", "davit makes up no names")
	}
	c.meta.Disabled = c.meta.Annotations[disabledAnnotation] == "true"
	for _, pair := range strings.Split(c.meta.Annotations[nodeSelectorAnnotation], ",") {
		if key, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok {
			selectNode(c, key, value)
		} else if pair != "" {
			c.errorf("metadata.annotations."+nodeSelectorAnnotation, "", "%q: want labels key=value, with commas between", pair)
		}
	}
}

func selectNode(c *conversion, key, value string) {
	if c.meta.NodeSelector == nil {
		c.meta.NodeSelector = map[string]string{}
	}
	c.meta.NodeSelector[key] = value
}

// describe takes the labels and annotations of a template: they are the pod's. Those that the document alone has are
// for a cluster's tools.
func (c *conversion) describe(template map[string]any) {
	meta, own := mapAt(template, "metadata"), c.meta
	c.sort(meta, templateMeta, "spec.template.metadata")
	checkLabels(c, meta, "spec.template.metadata")
	c.meta.Labels, c.meta.Annotations = textsAt(meta, "labels"), textsAt(meta, "annotations")
	leaveOut(c, "metadata.labels", own.Labels, c.meta.Labels, "the pod has those of spec.template.metadata")
	leaveOut(c, "metadata.annotations", own.Annotations, c.meta.Annotations, "the pod has those of spec.template.metadata")
	if prune, kept := own.Annotations[v1.PruneAnnotation]; kept { // it is about the object, not about its pods
		c.meta.Annotations = maps.Clone(c.meta.Annotations)
		if c.meta.Annotations == nil {
			c.meta.Annotations = map[string]string{}
		}
		c.meta.Annotations[v1.PruneAnnotation] = prune
	}
}

// leaveOut warns of labels or annotations that no object has, but for those that it has with the same value, and for
// those that say something to davit or only to a server.
func leaveOut(c *conversion, path string, own, kept map[string]string, reason string) {
	var lost []string
	for _, name := range slices.Sorted(maps.Keys(own)) {
		known := strings.HasPrefix(name, "davit.io/") || slices.Contains(serverAnnotations, name)
		if value, ok := kept[name]; !known && (!ok || value != own[name]) {
			lost = append(lost, name)
		}
	}
	if len(lost) > 0 {
		c.warnf(path, "is ignored: %s (%s)", reason, strings.Join(lost, ", "))
	}
}
