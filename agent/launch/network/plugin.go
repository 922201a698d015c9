package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/program"
)

// pluginExec runs CNI plugins. libcni's own runner waits for ever when a plugin leaves a
// child that holds its output, and gives plugins the whole environment.
type pluginExec struct {
	version.PluginDecoder
}

func newPluginExec() invoke.Exec { return &pluginExec{} }

// FindInPath implements [invoke.Exec].
func (*pluginExec) FindInPath(plugin string, dirs []string) (string, error) {
	path, err := invoke.FindInPath(plugin, dirs)
	if err != nil {
		return "", fmt.Errorf("CNI plugin %s: %w: install it in one of %s", plugin, err, strings.Join(dirs, ", "))
	}
	return path, nil
}

// ExecPlugin implements [invoke.Exec]. The plugin and its children are one process group,
// which is killed when the context ends.
func (*pluginExec) ExecPlugin(ctx context.Context, path string, stdin []byte, environ []string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, path)
	command.Env = pluginEnvironment(environ)
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	command.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return unix.Kill(-command.Process.Pid, unix.SIGKILL) }
	command.WaitDelay = time.Second
	err := command.Run()
	if err == nil {
		return stdout.Bytes(), nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("CNI plugin %s did not answer: %w", path, context.Cause(ctx))
	}
	return nil, pluginError(path, err, stdout.Bytes(), stderr.String())
}

// pluginError takes the error a plugin wrote to its output, where it did
// (https://www.cni.dev/docs/spec/#error).
func pluginError(path string, err error, stdout []byte, stderr string) error {
	var told types.Error
	if json.Unmarshal(stdout, &told) == nil && told.Msg != "" {
		return fmt.Errorf("CNI plugin %s: %w", path, &told)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("CNI plugin %s: %w", path, err)
	}
	return fmt.Errorf("CNI plugin %s: %w: %s", path, err, strings.TrimSpace(stderr))
}

// pluginEnvironment keeps the variables that CNI defines and sets a fixed PATH, in which plugins find iptables and nft.
func pluginEnvironment(environ []string) []string {
	kept := program.Environment()
	for _, entry := range environ {
		if strings.HasPrefix(entry, "CNI_") {
			kept = append(kept, entry)
		}
	}
	return kept
}
