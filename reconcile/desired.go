package reconcile

import (
	"encoding/json"
	"iter"
	"slices"
	"time"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// Desired is the whole desired state of a node, with every value that a driver needs. A generation keeps it as JSON; the bundles
// are kept on the disk, under the names that it has.
type Desired struct {
	// Images are the images to have, by [Image.Key].
	Images map[string]Image `json:"images"`
	// Networks are the networks to have, by name.
	Networks map[string]Network `json:"networks"`
	// Volumes are the named volumes to have, by name.
	Volumes map[string]Volume `json:"volumes"`
	// Workloads are the units, by name.
	Workloads map[string]Workload `json:"workloads"`
	// Spares are the surge instances, which run in place of workloads while those are restarted, by unit name.
	Spares map[string]Workload `json:"spares,omitempty"`
	// Problems are the objects that could not be resolved, and why. The things that they name stay as they were last applied.
	Problems []Problem `json:"-"`
	// Notices are the parts of objects' images that are ignored.
	Notices map[v1.Ref]string `json:"-"`
}

// Workload is the unit of this name, be it one to keep or a spare.
func (d Desired) Workload(unit string) Workload {
	if spare, ok := d.Spares[unit]; ok {
		return spare
	}
	return d.Workloads[unit]
}

// All are the workloads and the spares, by unit name.
func (d Desired) All() iter.Seq2[string, Workload] {
	return func(yield func(string, Workload) bool) {
		for _, workloads := range []map[string]Workload{d.Workloads, d.Spares} {
			for unit, workload := range workloads {
				if !yield(unit, workload) {
					return
				}
			}
		}
	}
}

// ImageRequest is an image as a manifest asks for it. Equal requests are resolved
// once.
type ImageRequest struct {
	// Reference is the manifest's, transport included where it has one.
	Reference string
	// PullPolicy is never empty.
	PullPolicy v1.PullPolicy
	// Platform is os/arch[/variant], or empty for the node's own.
	Platform string
	// AuthFile is a path on the node, or empty for the node's own.
	AuthFile string
}

// Image is a request resolved to one digest.
type Image struct {
	bundle.Image
	// Request is the resolved request; pulling uses its reference, platform and credentials, and the digest above.
	Request ImageRequest
	// Config is the image's own configuration.
	Config imagespec.ImageConfig
	// Docker is the part of Docker's configuration that OCI's lacks.
	Docker DockerConfig `json:"Docker,omitzero"`
}

// Key tells images apart: the same image under two references is two.
func (i Image) Key() string { return i.Reference + "@" + i.Digest }

// Network is a CNI network.
type Network struct {
	// Ref is the Network object, or the built-in Network/default.
	Ref v1.Ref
	// Conflist is the network's CNI configuration list.
	Conflist json.RawMessage
	// Bridge is the device davit removes with the network; empty for a chain of the
	// user's own plugins.
	Bridge string
	// Subnets are the prefixes that the network occupies on the node.
	Subnets []string
}

// Volume is a named volume's directory.
type Volume struct {
	Ref v1.Ref
	// UID and GID own the directory, Mode are its permission bits.
	UID, GID int
	Mode     uint32
	// Filled is set when owner, mode and first content are those of the image of the container that has it first, where that
	// image has a directory there: the ones above are those until then.
	Filled bool
	// Delete is set when it goes with its manifest.
	Delete bool
}

// Keep says when [Diff] starts a unit that does not run.
type Keep int

// The ways to keep a unit.
const (
	// KeepRunning starts it whenever it does not run.
	KeepRunning Keep = iota
	// KeepStarted starts it once a boot: it may end.
	KeepStarted
	// KeepIdle leaves it to others to start.
	KeepIdle
	// KeepApart does so too, and does not disturb a run that has begun.
	KeepApart
)

// Workload is one unit, rendered.
type Workload struct {
	Ref v1.Ref
	// Source is the manifest's file and line, for people.
	Source string
	// UnitText is the unit file's text, Unit the values of a service; nil for a unit that has
	// no bundle, a timer or a target.
	UnitText string
	Unit     *units.Unit
	// Inputs identifies the inputs that the object was rendered from, whatever the way of rendering; empty in files of older
	// versions of davit.
	Inputs string `json:",omitempty"`
	// Keep says when the unit is started.
	Keep Keep
	// Triggers is the service that a socket starts; it cannot be listened for while that runs.
	Triggers string
	// TTL is how long a finished job's unit is kept; nil means for ever.
	TTL *time.Duration
	// Bundle is the bundle that the unit starts, BundleDir the name of its directory.
	Bundle    *bundle.Bundle `json:"-"`
	BundleDir string
	// Restored is set where it is as an earlier generation had it, and not as the manifests say.
	Restored bool `json:"-"`
	// Update says when a change of it has worked.
	Update Update
	// Networks and Volumes are the names of its networks and volumes.
	Networks, Volumes []string
}

// Needs are the units that stop this one when they stop.
func (w Workload) Needs() []string {
	if w.Unit == nil {
		return nil
	}
	needs := w.Unit.Dependencies
	return slices.Concat(needs.Requires, needs.BindsTo, needs.PartOf)
}

// Update says when a change of a workload has worked.
type Update struct {
	// Deadline is how long the new version may take to be ready, Soak how long it must then run.
	Deadline, Soak time.Duration
	// AtOnce is how many replicas are restarted at a time; 0 means all.
	AtOnce int
	// PullLate is set when its image is fetched once it has stopped, DeleteFirst when the old one
	// is deleted before.
	PullLate, DeleteFirst bool `json:",omitempty"`
	// Whole is set when it is taken back together with the others of which it is set.
	Whole bool
}

// Problem is an object that cannot be applied.
type Problem struct {
	Ref v1.Ref
	// Source is where its manifest begins, Part the part of it that is not possible.
	Source object.Position
	Part   Part
	Err    error
	// Units are the units that the object would have.
	Units []string
}

// Part is the part of an object that a problem lies in.
type Part string

// The parts.
const (
	PartManifest Part = "manifest" // the manifest has no meaning on this node
	PartImage    Part = "image"
	PartNetwork  Part = "network"
	PartVolume   Part = "volume"
	PartNode     Part = "node" // the node lacks a requirement
)
