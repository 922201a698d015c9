package apply

import (
	"context"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// The interfaces by which [Apply] acts. Every method leads to the state that it is named for, whatever the state was before, and
// is safe to call again. A method returns [reconcile.Waiting] for slow work that it has begun, or found in progress: pulls,
// starts and stops.

// Images keeps images in the node's storage.
type Images interface {
	// EnsureImage leaves the image whole, synced to the disk and pinned, its
	// root filesystem record written.
	EnsureImage(ctx context.Context, image reconcile.Image) error
	// DeleteImage removes the record and the pin, and the image itself where nothing else uses it.
	DeleteImage(ctx context.Context, imageID string) error
	// ReleaseImage removes the record and the pin. The image itself stays until the
	// node's owner prunes it.
	ReleaseImage(ctx context.Context, imageID string) error
}

// Networks keeps the networks containers attach to.
type Networks interface {
	// CheckNetwork changes nothing: the network's plugins are there and accept the configuration.
	CheckNetwork(ctx context.Context, name string, network reconcile.Network) error
	// EnsureNetwork leaves the network checked and recorded. A device with other settings is removed, unless containers still use
	// it: the next one re-creates it.
	EnsureNetwork(ctx context.Context, name string, network reconcile.Network) error
	// RemoveNetwork removes the network, its device and its record.
	RemoveNetwork(ctx context.Context, name string) error
}

// Volumes keeps named volumes.
type Volumes interface {
	// EnsureVolume leaves the volume's directory with its owner and mode.
	EnsureVolume(ctx context.Context, name string, volume reconcile.Volume) error
	// RemoveVolume removes a volume that was made to go with its manifest, and all that is in it.
	RemoveVolume(ctx context.Context, name string) error
}

// Bundles keeps bundles, which are never rewritten.
type Bundles interface {
	// EnsureBundle leaves the bundle on the disk, synced, with the files it brings along.
	EnsureBundle(ctx context.Context, dirName string, b *bundle.Bundle) error
	// RemoveBundle removes it.
	RemoveBundle(ctx context.Context, dirName string) error
	// RetireJob puts the record aside that the bundle's job has ended well: it does not count any more.
	RetireJob(ctx context.Context, dirName string) error
	// RecallJob has a record count again that was put aside.
	RecallJob(ctx context.Context, dirName string) error
	// ForgetJob removes the record.
	ForgetJob(ctx context.Context, dirName string) error
}

// UnitFiles keeps unit files.
type UnitFiles interface {
	// EnsureUnit leaves the unit file with this text, synced. systemd reads it
	// at the next Reload.
	EnsureUnit(ctx context.Context, name, text string) error
	// RemoveUnit disables the unit and removes its file.
	RemoveUnit(ctx context.Context, name string) error
	// Reload enables the named units as their [Install] sections say and makes systemd
	// read all units again, once. It returns the units that systemd refuses to enable, and why.
	Reload(ctx context.Context, enable []string) (refused map[string]error, err error)
}

// Repairs re-creates parts of running units that others have removed.
type Repairs interface {
	Repair(ctx context.Context, unit string) error
}

// Services has systemd start and stop units.
type Services interface {
	StartUnit(ctx context.Context, name string) error
	RestartUnit(ctx context.Context, name string) error
	// ReloadUnit has the running container use the files of the bundle that its unit file names.
	ReloadUnit(ctx context.Context, name string) error
	StopUnit(ctx context.Context, name string) error
}
