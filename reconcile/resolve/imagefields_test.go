package resolve_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// imageField is a field of an image's configuration, and its effect: set makes an image that has it, and the container is
// different then, or a notice says that the field is ignored. If set is nil, because is the reason why the field has no effect.
type imageField struct {
	name    string
	set     func(*reconcile.Image)
	because string
}

// imageFields are all of them, OCI's and Docker's.
var imageFields = []imageField{
	{"User", func(i *reconcile.Image) { i.Config.User = "daemon" }, ""},
	{"Env", func(i *reconcile.Image) { i.Config.Env = []string{"A=b"} }, ""},
	{"Entrypoint", func(i *reconcile.Image) { i.Config.Entrypoint = []string{"/other"} }, ""},
	{"Cmd", func(i *reconcile.Image) { i.Config.Cmd = []string{"other"} }, ""},
	{"Volumes", func(i *reconcile.Image) { i.Config.Volumes = map[string]struct{}{"/data": {}} }, ""},
	{"WorkingDir", func(i *reconcile.Image) { i.Config.WorkingDir = "/other" }, ""},
	{"StopSignal", func(i *reconcile.Image) { i.Config.StopSignal = "SIGINT" }, ""},
	{"Healthcheck", func(i *reconcile.Image) {
		i.Docker.Healthcheck = &reconcile.Healthcheck{Test: []string{"CMD", "/check"}}
	}, ""},
	{"Shell", nil, "runs the command of a health check; otherwise it has an effect only in the build"},
	{"ExposedPorts", nil, "other containers of the network reach every port, and the manifest decides which ports are published"},
	{"Labels", nil, "are for people and tools: `skopeo inspect` shows them"},
	{"OnBuild", nil, "has an effect only in the build of another image"},
	{"ArgsEscaped", nil, "is for Windows"},
	{"StopTimeout", nil, "Docker ignores it too: use terminationGracePeriodSeconds"},
	{"Hostname", nil, "belongs to the build container of the image"},
	{"Domainname", nil, "belongs to the build container of the image"},
	{"Image", nil, "belongs to the build container of the image"},
	{"MacAddress", nil, "belongs to the build container of the image"},
	{"NetworkDisabled", nil, "belongs to the build container of the image"},
	{"AttachStdin", nil, "belongs to the build container of the image"},
	{"AttachStdout", nil, "belongs to the build container of the image"},
	{"AttachStderr", nil, "belongs to the build container of the image"},
	{"Tty", nil, "belongs to the build container of the image: use tty of the manifest"},
	{"OpenStdin", nil, "belongs to the build container of the image"},
	{"StdinOnce", nil, "belongs to the build container of the image"},
}

// TestEveryFieldOfAnImage walks the configuration of an image: each field changes the container, or causes a notice, or has a
// reason in docs/images.md.
func TestEveryFieldOfAnImage(t *testing.T) {
	t.Parallel()
	var want []string
	for _, of := range []reflect.Type{reflect.TypeFor[imagespec.ImageConfig](), reflect.TypeFor[manifest.Schema2Config]()} {
		for field := range of.Fields() {
			want = append(want, field.Name)
		}
	}
	slices.Sort(want)
	var got []string
	for _, field := range imageFields {
		got = append(got, field.name)
		if field.set != nil && reflect.DeepEqual(desiredOf(t, "", func(*reconcile.Image) {}), desiredOf(t, "", field.set)) {
			t.Errorf("%s is lost without a word", field.name)
		}
		if (field.set == nil) == (field.because == "") {
			t.Errorf("%s: want set or because", field.name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
		t.Errorf("fields (-OCI's and Docker's +davit's): %s", diff)
	}
}

// desiredOf is the desired state of a container with a read-only root file system and an image.
func desiredOf(t *testing.T, spec string, set func(*reconcile.Image)) reconcile.Desired {
	t.Helper()
	objects := reconciletest.Load(t, reconciletest.Header+"Container\nmetadata: {name: web}\nspec: {image: 'example.com/a:1', securityContext: {readOnlyRootFilesystem: true}"+spec+"}\n")
	results := reconciletest.Resolved(objects, imagespec.ImageConfig{Entrypoint: []string{"/start"}})
	for request, result := range results {
		set(&result.Image)
		result.Image.ID = "" // the identity of the image does not count, only its configuration
		results[request] = result
	}
	return stripped(resolve.Resolve(resolve.Input{Objects: objects, Images: results, Node: reconciletest.TestNode}))
}

// stripped is without the images themselves, which are different of course.
func stripped(desired reconcile.Desired) reconcile.Desired {
	desired.Images = nil
	return desired
}

// TestHealthchecksOfImages checks the probe that a health check results in, by the setting, and by its words.
func TestHealthchecksOfImages(t *testing.T) {
	t.Parallel()
	usual := &v1.Probe{Handler: v1.Handler{Exec: &v1.ExecAction{Command: []string{"/check", "-q"}}}, PeriodSeconds: 30, TimeoutSeconds: 30, FailureThreshold: 3}
	shell := func(i *reconcile.Image) {
		i.Docker.Healthcheck = &reconcile.Healthcheck{Test: []string{"CMD-SHELL", "check || exit 1"}}
	}
	command := func(i *reconcile.Image) {
		i.Docker.Healthcheck = &reconcile.Healthcheck{Test: []string{"CMD", "/check", "-q"}}
	}
	for name, test := range map[string]struct {
		spec                string
		set                 func(*reconcile.Image)
		readiness, liveness *v1.Probe
		noted               bool
	}{
		"ignored by default": {"", command, nil, nil, true},
		"ignored":            {", imageHealthcheck: Ignore", command, nil, nil, false},
		"readiness":          {", imageHealthcheck: Readiness", command, usual, nil, false},
		"both":               {", imageHealthcheck: ReadinessAndLiveness", command, usual, usual, false},
		"a probe wins":       {", imageHealthcheck: Readiness, livenessProbe: {tcpSocket: {port: 80}}", command, nil, &v1.Probe{Handler: v1.Handler{TCPSocket: &v1.TCPSocketAction{Port: "80"}}}, false},
		"none":               {", imageHealthcheck: Readiness", func(i *reconcile.Image) { i.Docker.Healthcheck = &reconcile.Healthcheck{Test: []string{"NONE"}} }, nil, nil, false},
		"no image has one":   {", imageHealthcheck: Readiness", func(*reconcile.Image) {}, nil, nil, false},
		"of a oneshot":       {", oneshot: true", command, nil, nil, false},
		"in a shell":         {", imageHealthcheck: Readiness", shell, &v1.Probe{Handler: v1.Handler{Exec: &v1.ExecAction{Command: []string{"/bin/sh", "-c", "check || exit 1"}}}, PeriodSeconds: 30, TimeoutSeconds: 30, FailureThreshold: 3}, nil, false},
		"in its shell":       {", imageHealthcheck: Readiness", func(i *reconcile.Image) { shell(i); i.Docker.Shell = []string{"/bin/bash", "-c"} }, &v1.Probe{Handler: v1.Handler{Exec: &v1.ExecAction{Command: []string{"/bin/bash", "-c", "check || exit 1"}}}, PeriodSeconds: 30, TimeoutSeconds: 30, FailureThreshold: 3}, nil, false},
		"with times": {", imageHealthcheck: Readiness", func(i *reconcile.Image) {
			command(i)
			i.Docker.Healthcheck.Interval, i.Docker.Healthcheck.Timeout, i.Docker.Healthcheck.Retries = 1500*time.Millisecond, time.Second, 5
		}, &v1.Probe{Handler: v1.Handler{Exec: &v1.ExecAction{Command: []string{"/check", "-q"}}}, PeriodSeconds: 2, TimeoutSeconds: 1, FailureThreshold: 5}, nil, false},
		"beyond all bounds": {", imageHealthcheck: Readiness", func(i *reconcile.Image) {
			command(i)
			i.Docker.Healthcheck.Interval, i.Docker.Healthcheck.Retries = 1<<62, 1<<40
		}, &v1.Probe{Handler: v1.Handler{Exec: &v1.ExecAction{Command: []string{"/check", "-q"}}}, PeriodSeconds: resolve.MaxHealthcheck, TimeoutSeconds: 30, FailureThreshold: resolve.MaxHealthcheck}, nil, false},
	} {
		desired := desiredOf(t, test.spec, test.set)
		if len(desired.Problems) > 0 {
			t.Errorf("%s: %v", name, desired.Problems)
			continue
		}
		health := desired.Workloads["web.service"].Bundle.Health
		want := resolve.HealthOf(resolve.Runnable{ContainerSpec: v1.ContainerSpec{ContainerFields: v1.ContainerFields{ReadinessProbe: test.readiness, LivenessProbe: test.liveness}}})
		if diff := cmp.Diff(want, health); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if _, noted := desired.Notices[v1.Ref{Kind: v1.KindContainer, Name: "web"}]; noted != test.noted {
			t.Errorf("%s: noted is %v", name, noted)
		}
	}
}

// TestNoticesAreOfWhatChanges wants them in the plan that brings an object, and in no other.
func TestNoticesAreOfWhatChanges(t *testing.T) {
	t.Parallel()
	desired := desiredOf(t, "", func(i *reconcile.Image) {
		i.Docker.Healthcheck = &reconcile.Healthcheck{Test: []string{"CMD", "/check"}}
	})
	plan := diff.Diff(desired, reconcile.Actual{}, diff.Options{})
	if len(plan.Notices) != 1 || plan.Notices[0].Object != "Container/web" || !strings.Contains(plan.Notices[0].Message, "HEALTHCHECK") {
		t.Errorf("got %v", plan.Notices)
	}
	if plan := diff.Diff(reconcile.Desired{Notices: desired.Notices}, reconcile.Actual{}, diff.Options{}); len(plan.Notices) > 0 {
		t.Errorf("nothing changes, got %v", plan.Notices)
	}
}

// TestAMemoryKeepsNotices resolves twice: an object that has not changed is still noted.
func TestAMemoryKeepsNotices(t *testing.T) {
	t.Parallel()
	objects := reconciletest.Load(t, reconciletest.Header+"Container\nmetadata: {name: web}\nspec: {image: 'example.com/a:1'}\n")
	results := reconciletest.Resolved(objects, imagespec.ImageConfig{Entrypoint: []string{"/start"}})
	for request, result := range results {
		result.Image.Docker.Healthcheck = &reconcile.Healthcheck{Test: []string{"CMD", "/check"}}
		results[request] = result
	}
	var memory resolve.Memory
	in := resolve.Input{Objects: objects, Images: results, Node: reconciletest.TestNode}
	first, second := memory.Resolve(in).Notices, memory.Resolve(in).Notices
	if len(first) != 1 || !reflect.DeepEqual(first, second) {
		t.Errorf("got %v, then %v", first, second)
	}
}

// TestImageFieldsAreDocumented keeps the table of docs/images.md as the list above is.
func TestImageFieldsAreDocumented(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- fields: written by go test ./reconcile -run ImageFields -update -->\n", "<!-- /fields -->"
	path := filepath.Join("..", "..", "docs", "images.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no marks for the fields", path)
	}
	table := "\n| field | honoured | |\n|-------|----------|---|\n"
	for _, field := range imageFields {
		honoured := "yes"
		if field.set == nil {
			honoured = "no meaning"
		}
		table += "| " + field.name + " | " + honoured + " | " + field.because + " |\n"
	}
	want := before + begin + table + "\n" + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("%s is stale; -update rewrites it:\n%s", path, diff)
	}
}
