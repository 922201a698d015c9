package images

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// programs are our own programs that are images, a package each.
var programs = []string{"hello", "allowed"}

// buildPrograms builds them and returns their directory. The same source gives the same bytes.
func buildPrograms(ctx context.Context, cache string) (string, error) {
	dir := filepath.Join(cache, "programs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	args := []string{"CGO_ENABLED=0", "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", dir}
	for _, program := range programs {
		args = append(args, "github.com/davit-project/davit/e2e/images/"+program)
	}
	if _, err := output(ctx, "", "env", args...); err != nil {
		return "", fmt.Errorf("build the images' programs: %w", err)
	}
	return dir, nil
}

// programLayer is a layer with a program and nothing else that it needs.
func programLayer(dir, program string) (v1.Layer, error) {
	text, err := os.ReadFile(filepath.Join(dir, program))
	if err != nil {
		return nil, err
	}
	return (&content{entries: map[string]entry{
		program: {mode: 0o755, text: text},
		"tmp":   {mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}}).layer(nil)
}

// allowedImage is the program that says what it may do.
func allowedImage(dir string) (named, error) {
	layer, err := programLayer(dir, "allowed")
	if err != nil {
		return named{}, err
	}
	image, err := imageOf(v1.Config{Entrypoint: []string{"/allowed"}, Env: []string{searchPath}}, layer)
	if err != nil {
		return named{}, fmt.Errorf("image allowed: %w", err)
	}
	return named{image, namesOf("davit-project/allowed", []string{"1"})}, nil
}

// helloImages are two versions of the hello program: one layer, two configurations.
func helloImages(dir string) ([]named, error) {
	layer, err := programLayer(dir, "hello")
	if err != nil {
		return nil, err
	}
	var made []named
	for _, version := range []string{"1", "2"} {
		image, err := imageOf(v1.Config{
			Entrypoint: []string{"/hello"}, Env: []string{searchPath, "HELLO_VERSION=" + version},
			ExposedPorts: port("80/tcp"),
		}, layer)
		if err != nil {
			return nil, fmt.Errorf("image hello: %w", err)
		}
		made = append(made, named{image, namesOf("davit-project/hello", []string{version})})
	}
	return made, nil
}
