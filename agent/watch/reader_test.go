package watch

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fault: the file system of the manifests does not answer
func TestAScanThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, filepath.Join(root, "a.yaml"), "a: b")
	r := NewReader(Roots{Main: root, All: []string{root}}, os.Getuid())
	ticks := make(chan time.Time, 1)
	r.ticks = func() (<-chan time.Time, func()) { return ticks, func() {} }
	answer, scans := make(chan bool), 0
	r.scan = func() (Tree, error) {
		if scans++; scans == 1 {
			r.scanner.progress.at(filepath.Join(root, "stuck"))
			ticks <- time.Now()
			ticks <- time.Now() // between the two nothing moved
			<-answer
		}
		return r.scanner.Scan()
	}
	for range 3 {
		var hang Hang
		if _, err := r.Read(); !errors.As(err, &hang) || hang.Path != filepath.Join(root, "stuck") {
			t.Fatalf("error %v", err)
		}
	}
	if scans != 1 {
		t.Errorf("%d scans hang", scans)
	}
	close(answer)
	for deadline := time.Now().Add(10 * time.Second); ; {
		tree, err := r.Read()
		if err == nil && len(tree.Files) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v, %v", tree, err)
		}
	}
	if scans < 2 {
		t.Error("what was read while the file system did not answer is used")
	}
}
