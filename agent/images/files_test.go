package images

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.podman.io/image/v5/types"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/agent/untrusted"
)

func TestCredentialsAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "auth.json")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkAuthFile(fifo, private); !errors.Is(err, untrusted.ErrNoFile) {
		t.Error(err)
	}
}

func TestAnImageOnTheNodeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	archive, fifo, images := filepath.Join(dir, "archive.tar"), filepath.Join(dir, "fifo"), filepath.Join(dir, "images")
	leased := filepath.Join(images, "index.json")
	if err := errors.Join(os.WriteFile(archive, nil, 0o644), unix.Mkfifo(fifo, 0o644), os.Mkdir(images, 0o755), os.WriteFile(leased, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(leased, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	testnode.SetLease(t, file.Fd(), unix.F_WRLCK)
	for reference, want := range map[string]error{
		"oci-archive:" + archive + ":app:1": nil,
		"oci-archive:" + fifo:               untrusted.ErrNoFile,
		"docker-archive:" + fifo + ":app:1": untrusted.ErrNoFile,
		"oci:" + images + ":app":            untrusted.ErrLeased,
		"dir:" + images:                     untrusted.ErrLeased,
		"containers-storage:app":            nil,
	} {
		source, err := parse(reference, &types.SystemContext{})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- source.checkFiles() }()
		select {
		case err := <-done:
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("%s: %v, want %v", reference, err, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s is waited for", reference)
		}
	}
}

func TestDirectoriesCountAsFilesOfAnImage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range maxImageFiles {
		if err := os.Mkdir(filepath.Join(dir, strconv.Itoa(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := (source{path: dir}).checkFiles(); err == nil {
		t.Error("an image of any number of directories is walked")
	}
}
