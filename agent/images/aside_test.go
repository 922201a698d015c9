package images

import (
	"io/fs"
	"strings"
	"testing"
)

// A process may end, enter another mount namespace or change its root between any two reads.
func TestMountsAreThoseOfEveryView(t *testing.T) {
	t.Parallel()
	const (
		hostMount  = "36 25 0:31 / /run/container rw - overlay overlay rw,lowerdir=l/HOST\n"
		otherMount = "40 25 0:32 / / rw - overlay overlay rw,lowerdir=l/OTHER\n"
		noOverlay  = "22 1 8:1 / / rw - ext4 /dev/vda rw\n"
	)
	type process struct {
		views  []string // by read; the last one stays
		mounts string
	}
	for name, test := range map[string]struct {
		processes []process
		want      string
	}{
		"one view is read once": {[]process{{[]string{"host/"}, noOverlay + hostMount}, {[]string{"host/"}, "not read: - overlay \n"}}, hostMount},
		"another namespace":     {[]process{{[]string{"host/"}, noOverlay}, {[]string{"other/"}, otherMount}}, otherMount},
		"another root":          {[]process{{[]string{"host/empty"}, ""}, {[]string{"host/"}, hostMount}}, hostMount},
		"a process that enters another namespace does not stand for those it leaves": {
			[]process{{[]string{"host/", "other/"}, otherMount}, {[]string{"host/"}, hostMount}}, otherMount + hostMount,
		},
		"neither does one that ends": {[]process{{[]string{"host/", ""}, noOverlay}, {[]string{"host/"}, hostMount}}, hostMount},
		"none":                       {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left, names := map[string]*process{}, []string(nil)
			for i := range test.processes {
				names = append(names, string(rune('a'+i)))
				left[names[i]] = &test.processes[i]
			}
			view := func(name string) (string, error) {
				p := left[name]
				now := p.views[0]
				if len(p.views) > 1 {
					p.views = p.views[1:]
				}
				if now == "" {
					return "", fs.ErrNotExist
				}
				return now, nil
			}
			read := func(path string) ([]byte, error) {
				return []byte(left[strings.TrimSuffix(path, "/mountinfo")].mounts), nil
			}
			if got := string(overlayMountsOf(names, view, read)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
