// Package e2e is where davit is tried as its users use it: a throwaway node with a real
// systemd, davit installed by its own Makefile, a registry with images of real software,
// and manifests dropped into a directory.
//
// The scenarios are the files testdata/*.txtar, one behaviour each; they are meant to be
// read. The commands they use beside testscript's own are explained in
// commands_test.go.
package e2e
