// Package arbitrary draws manifests at random: workloads of davit and of Kubernetes, with any of their fields, and
// the objects that they refer to. Most values are usual ones; some are strings and numbers that break software.
//
// It knows the types of manifests. It does not know which values davit accepts.
package arbitrary

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"unicode/utf16"

	"github.com/davit-project/davit/manifests/convert/kube"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// Set draws a workload of this name and the objects that it refers to, as YAML documents. Its images are one of images. The same seed and
// name give the same text.
func Set(seed uint64, name string, images []string) string {
	return (&drawer{Rand: rand.New(rand.NewPCG(seed, 0)), images: images}).set(name)
}

// Runnable is [Set] with a workload that starts on any node: it asks for nothing that a node may lack, and its programs do not
// fail. The image needs a shell. Sets of different names go together.
func Runnable(seed uint64, name, image string) string {
	return (&drawer{Rand: rand.New(rand.NewPCG(seed, 0)), images: []string{image}, runs: true}).set(name)
}

// drawer draws one set.
type drawer struct {
	*rand.Rand
	images []string
	// runs is set for workloads that are to start on a node.
	runs bool
	// ends is set while a job is drawn.
	ends bool
	// often is how likely an optional field is set, of 100.
	often int
	// odd is how likely a string is an unusual one, of 100.
	odd int
}

func (d *drawer) chance(percent int) bool { return d.IntN(100) < percent }

func oneOf[T any](d *drawer, of []T) T { return of[d.IntN(len(of))] }

func (d *drawer) set(name string) string {
	d.often = oneOf(d, []int{3, 8, 15, 30, 50})
	d.odd = oneOf(d, []int{0, 1, 2, 4, 10})
	objects := append([]map[string]any{d.workload(name)}, d.companions()...)
	var text strings.Builder
	for _, object := range objects {
		document, err := json.Marshal(object)
		if err != nil {
			panic(err) // it is made of strings and numbers
		}
		text.WriteString("---\n" + ascii(strings.ReplaceAll(string(document), placeholder, name)) + "\n")
	}
	return text.String()
}

// ascii escapes all other characters: YAML does not take some of them as they are.
func ascii(document string) string {
	var text strings.Builder
	for _, r := range document {
		switch {
		case r < 0x7f:
			text.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&text, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&text, `\u%04x`, r)
		}
	}
	return text.String()
}

// placeholder stands for the workload's name in the names of the other objects.
const placeholder = "NAME"

// labels are those of a workload's pods.
var labels = map[string]any{"app": placeholder}

// workload draws the object that runs something.
func (d *drawer) workload(name string) map[string]any {
	names := []string{
		"Container", "Container", "Container", "Pod", "Pod", "Job", "CronJob", "v1 Pod", "v1 ReplicationController", "apps/v1 Deployment", "apps/v1 Deployment",
		"apps/v1 ReplicaSet", "apps/v1 DaemonSet", "apps/v1 StatefulSet", "batch/v1 Job", "batch/v1 CronJob",
	}
	kind := oneOf(d, names)
	d.ends = strings.HasSuffix(kind, "Job")
	version, kind, isKubernetes := strings.Cut(kind, " ")
	if !isKubernetes {
		version, kind = v1.APIVersion, version
	}
	object := map[string]any{"apiVersion": version, "kind": kind, "metadata": d.metadata(name)}
	if isKubernetes {
		of, _ := kube.Type(version, kind)
		object["spec"] = d.kubernetesSpec(kind, fieldNamed(of, "spec"))
		return object
	}
	spec, _ := d.structure(fieldNamed(reflect.TypeOf(v1.Kinds[kind]()).Elem(), "spec"), "spec").(map[string]any)
	switch kind {
	case v1.KindContainer:
		d.completeContainer(spec, "")
		d.matchMounts(spec, spec)
	case v1.KindPod:
		d.completePod(spec, "")
	case v1.KindJob:
		d.completeJob(spec)
	case v1.KindCronJob:
		d.completeCronJob(spec)
	}
	object["spec"] = spec
	return object
}

// kubernetesSpec draws the specification of a Kubernetes kind.
func (d *drawer) kubernetesSpec(kind string, of reflect.Type) any {
	spec, _ := d.structure(of, "spec").(map[string]any)
	restart := ""
	if kind != "Pod" && kind != "Job" && kind != "CronJob" {
		restart = "Always"
	}
	switch kind {
	case "Pod":
		d.completePod(spec, restart)
		return spec
	case "CronJob":
		d.completeCronJob(spec)
		return spec
	case "Job":
		d.completeJob(spec)
		return spec
	case "ReplicationController":
		spec["selector"] = labels
	default:
		spec["selector"] = map[string]any{"matchLabels": labels}
	}
	template := d.template(spec["template"])
	d.completePod(template, restart)
	spec["template"] = map[string]any{"metadata": map[string]any{"labels": labels}, "spec": template}
	return spec
}

func (d *drawer) metadata(name string) map[string]any {
	metadata := map[string]any{"name": name, "labels": labels}
	if d.chance(d.often) {
		metadata["annotations"] = map[string]any{"example.com/note": d.text("annotations", "value")}
	}
	return metadata
}
