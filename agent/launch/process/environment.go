package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/rootfs"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// environmentFile has the environment of a container whose bundle does not have all of it,
// for the processes that join it later.
const environmentFile = "environment.json"

// CompleteEnvironment adds the variables that are not in the bundle's configuration: those from secrets and files of the
// node, and those known only at the start, such as the container's addresses.
func CompleteEnvironment(run record.Run, addresses []string) error {
	b := run.Bundle
	secrets, err := addSecrets(run)
	if err != nil {
		return err
	}
	for _, file := range b.Env.Files {
		if err := addEnvFile(b, file); err != nil {
			return err
		}
	}
	for _, want := range b.Env.Dynamic {
		value, ok := dynamic(want, addresses)
		if !ok && !want.Optional {
			return fmt.Errorf("variable %s: there is no %s%s", want.Name, want.HostEnv, want.Field)
		}
		if ok {
			SetEnv(b.Spec.Process, want.Name, value)
		}
	}
	if !secrets && len(b.Env.Files) == 0 && len(b.Env.Dynamic) == 0 {
		return nil
	}
	text, err := json.Marshal(b.Spec.Process.Env)
	if err != nil {
		return err
	}
	return os.WriteFile(record.File(b.ID, environmentFile), text, 0o600)
}

// RecallEnvironment restores the environment that a running container was started with.
func RecallEnvironment(b *bundle.Bundle) error {
	text, err := os.ReadFile(record.File(b.ID, environmentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &b.Spec.Process.Env)
}

// addSecrets reads the variables that came from secrets. They lie in a file of root's and
// were never in the configuration.
func addSecrets(run record.Run) (found bool, err error) {
	text, err := os.ReadFile(filepath.Join(run.Dir, bundle.SecretEnvFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var secrets []string
	if err := json.Unmarshal(text, &secrets); err != nil {
		return false, fmt.Errorf("read %s: not a list of variables: run davit apply to write it again", bundle.SecretEnvFile)
	}
	for _, entry := range secrets {
		name, value, _ := strings.Cut(entry, "=")
		SetEnv(run.Spec.Process, name, value)
	}
	return true, nil
}

// maxEnvFile bounds a file of variables, well below the limit of execve(2).
const maxEnvFile = 1 << 20

// addEnvFile adds the variables of a file: lines NAME=value, the value as it stands, and
// lines that begin with # and empty ones for people, as podman run --env-file reads them.
func addEnvFile(b *bundle.Bundle, file bundle.EnvFile) error {
	text, err := readEnvFile(file)
	if errors.Is(err, fs.ErrNotExist) && file.Optional {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("environment file %s: %w: write it, or set optional", file.Path, err)
	}
	if err != nil {
		return fmt.Errorf("environment file %s: %w", file.Path, err)
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \t\x00") || strings.Contains(value, "\x00") {
			return fmt.Errorf("environment file %s:%d: want NAME=value", file.Path, number)
		}
		if !slices.Contains(b.Env.Fixed, name) {
			SetEnv(b.Spec.Process, name, value)
		}
	}
	return nil
}

// readEnvFile reads the file that was found below its root, even if another one has replaced it since.
func readEnvFile(file bundle.EnvFile) ([]byte, error) {
	found, err := rootfs.OpenBelowRoot(file.Root, file.Path)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	return untrusted.ReadSmall(found, maxEnvFile)
}

// dynamic is the value of a variable that is known only now.
func dynamic(want bundle.DynamicEnv, addresses []string) (string, bool) {
	switch {
	case want.HostEnv != "":
		return os.LookupEnv(want.HostEnv)
	case len(addresses) == 0:
		return "", false
	case want.Field == "status.podIPs":
		return strings.Join(addresses, ","), true
	default:
		return addresses[0], true
	}
}

// SetEnv replaces a variable of a process in its place, or adds it.
func SetEnv(process *specs.Process, name, value string) {
	i := slices.IndexFunc(process.Env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
	if i < 0 {
		process.Env = append(process.Env, name+"="+value)
		return
	}
	process.Env[i] = name + "=" + value
}
