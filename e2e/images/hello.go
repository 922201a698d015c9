package images

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// helloPackage is the program of the hello images.
const helloPackage = "github.com/davit-project/davit/e2e/images/hello"

// buildHello builds the hello program and returns its path. The same source gives the same
// bytes.
func buildHello(ctx context.Context, cache string) (string, error) {
	program := filepath.Join(cache, "hello")
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, helloPackage}
	if _, err := output(ctx, "", "env", append([]string{"CGO_ENABLED=0", "go"}, args...)...); err != nil {
		return "", fmt.Errorf("build the hello image's program: %w", err)
	}
	return program, nil
}

// helloImages are two versions of the hello program: one layer, two configurations.
func helloImages(program string) ([]named, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	layer, err := (&content{entries: map[string]entry{
		"hello": {mode: 0o755, text: text},
		"tmp":   {mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}}).layer(nil)
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
