package resolve_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units/bundle"
)

// TestContainersHaveTheNodesProxies checks which containers get them, which variables take precedence, and that a password is no
// part of the bundle's configuration.
func TestContainersHaveTheNodesProxies(t *testing.T) {
	t.Parallel()
	given := resolve.Proxy{HTTP: "http://proxy.lan:3128", No: "localhost,.lan"}
	all := given
	all.AllContainers = true
	secret := resolve.Proxy{HTTPS: "http://user:word@proxy.lan:3128"}
	variables := []string{"HTTP_PROXY=http://proxy.lan:3128", "NO_PROXY=localhost,.lan", "http_proxy=http://proxy.lan:3128", "no_proxy=localhost,.lan"}
	for name, test := range map[string]struct {
		proxy   resolve.Proxy
		spec    string
		want    []string
		secrets []string
	}{
		"no one asks":              {given, "hostname: a", []string{"HTTP_PROXY=of-the-image"}, nil},
		"the manifest asks":        {given, "httpProxy: true", variables, nil},
		"all have them":            {all, "hostname: a", variables, nil},
		"the manifest declines":    {all, "httpProxy: false", []string{"HTTP_PROXY=of-the-image"}, nil},
		"there is none":            {resolve.Proxy{}, "httpProxy: true", []string{"HTTP_PROXY=of-the-image"}, nil},
		"the manifest has its own": {given, "httpProxy: true\n  env: [{name: NO_PROXY, value: mine}]", []string{variables[0], "NO_PROXY=mine", variables[2], variables[3]}, nil},
		"a URL with a password":    {secret, "httpProxy: true", []string{"HTTP_PROXY=of-the-image"}, []string{"HTTPS_PROXY=http://user:word@proxy.lan:3128", "https_proxy=http://user:word@proxy.lan:3128"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := reconciletest.Command
			image.Env = []string{"HTTP_PROXY=of-the-image"}
			objects := reconciletest.Load(t, reconciletest.Container("web", test.spec))
			node := reconciletest.TestNode
			node.Proxy = test.proxy
			b := resolve.Resolve(resolve.Input{Objects: objects, Images: reconciletest.Resolved(objects, image), Node: node}).Workloads["web.service"].Bundle
			var got, secrets []string
			for _, entry := range b.Spec.Process.Env {
				if strings.Contains(strings.ToUpper(entry), "_PROXY=") {
					got = append(got, entry)
				}
			}
			for _, file := range b.Files {
				if file.Path == bundle.SecretEnvFile {
					if err := json.Unmarshal(file.Content, &secrets); err != nil {
						t.Fatal(err)
					}
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff([][]string{test.want, test.secrets}, [][]string{got, secrets}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
