package cgroup

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/davit-project/davit/units/bundle"
)

// tree makes groups' files below a directory, which stands for the mounted tree.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestTheContainerGetsTheTightestLimits(t *testing.T) {
	t.Parallel()
	const unit, payload = "/davit.slice/davit-app.slice/app-web.service", "/davit.slice/davit-app.slice/app-web.service/" + bundle.PayloadGroup
	for name, test := range map[string]struct {
		file            string
		node, pod, unit string
		want            string
	}{
		"its own":                       {file: "memory.max", node: "max", pod: "2000", unit: "1000", want: "1000"},
		"its pod's":                     {file: "memory.max", node: "max", pod: "2000", unit: "max", want: "2000"},
		"the node's":                    {file: "pids.max", node: "100", pod: "max", unit: "2000", want: "100"},
		"none":                          {file: "memory.swap.max", node: "max", pod: "max", unit: "max", want: "max"},
		"processor time of one period":  {file: "cpu.max", node: "max 100000", pod: "50000 100000", unit: "150000 100000", want: "50000 100000"},
		"processor time of two periods": {file: "cpu.max", node: "max 100000", pod: "50000 100000", unit: "100000 1000000", want: "100000 1000000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := tree(t, map[string]string{
				"/davit.slice/" + test.file: test.node + "\n", "/davit.slice/davit-app.slice/" + test.file: test.pod + "\n",
				unit + "/" + test.file: test.unit + "\n", payload + "/" + test.file: "1\n",
			})
			if err := copyLimits(root, unit); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(root, payload, test.file))
			if err != nil || string(got) != test.want+"\n" {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestWithoutControllersOrContainerNothingIsWritten(t *testing.T) {
	t.Parallel()
	for name, root := range map[string]string{
		"no controllers": tree(t, map[string]string{"/web.service/payload/cgroup.procs": ""}),
		"no container":   tree(t, map[string]string{"/web.service/memory.max": "max\n", "/web.service/memory.oom.group": "1\n"}),
	} {
		before := list(t, root)
		if err := copyLimits(root, "/web.service"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after := list(t, root); after != before {
			t.Errorf("%s: %s became %s", name, before, after)
		}
	}
}

func TestALimitThatIsNoNumberIsAnError(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"/web.service/memory.max": "lots\n", "/web.service/payload/memory.max": "max\n"})
	if err := copyLimits(root, "/web.service"); err == nil {
		t.Error("no error")
	}
}

func list(t *testing.T, root string) string {
	t.Helper()
	var names string
	err := filepath.Walk(root, func(path string, _ os.FileInfo, err error) error {
		names += path + " "
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
