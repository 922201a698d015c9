package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/reconcile"
)

// nodeAuthFiles are where registry credentials are looked for when a manifest names no
// file: davit's own, the one of the environment, then root's as podman login and docker
// login leave them. The library's own search depends on HOME and XDG_RUNTIME_DIR, which a
// service does not have.
func nodeAuthFiles(environment string) []string {
	files := []string{"/etc/davit/auth.json"}
	if environment != "" {
		files = append(files, environment)
	}
	return append(files,
		"/run/containers/0/auth.json",
		"/root/.config/containers/auth.json",
		"/root/.docker/config.json",
	)
}

// authenticate chooses the one file that credentials are read from: the manifest's, or
// the first of the node's that has some for the image's registry or one of its mirrors.
func (s *Store) authenticate(system *types.SystemContext, request reconcile.ImageRequest, source source) error {
	if source.registry == "" {
		return nil
	}
	if request.AuthFile != "" {
		system.AuthFilePath = request.AuthFile
		return checkAuthFile(request.AuthFile, private)
	}
	names, err := pullNames(system, source)
	if err != nil {
		return err
	}
	// Where no file has any, one must be named all the same, or the library searches.
	system.AuthFilePath = s.settings.authFiles[0]
	for _, file := range s.settings.authFiles {
		err := checkAuthFile(file, ownedByRoot)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		found, err := hasCredentials(*system, file, names)
		if err != nil {
			return err
		}
		if found {
			system.AuthFilePath = file
			return checkAuthFile(file, private)
		}
	}
	return nil
}

// Permissions that a file of credentials must not give others, as bits of its mode: no one else may write one
// that is read at all, because it names helper programs to run as root, and not read one
// whose passwords are used.
const (
	ownedByRoot = 0o022
	private     = 0o077
)

func checkAuthFile(path string, forbidden uint32) error {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return fmt.Errorf("credentials %s: %w", path, err)
	}
	if stat.Mode&forbidden != 0 {
		return fmt.Errorf("credentials %s: others have access to the file (mode %04o): chmod 600 it", path, stat.Mode&0o777)
	}
	if uid := int(stat.Uid); uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("credentials %s: the file belongs to user %d: chown it to root", path, uid)
	}
	// The library opens it again, and would wait.
	if err := checkOpens(path); err != nil {
		return fmt.Errorf("credentials %s: %w", path, err)
	}
	return nil
}

// pullNames are the names under which the image may be asked for: its own and those at
// the mirrors of registries.conf.
func pullNames(system *types.SystemContext, source source) ([]reference.Named, error) {
	named := source.ref.DockerReference()
	registry, err := sysregistriesv2.FindRegistry(system, named.Name())
	if err != nil {
		return nil, fmt.Errorf("read registries.conf: %w", err)
	}
	if registry == nil {
		return []reference.Named{named}, nil
	}
	endpoints, err := registry.PullSourcesFromReference(named)
	if err != nil {
		return nil, fmt.Errorf("read registries.conf: %w", err)
	}
	names := []reference.Named{named}
	for _, endpoint := range endpoints {
		names = append(names, endpoint.Reference)
	}
	return names, nil
}

func hasCredentials(system types.SystemContext, file string, names []reference.Named) (bool, error) {
	system.AuthFilePath = file
	for _, name := range names {
		found, err := config.GetCredentialsForRef(&system, name)
		if err != nil {
			return false, fmt.Errorf("credentials %s: %w", file, err)
		}
		if found != (types.DockerAuthConfig{}) {
			return true, nil
		}
	}
	return false, nil
}
