package manifests

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Proxy are the proxies of a node; an empty one is none.
type Proxy struct {
	// HTTP, HTTPS and FTP are URLs, No the hosts that are reached without a proxy, as the variables
	// of these names have them.
	HTTP, HTTPS, FTP, No string
	// AllContainers gives them to the containers whose manifests do not say.
	AllContainers bool
}

// proxyFile is what a configuration says of proxies, in the words of Docker's config.json.
type proxyFile struct {
	HTTPProxy  string `json:"httpProxy,omitempty"`
	HTTPSProxy string `json:"httpsProxy,omitempty"`
	FTPProxy   string `json:"ftpProxy,omitempty"`
	NoProxy    string `json:"noProxy,omitempty"`
	// AllContainers gives them to the containers whose manifests do not say; the default is to none of these.
	AllContainers bool `json:"allContainers,omitempty"`
}

// proxySchemes are those of the proxies that programs know.
var proxySchemes = []string{"http", "https", "socks5", "socks5h"}

// proxy reads the proxies of a configuration.
func (d *document) proxy() Proxy {
	return Proxy{
		HTTP: d.proxyURL("httpProxy"), HTTPS: d.proxyURL("httpsProxy"), FTP: d.proxyURL("ftpProxy"),
		No: d.proxyText("noProxy"), AllContainers: d.proxyText("allContainers") == "true",
	}
}

func (d *document) proxyText(name string) string {
	field := "proxy." + name
	node, ok := d.nodes[field]
	if !ok || len(d.diagnostics) > 0 {
		return ""
	}
	if strings.ContainsFunc(node.Value, unicode.IsControl) {
		d.report(node, field, "has a control character", "")
	}
	return node.Value
}

func (d *document) proxyURL(name string) string {
	text := d.proxyText(name)
	if text == "" {
		return ""
	}
	parsed, err := url.Parse(text)
	if err != nil || !slices.Contains(proxySchemes, parsed.Scheme) || parsed.Host == "" {
		field := "proxy." + name
		d.report(d.nodes[field], field, fmt.Sprintf("want a URL such as http://proxy.lan:3128, with one of %s", strings.Join(proxySchemes, ", ")), "")
	}
	return text
}
