package resolver

import (
	"bytes"
	"fmt"
	"hash/fnv"
)

// The first line of a container's file says that davit keeps the file as the node's. It has the checksum of the
// rest: a container that writes its own file, as a VPN client does, keeps that.

const markFormat = "# davit keeps this file like the node's until it is edited (%08x)\n"

func mark(text []byte) []byte {
	sum := fnv.New32a()
	// Empty lines at the end are the rest of an interrupted write, see [Replace].
	sum.Write(bytes.TrimRight(text, "\n"))
	return fmt.Appendf(nil, markFormat, sum.Sum32())
}

func marked(text []byte) []byte { return append(mark(text), text...) }

// isMarked reports whether davit has written a file, and it has not been edited since.
func isMarked(text []byte) bool {
	end := bytes.IndexByte(text, '\n') + 1
	return bytes.Equal(text[:end], mark(text[end:])) && end > 0
}
