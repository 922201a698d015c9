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
	// maxPulls and maxResolves bound what is asked of one registry at a time. A pull
	// fetches up to six layers at once itself.
	maxPulls    = 3
	maxResolves = 6
	// maxTries is how often one pull or resolve is tried; the agent's next pass comes
	// anyway.
	maxTries = 4
	// glance is how long who only looks waits for a registry's answer.
	glance = 10 * time.Second
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

	// firstRetry is the time before the first retry; it doubles from there to lastRetry,
	// give or take a half.
	firstRetry, lastRetry time.Duration
	// tries is how often a resolve or a pull is tried.
	tries uint
	// resolveTimeout bounds one answer of a registry about an image.
	resolveTimeout time.Duration
	// stallTimeout is how long a pull may stand still, pullTimeout how long it may take
	// with all retries.
	stallTimeout, pullTimeout time.Duration
	// progressInterval is the time between two reports of a layer.
	progressInterval time.Duration
}

// nodeSettings are those of a node. Five minutes without progress is what containerd
// allows (image_pull_progress_timeout); a layer that is being unpacked reports none.
func nodeSettings() settings {
	return settings{
		storage: func() (storage.StoreOptions, error) {
			return storagetypes.LoadStoreOptions(storagetypes.LoadOptions{})
		},
		system:           types.SystemContext{DockerRegistryUserAgent: "davit"},
		records:          bundle.RootfsDir,
		authFiles:        nodeAuthFiles(os.Getenv("REGISTRY_AUTH_FILE")),
		firstRetry:       time.Second,
		lastRetry:        30 * time.Second,
		tries:            maxTries,
		resolveTimeout:   time.Minute,
		stallTimeout:     5 * time.Minute,
		pullTimeout:      time.Hour,
		progressInterval: 500 * time.Millisecond,
	}
}
