package confine

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/units/bundle"
)

func TestLabelsOfWorkloads(t *testing.T) {
	t.Parallel()
	own := "level:" + categories("web")
	for name, test := range map[string]struct {
		declared bundle.SELinux
		want     []string
	}{
		"nothing is said":          {bundle.SELinux{}, []string{own}},
		"a level of its own":       {bundle.SELinux{Level: "s0:c1,c2"}, []string{"level:s0:c1,c2"}},
		"another type":             {bundle.SELinux{Type: "container_init_t"}, []string{own, "type:container_init_t"}},
		"another type of files":    {bundle.SELinux{FileType: "container_ro_file_t"}, []string{"filetype:container_ro_file_t", own}},
		"a whole label":            {bundle.SELinux{User: "u", Role: "r", Type: "t", Level: "s0"}, []string{"level:s0", "role:r", "type:t", "user:u"}},
		"a privileged one is none": {bundle.SELinux{Disabled: true}, []string{"disable"}},
	} {
		got := labelOptions(test.declared, "web")
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWorkloadsHaveCategoriesOfTheirOwn(t *testing.T) {
	t.Parallel()
	if got, want := categories("web"), categories("web"); got != want {
		t.Errorf("got %s, then %s", got, want)
	}
	seen := map[string]bool{}
	for _, name := range []string{"web", "web@1", "web@2", "db", "app-pod", "a", "b", "c"} {
		seen[categories(name)] = true
	}
	if len(seen) != 8 {
		t.Errorf("eight workloads have %d levels: %v", len(seen), seen)
	}
}

func TestMountOptionsHaveTheLabel(t *testing.T) {
	t.Parallel()
	l := Labels{File: "system_u:object_r:container_file_t:s0:c1,c2"}
	if got, want := l.Options("mode=0777", "size=1"), `mode=0777,size=1,context="system_u:object_r:container_file_t:s0:c1,c2"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	l.File = ""
	if got := l.Options("mode=0777"); got != "mode=0777" {
		t.Errorf("got %s", got)
	}
}
