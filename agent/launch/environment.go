package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// environmentFile has the environment of a container whose bundle does not have all of it,
// for the processes that join it later.
const environmentFile = "environment.json"

// completeEnvironment adds to the environment what is not in the bundle's configuration:
// secrets, files of the node, and what is known only now.
func (r *run) completeEnvironment() error {
	secrets, err := r.addSecrets()
	if err != nil {
		return err
	}
	for _, file := range r.Env.Files {
		if err := r.addEnvFile(file); err != nil {
			return err
		}
	}
	for _, want := range r.Env.Dynamic {
		value, ok := r.dynamic(want)
		if !ok && !want.Optional {
			return fmt.Errorf("variable %s: there is no %s%s", want.Name, want.HostEnv, want.Field)
		}
		if ok {
			r.setEnv(want.Name, value)
		}
	}
	if !secrets && len(r.Env.Files) == 0 && len(r.Env.Dynamic) == 0 {
		return nil
	}
	text, err := json.Marshal(r.Spec.Process.Env)
	if err != nil {
		return err
	}
	return os.WriteFile(ownFile(r.ID, environmentFile), text, 0o600)
}

// recallEnvironment is the environment that a running container was started with.
func (r *run) recallEnvironment() error {
	text, err := os.ReadFile(ownFile(r.ID, environmentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &r.Spec.Process.Env)
}

// addSecrets reads the variables that came from secrets. They lie in a file of root's and
// were never in the configuration.
func (r *run) addSecrets() (found bool, err error) {
	text, err := os.ReadFile(filepath.Join(r.dir, bundle.SecretEnvFile))
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
		r.setEnv(name, value)
	}
	return true, nil
}

// maxEnvFile bounds a file of variables, well below what execve(2) takes.
const maxEnvFile = 1 << 20

// addEnvFile adds the variables of a file: lines NAME=value, the value as it stands, and
// lines that begin with # and empty ones for people, as podman run --env-file reads them.
func (r *run) addEnvFile(file bundle.EnvFile) error {
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
		if !slices.Contains(r.Env.Fixed, name) {
			r.setEnv(name, value)
		}
	}
	return nil
}

// readEnvFile reads the file that was found below its root, whatever comes to be there meanwhile.
func readEnvFile(file bundle.EnvFile) ([]byte, error) {
	found, err := openBelowRoot(file.Root, file.Path)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	return untrusted.ReadSmall(found, maxEnvFile)
}

// dynamic is a value that is known only now.
func (r *run) dynamic(want bundle.DynamicEnv) (string, bool) {
	switch {
	case want.HostEnv != "":
		return os.LookupEnv(want.HostEnv)
	case len(r.addresses) == 0:
		return "", false
	case want.Field == "status.podIPs":
		return strings.Join(r.addresses, ","), true
	default:
		return r.addresses[0], true
	}
}

// setEnv replaces a variable in its place, or adds it.
func (r *run) setEnv(name, value string) {
	process := r.Spec.Process
	i := slices.IndexFunc(process.Env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
	if i < 0 {
		process.Env = append(process.Env, name+"="+value)
		return
	}
	process.Env[i] = name + "=" + value
}
