package main

import (
	"context"
	"errors"
	"fmt"
)

var validations = measure{
	Name: "validate", run: measureValidations,
	About: "A check of 10,000 objects, without any change: `davit validate`, the dry run of Quadlet's generator, `docker compose config`.",
}

func measureValidations(ctx context.Context, s *suite) error {
	const of, size = variant("validate/objects=10000"), 10000
	commands := map[string]string{
		davit.name:   "davit validate " + manifests,
		quadlet.name: "/usr/lib/systemd/system-generators/podman-system-generator --dryrun",
		compose.name: "docker compose -f /root/w0000/compose.yaml config --quiet",
	}
	peers := s.among(func(c contestant) bool { return commands[c.name] != "" })
	for _, c := range peers {
		b, err := s.own(ctx, c)
		if err == nil {
			err = b.put(c.files(fleet("w", size, none)))
		}
		if err != nil {
			s.found.fail(of, c, err)
		}
	}
	s.interleave(of, s.rounds, peers, func(c contestant) (map[unit]float64, error) {
		took, err := s.beds[c.name].measure(ctx, "sh", "-c", commands[c.name])
		return costs(took), err
	})
	return nil
}

// skopeo only copies images; it is among the peers of pulls alone.
var skopeo = contestant{name: "skopeo", title: "skopeo copy"}

var pulls = measure{
	Name: "pull", run: measurePulls,
	About: "The pull of an image of 1 GB in 20 layers from a registry on the node into an empty store: `podman pull`, `docker pull`, `skopeo copy`. " +
		"davit's figure is the time of `davit apply` with a manifest that needs the image, until the workload is ready.",
}

func measurePulls(ctx context.Context, s *suite) error {
	const of = variant("pull/size=1GB")
	commands := map[string]string{
		davit.name:   "davit apply --wait",
		quadlet.name: "podman pull -q " + bigImage,
		compose.name: "docker pull -q " + bigImage,
		skopeo.name:  "skopeo copy -q docker://" + bigImage + " containers-storage:" + bigImage,
	}
	peers := append(s.among(func(c contestant) bool { return commands[c.name] != "" }), skopeo)
	s.interleave(of, s.rounds, peers, func(c contestant) (values map[unit]float64, err error) {
		// A node for each pull: that is a store that is really empty.
		b, err := newBed(ctx, s.kit)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		if c.name == compose.name {
			if err := b.run(ctx, "systemctl", "start", "docker"); err != nil {
				return nil, err
			}
		}
		if c.name == davit.name {
			container := object{"apiVersion": "davit/v1", "kind": "Container", "metadata": object{"name": "big"},
				"spec": object{"image": bigImage, "networks": []object{{"name": "none"}}}}
			if err := b.put(map[string]string{manifests + "big.yaml": marshal(container)}); err != nil {
				return nil, err
			}
		}
		took, err := b.measure(ctx, "sh", "-ec", commands[c.name])
		if err != nil {
			return nil, fmt.Errorf("pull: %w", err)
		}
		return costs(took), nil
	})
	return nil
}
