package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/davit-project/davit/units/bundle"
)

// loopback is the address of a container without a network, and of one in the node's.
const loopback = "127.0.0.1"

// OpenTarget makes a target of a running container and its main process. The caller owns it and
// must call Close.
func OpenTarget(b *bundle.Bundle, pid int, exec func(ctx context.Context, args []string) error) (Target, error) {
	id := b.ID
	if b.Sandbox != "" {
		id = b.Sandbox
	}
	address, err := os.ReadFile(bundle.AddressFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		address, err = []byte(loopback), nil
	}
	if err != nil {
		return Target{}, fmt.Errorf("read the address of %s: %w", id, err)
	}
	namespace, err := openNamespace(pid)
	if err != nil {
		return Target{}, err
	}
	return Target{Address: string(address), Dial: namespace.Dial, Exec: exec, Close: namespace.Close}, nil
}
