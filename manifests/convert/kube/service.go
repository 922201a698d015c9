package kube

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// Service is what a Service asks of the pods that it selects: a name, and published ports.
type Service struct {
	Name string
	// Namespace is that of the pods that it can select, "default" where the manifest names none.
	Namespace string
	Type      string
	Selector  map[string]string
	Ports     []ServicePort
}

// ServicePort is one port of a service.
type ServicePort struct {
	Name, Protocol string
	// Port is the service's, Target the container's: a number or a name.
	Port   int64
	Target string
	// NodePort is the node's, 0 for none.
	NodePort int64
}

// noObject is why a service's labels say nothing.
const noObject = "a service is a name of its pods here"

// The types of a service.
const (
	clusterIP    = "ClusterIP"
	nodePort     = "NodePort"
	loadBalancer = "LoadBalancer"
	externalName = "ExternalName"
)

func (c *conversion) serviceOf() {
	spec := c.sort(mapAt(c.document, "spec"), serviceSpec, "spec")
	service := &Service{Name: c.meta.Name, Namespace: cmp.Or(c.meta.Namespace, defaultNamespace), Type: textAt(spec, "type"), Selector: textsAt(spec, "selector")}
	if service.Type == "" {
		service.Type = clusterIP
	}
	if !slices.Contains([]string{clusterIP, nodePort, loadBalancer}, service.Type) {
		c.errorf("spec.type", "", "davit has no services of type %s", service.Type)
	}
	leaveOut(c, "metadata.labels", c.meta.Labels, nil, noObject)
	leaveOut(c, "metadata.annotations", c.meta.Annotations, nil, noObject)
	for i, item := range listAt(spec, "ports") {
		port, _ := item.(map[string]any)
		c.sort(port, servicePort, fmt.Sprintf("spec.ports[%d]", i))
		service.Ports = append(service.Ports, portOf(port))
	}
	checkServicePorts(c, service, mapAt(c.document, "spec")["clusterIP"] == "None")
	for _, name := range slices.Sorted(maps.Keys(service.Selector)) {
		checkLabel(c, "spec.selector."+name, name, service.Selector[name])
	}
	c.result.Service = service
}

func portOf(from map[string]any) ServicePort {
	port := ServicePort{Name: textAt(from, "name"), Protocol: textAt(from, "protocol")}
	port.Port, _ = from["port"].(int64)
	port.NodePort, _ = from["nodePort"].(int64)
	switch target := from["targetPort"].(type) {
	case int64:
		port.Target = strconv.FormatInt(target, 10)
	case string:
		port.Target = target
	default:
		port.Target = strconv.FormatInt(port.Port, 10)
	}
	if port.Protocol == "" {
		port.Protocol = "TCP"
	}
	return port
}

// Pods are pods, found by their labels.
type Pods map[podLabel][]*v1.Pod

type podLabel struct{ namespace, name, value string }

// IndexPods files pods by their labels, each in the order they have.
func IndexPods(pods []*v1.Pod) Pods {
	index := Pods{}
	for _, pod := range pods {
		for name, value := range pod.Metadata.Labels {
			label := podLabel{cmp.Or(pod.Metadata.Namespace, defaultNamespace), name, value}
			index[label] = append(index[label], pod)
		}
	}
	return index
}

// selected are the pods that a service selects: of those with its rarest label, the ones with all others.
func (p Pods) selected(service *Service) []*v1.Pod {
	var fewest []*v1.Pod
	first := true
	for name, value := range service.Selector {
		if pods := p[podLabel{service.Namespace, name, value}]; first || len(pods) < len(fewest) {
			fewest, first = pods, false
		}
	}
	return slices.DeleteFunc(slices.Clone(fewest), func(pod *v1.Pod) bool { return !service.selects(pod) })
}

// Connect gives the pods that the service selects its name and ports, and reports the parts that davit cannot do.
func Connect(service *Service, pods Pods) []Problem {
	c := &conversion{kind: "Service"}
	found := false
	for _, pod := range pods.selected(service) {
		found = true
		service.name(pod)
		for i, port := range service.Ports {
			service.publish(c, pod, port, fmt.Sprintf("spec.ports[%d]", i))
		}
	}
	if !found {
		c.warnf("spec.selector", "selects no pod")
	}
	return c.result.Problems
}

// selects reports whether a pod has all labels of the selector.
func (s *Service) selects(pod *v1.Pod) bool {
	for key, value := range s.Selector {
		if pod.Metadata.Labels[key] != value {
			return false
		}
	}
	return true
}

// defaultNetwork is the network of pods that name none.
const defaultNetwork = "default"

// names are those of the service: with those that a cluster's name server has, if the manifest names a namespace
// (https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/).
func (s *Service) names() []string {
	if s.Namespace == defaultNamespace {
		return []string{s.Name}
	}
	within := s.Name + "." + s.Namespace
	return []string{s.Name, within, within + ".svc", within + ".svc.cluster.local"}
}

// name makes the service's names those of the pod.
func (s *Service) name(pod *v1.Pod) {
	if pod.Spec.HostNetwork {
		return
	}
	for _, name := range s.names() {
		if name == pod.Metadata.Name {
			continue
		}
		if len(pod.Spec.Networks) == 0 {
			pod.Spec.Networks = []v1.NetworkAttachment{{Name: defaultNetwork}}
		}
		pod.Spec.Networks[0].Aliases = append(pod.Spec.Networks[0].Aliases, name)
	}
}

// publish publishes a port of the service on the node, where the service's type says so.
func (s *Service) publish(c *conversion, pod *v1.Pod, port ServicePort, path string) {
	target, inside := s.target(pod, port)
	if target == 0 {
		c.errorf(path+".targetPort", "", "no container of Pod/%s has the port %q", pod.Metadata.Name, port.Target)
		return
	}
	if target != int32(port.Port) && !pod.Spec.HostNetwork {
		c.warnf(path+".port", "davit has no proxy that turns port %d into %d: other containers connect to %s:%d", port.Port, target, s.Name, target)
	}
	host := int32(port.NodePort)
	switch {
	case pod.Spec.HostNetwork, s.Type == clusterIP:
		return
	case s.Type == loadBalancer:
		host = int32(port.Port)
	}
	isAuto := host == 0
	if inside != nil {
		isFree := inside.HostPort == 0 && !inside.AutoHostPort
		if isFree || inside.HostPort == host && inside.AutoHostPort == isAuto {
			inside.HostPort, inside.AutoHostPort = host, isAuto
			return
		}
	}
	first := &pod.Spec.Containers[0]
	first.Ports = append(first.Ports, v1.ContainerPort{ContainerPort: target, HostPort: host, AutoHostPort: isAuto, Protocol: port.Protocol})
}

// target is the container's port, and its declaration where there is one.
func (s *Service) target(pod *v1.Pod, port ServicePort) (int32, *v1.ContainerPort) {
	number, err := strconv.ParseInt(port.Target, 10, 32)
	for i := range pod.Spec.Containers {
		for j := range pod.Spec.Containers[i].Ports {
			declared := &pod.Spec.Containers[i].Ports[j]
			protocol := strings.ToUpper(declared.Protocol)
			if protocol != "" && protocol != port.Protocol || protocol == "" && port.Protocol != "TCP" {
				continue
			}
			if err == nil && declared.ContainerPort == int32(number) || err != nil && declared.Name == port.Target {
				return declared.ContainerPort, declared
			}
		}
	}
	return int32(number), nil
}
