package check

import (
	"fmt"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkSockets checks the sockets of a container that systemd starts on demand.
func checkSockets(s *Subject, at string, spec v1.ContainerFields, sandbox v1.SandboxFields) {
	if len(spec.Sockets) == 0 {
		return
	}
	seen := map[string]bool{}
	for i, socket := range spec.Sockets {
		field := fmt.Sprintf("%s.sockets[%d]", at, i)
		checkName(s, field+".name", socket.Name)
		if seen[socket.Name] {
			s.errorf(field+".name", "socket %s appears twice", socket.Name)
		}
		seen[socket.Name] = true
		exactlyOne(s, field, choice{"listenStream", socket.ListenStream != ""}, choice{"listenDatagram", socket.ListenDatagram != ""})
		for name, address := range map[string]v1.ListenAddress{"listenStream": socket.ListenStream, "listenDatagram": socket.ListenDatagram} {
			if address == "" {
				continue
			}
			if err := address.Check(); err != nil {
				s.errorf(field+"."+name, "%v", err)
				continue
			}
			unitText(s, field+"."+name, string(address))
		}
	}
	// LISTEN_PID names the program by its process id, which is 1 in a namespace of its own.
	switch pod, _ := s.Object.(*v1.Pod); {
	case spec.Init:
		s.errorf(at+".sockets", "init would be the process that they are for: leave one of the two out")
	case sandbox.HostPID, pod != nil && pod.Spec.ShareProcessNamespace:
		s.errorf(at+".sockets", "need a process namespace of the container's own")
	case pod != nil && pod.Spec.Replicas != nil && *pod.Spec.Replicas > 1:
		s.errorf(at+".sockets", "replicas cannot listen on the same sockets: want one")
	}
	switch object := s.Object.(type) {
	case *v1.Job, *v1.CronJob:
		s.errorf(at+".sockets", "a job is not started by connections")
	case *v1.Container:
		if object.Spec.Oneshot {
			s.errorf(at+".sockets", "a oneshot container is not started by connections")
		}
	}
}
