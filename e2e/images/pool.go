package images

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// pool is a tree of files unpacked from packages. Paths in it are relative to its root and
// have no symbolic link in them save the last element.
type pool struct {
	root    string
	entries map[string]entry
}

// entry is a file, a directory or a symbolic link.
type entry struct {
	mode fs.FileMode
	// link is a symbolic link's target.
	link string
	// text is the content; nil means that of the pool's file.
	text []byte
}

func newPool(root string) *pool { return &pool{root: root, entries: map[string]entry{}} }

// merged are the directories that Debian has below /usr since its release 12, with
// symbolic links in their places; packages still used the old paths there.
var merged = []string{"bin", "sbin", "lib", "lib64"}

// clean turns a package's or a linker's path into a pool's.
func clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	first, _, _ := strings.Cut(name, "/")
	if slices.Contains(merged, first) {
		return "usr/" + name
	}
	return name
}

// unpack adds a package's files.
func (p *pool) unpack(ctx context.Context, archive string) (err error) {
	command := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", archive)
	stdout, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, command.Wait()) }()
	reader := tar.NewReader(stdout)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, stdout)
			return err
		}
		if err != nil {
			return err
		}
		if err := p.add(header, reader); err != nil {
			return err
		}
	}
}

func (p *pool) add(header *tar.Header, content io.Reader) error {
	name := clean(header.Name)
	switch header.Typeflag {
	case tar.TypeDir:
		p.entries[name] = entry{mode: header.FileInfo().Mode()}
	case tar.TypeSymlink:
		p.entries[name] = entry{mode: fs.ModeSymlink | 0o777, link: header.Linkname}
	case tar.TypeLink:
		target := clean(header.Linkname)
		p.entries[name] = p.entries[target]
		return os.Link(p.file(target), p.file(name))
	case tar.TypeReg:
		p.entries[name] = entry{mode: header.FileInfo().Mode()}
		if err := os.MkdirAll(filepath.Dir(p.file(name)), 0o755); err != nil {
			return err
		}
		file, err := os.OpenFile(p.file(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Close())
	}
	return nil
}

func (p *pool) file(name string) string { return filepath.Join(p.root, name) }

// match returns the entries that a pattern of [path.Match] matches, and all below them.
func (p *pool) match(pattern string) ([]string, error) {
	var names []string
	for name := range p.entries {
		for part := name; part != "."; part = path.Dir(part) {
			if ok, err := path.Match(pattern, part); err != nil {
				return nil, err
			} else if ok {
				names = append(names, name)
				break
			}
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no package has %s", pattern)
	}
	slices.Sort(names)
	return names, nil
}
