package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.podman.io/image/v5/types"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// Resolve binds a request to one image without pulling its layers. It tries once.
//
// Always asks the image's source each time. IfNotPresent uses the last answer for the
// reference, then the storage, under the name that Podman would use, then the
// source: so nothing moves while a tag does, and a node without a network comes up. Never
// asks the storage. In each case the node's policy.json has to admit the image.
func (s *Store) Resolve(ctx context.Context, request reconcile.ImageRequest) (reconcile.Image, error) {
	resolved, err := s.resolve(ctx, request)
	if err != nil {
		return reconcile.Image{}, fmt.Errorf("image %s: %w", request.Reference, err)
	}
	return resolved, nil
}

func (s *Store) resolve(ctx context.Context, request reconcile.ImageRequest) (reconcile.Image, error) {
	q, err := s.query(request)
	if err != nil {
		return reconcile.Image{}, err
	}
	if request.PullPolicy == v1.PullAlways && !q.source.onlyHere() {
		return q.atSource(ctx)
	}
	found, err := q.onNode(ctx)
	switch {
	case !isUnknown(err) && !errors.Is(err, errRefused):
		return found, err
	case request.PullPolicy == v1.PullNever && !errors.Is(err, errRefused):
		return reconcile.Image{}, fmt.Errorf("it is not on the node, and imagePullPolicy: Never forbids to pull it: podman pull %s brings it: %w", request.Reference, err)
	case request.PullPolicy == v1.PullNever || q.source.onlyHere():
		return reconcile.Image{}, fmt.Errorf("it must be on the node already: %w", err)
	}
	found, failure := q.atSource(ctx)
	if failure != nil && errors.Is(err, errRefused) {
		failure = fmt.Errorf("%w; the one on the node is %w", failure, err)
	}
	return found, failure
}

// query is one request and its interpretation.
type query struct {
	store   *Store
	request reconcile.ImageRequest
	source  source
	system  *types.SystemContext
	// progress is called while layers arrive; nil but for a pull.
	progress func(Progress)
}

func (s *Store) query(request reconcile.ImageRequest) (query, error) {
	system, err := s.system(request)
	if err != nil {
		return query{}, err
	}
	source, err := parse(request.Reference, system)
	return query{store: s, request: request, source: source, system: system}, err
}

// onNode finds the image without asking anyone else.
func (q query) onNode(ctx context.Context) (reconcile.Image, error) {
	first, then := q.recorded, q.stored
	if q.request.PullPolicy == v1.PullNever || q.source.onlyHere() {
		first, then = then, first
	}
	found, err := first(ctx)
	if isUnknown(err) {
		return then(ctx)
	}
	return found, err
}

// recorded finds the request among davit's records. A record is an answer even when the
// layers it names are damaged: they are pulled again, by the same digest.
func (q query) recorded(ctx context.Context) (reconcile.Image, error) {
	record, name, err := q.store.records.find(q.request)
	if err != nil {
		return reconcile.Image{}, err
	}
	found := reconcile.Image{
		Image:   bundle.Image{Reference: name.Reference, Digest: name.Digest, ID: record.ImageID},
		Request: q.request,
	}
	var config recordedConfig
	if err := json.Unmarshal(record.Config, &config); err != nil {
		return reconcile.Image{}, fmt.Errorf("read the record of image %s: %w", record.ImageID, err)
	}
	found.Config, found.Docker = config.ImageConfig, config.DockerConfig
	return found, q.admitStored(ctx, found)
}

// atSource asks the image's source, a registry or a file.
func (q query) atSource(ctx context.Context) (found reconcile.Image, err error) {
	if err := q.source.checkFiles(); err != nil {
		return found, err
	}
	if err := q.store.authenticate(q.system, q.request, q.source); err != nil {
		return found, err
	}
	release, err := q.store.resolving.acquire(ctx, q.source.registry)
	if err != nil {
		return found, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, q.store.settings.resolveTimeout)
	defer cancel()
	err = q.ask(ctx, func(ctx context.Context, system *types.SystemContext) error {
		described, err := describe(ctx, system, q.source.ref, q.source.ref)
		if err != nil {
			return err
		}
		if !described.runsOn(q.wantedPlatform()) {
			return fmt.Errorf("it is for %s, not for %s: set platform, or name an image that has both", described.platform(), platformText(q.wantedPlatform()))
		}
		found = described.image(q.request)
		q.store.layers.Store(found.Digest, described.layers)
		return nil
	})
	return found, q.explain(err)
}
