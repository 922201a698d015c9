package images

import (
	"net/url"
	"testing"
)

// TestProxiesOfTheNode has registries asked by the proxies of the configuration, and by those of the environment before.
func TestProxiesOfTheNode(t *testing.T) {
	for _, test := range []struct{ environment, configured, target, want string }{
		{"", "", "https://registry.example.com/v2/", ""},
		{"", "http://configured:3128", "https://registry.example.com/v2/", "http://configured:3128"},
		{"", "http://configured:3128", "https://registry.lan/v2/", ""},
		{"http://environment:3128", "http://configured:3128", "https://registry.example.com/v2/", "http://environment:3128"},
	} {
		for _, name := range []string{"HTTP_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy"} {
			t.Setenv(name, "")
		}
		t.Setenv("HTTPS_PROXY", test.environment)
		store := &Store{}
		store.UseProxy("", test.configured, ".lan")
		target, err := url.Parse(test.target)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		proxy, err := store.proxies.of(target)
		if proxy != nil {
			got = proxy.String()
		}
		if got != test.want || err != nil {
			t.Errorf("%+v: got %q, %v", test, got, err)
		}
	}
}
