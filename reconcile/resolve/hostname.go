package resolve

import (
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// maxHostname is the longest host name that the kernel takes, in bytes: HOST_NAME_MAX of limits.h, __NEW_UTS_LEN of
// linux/utsname.h. A name of an object has up to 63, and with the number of one of several it may have more.
const maxHostname = 64

// hostnameOf is the host name of a container or a sandbox: the manifest's, or the name of its object and, of one of
// several, its number. One that is too long loses the end of the object's name and keeps the number.
func hostnameOf(declared v1.SandboxFields, name string) string {
	if declared.Hostname != "" {
		return declared.Hostname
	}
	if len(name) <= maxHostname {
		return name
	}
	number := name[strings.LastIndexByte(name, '-'):]
	return strings.TrimRight(name[:maxHostname-len(number)], "-") + number
}
