package v1

import (
	"fmt"
	"slices"
)

// Exclusive says why there cannot be two of the container at a time: the field below spec, and the
// reason. Both are empty where there can.
func (s ContainerSpec) Exclusive() (field, reason string) {
	if s.Oneshot {
		return "oneshot", "it runs once"
	}
	if field, reason := s.SandboxFields.exclusive(); reason != "" {
		return field, reason
	}
	return s.ContainerFields.exclusive(s.Volumes)
}

// Exclusive says why there cannot be one more of the pod than there are, as [ContainerSpec.Exclusive]
// does.
func (p PodSpec) Exclusive() (field, reason string) {
	if field, reason := p.SandboxFields.exclusive(); reason != "" {
		return field, reason
	}
	for _, list := range []struct {
		name       string
		containers []PodContainer
	}{{"initContainers", p.InitContainers}, {"containers", p.Containers}} {
		for i, container := range list.containers {
			if field, reason := container.ContainerFields.exclusive(p.Volumes); reason != "" {
				return fmt.Sprintf("%s[%d].%s", list.name, i, field), reason
			}
		}
	}
	return "", ""
}

func (s SandboxFields) exclusive() (field, reason string) {
	if s.HostNetwork {
		return "hostNetwork", "the node's ports can be had once"
	}
	for i, attachment := range s.Networks {
		if len(attachment.Addresses) > 0 || attachment.MACAddress != "" {
			return fmt.Sprintf("networks[%d]", i), "an address can be had once"
		}
	}
	return "", ""
}

func (c ContainerFields) exclusive(volumes []PodVolume) (field, reason string) {
	for i, port := range c.Ports {
		if port.HostPort != 0 {
			return fmt.Sprintf("ports[%d].hostPort", i), "a port of the node can be had once"
		}
		if port.AutoHostPort {
			return fmt.Sprintf("ports[%d].autoHostPort", i), "a port of the node can be had once"
		}
	}
	if len(c.Sockets) > 0 {
		return "sockets", "the node's sockets can be had once"
	}
	for i, mount := range c.VolumeMounts {
		if !mount.ReadOnly && keepsData(mount.Name, volumes) {
			return fmt.Sprintf("volumeMounts[%d]", i), "a volume that two write to at once may be damaged: set readOnly"
		}
	}
	return "", ""
}

// keepsData reports whether data written to the volume is visible to other workloads.
func keepsData(name string, volumes []PodVolume) bool {
	i := slices.IndexFunc(volumes, func(v PodVolume) bool { return v.Name == name })
	if i < 0 {
		return true // a Volume object
	}
	volume := volumes[i]
	claim := volume.PersistentVolumeClaim
	return volume.HostPath != nil || claim != nil && (!claim.ReadOnly || claim.PerReplica)
}
