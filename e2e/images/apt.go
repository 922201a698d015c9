package images

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// packages are the Debian packages whose programs the images run. Their shared libraries'
// packages are found through their dependencies.
var packages = []string{"busybox-static", "nginx", "redis-server", "redis-tools", "postgresql"}

// followed are the dependencies that are downloaded too: shared libraries, and the
// packages that hold the programs of a package that is only a name (postgresql, nginx).
var followed = regexp.MustCompile(`^(lib|zlib1g|nginx|postgresql-[0-9]+$|postgresql-client-[0-9]+$)`)

// unwanted are large and needed by none of the programs that the images run.
var unwanted = regexp.MustCompile(`^(libllvm|libnginx-mod|libperl|libpython|libjson-perl|.*-perl$|.*-dev$)`)

// fetchPool downloads the packages and unpacks them into one tree.
func fetchPool(ctx context.Context, scratch string) (*pool, error) {
	names, err := resolvePackages(ctx)
	if err != nil {
		return nil, err
	}
	archives := filepath.Join(scratch, "archives")
	if err := os.MkdirAll(archives, 0o755); err != nil {
		return nil, err
	}
	// apt drops to the user _apt for downloads, which cannot write here.
	args := append([]string{"-qq", "-o", "APT::Sandbox::User=root", "download"}, names...)
	if _, err := output(ctx, archives, "apt-get", args...); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil {
		return nil, err
	}
	p := newPool(filepath.Join(scratch, "pool"))
	for _, file := range files {
		if err := p.unpack(ctx, file); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", filepath.Base(file), err)
		}
	}
	return p, nil
}

// resolvePackages follows the packages' dependencies, level by level.
func resolvePackages(ctx context.Context) ([]string, error) {
	var names []string
	known := map[string]bool{}
	for level := packages; len(level) > 0; {
		text, err := show(ctx, level)
		if err != nil {
			return nil, err
		}
		var next []string
		for _, stanza := range strings.Split(text, "\n\n") {
			name := field(stanza, "Package")
			if name == "" || known[name] {
				continue
			}
			known[name] = true
			names = append(names, name)
			for _, dependency := range dependencies(stanza) {
				if !known[dependency] && followed.MatchString(dependency) && !unwanted.MatchString(dependency) {
					next = append(next, dependency)
				}
			}
		}
		level = next
	}
	return names, nil
}

// show returns apt's records of the packages. A machine whose package lists were never
// fetched fetches them first.
func show(ctx context.Context, names []string) (string, error) {
	args := append([]string{"show", "--no-all-versions"}, names...)
	text, err := output(ctx, "", "apt-cache", args...)
	if err == nil {
		return text, nil
	}
	if _, err := output(ctx, "", "apt-get", "-qq", "update"); err != nil {
		return "", err
	}
	return output(ctx, "", "apt-cache", args...)
}

// field returns the value of a one-line field of a package's record.
func field(stanza, name string) string {
	for _, line := range strings.Split(stanza, "\n") {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return value
		}
	}
	return ""
}

// dependencies returns the names a package depends on, of alternatives the first.
func dependencies(stanza string) []string {
	var names []string
	for _, kind := range []string{"Depends", "Pre-Depends"} {
		for _, clause := range strings.Split(field(stanza, kind), ",") {
			name := strings.FieldsFunc(clause, func(r rune) bool { return strings.ContainsRune(" (|:", r) })
			if len(name) > 0 {
				names = append(names, name[0])
			}
		}
	}
	return names
}

// output runs a command and returns its output; its text on stderr is in the error.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
