package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"
)

// SecretEnvFile is the file of a bundle with the variables that came from secrets: a JSON
// list of "NAME=value".
const SecretEnvFile = "environment.json"

// volumesDir is the directory of a bundle with a directory for each volume whose files it
// brings along.
const volumesDir = "volumes"

// File is a file of a bundle. It is written once, with the bundle.
type File struct {
	// Path is relative to the bundle.
	Path string `json:"path"`
	// Mode are the permission bits, UID and GID the owner.
	Mode uint32 `json:"mode"`
	UID  int    `json:"uid,omitempty"`
	GID  int    `json:"gid,omitempty"`
	// Digest is the content's SHA-256: a bundle whose files differ is another bundle.
	Digest string `json:"digest"`
	// Content is not part of the configuration: it may be secret.
	Content []byte `json:"-"`
}

// NewFile returns a file of root's.
func NewFile(path string, content []byte, mode uint32) File {
	sum := sha256.Sum256(content)
	return File{Path: path, Mode: mode, Digest: hex.EncodeToString(sum[:]), Content: content}
}

// VolumePath returns the path of the files of a volume in a bundle.
func VolumePath(volume string) string { return path.Join(volumesDir, volume) }

// ownScheme marks the mounts whose source is in the bundle.
const ownScheme = "bundle:"

// OwnSource is the mount source that stands for a path of the bundle.
func OwnSource(path string) string { return ownScheme + path }

// OwnPath is the reverse of [OwnSource]; ok is false for any other source.
func OwnPath(source string) (path string, ok bool) { return strings.CutPrefix(source, ownScheme) }
