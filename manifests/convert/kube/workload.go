package kube

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// The defaults of Kubernetes that are not davit's.
const (
	defaultGracePeriod       = int64(30)
	defaultConcurrencyPolicy = "Allow"
)

func (c *conversion) pod() {
	spec := convertPodSpec(c, c.document, "")
	c.object(&v1.Pod{}, c.tree(spec), "", "")
}

// templatePath is where a Deployment and its like have the pod.
const templatePath = "spec.template.spec"

func (c *conversion) deployment()  { c.replicated(deploymentSpec) }
func (c *conversion) replicaSet()  { c.replicated(replicaSetSpec) }
func (c *conversion) daemonSet()   { c.replicated(daemonSetSpec) }
func (c *conversion) statefulSet() { c.replicated(statefulSetSpec) }

// replicationController is a ReplicaSet whose selector is labels alone, by default those of the template.
func (c *conversion) replicationController() { c.replicated(controllerSpec) }

// replicated turns the template of a workload into the pod itself, and claim templates into volumes.
func (c *conversion) replicated(fields map[string]field) {
	spec := c.sort(mapAt(c.document, "spec"), fields, "spec")
	template := mapAt(spec, "template")
	pod := convertPodSpec(c, template, "spec.template")
	checkSelector(c, convertSelector(c, spec, template), template)
	if policy := textAt(pod, "restartPolicy"); policy != "" && policy != string(v1.RestartAlways) {
		c.errorf(templatePath+".restartPolicy", "", "a %s restarts its pods always", c.kind)
	}
	replicas, counted := spec["replicas"].(int64)
	if counted {
		pod["replicas"] = replicas
	}
	pod["updatePolicy"] = convertUpdatePolicy(c, spec, max(int(replicas), 1))
	if replicas < 0 {
		c.errorf("spec.replicas", "", "%d: want 0 or more", replicas)
	}
	claims := convertClaims(c, spec, pod, max(int(replicas), 1))
	c.describe(template)
	object := &v1.Pod{}
	c.object(object, c.tree(pod), "spec.", templatePath+".")
	c.result.Objects = append(c.result.Objects, claims...)
}

// WithinMeans takes the surge from a pod that there cannot be one more of: manifests that come from
// a cluster have one, whatever they are. As in Kubernetes something then has to be missing for a while
// (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-unavailable). It says why
// there cannot be one more; empty where there can.
func WithinMeans(pod *v1.PodSpec) string {
	policy := &pod.UpdatePolicy
	_, reason := pod.Exclusive()
	if reason != "" {
		policy.MaxSurge = nil
	}
	surges := policy.MaxSurge != nil && *policy.MaxSurge > 0
	if policy.MaxUnavailable != nil && *policy.MaxUnavailable == 0 && !surges {
		*policy.MaxUnavailable = 1
	}
	return reason
}

// convertUpdatePolicy says how a change is brought about, and when it has worked.
func convertUpdatePolicy(c *conversion, spec map[string]any, replicas int) map[string]any {
	policy := map[string]any{}
	for _, name := range []string{"progressDeadlineSeconds", "minReadySeconds"} {
		if value, ok := spec[name]; ok {
			policy[name] = value
		}
	}
	field := "strategy"
	if c.kind != "Deployment" {
		field = "updateStrategy"
	}
	strategy := mapAt(spec, field)
	checkRolling(c, spec, field)
	switch kind := textAt(strategy, "type"); kind {
	case "", "RollingUpdate":
	case v1.StrategyRecreate:
		policy["strategy"] = kind
	default:
		c.errorf("spec."+field+".type", "take the change out of the manifest until it is to happen", "davit cannot honour %s", kind)
	}
	rolling := maps.Clone(mapAt(strategy, "rollingUpdate"))
	if c.kind == "Deployment" && policy["strategy"] == nil {
		if rolling == nil {
			rolling = map[string]any{}
		}
		for _, name := range []string{"maxUnavailable", "maxSurge"} {
			if rolling[name] == nil {
				rolling[name] = "25%"
			}
		}
	}
	if c.kind == "StatefulSet" {
		c.sort(rolling, statefulRolling, "spec."+field+".rollingUpdate")
	}
	for name, extra := range map[string]int{"maxUnavailable": 0, "maxSurge": 99} {
		if rolling[name] != nil {
			policy[name] = shareOf(c, rolling[name], "spec."+field+".rollingUpdate."+name, replicas, extra)
		}
	}
	return policy
}

// shareOf is a number of replicas, or a percentage of them: extra, in hundredths, rounds it up.
func shareOf(c *conversion, value any, path string, replicas, extra int) int64 {
	if number, ok := value.(int64); ok {
		return number
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(fmt.Sprint(value), "%"))
	if err != nil || percent < 0 || !strings.HasSuffix(fmt.Sprint(value), "%") {
		c.errorf(path, "", "%v: want a number, or a percentage such as 25%%", value)
	}
	return int64((replicas*percent + extra) / 100)
}

// convertClaims numbers the pods of a StatefulSet, makes a volume of each claim template for each of
// them, named as Kubernetes names the claim, and has the pods use them.
func convertClaims(c *conversion, spec, pod map[string]any, replicas int) []Object {
	if c.kind != "StatefulSet" {
		return nil
	}
	start, _ := mapAt(spec, "ordinals")["start"].(int64)
	pod["ordinals"] = map[string]any{"start": start}
	var claims []Object
	volumes := withoutTemplates(listAt(pod, "volumes"), listAt(spec, "volumeClaimTemplates"))
	for i, item := range listAt(spec, "volumeClaimTemplates") {
		template, _ := item.(map[string]any)
		path := fmt.Sprintf("spec.volumeClaimTemplates[%d]", i)
		checkClaim(c, mapAt(template, "spec"), path+".spec")
		described := mapAt(template, "metadata")
		c.sort(described, objectMeta, path+".metadata")
		checkLabels(c, described, path+".metadata")
		name := textAt(described, "name")
		claim := v1.ClaimVolume{ClaimName: fmt.Sprintf("%s-%s", name, c.meta.Name), PerReplica: true}
		volumes = append(volumes, map[string]any{
			"name": name, "persistentVolumeClaim": map[string]any{"claimName": claim.ClaimName, "perReplica": true},
		})
		for i := range replicas {
			meta := claimMetaOf(c, described)
			meta.Name = claim.Replica(int32(start) + int32(i))
			claims = append(claims, Object{volume(meta), "", path + ".", claimOf(c, meta, mapAt(template, "spec"), path+".spec")})
		}
	}
	if len(volumes) > 0 {
		pod["volumes"] = volumes
	}
	return claims
}

// withoutTemplates are the volumes that no claim template of that name hides, as in Kubernetes.
func withoutTemplates(volumes, templates []any) []any {
	var kept []any
	for _, volume := range volumes {
		named, _ := volume.(map[string]any)
		if !slices.ContainsFunc(templates, func(item any) bool {
			template, _ := item.(map[string]any)
			return textAt(mapAt(template, "metadata"), "name") == textAt(named, "name")
		}) {
			kept = append(kept, volume)
		}
	}
	return kept
}

// claimMetaOf describes the volume of a claim template. What the set says to davit holds for it too.
func claimMetaOf(c *conversion, described map[string]any) v1.ObjectMeta {
	meta := c.meta
	meta.Labels, meta.Annotations = textsAt(described, "labels"), maps.Clone(textsAt(described, "annotations"))
	if prune, ok := c.meta.Annotations[v1.PruneAnnotation]; ok && meta.Annotations[v1.PruneAnnotation] == "" {
		if meta.Annotations == nil {
			meta.Annotations = map[string]string{}
		}
		meta.Annotations[v1.PruneAnnotation] = prune
	}
	return meta
}

func (c *conversion) job() {
	c.object(&v1.Job{}, c.tree(convertJobSpec(c, mapAt(c.document, "spec"), "spec")), "", "")
}

func convertJobSpec(c *conversion, from map[string]any, path string) map[string]any {
	spec := maps.Clone(c.sort(from, jobSpec, path))
	template := mapAt(spec, "template")
	spec["template"] = map[string]any{
		"metadata": templateMetaOf(c, template, path+".template"),
		"spec":     convertPodSpec(c, template, path+".template"),
	}
	return spec
}

// templateMetaOf is the part of a template's metadata that its pods get.
func templateMetaOf(c *conversion, template map[string]any, path string) v1.TemplateMeta {
	meta := mapAt(template, "metadata")
	c.sort(meta, templateMeta, path+".metadata")
	checkLabels(c, meta, path+".metadata")
	return v1.TemplateMeta{Labels: textsAt(meta, "labels"), Annotations: textsAt(meta, "annotations")}
}

func (c *conversion) cronJob() {
	spec := maps.Clone(c.sort(mapAt(c.document, "spec"), cronJobSpec, "spec"))
	checkCronJob(c, spec)
	if spec["concurrencyPolicy"] == nil {
		spec["concurrencyPolicy"] = defaultConcurrencyPolicy
	}
	template := mapAt(spec, "jobTemplate")
	spec["jobTemplate"] = map[string]any{
		"metadata": templateMetaOf(c, template, "spec.jobTemplate"),
		"spec":     convertJobSpec(c, mapAt(template, "spec"), "spec.jobTemplate.spec"),
	}
	c.object(&v1.CronJob{}, c.tree(spec), "", "")
}

func (c *conversion) configMap() {
	c.data(&v1.Config{}, configMap)
}

func (c *conversion) secret() {
	checkSecret(c)
	c.data(&v1.Secret{}, secret)
}

func (c *conversion) data(into v1.Object, fields map[string]field) {
	tree := c.sort(c.ownFields(), fields, "")
	tree["metadata"] = c.meta
	c.object(into, tree, "", "")
}

// ownFields are those of the document beside what every document has.
func (c *conversion) ownFields() map[string]any {
	fields := maps.Clone(c.document)
	for _, name := range []string{"apiVersion", "kind", "metadata", "status"} {
		delete(fields, name)
	}
	return fields
}

func (c *conversion) claim() {
	spec := mapAt(c.document, "spec")
	checkClaim(c, spec, "spec")
	c.result.Objects = append(c.result.Objects, Object{Object: volume(c.meta), Claim: claimOf(c, c.meta, spec, "spec")})
}

// volume is what a claim comes to. Whatever user a container runs as can write there, as with
// the directories that other single nodes provision; the way to it is root's alone.
func volume(meta v1.ObjectMeta) *v1.Volume {
	return &v1.Volume{TypeMeta: v1.TypeMeta{APIVersion: v1.APIVersion, Kind: v1.KindVolume}, Metadata: meta, Spec: v1.VolumeSpec{Mode: "0777"}}
}
