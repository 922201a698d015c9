package confine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/program"
	"github.com/davit-project/davit/units/bundle"
)

// appArmor is AppArmor on a node.
type appArmor struct {
	// enabled says Y where the kernel has it, profiles lists those that are loaded. A node that is
	// a container itself has no securityfs and so not the second one.
	enabled, profiles string
	// definitions is the directory that apparmor.service(8) loads profiles from at boot.
	definitions string
	// load makes the kernel know the profiles of a file.
	load func(file string) error
}

var nodeAppArmor = appArmor{
	enabled:     "/sys/module/apparmor/parameters/enabled",
	profiles:    "/sys/kernel/security/apparmor/profiles",
	definitions: "/etc/apparmor.d",
	load:        parseProfile,
}

// profile returns the loaded profile for the setting of a bundle.
func (a appArmor) profile(wanted string) (string, error) {
	if wanted == bundle.AppArmorUnconfined {
		return "", nil
	}
	loaded, on, err := a.loaded()
	switch {
	case err != nil:
		return "", err
	case !on && wanted == "":
		return "", nil
	case !on:
		return "", fmt.Errorf("profile %s: the node has no AppArmor", wanted)
	case wanted == "" && !loaded[bundle.AppArmorDefault]:
		return bundle.AppArmorDefault, a.loadDefault()
	case wanted == "":
		return bundle.AppArmorDefault, nil
	case !loaded[wanted]:
		return "", fmt.Errorf("profile %s is not loaded: apparmor_parser --replace loads the file that has it", wanted)
	}
	return wanted, nil
}

// loaded are the profiles that the kernel has; on is whether it has AppArmor at all.
func (a appArmor) loaded() (names map[string]bool, on bool, err error) {
	enabled, err := os.ReadFile(a.enabled)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.HasPrefix(enabled, []byte("Y")) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	list, err := os.ReadFile(a.profiles)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	names = map[string]bool{}
	for line := range strings.Lines(string(list)) {
		names[profileOf(line)] = true
	}
	return names, true, nil
}

// profileOf is the name of a profile that the kernel writes with its mode, "davit-default (enforce)".
// A name may have spaces and parentheses; the mode comes last. Without one, the label is no profile's
// but unconfined.
func profileOf(label string) string {
	end := strings.LastIndex(label, " (")
	return label[:max(end, 0)]
}

// AppArmorOf is the profile that a process runs under, or nothing.
func AppArmorOf(pid int) (string, error) {
	label, err := os.ReadFile(fmt.Sprintf("/proc/%d/attr/apparmor/current", pid))
	// A kernel built without AppArmor has no such file, one that has it off nothing to read there.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EINVAL) {
		return "", nil
	}
	return profileOf(string(label)), err
}

// loadDefault loads davit's own profile if the boot has not: davit was installed since, or apparmor.service is
// disabled.
func (a appArmor) loadDefault() error {
	file := filepath.Join(a.definitions, bundle.AppArmorDefault)
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("%w: davit's make install puts it there", err)
	}
	if err := a.load(file); err != nil {
		return fmt.Errorf("load %s: %w", file, err)
	}
	return nil
}

// parseProfile runs apparmor_parser(8), of the directories that only root's PATH has, not of a PATH
// that a manifest may have set.
func parseProfile(file string) error {
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		parser := filepath.Join(dir, "apparmor_parser")
		if _, err := os.Stat(parser); err != nil {
			continue
		}
		command := exec.Command(parser, "--replace", file)
		command.Env = program.Environment()
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", parser, err, bytes.TrimSpace(output))
		}
		return nil
	}
	return errors.New("there is no apparmor_parser: install the package apparmor, or say appArmorProfile: {type: Unconfined}")
}
