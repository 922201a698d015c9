package kube

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// PersistentVolume is a directory of the node that a claim can be bound to.
type PersistentVolume struct {
	Name string
	// Labels are what a claim's selector selects by.
	Labels map[string]string
	Path   v1.HostPath
	// Class, Modes and Size are what a claim asks for.
	Class string
	Modes []string
	Size  resource.Quantity
	// ClaimName and ClaimNamespace are those of the one claim that it is for; empty for any.
	ClaimName, ClaimNamespace string
}

// Claim is a Volume's request for a PersistentVolume.
type Claim struct {
	name, namespace   string
	volumeName, class string
	modes             []string
	size              resource.Quantity
	selector          labels.Selector
	// unbound are what is to be said when there is no PersistentVolume for it.
	unbound []Problem
}

// claimOf reads the request of a claim.
func claimOf(c *conversion, of v1.ObjectMeta, spec map[string]any, path string) *Claim {
	apart := &conversion{kind: c.kind}
	c.sort(spec, claimSpec, path)
	apart.sort(spec, unboundClaim, path)
	claim := &Claim{
		name: of.Name, namespace: cmp.Or(of.Namespace, defaultNamespace),
		volumeName: textAt(spec, "volumeName"), class: textAt(spec, "storageClassName"), modes: listedTexts(spec, "accessModes"),
		selector: labels.Everything(),
	}
	claim.size, _ = quantityAt(mapAt(mapAt(spec, "resources"), "requests"), "storage")
	if spec["selector"] != nil {
		claim.selector = parseSelector(c, spec["selector"], path+".selector")
	}
	for _, problem := range apart.result.Problems {
		if problem.Warning {
			claim.unbound = append(claim.unbound, problem)
		}
	}
	return claim
}

func listedTexts(from map[string]any, name string) []string {
	var texts []string
	for _, item := range listAt(from, name) {
		text, _ := item.(string)
		texts = append(texts, text)
	}
	return texts
}

// persistentVolume reads a PersistentVolume.
func (c *conversion) persistentVolume() {
	from := mapAt(c.document, "spec")
	spec := c.sort(from, persistentVolumeSpec, "spec")
	volume := &PersistentVolume{
		Name: c.meta.Name, Labels: c.meta.Labels, Class: textAt(spec, "storageClassName"), Modes: listedTexts(spec, "accessModes"),
		ClaimName: textAt(mapAt(spec, "claimRef"), "name"), ClaimNamespace: cmp.Or(textAt(mapAt(spec, "claimRef"), "namespace"), defaultNamespace),
	}
	volume.Size, _ = quantityAt(mapAt(spec, "capacity"), "storage")
	host, local := mapAt(spec, "hostPath"), mapAt(spec, "local")
	switch {
	case host != nil && local != nil:
		c.errorf("spec.local", "", "there is hostPath already: want one of the two")
	case host != nil:
		volume.Path = v1.HostPath{Path: clean(textAt(host, "path")), Type: textAt(host, "type")}
	case local != nil:
		volume.Path = v1.HostPath{Path: clean(textAt(local, "path"))}
		c.sort(local, localVolume, "spec.local")
	default:
		c.errorf("spec", "", "want one of hostPath, local")
	}
	if path := volume.Path.Path; spec["hostPath"] != nil && path == "" || spec["local"] != nil && path == "" {
		c.errorf("spec", "", "want a path")
	}
	if volume.Size.Sign() <= 0 {
		c.errorf("spec.capacity.storage", "write a size such as 1Gi", "missing")
	}
	if len(volume.Modes) == 0 {
		c.errorf("spec.accessModes", "write [ReadWriteOnce]", "missing")
	}
	c.sort(mapAt(spec, "claimRef"), claimRef, "spec.claimRef")
	leaveOut(c, "metadata.annotations", c.meta.Annotations, nil, "a PersistentVolume is a path of its claim here")
	convertNodeAffinity(c, mapAt(spec, "nodeAffinity"))
	c.result.PersistentVolume = volume
}

// convertNodeAffinity limits a volume to a node, where that is all that it says.
func convertNodeAffinity(c *conversion, affinity map[string]any) {
	terms := listAt(mapAt(affinity, "required"), "nodeSelectorTerms")
	if len(affinity) == 0 {
		return
	}
	if len(terms) == 1 {
		term, _ := terms[0].(map[string]any)
		expressions := listAt(term, "matchExpressions")
		if len(term) == 1 && len(expressions) == 1 {
			expression, _ := expressions[0].(map[string]any)
			if values := listedTexts(expression, "values"); textAt(expression, "operator") == "In" && len(values) == 1 {
				selectNode(c, textAt(expression, "key"), values[0])
				return
			}
		}
	}
	c.warnf("spec.nodeAffinity", "is ignored: davit knows one label with one value alone")
}

// Bind gives each claim the PersistentVolume that is for it, that it names, or the smallest one that satisfies it, as
// Kubernetes does, and says of each claim what it cannot honour, and of each volume whether it is of use.
func Bind(claims []*Claim, volumes []*PersistentVolume) (bound map[*Claim]*PersistentVolume, unused []*PersistentVolume) {
	bound = map[*Claim]*PersistentVolume{}
	free := slices.SortedFunc(slices.Values(volumes), func(a, b *PersistentVolume) int {
		return cmp.Or(a.Size.Cmp(b.Size), cmp.Compare(a.Name, b.Name))
	})
	sorted := slices.SortedFunc(slices.Values(claims), func(a, b *Claim) int { return cmp.Compare(a.name, b.name) })
	for _, fits := range []func(*Claim, *PersistentVolume) bool{(*Claim).isMeant, (*Claim).isNamed, (*Claim).isSatisfied} {
		for _, claim := range sorted {
			i := slices.IndexFunc(free, func(v *PersistentVolume) bool { return fits(claim, v) })
			if bound[claim] == nil && i >= 0 {
				bound[claim] = free[i]
				free = slices.Delete(free, i, i+1)
			}
		}
	}
	return bound, free
}

func (c *Claim) isMeant(v *PersistentVolume) bool {
	return v.ClaimName == c.name && v.ClaimNamespace == c.namespace && (c.volumeName == "" || c.volumeName == v.Name)
}

func (c *Claim) isNamed(v *PersistentVolume) bool { return v.ClaimName == "" && c.volumeName == v.Name }

func (c *Claim) isSatisfied(v *PersistentVolume) bool {
	return v.ClaimName == "" && c.volumeName == "" && c.class == v.Class && c.size.Cmp(v.Size) <= 0 &&
		c.selector.Matches(labels.Set(v.Labels)) &&
		!slices.ContainsFunc(c.modes, func(mode string) bool { return !slices.Contains(v.Modes, mode) })
}

// Unbound is what is to be said of a claim that no PersistentVolume satisfies.
func (c *Claim) Unbound() []Problem { return c.unbound }

// parseSelector reads a label selector; what it cannot read is reported, and selects nothing.
func parseSelector(c *conversion, selector any, path string) labels.Selector {
	var parsed meta.LabelSelector
	text, err := json.Marshal(selector)
	if err == nil {
		err = json.Unmarshal(text, &parsed)
	}
	var match labels.Selector
	if err == nil {
		match, err = meta.LabelSelectorAsSelector(&parsed)
	}
	if err != nil {
		c.errorf(path, "", "%v", err)
		return labels.Nothing()
	}
	return match
}

// clean takes the slashes from the end of a path.
func clean(path string) string {
	if trimmed := strings.TrimRight(path, "/"); trimmed != "" {
		return trimmed
	}
	return path
}

// convertEphemeralVolume is an empty directory of the size that an ephemeral volume's claim asks for.
func convertEphemeralVolume(c *conversion, volume map[string]any, path string) map[string]any {
	template := mapAt(mapAt(volume, "ephemeral"), "volumeClaimTemplate")
	path += ".ephemeral.volumeClaimTemplate"
	described, spec := mapAt(template, "metadata"), mapAt(template, "spec")
	c.sort(described, templateMeta, path+".metadata")
	const noClaim = "an ephemeral volume is an empty directory here"
	leaveOut(c, path+".metadata.labels", textsAt(described, "labels"), nil, noClaim)
	leaveOut(c, path+".metadata.annotations", textsAt(described, "annotations"), nil, noClaim)
	checkClaim(c, spec, path+".spec")
	c.sort(spec, claimSpec, path+".spec")
	c.sort(spec, ephemeralClaim, path+".spec")
	directory := map[string]any{}
	if size, ok := quantityAt(mapAt(mapAt(spec, "resources"), "requests"), "storage"); ok {
		directory["sizeLimit"] = size.String()
	}
	return map[string]any{"name": volume["name"], "emptyDir": directory}
}

// convertVolumes turns the volumes of a pod: one without a source is an empty directory, as in Kubernetes.
func convertVolumes(c *conversion, from []any, path string) []any {
	volumes := make([]any, 0, len(from))
	for i, item := range from {
		volume, _ := item.(map[string]any)
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case len(volume) == 1 && volume["name"] != nil:
			volume = map[string]any{"name": volume["name"], "emptyDir": map[string]any{}}
		case volume["ephemeral"] != nil && len(c.without(volume, podVolume, at)) == 1:
			volume = convertEphemeralVolume(c, volume, at)
		case textAt(mapAt(volume, "image"), "reference") != "":
			volume = withImage(volume)
		case volume["hostPath"] != nil:
			volume = with(volume, "hostPath", with(mapAt(volume, "hostPath"), "path", clean(textAt(mapAt(volume, "hostPath"), "path"))))
		case volume["persistentVolumeClaim"] != nil:
			claim := mapAt(volume, "persistentVolumeClaim")
			volume = with(volume, "persistentVolumeClaim", with(claim, "claimName", dotless(textAt(claim, "claimName"))))
		}
		volumes = append(volumes, volume)
	}
	return volumes
}
