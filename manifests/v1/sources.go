package v1

import "embed"

// Sources are this package's own Go files, whose doc comments say what every field means:
// what is printed for people is read from there and cannot be stale.
//
//go:embed *.go
var Sources embed.FS
