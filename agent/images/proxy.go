package images

import (
	"net/url"
	"sync/atomic"

	"golang.org/x/net/http/httpproxy"
)

// proxies are the node's; those of the environment go before them.
type proxies struct {
	configured atomic.Pointer[httpproxy.Config]
}

// UseProxy has requests to registries go by these proxies where the environment names none.
func (s *Store) UseProxy(http, https, no string) {
	s.proxies.configured.Store(&httpproxy.Config{HTTPProxy: http, HTTPSProxy: https, NoProxy: no})
}

// of is the proxy for a URL; nil for none.
func (p *proxies) of(target *url.URL) (*url.URL, error) {
	config := httpproxy.FromEnvironment()
	if configured := p.configured.Load(); configured != nil && config.HTTPProxy == "" && config.HTTPSProxy == "" {
		config = configured
	}
	return config.ProxyFunc()(target)
}
