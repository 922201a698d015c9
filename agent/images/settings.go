package images

import (
	"os"
	"time"

	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
	storagetypes "go.podman.io/storage/types"

	"github.com/davit-project/davit/units/bundle"
)

const (
	// maxPulls and maxResolves bound the simultaneous requests to one registry. A pull
	// fetches up to six layers at once itself.
	maxPulls    = 3
	maxResolves = 6
)

// settings are where things lie and how long they may take. Only tests change them.
type settings struct {
	// storage reads storage.conf(5).
	storage func() (storage.StoreOptions, error)
	// system is the library's configuration; empty means the node's files.
	system types.SystemContext
	// records is the directory of davit's records.
	records string
	// authFiles are searched in this order for credentials.
	authFiles []string

	// runDir holds the locks between davit processes.
	runDir string

	// resolveTimeout bounds one answer of a registry about an image.
	resolveTimeout time.Duration
	// stallTimeout bounds the time of a pull without progress, pullTimeout all of its time.
	stallTimeout, pullTimeout time.Duration
	// minBytes of the layers that are being fetched must arrive within rateWindow.
	minBytes   int64
	rateWindow time.Duration
	// progressInterval is the time between two reports of a pull.
	progressInterval time.Duration
}

// nodeSettings are those of a node. Five minutes without progress is containerd's limit (image_pull_progress_timeout);
// the storage may be at work meanwhile. A layer that is being fetched must bring more: 64 KiB in a minute is less than
// any line that a node could use.
func nodeSettings() settings {
	return settings{
		storage: func() (storage.StoreOptions, error) {
			return storagetypes.LoadStoreOptions(storagetypes.LoadOptions{})
		},
		system:           types.SystemContext{DockerRegistryUserAgent: "davit"},
		records:          bundle.RootfsDir,
		authFiles:        nodeAuthFiles(os.Getenv("REGISTRY_AUTH_FILE")),
		runDir:           bundle.RunDir,
		resolveTimeout:   time.Minute,
		stallTimeout:     5 * time.Minute,
		pullTimeout:      time.Hour,
		minBytes:         64 << 10,
		rateWindow:       time.Minute,
		progressInterval: 500 * time.Millisecond,
	}
}
