// Package v1 holds the API types of apiVersion davit/v1, which people write.
//
// The types carry meaning and defaults in their doc comments and know nothing
// of files, nodes or systemd. Field names and meanings are Kubernetes' wherever
// Kubernetes has the field; a field that it lacks is named after systemd or Podman.
// Every field that is left out has the default its comment states; defaults are
// applied when objects are resolved, never while they are decoded. Tags say the rest: a
// field without omitempty or omitzero is required, enum:"A,B" lists its values.
package v1

// APIVersion is the apiVersion of every kind in this package.
const APIVersion = "davit/v1"
