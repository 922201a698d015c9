package main

import (
	"io/fs"
	"testing"
)

func TestWhereACommandMayHang(t *testing.T) {
	t.Parallel()
	const local = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
	mounted := func(point, kind string) string {
		return local + "40 22 0:50 / " + point + " rw,relatime shared:9 - " + kind + " server:/x rw\n"
	}
	links := map[string]string{"/etc/davit/manifests": "../../srv/repository/current", "/srv/repository/current": "/mnt/share/site"}
	for name, test := range map[string]struct {
		mounts string
		args   []string
		want   bool
	}{
		"nothing is mounted":                {local, nil, false},
		"a link leads to NFS":               {mounted("/mnt/share", "nfs4"), nil, true},
		"a link leads past it":              {mounted("/srv/repository/old", "nfs4"), nil, false},
		"the root itself":                   {local + "23 1 0:60 / / rw - virtiofs root rw\n", nil, false},
		"NFS elsewhere":                     {mounted("/home", "nfs4"), nil, false},
		"below":                             {mounted("/mnt/share/site/more", "fuse.sshfs"), nil, true},
		"a disk":                            {mounted("/mnt/share", "ext4"), nil, false},
		"another directory":                 {mounted("/mnt/share", "nfs4"), []string{"plan", "-m", "/root/m"}, false},
		"another directory on it":           {mounted("/root/m", "cifs"), []string{"plan", "--manifests=/root/m/site"}, true},
		"the vendors' directory":            {mounted("/usr", "9p"), nil, true},
		"a name that only begins like that": {mounted("/mnt/share/si", "nfs"), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			readlink := func(path string) (string, error) {
				if target, ok := links[path]; ok {
					return target, nil
				}
				return "", fs.ErrInvalid
			}
			if got := mayHang(test.mounts, manifestRoots(test.args), readlink); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
