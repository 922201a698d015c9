package manifests

import (
	"strings"
	"testing"

	"github.com/davit-project/davit/manifests/fleet"
	"github.com/davit-project/davit/manifests/policy"
)

func TestASecretThatOthersCanReadIsReported(t *testing.T) {
	t.Parallel()
	const (
		secret = "apiVersion: davit/v1\nkind: Secret\nmetadata: {name: s}\nstringData: {TOKEN: c4n4ry}\n"
		empty  = "apiVersion: davit/v1\nkind: Secret\nmetadata: {name: s}\n"
		config = "apiVersion: davit/v1\nkind: Config\nmetadata: {name: s}\ndata: {TOKEN: c4n4ry}\n"
		kube   = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {TOKEN: c4n4ry}\n"
	)
	for name, test := range map[string]struct {
		text, reader    string
		preset          policy.Preset
		warned, refused bool
	}{
		"everybody":                 {secret, "everybody", policy.Privileged, true, false},
		"everybody, baseline":       {secret, "everybody", policy.Baseline, true, false},
		"everybody, restricted":     {secret, "everybody", policy.Restricted, false, true},
		"everybody, of Kubernetes'": {kube, "everybody", policy.Baseline, true, false},
		"root alone":                {secret, "", policy.Restricted, false, false},
		"nothing in it":             {empty, "everybody", policy.Restricted, false, false},
		"a Config":                  {config, "everybody", policy.Restricted, false, false},
	} {
		file := File{Path: "/m/s.yaml", Name: "s.yaml", Text: []byte(test.text), Readers: test.reader}
		set := Load([]File{file}, Options{Node: &fleet.Node{}, Policy: fleet.PresetPolicy(test.preset, "test")})
		said := set.All()
		if (len(set.Warnings) > 0) != test.warned || (len(set.Diagnostics) > 0) != test.refused || len(said) > 1 {
			t.Errorf("%s: %v", name, said)
		}
		for _, d := range said {
			text := d.String()
			if !strings.Contains(text, "s.yaml:1:1: ") || !strings.Contains(text, "everybody can read") || strings.Contains(text, "c4n4ry") || !d.Confidential {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}
