package resolver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// Files of the node. systemd-resolved writes the servers that it asks itself into a file of its own
// (systemd-resolved.service(8)).
const (
	NodeFile     = "/etc/resolv.conf"
	ResolvedFile = "/run/systemd/resolve/resolv.conf"
)

// maxFile is far more than a resolver library reads of a file. A longer file is a mistake, and each container
// would keep it in memory.
const maxFile = 64 << 10

// Node is the node's part of the resolv.conf(5) of a container whose network is of this mode. The error says why
// it names no server that the container reaches. The container starts all the same: without a server it looks up
// no names but those in /etc/hosts.
func Node(mode string) ([]byte, error) { return nodePart(NodeFile, ResolvedFile, mode) }

func nodePart(node, resolved, mode string) ([]byte, error) {
	text, err := read(node)
	if mode == bundle.NetworkNone {
		return text, nil // it reaches none
	}
	if mode != bundle.NetworkCNI || err != nil {
		return text, err
	}
	kept := reachable(text)
	if HasServer(kept) {
		return kept, nil
	}
	if !HasServer(text) {
		return kept, fmt.Errorf("%s names no server", node)
	}
	others, err := read(resolved)
	if others = reachable(others); err == nil && HasServer(others) {
		return others, nil
	}
	return kept, fmt.Errorf("%s names only servers on the node's loopback, which containers cannot reach", node)
}

// read reads a file of the node. It does not wait for a writer of a pipe.
func read(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing, or a link to a file that is missing", path)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d KiB", path, maxFile>>10)
	}
	return text, nil
}
