package bridge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDevicesThatTakeRoutesFromRoutersGoOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for device, test := range map[string]struct{ forwarding, accepts, want string }{
		"eth0":    {"0", "1", "2"},
		"wlan0":   {"0", "0", "0"},
		"router0": {"1", "1", "1"},
		"all":     {"0", "1", "1"},
		"default": {"0", "1", "1"},
	} {
		if err := os.Mkdir(filepath.Join(dir, device), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"forwarding": test.forwarding, "accept_ra": test.accepts} {
			if err := os.WriteFile(filepath.Join(dir, device, name), []byte(value+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := keepRouters(dir); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, device, "accept_ra"))
		if got := strings.TrimSpace(string(text)); err != nil || got != test.want {
			t.Errorf("%s: got %s, %v, want %s", device, got, err, test.want)
		}
	}
}
