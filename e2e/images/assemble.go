package images

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// assemble makes all images: a layer with busybox, one with the C library over it, and
// over these each program's own. Images that share layers show that layers are shared.
func assemble(p *pool, programs string) ([]named, error) {
	if err := p.addConfigFiles(); err != nil {
		return nil, err
	}
	shell, err := shellContent(p)
	if err != nil {
		return nil, err
	}
	library, err := libraryContent(p)
	if err != nil {
		return nil, err
	}
	base := maps.Clone(shell.entries)
	maps.Copy(base, library.entries)
	shellLayer, err := shell.layer(p)
	if err != nil {
		return nil, err
	}
	libraryLayer, err := library.layer(p)
	if err != nil {
		return nil, err
	}
	made, err := helloImages(programs)
	if err != nil {
		return nil, err
	}
	allowed, err := allowedImage(programs)
	if err != nil {
		return nil, err
	}
	hostile, err := hostileImages(shellLayer)
	if err != nil {
		return nil, err
	}
	broken, err := brokenImage(p, programs, shellLayer)
	if err != nil {
		return nil, err
	}
	logging, err := loggingImages(shellLayer)
	if err != nil {
		return nil, err
	}
	surroundings, err := surroundingsImage(programs, shellLayer)
	if err != nil {
		return nil, err
	}
	made = append(append(made, allowed, broken, surroundings), append(hostile, logging...)...)
	for _, r := range recipes {
		layers := []v1.Layer{shellLayer}
		if r.Shell {
			own, err := r.content(p, base)
			if err != nil {
				return nil, fmt.Errorf("image %s: %w", r.Name, err)
			}
			layer, err := own.layer(p)
			if err != nil {
				return nil, fmt.Errorf("image %s: %w", r.Name, err)
			}
			layers = append(layers, libraryLayer, layer)
		}
		image, err := imageOf(r.Config, layers...)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", r.Name, err)
		}
		made = append(made, named{image, namesOf("library/"+r.Name, r.Tags)})
	}
	return made, nil
}

// namesOf names an image by each tag, under its repository and under its last part alone.
func namesOf(repository string, tags []string) []string {
	var names []string
	for _, tag := range tags {
		names = append(names, repository+":"+tag, filepath.Base(repository)+":"+tag)
	}
	return names
}

// imageOf makes an OCI image of the machine's own platform.
func imageOf(config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, layers...)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", runtime.GOARCH, config
	return mutate.ConfigFile(image, file)
}

// content is the content of one layer, by path.
type content struct {
	entries map[string]entry
	owners  map[string]int
}

// content collects the files that the recipe names and their dependencies, without those that the layers
// below have.
func (r *recipe) content(p *pool, base map[string]entry) (*content, error) {
	var names []string
	for _, pattern := range r.Files {
		matched, err := p.match(pattern)
		if err != nil {
			return nil, err
		}
		names = append(names, matched...)
	}
	closed, err := p.closure(names)
	if err != nil {
		return nil, err
	}
	c := &content{entries: map[string]entry{}, owners: r.Own}
	for name := range closed {
		if _, below := base[name]; !below {
			c.entries[name] = p.entries[name]
		}
	}
	for directory := range r.Own {
		c.entries[directory] = entry{mode: fs.ModeDir | 0o755}
	}
	for name, target := range r.Links {
		c.entries[name] = entry{mode: fs.ModeSymlink | 0o777, link: target}
	}
	for name := range closed {
		// PostgreSQL's programs lie outside of the PATH on Debian.
		if filepath.Base(filepath.Dir(name)) == "bin" && strings.HasPrefix(name, "usr/lib/") {
			c.entries["usr/local/bin/"+filepath.Base(name)] = entry{mode: fs.ModeSymlink | 0o777, link: "/" + name}
		}
	}
	return c, nil
}

// layer writes the content as a layer. The same content gives the same bytes: names in
// order, no times.
func (c *content) layer(p *pool) (v1.Layer, error) {
	var text bytes.Buffer
	writer := tar.NewWriter(&text)
	entries := maps.Clone(c.entries)
	for name := range c.entries {
		for directory := filepath.Dir(name); directory != "."; directory = filepath.Dir(directory) {
			if _, ok := entries[directory]; !ok {
				entries[directory] = entry{mode: fs.ModeDir | 0o755}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if err := writeEntry(writer, p, name, entries[name], c.owners[name]); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

func writeEntry(writer *tar.Writer, p *pool, name string, e entry, owner int) error {
	header := &tar.Header{
		Name: name, Mode: int64(e.mode.Perm()), Uid: owner, Gid: owner, Format: tar.FormatPAX,
	}
	// The sticky bit alone is meant to reach an image: /tmp has it.
	if e.mode&fs.ModeSticky != 0 {
		header.Mode |= 0o1000
	}
	text := e.text
	switch {
	case e.mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
	case e.link != "":
		header.Typeflag, header.Linkname = tar.TypeSymlink, e.link
	default:
		header.Typeflag = tar.TypeReg
		if text == nil {
			var err error
			if text, err = os.ReadFile(p.file(name)); err != nil {
				return err
			}
		}
		header.Size = int64(len(text))
	}
	if err := writer.WriteHeader(header); err != nil {
		return err
	}
	_, err := writer.Write(text)
	return err
}

// shellContent is busybox with a link for each of its commands, and the few files that
// every program expects.
func shellContent(p *pool) (*content, error) {
	const busybox = "usr/bin/busybox"
	if _, ok := p.entries[busybox]; !ok {
		return nil, fmt.Errorf("no package has %s", busybox)
	}
	program := p.file(busybox)
	if err := os.Chmod(program, 0o755); err != nil {
		return nil, err
	}
	commands, err := output(context.Background(), "", program, "--list")
	if err != nil {
		return nil, err
	}
	c := &content{entries: map[string]entry{
		busybox:      {mode: 0o755},
		"etc/passwd": p.entries["etc/passwd"],
		"etc/group":  p.entries["etc/group"],
		"root":       {mode: fs.ModeDir | 0o700},
		"tmp":        {mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}}
	for _, directory := range merged {
		c.entries[directory] = entry{mode: fs.ModeSymlink | 0o777, link: "usr/" + directory}
		c.entries["usr/"+directory] = entry{mode: fs.ModeDir | 0o755}
	}
	for _, command := range strings.Fields(commands) {
		if command != "busybox" {
			c.entries["usr/bin/"+command] = entry{mode: fs.ModeSymlink | 0o777, link: "busybox"}
		}
	}
	return c, nil
}

// libraryContent is the C library and its dynamic linker.
func libraryContent(p *pool) (*content, error) {
	directory := "usr/lib/" + multiarch
	closed, err := p.closure([]string{directory + "/libc.so.6", directory + "/libm.so.6"})
	if err != nil {
		return nil, err
	}
	c := &content{entries: map[string]entry{}}
	for name := range closed {
		c.entries[name] = p.entries[name]
	}
	return c, nil
}
