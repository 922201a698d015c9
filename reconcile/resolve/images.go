package resolve

import (
	"strings"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

// Requests returns the images that the objects ask for, each once, in the order in
// which they are first asked for. Resolving them is the edge's work; [Resolve] takes
// the answers.
func Requests(objects []object.Object) []reconcile.ImageRequest {
	byName := imageObjects(objects)
	var requests []reconcile.ImageRequest
	seen := map[reconcile.ImageRequest]bool{}
	add := func(request reconcile.ImageRequest, ok bool) {
		if ok && !seen[request] {
			seen[request] = true
			requests = append(requests, request)
		}
	}
	for _, object := range objects {
		if image, ok := object.Object.(*v1.Image); ok {
			add(imageRequest(image.Spec), true)
		}
		// Resolve reports objects that cannot run as problems.
		l, _ := lower(object.Object)
		for _, run := range l.containers {
			if run.Rootfs == "" {
				add(containerRequest(run.ContainerSpec, byName))
			}
			for _, volume := range run.Volumes {
				if volume.Image != nil {
					add(volumeRequest(*volume.Image), true)
				}
			}
		}
	}
	return requests
}

// containerRequest returns a container's request for an image; ok is false if its imageRef leads nowhere.
func containerRequest(spec v1.ContainerSpec, images map[string]*v1.Image) (reconcile.ImageRequest, bool) {
	if spec.ImageRef != "" {
		image, ok := images[spec.ImageRef]
		if !ok {
			return reconcile.ImageRequest{}, false
		}
		return imageRequest(image.Spec), true
	}
	return imageRequest(v1.ImageSpec{
		Image:           spec.Image,
		ImagePullPolicy: spec.ImagePullPolicy,
		Platform:        spec.Platform,
		AuthFile:        spec.AuthFile,
	}), true
}

// volumeRequest returns the request of a volume with the content of an image.
func volumeRequest(volume v1.ImageVolume) reconcile.ImageRequest {
	return imageRequest(v1.ImageSpec{Image: volume.Reference, ImagePullPolicy: volume.PullPolicy})
}

func imageRequest(spec v1.ImageSpec) reconcile.ImageRequest {
	policy := spec.ImagePullPolicy
	if policy == "" {
		policy = defaultPullPolicy(spec.Image)
	}
	return reconcile.ImageRequest{
		Reference:  spec.Image,
		PullPolicy: policy,
		Platform:   spec.Platform,
		AuthFile:   spec.AuthFile,
	}
}

// defaultPullPolicy is Kubernetes' rule: Always for the tag latest, written or meant,
// IfNotPresent for any other tag and for a digest
// (https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting).
// References to archives and directories have no registry to ask again.
func defaultPullPolicy(reference string) v1.PullPolicy {
	name := strings.TrimPrefix(reference, "docker://")
	if transport, _, ok := strings.Cut(name, ":"); ok && pathTransports[transport] {
		return v1.PullIfNotPresent
	}
	if strings.Contains(name, "@") {
		return v1.PullIfNotPresent
	}
	_, tag, tagged := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
	if !tagged || tag == "latest" {
		return v1.PullAlways
	}
	return v1.PullIfNotPresent
}

// pathTransports are the transports of containers-transports(5) that name something on
// the node itself.
var pathTransports = map[string]bool{
	"oci": true, "oci-archive": true, "docker-archive": true, "dir": true, "containers-storage": true,
}

func imageObjects(objects []object.Object) map[string]*v1.Image {
	images := map[string]*v1.Image{}
	for _, object := range objects {
		if image, ok := object.Object.(*v1.Image); ok {
			images[image.Metadata.Name] = image
		}
	}
	return images
}
