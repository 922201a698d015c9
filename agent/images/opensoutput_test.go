package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

func TestOpensOutput(t *testing.T) {
	t.Parallel()
	const link = "-> "
	for name, test := range map[string]struct {
		layers []map[string]string // the topmost first
		want   string
	}{
		"nothing":                       {[]map[string]string{{"bin/app": "\x7fELF\x00/dev/stdout", "etc/app.conf": "log stdout\n"}}, ""},
		"a link":                        {[]map[string]string{{"var/log/nginx/access.log": link + "/dev/stdout"}}, "/var/log/nginx/access.log is a link to /dev/stdout"},
		"a link by the way up":          {[]map[string]string{{"var/log/error.log": link + "../../dev/stderr"}}, "/var/log/error.log is a link to /dev/stderr"},
		"a link to a descriptor":        {[]map[string]string{{"app/log": link + "/proc/self/fd/1"}}, "/app/log is a link to /proc/self/fd/1"},
		"a configuration file":          {[]map[string]string{{"usr/local/apache2/conf/httpd.conf": "ErrorLog /proc/self/fd/2\n"}}, "/usr/local/apache2/conf/httpd.conf names /proc/self/fd/2"},
		"a script":                      {[]map[string]string{{"entrypoint": "#!/bin/sh\nexec app --log /dev/stdout\n"}}, "/entrypoint names /dev/stdout"},
		"in a layer below":              {[]map[string]string{{"app": "x"}, {"entrypoint": "> /dev/stdout"}}, "/entrypoint names /dev/stdout"},
		"replaced by a layer above":     {[]map[string]string{{"var/log/a": "text"}, {"var/log/a": link + "/dev/stdout"}}, ""},
		"its directory is replaced":     {[]map[string]string{{"var/log": link + "/tmp"}, {"var/log/a": link + "/dev/stdout"}}, ""},
		"beside what a layer replaces":  {[]map[string]string{{"var/log/a": "text"}, {"var/log/a": link + "/dev/stdout", "var/log/b": link + "/dev/stderr"}}, "/var/log/b is a link to /dev/stderr"},
		"the image's /dev":              {[]map[string]string{{"dev/stdout": link + "/proc/self/fd/1"}}, ""},
		"a library":                     {[]map[string]string{{"app/node_modules/shell/lib.js": "'/dev/stdout'"}}, ""},
		"a large file":                  {[]map[string]string{{"dump.sql": strings.Repeat("x", bundle.MaxOutputFile) + "/dev/stdout"}}, ""},
		"a FIFO of the image, in a dir": {[]map[string]string{{"run/pipe": "FIFO", "etc/a": "/dev/stdout\n"}}, "/etc/a names /dev/stdout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			var lower []string
			for i, files := range test.layers {
				dir := filepath.Join("l", string(rune('A'+i)))
				lower = append(lower, dir)
				for file, text := range files {
					makeFile(t, filepath.Join(base, dir, file), text)
				}
			}
			got, err := opensOutput(base, lower)
			if err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// makeFile makes a file with a text, or a link, or a FIFO.
func makeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	err := error(nil)
	switch target, isLink := strings.CutPrefix(text, "-> "); {
	case isLink:
		err = os.Symlink(target, path)
	case text == "FIFO":
		err = unix.Mkfifo(path, 0o600)
	default:
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
