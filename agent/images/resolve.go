package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/common/pkg/retry"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// Resolve binds a request to one image without pulling its layers. What was resolved and
// pulled once stays as it is unless the policy is Always.
func (s *Store) Resolve(ctx context.Context, request reconcile.ImageRequest) (reconcile.Image, error) {
	resolved, err := s.resolve(ctx, request)
	if err != nil {
		return reconcile.Image{}, fmt.Errorf("resolve %s: %w", request.Reference, err)
	}
	return resolved, nil
}

func (s *Store) resolve(ctx context.Context, request reconcile.ImageRequest) (reconcile.Image, error) {
	source, err := parse(request.Reference)
	if err != nil {
		return reconcile.Image{}, err
	}
	if request.PullPolicy != v1.PullAlways || source.ref == nil {
		found, ok, err := recorded(request)
		if err != nil || ok {
			return found, err
		}
		found, err = s.local(ctx, request, source)
		switch {
		case err == nil:
			return found, nil
		case !errors.Is(err, storage.ErrImageUnknown):
			return reconcile.Image{}, err
		case request.PullPolicy == v1.PullNever || source.ref == nil:
			return reconcile.Image{}, fmt.Errorf("not on the node, and it must not be pulled: %w", err)
		}
	}
	return s.remote(ctx, request, source)
}

// recorded finds a request among davit's records.
func recorded(request reconcile.ImageRequest) (found reconcile.Image, ok bool, err error) {
	records, err := readRecords()
	if err != nil {
		return found, false, err
	}
	for _, record := range records {
		for _, name := range record.Names {
			if name.Reference != request.Reference || name.Platform != request.Platform {
				continue
			}
			found = reconcile.Image{
				Image:   bundle.Image{Reference: name.Reference, Digest: name.Digest, ID: record.ImageID},
				Request: request,
			}
			err := json.Unmarshal(record.Config, &found.Config)
			return found, err == nil, err
		}
	}
	return found, false, nil
}

// local finds an image that is in the storage under the request's name, as Podman or
// Buildah may have put it there.
func (s *Store) local(ctx context.Context, request reconcile.ImageRequest, source source) (reconcile.Image, error) {
	store, err := s.storage()
	if err != nil {
		return reconcile.Image{}, err
	}
	ref, _, err := lookUp(store, source.name)
	if err != nil {
		return reconcile.Image{}, err
	}
	system, err := systemContext(request)
	if err != nil {
		return reconcile.Image{}, err
	}
	found, platform, err := describe(ctx, request, ref, system)
	if err != nil {
		return reconcile.Image{}, err
	}
	if want := wantedPlatform(request); !strings.HasPrefix(want, platform.OS+"/"+platform.Architecture) {
		return reconcile.Image{}, fmt.Errorf("the one on the node is for %s/%s: %w", platform.OS, platform.Architecture, storage.ErrImageUnknown)
	}
	return found, nil
}

// remote asks the image's source, a registry or a file.
func (s *Store) remote(ctx context.Context, request reconcile.ImageRequest, source source) (reconcile.Image, error) {
	system, err := systemContext(request)
	if err != nil {
		return reconcile.Image{}, err
	}
	var found reconcile.Image
	err = retry.IfNecessary(ctx, func() error {
		var platform imagespec.Platform
		found, platform, err = describe(ctx, request, source.ref, system)
		if err != nil {
			return err
		}
		if want := wantedPlatform(request); !strings.HasPrefix(want, platform.OS+"/"+platform.Architecture) {
			return fmt.Errorf("is for %s/%s, the node wants %s", platform.OS, platform.Architecture, want)
		}
		return nil
	}, &retry.Options{MaxRetry: 2})
	return found, err
}

// describe reads an image's manifest and configuration, of the instance for the wanted
// platform where there are several.
func describe(ctx context.Context, request reconcile.ImageRequest, ref types.ImageReference, system *types.SystemContext) (reconcile.Image, imagespec.Platform, error) {
	var platform imagespec.Platform
	source, err := ref.NewImageSource(ctx, system)
	if err != nil {
		return reconcile.Image{}, platform, err
	}
	defer source.Close()
	unparsed, err := instance(ctx, source, system)
	if err != nil {
		return reconcile.Image{}, platform, err
	}
	text, _, err := unparsed.Manifest(ctx)
	if err != nil {
		return reconcile.Image{}, platform, err
	}
	manifestDigest, err := manifest.Digest(text)
	if err != nil {
		return reconcile.Image{}, platform, err
	}
	parsed, err := image.FromUnparsedImage(ctx, system, unparsed)
	if err != nil {
		return reconcile.Image{}, platform, err
	}
	config, err := parsed.OCIConfig(ctx)
	if err != nil {
		return reconcile.Image{}, platform, err
	}
	return reconcile.Image{
		Image: bundle.Image{
			Reference: request.Reference,
			Digest:    manifestDigest.String(),
			ID:        parsed.ConfigInfo().Digest.Encoded(),
		},
		Request: request,
		Config:  config.Config,
	}, config.Platform, nil
}

// instance picks the image for the wanted platform out of a list of several.
func instance(ctx context.Context, source types.ImageSource, system *types.SystemContext) (*image.UnparsedImage, error) {
	whole := image.UnparsedInstance(source, nil)
	text, kind, err := whole.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	if !manifest.MIMETypeIsMultiImage(kind) {
		return whole, nil
	}
	list, err := manifest.ListFromBlob(text, kind)
	if err != nil {
		return nil, err
	}
	chosen, err := list.ChooseInstance(system)
	if err != nil {
		return nil, err
	}
	return image.UnparsedInstance(source, &chosen), nil
}

func wantedPlatform(request reconcile.ImageRequest) string {
	if request.Platform != "" {
		return request.Platform
	}
	return "linux/" + runtime.GOARCH
}
