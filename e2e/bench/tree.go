package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/davit-project/davit/e2e/cache"
	"github.com/davit-project/davit/e2e/debian"
)

// release is the Debian that the peers come from.
const release = "trixie"

// packages are the peers, with the packages they need beside Debian's essential ones.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "iproute2", "iptables", "nftables", "procps", "ca-certificates",
	"podman", "netavark", "aardvark-dns", "catatonit", "crun", "runc", "skopeo",
	"docker.io", "docker-cli", "docker-compose",
}

// tree returns a root file system with the peers installed, and makes it first if this machine has none
// yet. It is only read.
func tree(ctx context.Context) (string, error) {
	dir, unlock, err := cache.Lock("lock-bench")
	if err != nil {
		return "", err
	}
	defer unlock()
	sum := sha256.Sum256([]byte(strings.Join(packages, " ")))
	path := filepath.Join(dir, "bench-"+release+"-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	scratch, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	made := filepath.Join(scratch, "tree")
	if err := debian.Install(ctx, made, release, packages); err != nil {
		return "", fmt.Errorf("make a tree with the peers: %w", err)
	}
	return path, os.Rename(made, path)
}
