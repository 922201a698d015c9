package network

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fault: a plugin is missing, fails, hangs, or leaves a process behind
func TestPluginsAreNotWaitedForEver(t *testing.T) {
	t.Parallel()
	plugin := filepath.Join(t.TempDir(), "hang")
	// Its child holds the output open when the plugin itself has been killed.
	if err := os.WriteFile(plugin, []byte("#!/bin/sh\ntail -f /dev/null &\nwait\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := newPluginExec().ExecPlugin(ctx, plugin, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestPluginsGetACleanEnvironment(t *testing.T) {
	t.Parallel()
	for _, entry := range pluginEnvironment([]string{"CNI_COMMAND=ADD", "LD_PRELOAD=/x", "NOTIFY_SOCKET=/run/x", "PATH=/tmp"}) {
		if entry != "CNI_COMMAND=ADD" && !strings.HasPrefix(entry, "PATH=/usr/local/sbin:") {
			t.Errorf("plugins see %s", entry)
		}
	}
}
