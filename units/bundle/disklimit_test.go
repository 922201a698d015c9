package bundle

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatAQuotaCovers(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	l := Launch{
		ID: "web", Sandbox: "app-pod", EmptyDirs: []EmptyDir{{Name: "own"}, {Name: "bounded"}},
		DiskLimits: []DiskLimit{
			{Bytes: mib, EmptyDirs: []string{"bounded"}}, {Bytes: mib, EmptyDirs: []string{"shared"}},
			{Bytes: 8 * mib, Layer: true, EmptyDirs: []string{"own", "bounded", "shared"}}, {Bytes: mib - 1, Layer: true},
		},
	}
	for i, want := range []struct {
		dirs  []string
		owner string
	}{
		{[]string{"/var/lib/davit/containers/web/volumes/bounded"}, "web"},
		{[]string{"/var/lib/davit/containers/app-pod/volumes/shared"}, "app-pod"},
		{[]string{"/var/lib/davit/containers/web/writable", "/var/lib/davit/containers/web/volumes/own"}, "web"},
		{nil, "web"}, // too little for a quota
	} {
		limit := l.DiskLimits[i]
		if diff := cmp.Diff(want.dirs, l.QuotaDirs(limit)); diff != "" {
			t.Errorf("limit %d covers: %s", i, diff)
		}
		if owner := l.QuotaOwner(limit); owner != want.owner {
			t.Errorf("limit %d is of %s, want %s", i, owner, want.owner)
		}
	}
}
