// Package e2e is where davit is tried as its users use it: a throwaway node with a real
// systemd, davit installed by its own Makefile, a registry with images of real software,
// and manifests dropped into a directory.
//
// The scenarios are the files testdata/*.txtar, one behaviour each; they are meant to be
// read. The commands they use beside testscript's own are explained in
// commands_test.go.
//
// Limits of time in a scenario are those of an idle machine. measurePatience measures before the first
// scenario how much slower this machine is, and all limits are multiplied by that. Scripts in the node
// multiply theirs by $PATIENCE. Deadlines that a manifest gives to davit are not multiplied: a deadline
// of seconds is only for a version that is to fail. `make test-busy` finds scenarios that wait for a
// time instead of an event.
//
// To try a situation before it is a scenario, write a bash script and run it in the scenarios' node:
// `make node RUN=script.sh DIR=folder` copies the folder to /trial of a new node, runs
// /trial/script.sh there and passes its output through. The exit status is that of the script for
// the program e2e/trial; make reports it as "Error STATUS" and exits with 2 itself. `make node` alone
// is a shell in that node.
package e2e
