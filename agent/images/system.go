package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/davit-project/davit/reconcile"
)

// system says how to reach registries for this request. registries.conf, registries.d and
// certs.d are found by the library.
func (s *Store) system(request reconcile.ImageRequest) (*types.SystemContext, error) {
	system := s.settings.system
	if request.Platform == "" {
		return &system, nil
	}
	parts := strings.Split(request.Platform, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return nil, fmt.Errorf("platform %q: want os/arch or os/arch/variant", request.Platform)
	}
	system.OSChoice, system.ArchitectureChoice = parts[0], parts[1]
	if len(parts) == 3 {
		system.VariantChoice = parts[2]
	}
	return &system, nil
}

// withPolicy calls use with the node's containers-policy.json(5). Without one nothing is
// pulled and nothing is used: whom to trust is the node owner's decision.
func withPolicy(system *types.SystemContext, use func(*signature.PolicyContext) error) (err error) {
	policy, err := signature.DefaultPolicy(system)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the image policy: %w: write /etc/containers/policy.json (containers-policy.json(5)), or install containers-common", err)
	}
	if err != nil {
		return fmt.Errorf("read the image policy: %w", err)
	}
	context, err := signature.NewPolicyContext(policy)
	if err != nil {
		return fmt.Errorf("read the image policy: %w", err)
	}
	defer func() { err = errors.Join(err, context.Destroy()) }()
	return use(context)
}

// errRefused is the error of an image that the policy does not admit.
var errRefused = errors.New("refused by the node's policy.json")

// admit asks the policy about an image before anything of it is used.
func admit(ctx context.Context, system *types.SystemContext, image types.UnparsedImage) error {
	return withPolicy(system, func(policy *signature.PolicyContext) error {
		allowed, err := policy.IsRunningImageAllowed(ctx, image)
		if err == nil && allowed {
			return nil
		}
		if rejected, ok := errors.AsType[signature.PolicyRequirementError](err); ok {
			return fmt.Errorf("%w: %w", errRefused, rejected)
		}
		return fmt.Errorf("check against the image policy: %w", err)
	})
}
