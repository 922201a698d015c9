package kube

import (
	"maps"
	"slices"
	"strings"
)

// group is the API group of an apiVersion; empty for the core's.
func group(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return ""
	}
	return group
}

// clusterKinds are kinds that a folder for a cluster has and a node can do without, by API group and kind, each with the
// reason.
var clusterKinds = map[string]map[string]string{
	"": {
		"Namespace":      "davit has no namespaces",
		"ServiceAccount": noAccounts,
		"LimitRange":     "write resources into the containers",
		"ResourceQuota":  "the node's policy decides which requests of manifests are allowed",
	},
	"rbac.authorization.k8s.io": {
		"Role":               noAccounts,
		"RoleBinding":        noAccounts,
		"ClusterRole":        noAccounts,
		"ClusterRoleBinding": noAccounts,
	},
	"autoscaling":          {"HorizontalPodAutoscaler": "replicas says how many pods there are"},
	"policy":               {"PodDisruptionBudget": "updatePolicy says how many pods may be missing"},
	"scheduling.k8s.io":    {"PriorityClass": scheduling},
	"storage.k8s.io":       {"StorageClass": ownDirs},
	"apiextensions.k8s.io": {"CustomResourceDefinition": noAccounts},
}

// ClusterGroups are the API groups that have kinds for a cluster alone, sorted; the core's is empty.
func ClusterGroups() []string { return slices.Sorted(maps.Keys(clusterKinds)) }

// ClusterKinds are the kinds of a group that are for a cluster alone, sorted.
func ClusterKinds(group string) []string { return slices.Sorted(maps.Keys(clusterKinds[group])) }

// ClusterKind says why a node can do without a document of a kind that only a cluster has; ok is false for any other.
func ClusterKind(apiVersion, name string) (reason string, ok bool) {
	reason, ok = clusterKinds[group(apiVersion)][name]
	return reason, ok
}

// insteadOf names the replacement of kinds that davit does not have and that would change the running containers.
var insteadOf = map[string]map[string]string{
	"networking.k8s.io": {
		"Ingress":       "publish a port with hostPort or a Service of type LoadBalancer, or run a proxy as a Container",
		"IngressClass":  "publish a port with hostPort or a Service of type LoadBalancer, or run a proxy as a Container",
		"NetworkPolicy": "put the workloads that may reach each other on a Network of its own: networks are kept apart",
	},
}

// Instead says what to use in the place of a kind; empty where davit knows nothing.
func Instead(apiVersion, name string) string { return insteadOf[group(apiVersion)][name] }
