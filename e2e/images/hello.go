package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/e2e/cache"
)

// programs are our own programs that are images, a package each, below the architecture that they are
// built for where that is not the machine's: a PC's 64-bit kernel runs the 386's too.
var programs = []string{"hello", "allowed", "surroundings", "386/hello"}

// buildPrograms builds them and returns their directory. The same source gives the same bytes.
func buildPrograms(ctx context.Context, cache string) (string, error) {
	dir := filepath.Join(cache, "programs")
	for _, program := range programs {
		arch, name := filepath.Split(program)
		args := []string{
			"CGO_ENABLED=0", "GOARCH=" + cmp.Or(strings.TrimSuffix(arch, "/"), runtime.GOARCH),
			"go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, program),
			"github.com/davit-project/davit/e2e/images/" + name,
		}
		if _, err := output(ctx, "", "env", args...); err != nil {
			return "", fmt.Errorf("build the images' program %s: %w", program, err)
		}
	}
	return dir, nil
}

// Runs386 reports whether this machine executes the 32-bit programs of PCs: kernels that were built without them, and
// those below some hypervisors, do not. [Layout] has built the program that is tried.
func Runs386() (bool, error) {
	dir, unlock, err := cache.Lock("lock")
	if err != nil {
		return false, err
	}
	defer unlock()
	err = exec.Command(filepath.Join(dir, "programs", "386", "hello"), "-remove", filepath.Join(dir, "nowhere")).Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return true, nil // it ran, and said that it finds no such file
	}
	if errors.Is(err, unix.ENOEXEC) {
		return false, nil
	}
	return err == nil, err
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

// allowedImage is the program that prints its permissions.
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

// helloImages are two versions of the hello program, one layer and two configurations, one with a HEALTHCHECK, and a
// 32-bit one that says it is the machine's, as images often do.
func helloImages(dir string) ([]named, error) {
	var made []named
	check := &v1.HealthConfig{Test: []string{"CMD", "/hello", "-remove", "/tmp/ready"}, Interval: time.Second}
	for _, hello := range []struct {
		version, dir string
		check        *v1.HealthConfig
	}{{"1", dir, nil}, {"2", dir, nil}, {"checked", dir, check}, {"386", filepath.Join(dir, "386"), nil}} {
		layer, err := programLayer(hello.dir, "hello")
		if err != nil {
			return nil, err
		}
		image, err := imageOf(v1.Config{
			Entrypoint: []string{"/hello"}, Env: []string{searchPath, "HELLO_VERSION=" + hello.version},
			ExposedPorts: port("80/tcp"), Healthcheck: hello.check,
		}, layer)
		if err != nil {
			return nil, fmt.Errorf("image hello: %w", err)
		}
		made = append(made, named{image, namesOf("davit-project/hello", []string{hello.version})})
	}
	return made, nil
}
