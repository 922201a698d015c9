package manifests

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestServicesAreLookedUp loads ten thousand Deployments with a Service each: a walk over all pods for each service took a
// minute. It is not parallel, so that the time is its own.
func TestServicesAreLookedUp(t *testing.T) {
	const files, each, most = 25, 10_000 / 25, 5 * time.Second
	var all []File
	for i := range files {
		var text strings.Builder
		for j := range each {
			name := fmt.Sprintf("app-%d-%d", i, j)
			text.WriteString(strings.ReplaceAll(kubeDeployment(), "web", name) + "---\napiVersion: v1\nkind: Service\nmetadata: {name: front-" + name +
				"}\nspec: {selector: {app: " + name + "}, ports: [{port: 80}]}\n---\n")
		}
		path := fmt.Sprintf("%d.yaml", i)
		all = append(all, File{Path: path, Name: path, Text: []byte(text.String())})
	}
	begin := cpuTime(t)
	set := Load(all, Options{})
	if took := cpuTime(t) - begin; took > most {
		t.Errorf("took %s of processor time, more than %s", took, most)
	}
	if len(set.Objects) != files*each || len(set.All()) > 0 {
		t.Errorf("%d objects, %v", len(set.Objects), set.All())
	}
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
