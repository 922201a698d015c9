package systemd

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/davit-project/davit/units"
)

func TestEnabledByItsLinks(t *testing.T) {
	t.Parallel()
	stamp := "[X-Davit]\nObject=Container/web\n"
	enabled := Enabled{"multi-user.target.wants/web.service": true, "app.target.requires/db.service": true}
	for name, test := range map[string]struct {
		unit, install string
		lacks         bool
	}{
		"has its link":                     {"web.service", "WantedBy=multi-user.target", false},
		"has none":                         {"other.service", "WantedBy=multi-user.target", true},
		"has one of two":                   {"web.service", "WantedBy=multi-user.target app.target", false},
		"is required":                      {"db.service", "RequiredBy=app.target", false},
		"is required and has none":         {"web.service", "RequiredBy=app.target", true},
		"is started by nothing":            {"other.service", "Alias=x.service", false},
		"has one that systemd works out":   {"other.service", "WantedBy=app-%i.target", false},
		"is an instance of what is wanted": {"other.service", "WantedBy=app@.target", false},
	} {
		own, err := units.ParseOwn("[Install]\n" + test.install + "\n" + stamp)
		if err != nil {
			t.Fatal(err)
		}
		if got := enabled.Lacks(test.unit, own); got != test.lacks {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestAMaskTakesNoPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, make := range map[string]func(path string) error{
		"unit":  func(path string) error { return os.WriteFile(path, []byte("[Service]\n"), 0o600) },
		"empty": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"mask":  func(path string) error { return os.Symlink("/dev/null", path) },
		"gone":  func(path string) error { return os.Symlink(filepath.Join(dir, "nothing"), path) },
		"dir":   func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if got := takesPlace(path, name+".service"); got != (name == "unit") {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestLinksOfAUnitAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	links := map[string]string{ // link → target
		"multi-user.target.wants/web.service": "/etc/systemd/system.attached/web.service",
		"app.target.requires/web.service":     "/etc/systemd/system.attached/web.service",
		"site.service":                        "/etc/systemd/system.attached/web.service",
		"multi-user.target.wants/db.service":  "/etc/systemd/system.attached/db.service",
		"web.service":                         "/dev/null",
		"other.service":                       "/etc/systemd/system.attached/db.service",
	}
	for link, target := range links {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, link)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time there is nothing left to do
		if err := removeLinks(dir, "web.service"); err != nil {
			t.Fatal(err)
		}
	}
	var left []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		left = append(left, strings.TrimPrefix(path, dir))
		return err
	})
	want := []string{"", "/multi-user.target.wants", "/multi-user.target.wants/db.service", "/other.service", "/web.service"}
	if err != nil || !slices.Equal(left, want) {
		t.Errorf("got %v, %v, want %v", left, err, want)
	}
}
