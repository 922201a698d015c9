package resolve

import (
	"reflect"
	"slices"
	"testing"

	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
)

func TestPathsAreLookedUpWhereNoContainerCanChangeTheWay(t *testing.T) {
	t.Parallel()
	writable := func(path string) policy.HostPath { return policy.HostPath{Path: path} }
	readOnly := func(path string) policy.HostPath { return policy.HostPath{Path: path, ReadOnly: true} }
	for name, test := range map[string]struct {
		allowed []policy.HostPath
		path    string
		writes  bool
		root    string
		guarded []string
	}{
		"none are bounded":                   {nil, "/srv/a", true, "", nil},
		"one":                                {[]policy.HostPath{writable("/srv/a")}, "/srv/a/b", true, "/srv/a", nil},
		"another one":                        {[]policy.HostPath{writable("/srv/ab")}, "/srv/a/b", true, "", nil},
		"the outermost":                      {[]policy.HostPath{writable("/srv/a/b"), writable("/srv/a")}, "/srv/a/b/c", true, "/srv/a", nil},
		"the outermost, to be read":          {[]policy.HostPath{writable("/srv/a/b"), readOnly("/srv/a")}, "/srv/a/b/c", false, "/srv/a", nil},
		"none that is written is read alone": {[]policy.HostPath{writable("/srv/a/b"), readOnly("/srv/a")}, "/srv/a/b/c", true, "/srv/a/b", nil},
		"what is in it may be read alone":    {[]policy.HostPath{writable("/srv"), readOnly("/srv/a"), readOnly("/var")}, "/srv/b", true, "/srv", []string{"/srv/a"}},
		"the same, to be read":               {[]policy.HostPath{writable("/srv"), readOnly("/srv/a")}, "/srv/b", false, "/srv", nil},
		"what is between may be read alone":  {[]policy.HostPath{writable("/srv"), readOnly("/srv/a"), writable("/srv/a/b")}, "/srv/a/b/c", true, "/srv/a/b", nil},
		"all of the node":                    {[]policy.HostPath{writable("/"), writable("/srv")}, "/srv/a", true, "/", nil},
	} {
		r := &resolver{in: Input{HostPaths: test.allowed}}
		root, guarded := r.hostRoot(test.path, test.writes)
		if root != test.root || !slices.Equal(guarded, test.guarded) {
			t.Errorf("%s: from %q without %q, want %q without %q", name, root, guarded, test.root, test.guarded)
		}
	}
}

// TestWhatAnOlderDavitRenderedStays keeps an upgrade from starting containers again whose paths are looked up as before.
func TestWhatAnOlderDavitRenderedStays(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		allowed []policy.HostPath
		want    any
	}{
		"none":   {nil, []string(nil)},
		"apart":  {[]policy.HostPath{{Path: "/srv"}, {Path: "/var", ReadOnly: true}}, []string{"/srv", "/var"}},
		"nested": {[]policy.HostPath{{Path: "/srv/a"}, {Path: "/srv"}}, []policy.HostPath{{Path: "/srv/a"}, {Path: "/srv"}}},
	} {
		if got := (&resolver{in: Input{HostPaths: test.allowed}}).hostRoots(); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %#v", name, got)
		}
	}
}

// TestDevicesInWhatContainersMayWriteAreNamed has the launcher accept no directory if the policy bounds the allowed paths.
func TestDevicesInWhatContainersMayWriteAreNamed(t *testing.T) {
	t.Parallel()
	for path, test := range map[string]struct {
		allowed []policy.HostPath
		want    bool
	}{
		"/dev/snd": {nil, false},
		"/dev/dri": {[]policy.HostPath{{Path: "/dev/dri"}}, true},
	} {
		r := &resolver{in: Input{HostPaths: test.allowed}}
		if got := r.devicesOf([]v1.Device{{Path: path}}); got[0].Single != test.want {
			t.Errorf("%s: got %v", path, got[0].Single)
		}
	}
}
