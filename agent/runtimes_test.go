package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRuntimesAreProgramsOfTheNode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, text := filepath.Join(dir, "program"), filepath.Join(dir, "text")
	for path, mode := range map[string]os.FileMode{program: 0o755, text: 0o644} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	got := runtimes([]string{"sh", program, text, dir, "no-such-runtime"})
	if got["sh"] == "" || filepath.Base(got["sh"]) != "sh" {
		t.Errorf("sh is %q", got["sh"])
	}
	delete(got, "sh")
	if diff := cmp.Diff(map[string]string{program: program}, got); diff != "" {
		t.Error(diff)
	}
}
