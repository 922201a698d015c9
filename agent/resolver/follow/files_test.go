package follow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilesThatDecideWhereAPathLeads(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		dirs  []string
		links map[string]string
		files []string
		want  []string
		watch []string // of the last one: the paths, and the name that counts
	}{
		"a file":           {nil, nil, []string{"etc/f"}, []string{"etc/f"}, []string{"etc", "etc/f", "etc/f"}},
		"missing":          {nil, nil, nil, []string{"etc/f"}, []string{"etc", "etc/f"}},
		"a directory":      {[]string{"etc/f"}, nil, nil, []string{"etc/f"}, []string{"etc", "etc/f"}},
		"a relative link":  {[]string{"run/r"}, map[string]string{"etc/f": "../run/r/f"}, []string{"run/r/f"}, []string{"etc/f", "run/r/f"}, []string{"run/r", "run/r/f", "run/r/f"}},
		"two links":        {[]string{"run"}, map[string]string{"etc/f": "../run/a", "run/a": "b"}, []string{"run/b"}, []string{"etc/f", "run/a", "run/b"}, []string{"run", "run/b", "run/b"}},
		"a link to come":   {[]string{"run"}, map[string]string{"etc/f": "../run/r/s/f"}, nil, []string{"etc/f", "run/r/s/f"}, []string{"run", "run/r"}},
		"beyond a link":    {[]string{"real/deep"}, map[string]string{"x": "real/deep", "etc/f": "../x/f", "real/deep/f": "../g"}, []string{"real/g"}, []string{"etc/f", "x/f", "real/g"}, []string{"real", "real/g", "real/g"}},
		"a linked parent":  {[]string{"run/r"}, map[string]string{"var": "run", "etc/f": "../var/r/f"}, []string{"run/r/f"}, []string{"etc/f", "var/r/f"}, []string{"run/r", "run/r/f", "run/r/f"}},
		"a file as parent": {nil, map[string]string{"etc/f": "g/f"}, []string{"etc/g"}, []string{"etc/f", "etc/g/f"}, []string{"etc", "etc/g", "etc/g"}},
		"a link to itself": {nil, map[string]string{"etc/f": "f"}, nil, repeat("etc/f", maxLinks), []string{"etc", "etc/f"}},
	} {
		root, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range append(test.dirs, "etc") {
			if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for link, target := range test.links {
			if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
				t.Fatal(err)
			}
		}
		for _, file := range test.files {
			if err := os.WriteFile(filepath.Join(root, file), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		below := func(paths ...string) (relative []string) {
			for _, path := range paths {
				relative = append(relative, strings.TrimPrefix(path, root+"/"))
			}
			return relative
		}
		files := filesOf(filepath.Join(root, "etc/f"))
		if diff := cmp.Diff(test.want, below(files...)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		paths, counts := toWatch(files[len(files)-1])
		if diff := cmp.Diff(test.watch, below(append(paths, counts)...)); diff != "" {
			t.Errorf("%s: watches %s", name, diff)
		}
	}
}

func repeat(text string, times int) (all []string) {
	for range times {
		all = append(all, text)
	}
	return all
}
