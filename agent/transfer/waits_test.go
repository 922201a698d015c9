package transfer

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/agent/untrusted"
)

// TestAContainerIsNotWaitedFor copies from and to files with a lease, which the kernel takes away after 45 seconds, and
// a FIFO without a writer, which can be waited for without end.
func TestAContainerIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do   func(p *Place, root, note string) error
		want error
	}{
		"from a file with a lease": {func(p *Place, root, note string) error {
			return Copy(p, "/leased", &Place{}, note+".copy", Options{Skipped: ignore})
		}, untrusted.ErrLeased},
		"from a tree with one": {func(p *Place, root, note string) error {
			return Pack(p, "/", io.Discard, Options{Skipped: ignore})
		}, untrusted.ErrLeased},
		"to a tree with one": {func(p *Place, root, note string) error {
			stream := archive(t, tar.Header{Typeflag: tar.TypeReg, Name: "leased", Mode: 0o644})
			return Unpack(stream, p, "/", Options{Skipped: ignore})
		}, nil},
		"to a file with a lease": {func(p *Place, root, note string) error {
			return Copy(&Place{}, note, p, "/leased", Options{Skipped: ignore})
		}, untrusted.ErrLeased},
		"from a FIFO": {func(p *Place, root, note string) error {
			return Pack(p, "/fifo", io.Discard, Options{Skipped: ignore})
		}, untrusted.ErrNoFile},
		"a stream to a FIFO": {func(p *Place, root, note string) error {
			return Unpack(archive(t), p, "/fifo", Options{Skipped: ignore})
		}, untrusted.ErrNoFile},
		"a file to a FIFO": {func(p *Place, root, note string) error {
			return Copy(&Place{}, note, p, "/fifo", Options{Skipped: ignore})
		}, untrusted.ErrNoFile},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, root, outside := hostile(t)
			note := filepath.Join(outside, "note")
			write(t, note, "a note")
			write(t, filepath.Join(root, "leased"), "the container's")
			if err := unix.Mkfifo(filepath.Join(root, "fifo"), 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := os.OpenFile(filepath.Join(root, "leased"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			testnode.SetLease(t, file.Fd(), unix.F_WRLCK)
			done := make(chan error, 1)
			go func() { done <- test.do(p, root, note) }()
			select {
			case err := <-done:
				if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
					t.Errorf("%v, want %v", err, test.want)
				}
			case <-time.After(20 * time.Second):
				t.Error("it waits for the container")
			}
		})
	}
}
