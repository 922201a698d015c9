package bundle

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// MaxOutputFile is the size of the largest file that davit searches for a name of standard output, in bytes: configuration files
// and scripts are small.
const MaxOutputFile = 128 << 10

// outputNames are the paths by which a program opens its standard output and error; $$ is the process of a shell. If the
// descriptor is a socket, open(2) of such a path fails with ENXIO.
var outputNames = []string{
	"/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2",
	"/proc/self/fd/1", "/proc/self/fd/2", "/proc/1/fd/1", "/proc/1/fd/2", "/proc/$$/fd/1", "/proc/$$/fd/2",
}

// IsOutputName reports whether a path is a name of standard output or error.
func IsOutputName(name string) bool { return slices.Contains(outputNames, path.Clean(name)) }

// OutputNamed is the first name of standard output or error in a text; "" if it has none. A longer path, such as
// /dev/fd/10, is another name.
func OutputNamed(text []byte) string {
	first, found := len(text), ""
	for _, name := range outputNames {
		if at := indexOfPath(text[:first], name); at >= 0 {
			first, found = at, name
		}
	}
	return found
}

// indexOfPath is the index of a path in a text that no letter, digit or slash follows.
func indexOfPath(text []byte, name string) int {
	for from := 0; ; {
		at := bytes.Index(text[from:], []byte(name))
		if at < 0 {
			return -1
		}
		end := from + at + len(name)
		if end == len(text) || !continuesPath(text[end]) {
			return from + at
		}
		from = end
	}
}

func continuesPath(c byte) bool {
	return strings.IndexByte("/_-", c) >= 0 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// OutputNamedBy says which argument or variable of a process names its standard output, for people; "" if none does.
func OutputNamedBy(args, env []string) string {
	for _, arg := range args {
		if name := OutputNamed([]byte(arg)); name != "" {
			return "an argument names " + name
		}
	}
	for _, entry := range env {
		if variable, value, _ := strings.Cut(entry, "="); OutputNamed([]byte(value)) != "" {
			return "the variable " + variable + " names " + OutputNamed([]byte(value))
		}
	}
	return ""
}
