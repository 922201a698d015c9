// Package kube turns Kubernetes' kinds into davit's own objects, so that nothing after it
// knows Kubernetes.
//
// It knows Kubernetes' types and what each of their fields means on one node: honoured,
// ignored with a word, or refused. It is pure, and must never know files or a node.
package kube

import (
	"maps"
	"reflect"
	"slices"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// kind is how documents of one apiVersion and kind are turned.
type kind struct {
	goType  reflect.Type
	own     string // the kind of davit's object; empty when there is none
	convert func(*conversion)
}

// kinds are those that davit takes, by apiVersion and kind.
var kinds = map[string]map[string]kind{
	"v1": {
		"Pod":                   {reflect.TypeFor[core.Pod](), v1.KindPod, (*conversion).pod},
		"ConfigMap":             {reflect.TypeFor[core.ConfigMap](), v1.KindConfig, (*conversion).configMap},
		"Secret":                {reflect.TypeFor[core.Secret](), v1.KindSecret, (*conversion).secret},
		"PersistentVolumeClaim": {reflect.TypeFor[core.PersistentVolumeClaim](), v1.KindVolume, (*conversion).claim},
		"PersistentVolume":      {reflect.TypeFor[core.PersistentVolume](), "", (*conversion).persistentVolume},
		"ReplicationController": {reflect.TypeFor[core.ReplicationController](), v1.KindPod, (*conversion).replicationController},
		"Service":               {reflect.TypeFor[core.Service](), "", (*conversion).serviceOf},
	},
	"apps/v1": {
		"Deployment":  {reflect.TypeFor[apps.Deployment](), v1.KindPod, (*conversion).deployment},
		"ReplicaSet":  {reflect.TypeFor[apps.ReplicaSet](), v1.KindPod, (*conversion).replicaSet},
		"DaemonSet":   {reflect.TypeFor[apps.DaemonSet](), v1.KindPod, (*conversion).daemonSet},
		"StatefulSet": {reflect.TypeFor[apps.StatefulSet](), v1.KindPod, (*conversion).statefulSet},
	},
	"batch/v1": {
		"Job":     {reflect.TypeFor[batch.Job](), v1.KindJob, (*conversion).job},
		"CronJob": {reflect.TypeFor[batch.CronJob](), v1.KindCronJob, (*conversion).cronJob},
	},
}

// APIVersions are those that davit knows of Kubernetes', sorted.
func APIVersions() []string { return slices.Sorted(maps.Keys(kinds)) }

// Kinds are the kinds that davit takes of an apiVersion, sorted.
func Kinds(apiVersion string) []string { return slices.Sorted(maps.Keys(kinds[apiVersion])) }

// Type is the Kubernetes type of a kind.
func Type(apiVersion, name string) (reflect.Type, bool) {
	found, ok := kinds[apiVersion][name]
	return found.goType, ok
}

// OwnKind returns the kind of davit's object for a document; empty for a kind that is not Kubernetes' or has no object.
func OwnKind(apiVersion, name string) string { return kinds[apiVersion][name].own }

// Problem is a message about a field of the document.
type Problem struct {
	// Path is the field's, as in the document.
	Path string
	// Message is the fault, Hint the remedy.
	Message, Hint string
	// Warning is set where the object can do without the field.
	Warning bool
}

// Object is one of davit's objects and where in the document it came from: a path that begins
// with From there begins with To in the document.
type Object struct {
	v1.Object
	From, To string
	// Claim is set for a Volume that a claim, or a claim template, asks for; see [Bind].
	Claim *Claim
}

// Result is the result for one document.
type Result struct {
	Objects []Object
	// Service is set for a Service, which is no object of davit's; see [Connect].
	Service *Service
	// PersistentVolume is set for one; see [Bind].
	PersistentVolume *PersistentVolume
	// Meta says of a Service or PersistentVolume which nodes it is for.
	Meta     v1.ObjectMeta
	Problems []Problem
}

// Convert turns a document, decoded into JSON's values and known to be of its type, into davit's objects. The result is of use
// only if no problem is an error.
func Convert(apiVersion, name string, document map[string]any) Result {
	c := &conversion{document: document, kind: name}
	c.metadata()
	switch kinds[apiVersion][name].own {
	case v1.KindConfig, v1.KindSecret:
	case "":
		if c.meta.Name == "" {
			c.errorf("metadata.name", "", "missing")
		}
	default:
		c.rename()
	}
	kinds[apiVersion][name].convert(c)
	c.result.Meta = c.meta
	return c.result
}
