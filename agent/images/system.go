package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/davit-project/davit/reconcile"
)

// authFiles are where registry credentials are looked for when a manifest names no file.
// The library's own search depends on HOME and XDG_RUNTIME_DIR, which a service does not
// have.
var authFiles = []string{
	"/etc/davit/auth.json",
	"/run/containers/0/auth.json",
	"/root/.config/containers/auth.json",
	"/root/.docker/config.json",
}

// systemContext says how to reach registries; registries.conf, registries.d and certs.d
// are found by the library.
func systemContext(request reconcile.ImageRequest) (*types.SystemContext, error) {
	context := &types.SystemContext{DockerRegistryUserAgent: "davit"}
	if request.Platform != "" {
		parts := strings.Split(request.Platform, "/")
		if len(parts) < 2 || len(parts) > 3 {
			return nil, fmt.Errorf("platform %q: want os/arch or os/arch/variant", request.Platform)
		}
		context.OSChoice, context.ArchitectureChoice = parts[0], parts[1]
		if len(parts) == 3 {
			context.VariantChoice = parts[2]
		}
	}
	if request.AuthFile != "" {
		if _, err := os.Stat(request.AuthFile); err != nil {
			return nil, fmt.Errorf("auth file: %w", err)
		}
		context.AuthFilePath = request.AuthFile
		return context, nil
	}
	for _, file := range authFiles {
		if _, err := os.Stat(file); err == nil {
			context.AuthFilePath = file
			break
		}
	}
	return context, nil
}

// policyContext is the node's containers-policy.json(5). Without one nothing is pulled:
// whom to trust is the node owner's decision.
func policyContext(context *types.SystemContext) (*signature.PolicyContext, error) {
	policy, err := signature.DefaultPolicy(context)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("image policy: %w: install the package containers-common or golang-github-containers-common, or write /etc/containers/policy.json", err)
	}
	if err != nil {
		return nil, fmt.Errorf("image policy: %w", err)
	}
	return signature.NewPolicyContext(policy)
}
