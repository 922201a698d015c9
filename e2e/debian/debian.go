// Package debian makes trees of files with a release of Debian in them, from the mirror that this
// machine's own apt uses.
package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Install installs the essential packages of a release and those named into a directory, without documents,
// translations and recommended packages. The kernel, if one is installed, has the drivers of the disk built in, so it
// needs no initial RAM disk.
func Install(ctx context.Context, tree, release string, packages []string) error {
	mirror, err := findMirror(ctx)
	if err != nil {
		return err
	}
	return Run(ctx, "env", "INITRD=No", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory",
		"--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Languages none",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--include="+strings.Join(packages, ","), release, tree, mirror)
}

// findMirror is the mirror of Debian that apt uses on this machine.
func findMirror(ctx context.Context) (string, error) {
	ask := func() (string, error) {
		text, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)",
			"Created-By: Packages", "Origin: Debian", "Label: Debian").Output()
		mirror, _, _ := strings.Cut(string(text), "\n")
		return mirror, err
	}
	mirror, err := ask()
	if err == nil && mirror == "" { // the lists of packages were never fetched
		if err := Run(ctx, "apt-get", "-qq", "update"); err != nil {
			return "", err
		}
		mirror, err = ask()
	}
	if err == nil && mirror == "" {
		err = errors.New("apt has no source of Debian on this machine")
	}
	return mirror, err
}

// Run runs a command of this machine; its output is in the error.
func Run(ctx context.Context, name string, args ...string) error {
	var output bytes.Buffer
	command := exec.CommandContext(ctx, name, args...)
	command.Stdout, command.Stderr = &output, &output
	// mke2fs is where only root's PATH leads.
	command.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(output.Bytes()))
	}
	return nil
}
