package arbitrary

import (
	"fmt"
	"reflect"

	core "k8s.io/api/core/v1"
)

// template is the specification of a pod's template, drawn if it was not.
func (d *drawer) template(drawn any) map[string]any {
	template, _ := drawn.(map[string]any)
	spec, ok := template["spec"].(map[string]any)
	if !ok {
		spec, _ = d.structure(reflect.TypeFor[core.PodSpec](), "spec").(map[string]any)
	}
	return spec
}

// completeCronJob gives a CronJob one of its two schedules, and a job.
func (d *drawer) completeCronJob(spec map[string]any) {
	if d.chance(50) || spec["onCalendar"] == nil {
		delete(spec, "onCalendar")
		spec["schedule"] = d.text("spec", "schedule")
	} else {
		delete(spec, "schedule")
	}
	template, _ := spec["jobTemplate"].(map[string]any)
	job, ok := template["spec"].(map[string]any)
	if !ok {
		job = map[string]any{}
		spec["jobTemplate"] = map[string]any{"spec": job}
	}
	d.completeJob(job)
}

// completeJob gives a job a pod that may end.
func (d *drawer) completeJob(spec map[string]any) {
	template := d.template(spec["template"])
	without(template, "replicas", "updatePolicy", "ordinals")
	if template["restartPolicy"] != "Never" {
		template["restartPolicy"] = "OnFailure"
	}
	d.completePod(template, "")
	for _, container := range template["containers"].([]any) {
		without(container.(map[string]any), "sockets", "lifecycle", "notify", "startWithPod")
	}
	without(spec, "selector")
	spec["template"] = map[string]any{"spec": template}
}

// completePod gives a pod containers of different names; restart is the restart policy that it has to have.
func (d *drawer) completePod(spec map[string]any, restart string) {
	if restart != "" {
		spec["restartPolicy"] = restart
	}
	for _, list := range []string{"containers", "initContainers"} {
		containers, _ := spec[list].([]any)
		for i, container := range containers {
			fields := container.(map[string]any)
			fields["name"] = fmt.Sprintf("%c%d", list[0], i)
			d.completeContainer(fields, list)
			d.matchMounts(spec, fields)
		}
	}
	if containers, _ := spec["containers"].([]any); len(containers) == 0 {
		container := map[string]any{"name": "c0"}
		d.completeContainer(container, "containers")
		spec["containers"] = []any{container}
	}
}

// completeContainer gives a container an image, and removes fields that its place in a pod forbids.
func (d *drawer) completeContainer(fields map[string]any, list string) {
	if _, ok := fields["imageRef"]; !ok || d.runs || d.chance(70) {
		delete(fields, "imageRef")
		fields["image"] = oneOf(d, d.images)
	} else {
		without(fields, "image", "imagePullPolicy", "platform", "authFile")
	}
	if list == "containers" {
		delete(fields, "restartPolicy")
	}
	if list == "initContainers" && fields["restartPolicy"] != "Always" {
		without(fields, "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "sockets")
	}
	if fields["tty"] == true {
		delete(fields, "logging")
	}
	if fields["init"] == true || fields["oneshot"] == true {
		delete(fields, "sockets")
	}
	if fields["oneshot"] == true {
		without(fields, "lifecycle", "notify", "restartPolicy")
	}
	if d.runs {
		program := "exec sleep 1000"
		if d.ends || fields["oneshot"] == true || list == "initContainers" && fields["restartPolicy"] != "Always" {
			program = "true"
		}
		fields["command"] = []string{"sh", "-c", program}
	}
}

// matchMounts has a container mount the volumes that its pod has.
func (d *drawer) matchMounts(spec, fields map[string]any) {
	names := []string{placeholder + "-data"}
	volumes, _ := spec["volumes"].([]any)
	for _, volume := range volumes {
		if name, ok := volume.(map[string]any)["name"].(string); ok && volume.(map[string]any)["persistentVolumeClaim"] == nil {
			names = append(names, name, name)
		}
	}
	mounts, _ := fields["volumeMounts"].([]any)
	for i, mount := range mounts {
		mount := mount.(map[string]any)
		mount["name"] = oneOf(d, names)
		if _, ok := mount["subPath"]; ok {
			delete(mount, "subPathExpr")
		}
		if mount["readOnly"] == true && d.runs {
			without(mount, "subPath", "subPathExpr") // nothing is made there
		}
		if i > 0 && d.runs && d.chance(50) {
			mount["mountPath"] = fmt.Sprintf("/mount-%d", i)
		}
	}
	if mounts != nil {
		fields["volumeMounts"] = distinct(mounts, "mountPath")
	}
}

// withoutPrivileges takes privileges from a container, or from those of a pod.
func withoutPrivileges(values map[string]any) {
	for _, list := range []string{"containers", "initContainers"} {
		containers, _ := values[list].([]any)
		for _, container := range containers {
			withoutPrivileges(container.(map[string]any))
		}
	}
	if context, ok := values["securityContext"].(map[string]any); ok {
		delete(context, "privileged")
	}
}

func without(fields map[string]any, names ...string) {
	for _, name := range names {
		delete(fields, name)
	}
}
