package resolve

import (
	"encoding/json"
	"errors"
	"strings"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// Rehearse resolves objects without a node, and returns those that no node can run. It assumes that each image has a command
// and says nothing else, and that the node has the networks, runtimes, CDI devices and seccomp profiles that the objects name.
func Rehearse(objects []object.Object) []object.Refusal {
	objects = assignPorts(objects, nil, PortsInUse{})
	in := Input{
		Objects: objects, Images: map[reconcile.ImageRequest]ImageResult{}, NodeNetworks: map[string]json.RawMessage{},
		Node: Node{
			Launcher: "/usr/local/libexec/davit/davit-run", StorageRoot: "/var/lib/containers/storage", Architecture: "amd64",
			Hostname: "node", Systemd: systemdRestartMode, RecursiveReadOnly: true, Runtimes: map[string]string{}, SeccompProfiles: map[string][]byte{},
			CDI: map[string]CDIDevice{},
		},
	}
	for _, request := range Requests(objects) {
		in.Images[request] = ImageResult{Image: assumedImage(request)}
	}
	for _, object := range objects {
		// Resolve reports objects that cannot run as problems.
		l, _ := lower(object.Object)
		for _, run := range l.containers {
			in.assume(run)
		}
	}
	r := newResolver(in)
	r.rehearses = true
	r.networks()
	r.volumes()
	r.collectData()
	for _, object := range objects {
		if _, err := r.anew(object); err != nil {
			r.problem(object, err)
		}
		// The result is not needed any more.
		clear(r.desired.Workloads)
		clear(r.desired.Spares)
	}
	var refusals []object.Refusal
	for _, problem := range r.desired.Problems {
		field, cause := fieldOf(problem.Err)
		_, conflict := errors.AsType[conflictError](problem.Err)
		refusals = append(refusals, object.Refusal{Ref: problem.Ref, Field: field, Err: cause, Conflict: conflict})
	}
	return refusals
}

// assumedImage is an image of which nothing is known but that it has a command.
func assumedImage(request reconcile.ImageRequest) reconcile.Image {
	const id = "0000000000000000000000000000000000000000000000000000000000000000"
	return reconcile.Image{
		Image:   bundle.Image{Reference: request.Reference, Digest: "sha256:" + id, ID: id},
		Request: request,
		Config:  imagespec.ImageConfig{Entrypoint: []string{"/entrypoint"}},
	}
}

// assume adds the facts of the node that a container names.
func (in *Input) assume(run runnable) {
	if run.Runtime != "" {
		in.Node.Runtimes[run.Runtime] = "/usr/bin/runtime"
	}
	if profile := run.SecurityContext.SeccompProfile; profile.Type == v1.SeccompLocalhost {
		in.Node.SeccompProfiles[profile.LocalhostProfile] = []byte("{}")
	}
	for _, device := range run.Devices {
		in.Node.CDI[device.Path] = CDIDevice{}
	}
	for _, attachment := range run.Networks {
		in.NodeNetworks[attachment.Name] = json.RawMessage(`{"cniVersion": "1.0.0", "name": "assumed", "plugins": [{"type": "assumed"}]}`)
	}
}

// fieldError is an error with the field that it lies in: a path below that of the fieldError around it, or from the
// object on where it begins with spec.
type fieldError struct {
	field string
	error
}

func (e fieldError) Unwrap() error { return e.error }

// at gives an error its field; nil stays nil.
func at(field string, err error) error {
	if err == nil {
		return nil
	}
	return fieldError{field, err}
}

// fieldOf returns the path of the faulty field, from the object on, and the message. The path is empty if the error concerns the
// whole object.
func fieldOf(err error) (field string, cause error) {
	var path []string
	for {
		inner, ok := errors.AsType[fieldError](err)
		if !ok {
			return strings.Join(path, "."), err
		}
		if strings.HasPrefix(inner.field, "spec") {
			path = nil
		}
		path, err = append(path, inner.field), inner.error
	}
}

// conflictError is an error of two objects that cannot be on one node together.
type conflictError struct{ error }

func (e conflictError) Unwrap() error { return e.error }
