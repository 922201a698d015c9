package fleet

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/davit-project/davit/manifests/yaml"
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

// readProxy reads the proxies of a configuration.
func readProxy(d *yaml.Document) Proxy {
	return Proxy{
		HTTP: proxyURL(d, "httpProxy"), HTTPS: proxyURL(d, "httpsProxy"), FTP: proxyURL(d, "ftpProxy"),
		No: proxyText(d, "noProxy"), AllContainers: proxyText(d, "allContainers") == "true",
	}
}

func proxyText(d *yaml.Document, name string) string {
	field := "proxy." + name
	node, ok := d.Nodes[field]
	if !ok || len(d.Diagnostics) > 0 {
		return ""
	}
	if strings.ContainsFunc(node.Value, unicode.IsControl) {
		d.Report(node, field, "has a control character", "")
	}
	return node.Value
}

func proxyURL(d *yaml.Document, name string) string {
	text := proxyText(d, name)
	if text == "" {
		return ""
	}
	parsed, err := url.Parse(text)
	if err != nil || !slices.Contains(proxySchemes, parsed.Scheme) || parsed.Host == "" {
		field := "proxy." + name
		d.Report(d.Nodes[field], field, fmt.Sprintf("want a URL such as http://proxy.lan:3128, with one of %s", strings.Join(proxySchemes, ", ")), "")
	}
	return text
}
