package manifests

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/check"
	v1 "github.com/davit-project/davit/manifests/v1"
)

var update = flag.Bool("update", false, "rewrite the list of refused settings in docs/manifests.md")

func loadText(text string) *Set {
	return Load([]File{{Path: "app.yaml", Text: []byte(text)}}, Options{})
}

const good = `apiVersion: davit/v1
kind: Container
metadata:
  name: web
  labels: {team: a}
spec:
  image: docker.io/library/nginx:1.27
  env:
    - {name: MODE, value: "1"}
  ports:
    - {containerPort: 80, hostPort: 8080}
  resources:
    limits: {cpu: 1, memory: 64Mi}
  volumeMounts:
    - {name: data, mountPath: /data}
  service:
    TasksMax: 100
    LimitNOFILE: [1024, "4096"]
    CPUAccounting: true
---
# a comment alone is no document
---
apiVersion: davit/v1
kind: Volume
metadata: {name: data}
---
apiVersion: davit/v1
kind: Network
metadata: {name: app}
spec:
  plugins:
    - {type: ptp, ipam: {type: host-local, ranges: [[{subnet: 10.1.0.0/24}]]}}
---
apiVersion: davit/v1
kind: Image
metadata: {name: base}
spec: {image: "oci-archive:/srv/base.tar"}
`

func TestLoadGood(t *testing.T) {
	t.Parallel()
	set := loadText(good)
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	var refs []string
	for _, object := range set.Objects {
		refs = append(refs, object.Ref().String())
	}
	if diff := cmp.Diff([]string{"Container/web", "Image/base", "Network/app", "Volume/data"}, refs); diff != "" {
		t.Error(diff)
	}
	want := v1.ContainerSpec{ContainerFields: v1.ContainerFields{
		Image:        "docker.io/library/nginx:1.27",
		Env:          []v1.EnvVar{{Name: "MODE", Value: "1"}},
		Ports:        []v1.ContainerPort{{ContainerPort: 80, HostPort: 8080}},
		Resources:    v1.Resources{Limits: v1.ResourceList{"cpu": "1", "memory": "64Mi"}},
		VolumeMounts: []v1.VolumeMount{{Name: "data", MountPath: "/data"}},
		Service: v1.UnitSection{
			"TasksMax": {"100"}, "LimitNOFILE": {"1024", "4096"}, "CPUAccounting": {"yes"},
		},
	}}
	if diff := cmp.Diff(want, set.Objects[0].Object.(*v1.Container).Spec); diff != "" {
		t.Error(diff)
	}
	if at := set.Objects[3].Source; at.Line != 23 {
		t.Errorf("the volume is at %v", at)
	}
}

// spec is a container with further lines of its spec, which begin at line 6.
func spec(lines ...string) string {
	return "apiVersion: davit/v1\nkind: Container\nmetadata: {name: web}\nspec:\n  image: example.com/a:1\n  " +
		strings.Join(lines, "\n  ") + "\n"
}

// fault: objects require each other in a circle | the circle is printed; systemd never sees it
func TestErrorsPoint(t *testing.T) {
	t.Parallel()
	const object = "apiVersion: davit/v1\nkind: "
	for name, test := range map[string]struct{ text, want string }{
		"unknown field":      {spec("imagee: x"), `app.yaml:6:3: spec.imagee: unknown field (did you mean "image"?)`},
		"unknown kind":       {object + "Contaner\n", `app.yaml:2:7: kind: unknown kind "Contaner" (did you mean "Container"?)`},
		"unknown apiVersion": {"apiVersion: v2\nkind: Pod\n", `app.yaml:1:13: apiVersion: unknown apiVersion "v2" (did you mean "v1"?)`},
		"no apiVersion":      {"kind: Container\n", `app.yaml:1:1: apiVersion: missing (davit's own kinds have apiVersion: davit/v1)`},
		"no image":           {object + "Container\nmetadata: {name: web}\nspec: {}\n", `app.yaml:4:7: spec.image: missing`},
		"bad name":           {object + "Image\nmetadata: {name: Web_1}\nspec: {image: example.com/a}\n", `app.yaml:3:18: metadata.name: "Web_1": want at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit`},
		"short image name":   {object + "Image\nmetadata: {name: a}\nspec: {image: nginx}\n", `app.yaml:4:15: spec.image: "nginx" is a short name: which registry it comes from would be a guess (write docker.io/library/nginx)`},
		"wrong type":         {spec("command: ls"), `app.yaml:6:12: spec.command: want a list, got "ls"`},
		"number as text":     {spec("env: [{name: A, value: 1}]"), `app.yaml:6:26: spec.env[0].value: want a string, got the number 1 (quote it: "1")`},
		"boolean as text":    {spec("env: [{name: A, value: true}]"), `app.yaml:6:26: spec.env[0].value: want a string, got the boolean true (quote it: "true")`},
		"yes as a boolean":   {spec("hostNetwork: yes"), `app.yaml:6:16: spec.hostNetwork: want true or false, got "yes" (write true)`},
		"octal number":       {spec("ports: [{containerPort: 0644}]"), `app.yaml:6:27: spec.ports[0].containerPort: want a decimal number of at most 32 bits, got the number 0644`},
		"nothing there":      {spec("hostname:"), `app.yaml:6:12: spec.hostname: want a string, got nothing (leave the field out, or write "")`},
		"duplicate key":      {spec("hostname: a", "hostname: b"), `app.yaml:7:3: spec.hostname: appears twice, as "hostname" in line 6 too`},
		"key in other case":  {spec("hostname: a", "hostName: b"), `app.yaml:7:3: spec.hostName: appears twice, as "hostname" in line 6 too`},
		"tag":                {spec("hostname: !!binary aGk="), `app.yaml:6:13: tag !!binary is not supported (leave it out)`},
		"not YAML":           {"a: [\n", `app.yaml:1:1: not YAML: did not find expected node content`},
		"not UTF-8":          {"a: b\nc: \xff\n", `app.yaml:2:1: not UTF-8`},
		"enum":               {spec("restartPolicy: always"), `app.yaml:6:18: spec.restartPolicy: unknown value "always" (did you mean "Always"?)`},
		"missing volume":     {spec("volumeMounts: [{name: dat, mountPath: /d}]", "volumes: [{name: data, emptyDir: {}}]"), `app.yaml:6:25: spec.volumeMounts[0].name: there is no volume "dat", neither in volumes nor as a Volume (did you mean "data"?)`},
		"mount over /proc":   {spec("volumeMounts: [{name: a, mountPath: /proc/x}]", "volumes: [{name: a, emptyDir: {}}]"), `app.yaml:6:39: spec.volumeMounts[0].mountPath: "/proc/x": want a path outside /, /proc, /sys and /dev`},
		"own state":          {spec("volumes: [{name: a, hostPath: {path: /var/lib}}]"), `app.yaml:6:40: spec.volumes[0].hostPath.path: /var/lib would open /var/lib/davit to the container`},
		"a way around":       {spec("volumes: [{name: a, hostPath: {path: /proc/1/root/etc}}]"), `app.yaml:6:40: spec.volumes[0].hostPath.path: /proc/1/root/etc may lead to any file of the node`},
		"network host":       {spec("networks: [{name: host}]"), `app.yaml:6:21: spec.networks[0].name: there is no network host (write hostNetwork: true)`},
		"quantity":           {spec("resources: {limits: {memory: lots}}"), `app.yaml:6:32: spec.resources.limits.memory: "lots": want a positive quantity such as 500m, 256Mi or 2`},
		"stop signal":        {spec("stopSignal: TERM"), `app.yaml:6:15: spec.stopSignal: "TERM": want the name of a signal such as SIGTERM, SIGQUIT or SIGRTMIN+3`},
		"oneshot that stays": {spec("oneshot: true", "restartPolicy: Always"), `app.yaml:7:18: spec.restartPolicy: a oneshot container ends: want OnFailure or Never`},
		"subnet with host":   {object + "Network\nmetadata: {name: a}\nspec: {subnets: [{subnet: 10.0.0.1/24}]}\n", `app.yaml:4:27: spec.subnets[0].subnet: 10.0.0.1/24 has host bits (write 10.0.0.0/24)`},
		"mode":               {object + "Volume\nmetadata: {name: a}\nspec: {mode: \"99\"}\n", `app.yaml:4:14: spec.mode: "99": want three or four octal digits such as "0750"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := loadText(test.text)
			if len(set.Diagnostics) == 0 {
				t.Fatal("no error")
			}
			if got := set.Diagnostics[0].String(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if len(set.Objects) > 0 {
				t.Errorf("an object with an error is in the set: %v", set.Objects)
			}
		})
	}
}

func TestOneBadFileCostsOnlyItself(t *testing.T) {
	t.Parallel()
	set := Load([]File{{Path: "bad.yaml", Text: []byte("a: [")}, {Path: "good.yaml", Text: []byte(good)}}, Options{})
	if len(set.Objects) != 4 || set.Complete() {
		t.Errorf("%d objects, complete %v", len(set.Objects), set.Complete())
	}
}

func TestSameDiagnosticsEveryTime(t *testing.T) {
	t.Parallel()
	text := spec("service: {ExecStart: a, Type: b, User: c}", "resources: {limits: {memory: x, cpu: y, disk: z}}")
	first := loadText(text).Diagnostics
	for range 20 {
		if diff := cmp.Diff(first, loadText(text).Diagnostics); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestEveryPrefixIsHandled(t *testing.T) {
	t.Parallel()
	for end := range len(good) {
		loadText(good[:end])
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(good)
	f.Add("a: &a [*a]")
	f.Add("\x00\t- !!map {? [a] : b}")
	manifests, err := filepath.Glob("../reconcile/resolve/testdata/manifests/*.yaml")
	if err != nil || len(manifests) == 0 {
		f.Fatalf("no manifests: %v", err)
	}
	for _, manifest := range manifests {
		text, err := os.ReadFile(manifest)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := 2 // all that YAML 1.1 takes for a line break, and one
		for _, lineBreak := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
			lines += strings.Count(text, lineBreak)
		}
		for _, diagnostic := range loadText(text).Diagnostics {
			if diagnostic.Line < 1 || diagnostic.Line > lines || diagnostic.Column < 1 {
				t.Errorf("%v is not in the file", diagnostic.Position)
			}
		}
	})
}

func TestRefusedSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	const file, begin, end = "../docs/manifests.md", "<!-- refused: written by go test ./manifests -update -->\n", "<!-- /refused -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no place for the list", file)
	}
	var list strings.Builder
	for _, line := range check.RefusedSettings() {
		list.WriteString("- " + strings.ReplaceAll(line, "*", `\*`) + "\n")
	}
	want := before + begin + list.String() + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s is stale: run go test ./manifests -update", file)
	}
}

// manifest is one of any kind with further lines.
func manifest(kind string, lines ...string) string {
	return "apiVersion: davit/v1\nkind: " + kind + "\nmetadata: {name: a}\n" + strings.Join(lines, "\n") + "\n"
}

func pod(lines ...string) string {
	return manifest("Pod", "spec:\n  "+strings.Join(lines, "\n  "))
}
