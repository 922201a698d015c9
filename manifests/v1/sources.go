package v1

import "embed"

// Sources are this package's own Go files, whose doc comments say the meaning of every field:
// the texts for people are read from there and cannot be stale.
//
//go:embed *.go
var Sources embed.FS
