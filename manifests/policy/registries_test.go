package policy

import "testing"

func TestRegistriesAreWholeComponents(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"ghcr.io/acme/app:1":                true,
		"docker://ghcr.io/acme/app:1":       true,
		"//ghcr.io/acme/app":                true,
		"ghcr.io:8443/evil/x:1":             false,
		"docker://ghcr.io:8443/evil/x:1":    false,
		"ghcr.io@x/y":                       false,
		"ghcr.io:latest":                    false,
		"ghcr.io":                           false,
		"ghcr.io.evil.com/x":                false,
		"docker.io/library/busybox:1":       true,
		"docker.io/library":                 true,
		"docker.io/library:1":               true,
		"docker.io/libraryx/y":              false,
		"docker.io/other/y":                 false,
		"localhost:5000/x":                  true,
		"localhost:50001/x":                 false,
		"localhost/x":                       false,
		"registry.example/team/x":           true,
		"registry.example/team/x@sha256:ab": true,
		"registry.example/teams":            false,
	} {
		c := &checker{policy: &Policy{Preset: Privileged, Registries: []string{"ghcr.io", "docker.io/library", "localhost:5000", "registry.example/team/"}}}
		c.image("spec.image", name)
		if got := len(c.violations) == 0; got != want {
			t.Errorf("%s: allowed is %v", name, got)
		}
	}
}
