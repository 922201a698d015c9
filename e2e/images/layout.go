package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/davit-project/davit/e2e/cache"
)

// NameAnnotation names an image in the layout's index: repository:tag, without a registry.
const NameAnnotation = "org.opencontainers.image.ref.name"

// generation is part of the cache's key; it changes when the code that makes images does.
const generation = "5"

// Layout returns the directory of an OCI image layout that holds all images, and makes it
// first if this machine has none yet. Programs that ask at the same time wait for the one
// that makes it.
func Layout(ctx context.Context) (string, error) {
	dir, unlock, err := cache.Lock("lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	programs, err := buildPrograms(ctx, dir)
	if err != nil {
		return "", err
	}
	key, err := cacheKey(programs)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "images-"+key)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return path, build(ctx, path, programs)
}

// build makes the layout beside its place and moves it there when it is whole.
func build(ctx context.Context, path, programs string) error {
	scratch, err := os.MkdirTemp(filepath.Dir(path), "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	pool, err := fetchPool(ctx, scratch)
	if err != nil {
		return fmt.Errorf("make test images: %w", err)
	}
	made, err := assemble(pool, programs)
	if err != nil {
		return fmt.Errorf("make test images: %w", err)
	}
	out := filepath.Join(scratch, "layout")
	target, err := layout.Write(out, empty.Index)
	if err != nil {
		return err
	}
	for _, image := range made {
		for _, name := range image.names {
			note := layout.WithAnnotations(map[string]string{NameAnnotation: name})
			if err := target.AppendImage(image.Image, note); err != nil {
				return fmt.Errorf("write image %s: %w", name, err)
			}
		}
	}
	return os.Rename(out, path)
}

// named is an image and the names it is served under.
type named struct {
	v1.Image
	names []string
}

// cacheKey is a hash of the images' inputs: the recipes, the Debian release and
// our own programs.
func cacheKey(dir string) (string, error) {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", err
	}
	var sums [][]byte
	for _, program := range programs {
		text, err := os.ReadFile(filepath.Join(dir, program))
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(text)
		sums = append(sums, sum[:])
	}
	recipe, err := json.Marshal(struct {
		Generation string
		Packages   []string
		Files      map[string]string
		Recipes    []recipe
		Release    []byte
		Programs   [][]byte
		Hostile    map[string]string
	}{generation, packages, configFiles, recipes, release, sums, hostileLinks()})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(recipe)
	return hex.EncodeToString(sum[:8]), nil
}
