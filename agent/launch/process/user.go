// Package process completes the description of a container's first process: its user, its environment, the sockets that
// it inherits, an init program.
//
// A bundle has the declared settings; those that depend on the image, the node or the start are added here. The package
// runs nothing.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// Account is the user a container runs as.
type Account struct {
	UID, GID uint32
	groups   []uint32
	home     string
}

// maxAccountFile bounds the bytes read of an image's /etc/passwd and /etc/group.
const maxAccountFile = 1 << 20

// LookUpUser looks the bundle's user up in a root file system and completes the process: ids and supplementary groups.
func LookUpUser(b *bundle.Bundle, rootfs string) (Account, error) {
	account, err := lookUp(rootfs, b.User)
	if err != nil {
		return Account{}, fmt.Errorf("user %q in image %s: %w", b.User, b.Image.Reference, err)
	}
	if b.RunAsNonRoot && account.UID == 0 {
		return Account{}, fmt.Errorf("image %s runs as root, which runAsNonRoot forbids: set runAsUser", b.Image.Reference)
	}
	process := b.Spec.Process
	process.User.UID, process.User.GID = account.UID, account.GID
	process.User.AdditionalGids = append(account.groups, process.User.AdditionalGids...)
	return account, nil
}

// containerManager is the value of the variable by which programs know that they run in a container
// (https://systemd.io/CONTAINER_INTERFACE).
const containerManager = "davit"

// DefaultEnvironment adds variables that every process needs and that are not set yet: the home of its user, which may
// differ for a process that joins the container.
func DefaultEnvironment(b *bundle.Bundle, account Account) {
	process := b.Spec.Process
	process.Env = withDefault(process.Env, "HOME", account.home)
	process.Env = withDefault(process.Env, "HOSTNAME", b.Spec.Hostname)
	process.Env = withDefault(process.Env, "container", containerManager)
}

// lookUp resolves user[:group] by the image's own files. A number needs no entry there.
func lookUp(rootfs, spec string) (Account, error) {
	passwd, err := readBelow(rootfs, "etc/passwd")
	if err != nil {
		return Account{}, err
	}
	group, err := readBelow(rootfs, "etc/group")
	if err != nil {
		return Account{}, err
	}
	found, err := user.GetExecUser(spec, &user.ExecUser{Home: "/"}, bytes.NewReader(passwd), bytes.NewReader(group))
	if err != nil {
		return Account{}, err
	}
	a := Account{UID: uint32(found.Uid), GID: uint32(found.Gid), home: found.Home}
	// A program that changes its group keeps this one: a file may deny more to a group than to all (CVE-2022-36109,
	// CVE-2023-25173).
	a.groups = []uint32{a.GID}
	for _, gid := range found.Sgids {
		if !slices.Contains(a.groups, uint32(gid)) {
			a.groups = append(a.groups, uint32(gid))
		}
	}
	return a, nil
}

// readBelow reads a small regular file of a root filesystem that may be hostile: a FIFO or a huge
// file holds up nothing (CVE-2024-9676). A file that is not there is empty.
func readBelow(rootfs, name string) ([]byte, error) {
	file, err := untrusted.OpenBelow(rootfs, name)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxAccountFile {
		return nil, fmt.Errorf("/%s is not a file of at most %d bytes", name, maxAccountFile)
	}
	return io.ReadAll(io.LimitReader(file, maxAccountFile))
}

func withDefault(env []string, name, value string) []string {
	for _, entry := range env {
		if strings.HasPrefix(entry, name+"=") {
			return env
		}
	}
	return append(env, name+"="+value)
}
