package images

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/image"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	"github.com/davit-project/davit/reconcile"
)

// stored finds an image that is in the storage under the request's name, as Podman or
// Buildah may have put it there.
func (q query) stored(ctx context.Context) (reconcile.Image, error) {
	store, err := q.store.storage()
	if err != nil {
		return reconcile.Image{}, err
	}
	ref, stored, err := lookUp(store, q.source.name)
	if err != nil {
		return reconcile.Image{}, err
	}
	if err := checkData(store, stored); err != nil {
		return reconcile.Image{}, fmt.Errorf("the one on the node: %w: %w", err, storage.ErrImageUnknown)
	}
	described, err := describe(ctx, q.system, ref, q.judgedAs(ref))
	if err != nil {
		return reconcile.Image{}, err
	}
	if !described.runsOn(q.wantedPlatform()) {
		return reconcile.Image{}, fmt.Errorf("the one on the node is for %s: %w", described.platform(), storage.ErrImageUnknown)
	}
	found := described.image(q.request)
	// Another tool's pull may have made it from parts, under an id of its own.
	found.ID = stored.ID
	return found, nil
}

// judgedAs is the reference by which the policy judges an image of the storage: the one that it would
// have if it were pulled now. Only a reference that names the storage itself is judged as such.
func (q query) judgedAs(stored types.ImageReference) types.ImageReference {
	if q.source.ref == nil {
		return stored
	}
	return q.source.ref
}

// admitStored asks the policy about an image that davit pulled before, perhaps under
// another policy. Most policies need only the name, and then the storage stays closed.
func (q query) admitStored(ctx context.Context, found reconcile.Image) error {
	if q.source.ref != nil && admit(ctx, q.system, nameOnly{q.source.ref}) == nil {
		return nil
	}
	store, err := q.store.storage()
	if err != nil {
		return err
	}
	stored, err := store.Image(found.ID)
	if isUnknown(err) {
		return fmt.Errorf("the one on the node: %w", err)
	}
	if err != nil {
		return err
	}
	if err := checkData(store, stored); err != nil {
		return fmt.Errorf("the one on the node: %w: %w", err, storage.ErrImageUnknown)
	}
	ref, err := istorage.Transport.NewStoreReference(store, nil, found.ID)
	if err != nil {
		return err
	}
	source, err := ref.NewImageSource(ctx, q.system)
	if err != nil {
		return err
	}
	defer source.Close()
	manifest := digest.Digest(found.Digest)
	return admit(ctx, q.system, judged{image.UnparsedInstance(source, &manifest), q.judgedAs(ref)})
}

// judged is an image that the policy takes for another reference. Embedding keeps the
// library's own access to signatures of every format.
type judged struct {
	*image.UnparsedImage
	as types.ImageReference
}

// Reference implements [types.UnparsedImage].
func (j judged) Reference() types.ImageReference { return j.as }

// nameOnly is an image of which nothing but its name is known.
type nameOnly struct{ ref types.ImageReference }

// Reference implements [types.UnparsedImage].
func (n nameOnly) Reference() types.ImageReference { return n.ref }

// Manifest implements [types.UnparsedImage].
func (n nameOnly) Manifest(context.Context) ([]byte, string, error) {
	return nil, "", fmt.Errorf("the manifest of %s was not read", n.ref.StringWithinTransport())
}

// Signatures implements [types.UnparsedImage].
func (n nameOnly) Signatures(context.Context) ([][]byte, error) {
	return nil, fmt.Errorf("the signatures of %s were not read", n.ref.StringWithinTransport())
}

// lookUp finds an image by the name it has in the storage.
func lookUp(store storage.Store, name string) (types.ImageReference, *storage.Image, error) {
	ref, err := istorage.Transport.ParseStoreReference(store, name)
	if err != nil {
		return nil, nil, err
	}
	return istorage.ResolveReference(ref)
}
