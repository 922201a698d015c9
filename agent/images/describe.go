package images

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// description is the data of an image's manifest and configuration.
type description struct {
	manifest digest.Digest
	config   imagespec.Image
	docker   reconcile.DockerConfig
	id       string
	layers   []types.BlobInfo
}

// describe reads an image's manifest and configuration, of the instance for the wanted
// platform where there are several. The policy, which takes the image for judgedAs, has a
// say before anything that came from the source is used.
func describe(ctx context.Context, system *types.SystemContext, ref, judgedAs types.ImageReference) (description, error) {
	var d description
	source, err := ref.NewImageSource(ctx, system)
	if err != nil {
		return d, err
	}
	defer source.Close()
	unparsed, err := instance(ctx, source, system)
	if err != nil {
		return d, fmt.Errorf("read its manifest: %w", err)
	}
	if err := admit(ctx, system, judged{unparsed, judgedAs}); err != nil {
		return d, err
	}
	text, _, err := unparsed.Manifest(ctx)
	if err != nil {
		return d, fmt.Errorf("read its manifest: %w", err)
	}
	if d.manifest, err = manifest.Digest(text); err != nil {
		return d, fmt.Errorf("read its manifest: %w", err)
	}
	parsed, err := image.FromUnparsedImage(ctx, system, unparsed)
	if err != nil {
		return d, fmt.Errorf("read its manifest: %w", err)
	}
	config, err := parsed.OCIConfig(ctx)
	if err != nil {
		return d, fmt.Errorf("read its configuration: %w", err)
	}
	if d.docker, err = dockerConfig(ctx, parsed); err != nil {
		return d, fmt.Errorf("read its configuration: %w", err)
	}
	configDigest := parsed.ConfigInfo().Digest
	if configDigest.Algorithm() != digest.SHA256 {
		return d, fmt.Errorf("its configuration has no SHA-256 digest: push it again with a newer tool")
	}
	d.config, d.id, d.layers = *config, configDigest.Encoded(), parsed.LayerInfos()
	return d, nil
}

// dockerConfig reads the fields of Docker's configuration that OCI's lacks. An image of Docker's first schema has none.
func dockerConfig(ctx context.Context, parsed types.Image) (reconcile.DockerConfig, error) {
	text, err := parsed.ConfigBlob(ctx)
	if err != nil || len(text) == 0 {
		return reconcile.DockerConfig{}, err
	}
	var config struct {
		Config reconcile.DockerConfig `json:"config"`
	}
	err = json.Unmarshal(text, &config)
	return config.Config, err
}

// recordedConfig is an image's configuration in a record. A davit that was older wrote OCI's part alone.
type recordedConfig struct {
	imagespec.ImageConfig
	reconcile.DockerConfig
}

// instance picks the image for the wanted platform out of a list of several.
func instance(ctx context.Context, source types.ImageSource, system *types.SystemContext) (*image.UnparsedImage, error) {
	whole := image.UnparsedInstance(source, nil)
	text, kind, err := whole.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	if kind == "text/html" || bytes.HasPrefix(bytes.TrimSpace(text), []byte("<")) {
		return nil, errWebPage
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

func (d description) image(request reconcile.ImageRequest) reconcile.Image {
	return reconcile.Image{
		Image:   bundle.Image{Reference: request.Reference, Digest: d.manifest.String(), ID: d.id},
		Request: request,
		Config:  d.config.Config,
		Docker:  d.docker,
	}
}

// runsOn compares both platforms: an image may leave its platform out, and a request
// its variant.
func (d description) runsOn(want imagespec.Platform) bool {
	same := func(have, want string) bool { return have == "" || want == "" || have == want }
	return same(d.config.OS, want.OS) && same(d.config.Architecture, want.Architecture) && same(d.config.Variant, want.Variant)
}

func (d description) platform() string { return platformText(d.config.Platform) }

func platformText(p imagespec.Platform) string {
	return strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}

// wantedPlatform is the request's platform or the node's own.
func (q query) wantedPlatform() imagespec.Platform {
	want := imagespec.Platform{OS: q.system.OSChoice, Architecture: q.system.ArchitectureChoice, Variant: q.system.VariantChoice}
	if want.OS == "" {
		want = imagespec.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}
	}
	return want
}
