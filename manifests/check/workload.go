package check

import v1 "github.com/davit-project/davit/manifests/v1"

// container is one container of a workload that is checked.
type container struct {
	*Subject
	v1.PlacedContainer
}

// containersOf are the containers of a subject.
func containersOf(s *Subject) []container {
	placed := v1.ContainersOf(s.Object)
	all := make([]container, 0, len(placed))
	for _, c := range placed {
		all = append(all, container{s, c})
	}
	return all
}

// claims are the Volumes that a claim of the container's pod means: one for each replica where they
// have their own.
func (c container) claims(claim v1.ClaimVolume) []string {
	pod, ok := c.Object.(*v1.Pod)
	if !ok || !claim.PerReplica {
		return []string{claim.ClaimName}
	}
	count := int32(1)
	if pod.Spec.Replicas != nil {
		count = *pod.Spec.Replicas
	}
	var names []string
	for i := range min(count, maxObjects) {
		names = append(names, claim.Replica(pod.Spec.FirstReplica()+i))
	}
	return names
}
