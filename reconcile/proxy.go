package reconcile

import (
	"net/url"
	"strings"

	"github.com/davit-project/davit/manifests"
)

// proxyVariable is a variable that names a proxy.
type proxyVariable struct {
	name string
	variable
}

// proxiesOf are the proxies that a container is given. Programs read them in upper or in lower case, as Podman and Docker give them. A
// URL with a password is a secret.
func proxiesOf(run runnable, proxy manifests.Proxy) []proxyVariable {
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
