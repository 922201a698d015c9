package schema

import "testing"

func TestFind(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"container":                             "Container Object",
		"CONTAINER.spec.ports":                  "Container.spec.ports []Object",
		"Container.spec.ports[0].hostPort":      "Container.spec.ports.hostPort integer",
		"container.spec.resources.limits.cpu":   "Container.spec.resources.limits.cpu quantity",
		"network.spec.plugins.type":             "Network.spec.plugins.type any",
		"cronjob.spec.jobTemplate.spec.suspend": "CronJob.spec.jobTemplate.spec.suspend boolean",
	} {
		_, field, err := Find(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		} else if got := field.Name + " " + field.Type.String(); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	for path, want := range map[string]string{
		"contaner":                 `unknown kind "contaner": want one of Config, Container, CronJob, Image, Job, Network, Pod, Secret, Volume`,
		"container.spec.imagee":    `Container.spec has no field "imagee"`,
		"container.spec.image.tag": `Container.spec.image has no fields: leave "tag" out`,
		"container.":               `Container has no field ""`,
		"":                         `unknown kind "": want one of Config, Container, CronJob, Image, Job, Network, Pod, Secret, Volume`,
	} {
		if _, _, err := Find(path); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}
