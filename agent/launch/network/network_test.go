package network

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestANetworkNamespaceOutlivesGarbage takes the time that a loaded node takes to get from a
// container's network to its process.
func TestANetworkNamespaceOutlivesGarbage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes a network namespace, which needs root")
	}
	namespace, err := newNamespace()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		runtime.GC()
	}
	if target, err := os.Readlink(namespace.Path); err != nil || !strings.HasPrefix(target, "net:[") {
		t.Errorf("%s is %q: %v", namespace.Path, target, err)
	}
	runtime.KeepAlive(namespace)
}
