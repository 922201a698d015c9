package resolve

import (
	"net/url"
	"strings"
)

// Proxy are the proxies of a node; an empty one is none.
type Proxy struct {
	// HTTP, HTTPS and FTP are URLs, No the hosts that are reached without a proxy, as the variables of these names have them.
	HTTP, HTTPS, FTP, No string
	// AllContainers gives them to the containers whose manifests do not say.
	AllContainers bool
}

// proxyVariable is a variable that names a proxy.
type proxyVariable struct {
	name string
	variable
}

// proxiesOf are the proxies that a container is given. Programs read them in upper or in lower case, as Podman and Docker give them. A
// URL with a password is a secret.
func proxiesOf(run runnable, proxy Proxy) []proxyVariable {
	if wanted := run.HTTPProxy; wanted == nil && !proxy.AllContainers || wanted != nil && !*wanted {
		return nil
	}
	var variables []proxyVariable
	for _, one := range []struct{ name, value string }{
		{"HTTP_PROXY", proxy.HTTP}, {"HTTPS_PROXY", proxy.HTTPS}, {"FTP_PROXY", proxy.FTP}, {"NO_PROXY", proxy.No},
	} {
		if one.value == "" {
			continue
		}
		parsed, err := url.Parse(one.value)
		value := variable{text: one.value, secret: err == nil && parsed.User != nil}
		variables = append(variables, proxyVariable{one.name, value}, proxyVariable{strings.ToLower(one.name), value})
	}
	return variables
}
