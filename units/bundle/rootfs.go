package bundle

import (
	"encoding/json"
	"fmt"
	"path"
)

// Rootfs is the record of an image whose layers lie in the node's storage, whole and
// synced to the disk: it is written after that sync and removed before the image is.
// The launcher mounts from it, so it needs no storage library.
type Rootfs struct {
	// ImageID is the image's id, see [Image].
	ImageID string `json:"imageID"`
	// Base is the directory that Lower is relative to.
	Base string `json:"base"`
	// Lower are overlayfs' lower directories, the topmost first. They are short and
	// relative because mount(2) takes one page of options.
	Lower []string `json:"lower"`
	// Stamps show that a layer was damaged since, one for each of Lower, as agent/disk makes them. A record
	// of an older davit has none.
	Stamps []string `json:"stamps,omitempty"`
	// Pin is a directory that exists while the storage knows that the image is used.
	Pin string `json:"pin"`
	// Names are the references by which the image was pulled.
	Names []RootfsName `json:"names"`
	// OpensOutput says which file of the image leads standard output to be opened by name, for people; "" means that
	// none does. A record of an older davit has none.
	OpensOutput string `json:"opensOutput,omitempty"`
	// Config is the image's own configuration, for davit alone.
	Config json.RawMessage `json:"config"`
}

// RootfsName is a reference that was resolved to an image once. It stays resolved until
// the reference is pulled again.
type RootfsName struct {
	Reference string `json:"reference"`
	Platform  string `json:"platform,omitempty"`
	Digest    string `json:"digest"`
}

// RootfsPath returns the path of the record of the image id.
func RootfsPath(imageID string) string { return path.Join(RootfsDir, imageID+".json") }

// Encode returns the record's text.
func (r *Rootfs) Encode() ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode root filesystem record of image %s: %w", r.ImageID, err)
	}
	return append(text, '\n'), nil
}

// DecodeRootfs reads a record's text. A record that names no layer, or another image
// than imageID, is an error: the image must be pulled again.
func DecodeRootfs(imageID string, text []byte) (*Rootfs, error) {
	var r Rootfs
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("root filesystem record of image %s: %w", imageID, err)
	}
	if r.ImageID != imageID || r.Base == "" || len(r.Lower) == 0 {
		return nil, fmt.Errorf("root filesystem record of image %s is incomplete: run davit apply to pull it again", imageID)
	}
	return &r, nil
}
