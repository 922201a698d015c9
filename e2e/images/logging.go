package images

import (
	"fmt"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// loggingImages have a program that writes its log to files, which its image makes standard output and error: by links, as
// the official image of nginx does, and in a configuration file, as that of httpd does.
func loggingImages(shell v1.Layer) ([]named, error) {
	user := entry{mode: 0o644, text: []byte("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/srv:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")}
	var made []named
	for tag, entries := range map[string]map[string]entry{
		"links": {
			"etc/passwd":             user,
			"var/log/app/access.log": {mode: fs.ModeSymlink | 0o777, link: "/dev/stdout"},
			"var/log/app/error.log":  {mode: fs.ModeSymlink | 0o777, link: "/proc/self/fd/2"},
		},
		"conf": {
			"etc/passwd":   user,
			"etc/app.conf": {mode: 0o644, text: []byte("access=/proc/self/fd/1\nerror=/dev/stderr\n")},
		},
	} {
		layer, err := (&content{entries: entries}).layer(nil)
		if err != nil {
			return nil, err
		}
		image, err := imageOf(v1.Config{Cmd: []string{"sh"}, Env: []string{searchPath}}, shell, layer)
		if err != nil {
			return nil, fmt.Errorf("image logging: %w", err)
		}
		made = append(made, named{image, namesOf("davit-project/logging", []string{tag})})
	}
	return made, nil
}

// surroundingsImage is the program that prints a container's surroundings, with users and groups.
func surroundingsImage(dir string, shell v1.Layer) (named, error) {
	program, err := programLayer(dir, "surroundings")
	if err != nil {
		return named{}, err
	}
	users, err := (&content{entries: map[string]entry{
		"etc/passwd": {mode: 0o644, text: []byte("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/srv/app:/bin/sh\n")},
		"etc/group":  {mode: 0o644, text: []byte("root:x:0:\napp:x:1000:\nlogs:x:2000:app\n")},
		"srv/app":    {mode: fs.ModeDir | 0o755},
	}}).layer(nil)
	if err != nil {
		return named{}, err
	}
	image, err := imageOf(v1.Config{Entrypoint: []string{"/surroundings"}, Env: []string{searchPath}}, shell, program, users)
	if err != nil {
		return named{}, fmt.Errorf("image surroundings: %w", err)
	}
	return named{image, namesOf("davit-project/surroundings", []string{"1"})}, nil
}
