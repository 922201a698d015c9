package reconcile

import (
	"encoding/json"
	"time"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Actual is the actual state of a node, read from systemd and the disk on every pass.
type Actual struct {
	// Images are the images that are whole, synced and pinned: the keys under which they
	// were pulled ([Image.Key]), by image id.
	Images map[string][]string
	// Networks are the networks davit made, by name.
	Networks map[string]ActualNetwork
	// Volumes are the named volumes' directories, by name.
	Volumes map[string]ActualVolume
	// Workloads are the units davit wrote, by unit name.
	Workloads map[string]ActualWorkload
	// Foreign are units that davit does not manage, by name: the file they come from, or their kind in a word. It has at least
	// the desired workloads' names that are taken.
	Foreign map[string]string
	// Listeners say which of the node's programs listen on ports that units publish or are to publish, and what to do.
	Listeners map[bundle.Port]string
	// Completed are the bundles of jobs that have ended well, by their directory's name, and
	// when.
	Completed map[string]time.Time
	// PutAside are those whose version no object has any more, and that generations have.
	PutAside map[string]time.Time
	// Bundles are the names of the bundle directories on the disk.
	Bundles []string
}

// ActualNetwork is a network as it was last made.
type ActualNetwork struct {
	Conflist json.RawMessage
	Bridge   string
}

// ActualVolume is a named volume's directory.
type ActualVolume struct {
	UID, GID int
	Mode     uint32
	// Delete is set when it goes with its manifest.
	Delete bool
}

// Actual returns the state that the volume has to have on the node, if its present state is current.
func (v Volume) Actual(current ActualVolume) ActualVolume {
	if v.Filled { // owner and mode are its image's, or were changed by its containers
		current.Delete = v.Delete
		return current
	}
	return ActualVolume{v.UID, v.GID, v.Mode, v.Delete}
}

// LacksParts reports whether the unit failed because the launcher could not provide the container's resources: no process of the
// container has run.
func (w ActualWorkload) LacksParts() bool {
	if w.Active != names.Failed || w.Job != "" || w.Run == nil || w.Run.Last == nil || w.Run.Last.Failure == nil {
		return false
	}
	switch w.Run.Last.Failure.Stage {
	case bundle.StageImage, bundle.StageVolume, bundle.StageNetwork:
		return w.Run.Last.Invocation == w.Run.Invocation
	default:
		return false
	}
}

// ActualWorkload is a unit that davit wrote, and systemd's state of it.
type ActualWorkload struct {
	Ref v1.Ref
	// Keep is set when it stays though its manifest goes.
	Keep bool
	// SourcePath is the manifest it came from.
	SourcePath string
	// UnitText is the unit file's text.
	UnitText string
	// BundleDir is the bundle the unit file names; Bundle is nil when it is gone or
	// does not decode.
	BundleDir string
	Bundle    *bundle.Bundle
	// RunningDir is the bundle the running container was started from; empty when
	// none runs. Running is that bundle where it is another one than Bundle, and can be read.
	RunningDir string
	Running    *bundle.Bundle
	// NeedReload is set when systemd has not read the unit file since it changed.
	NeedReload bool
	// Enabled is systemd's UnitFileState: "enabled", "disabled", "masked", …; it may be empty instead of "enabled" while
	// the unit is active.
	Enabled string
	// Shadow is an unmanaged file that systemd uses instead of davit's; empty for none. It is not in use before systemd has read
	// it.
	Shadow       string
	ShadowUnread bool
	// Active, Sub and Result are systemd's ActiveState, SubState and Result.
	Active names.ActiveState
	Sub    names.SubState
	Result string
	// Job is the type of systemd's job for the unit, "start", "stop", "restart", …; empty for none.
	Job string
	// Since is when Active last changed, Begun when its last start began, Left when it last ceased to be active, Ended when
	// it last became inactive or failed. Of an active unit they are only known if a unit that has stopped requires it, or
	// requires the same one.
	Since, Begun, Left, Ended time.Time
	// Started is set when systemd has started the unit since boot.
	Started bool
	// Asked is set when the unit is failed and its process ended because the unit was asked to stop.
	Asked bool
	// Restarts counts how often systemd has restarted it by itself since it was last started otherwise. It is known
	// where Left is.
	Restarts int
	// Missing names the parts of the unit, which is up, that others have removed or changed; empty for none.
	Missing string
	// Contested says which program of the node listens on a port that the unit publishes, and what to do; empty for none.
	Contested string
	// Run is more of a unit that is judged; nil of the others.
	Run *Run
}
