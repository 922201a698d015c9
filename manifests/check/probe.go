package check

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
)

func checkProbes(s *Subject, at string, spec v1.ContainerFields) {
	for name, probe := range map[string]*v1.Probe{
		"startupProbe": spec.StartupProbe, "readinessProbe": spec.ReadinessProbe, "livenessProbe": spec.LivenessProbe,
	} {
		if probe != nil {
			checkProbe(s, at+"."+name, *probe, spec.Ports)
			if name != "readinessProbe" && probe.SuccessThreshold > 1 {
				s.errorf(at+"."+name+".successThreshold", "want 1: only a readiness probe counts successes")
			}
			if name != "livenessProbe" && probe.OnFailure != "" {
				s.errorf(at+"."+name+".onFailure", "only a liveness probe does something when it has failed")
			}
			if name == "readinessProbe" && probe.TerminationGracePeriodSeconds != nil {
				s.errorf(at+"."+name+".terminationGracePeriodSeconds", "a readiness probe stops nothing: leave it out")
			}
		}
	}
	for name, hook := range map[string]*v1.Hook{
		"postStart": spec.Lifecycle.PostStart, "preStop": spec.Lifecycle.PreStop,
	} {
		if hook == nil {
			continue
		}
		field := at + ".lifecycle." + name
		exactlyOne(s, field, choice{"exec", hook.Exec != nil}, choice{"httpGet", hook.HTTPGet != nil}, choice{"tcpSocket", hook.TCPSocket != nil}, choice{"sleep", hook.Sleep != nil})
		checkHandler(s, field, hook.Handler, spec.Ports)
		if hook.Sleep != nil {
			checkSeconds(s, field+".sleep.seconds", &hook.Sleep.Seconds, 0)
		}
	}
}

func checkProbe(s *Subject, field string, probe v1.Probe, ports []v1.ContainerPort) {
	exactlyOne(s, field, choice{"exec", probe.Exec != nil}, choice{"httpGet", probe.HTTPGet != nil}, choice{"tcpSocket", probe.TCPSocket != nil}, choice{"grpc", probe.GRPC != nil})
	checkHandler(s, field, probe.Handler, ports)
	checkSeconds(s, field+".terminationGracePeriodSeconds", probe.TerminationGracePeriodSeconds, 1)
	if probe.GRPC != nil && (probe.GRPC.Port < 1 || probe.GRPC.Port > 65535) {
		s.errorf(field+".grpc.port", "want a port from 1 to 65535")
	}
	for name, value := range map[string]int32{
		"initialDelaySeconds": probe.InitialDelaySeconds, "periodSeconds": probe.PeriodSeconds,
		"timeoutSeconds": probe.TimeoutSeconds, "successThreshold": probe.SuccessThreshold,
		"failureThreshold": probe.FailureThreshold,
	} {
		if value < 0 {
			s.errorf(field+"."+name, "%d: want 0 or more", value)
		}
	}
}

func checkHandler(s *Subject, field string, handler v1.Handler, ports []v1.ContainerPort) {
	if handler.Exec != nil && len(handler.Exec.Command) == 0 {
		s.errorf(field+".exec.command", "missing")
	}
	if handler.Exec != nil {
		checkArguments(s, field+".exec.command", handler.Exec.Command)
	}
	if get := handler.HTTPGet; get != nil {
		checkPortRef(s, field+".httpGet.port", get.Port, ports)
		checkRequest(s, field+".httpGet", *get)
	}
	if socket := handler.TCPSocket; socket != nil {
		checkPortRef(s, field+".tcpSocket.port", socket.Port, ports)
	}
}

// checkRequest checks what goes into the head of a request (RFC 9110, 5.1 and 5.5).
func checkRequest(s *Subject, field string, get v1.HTTPGetAction) {
	if _, err := url.ParseRequestURI("/" + strings.TrimPrefix(get.Path, "/")); err != nil || strings.Contains(get.Path, "#") {
		s.errorf(field+".path", "%q: want a path, with or without a query", get.Path)
	}
	for i, header := range get.HTTPHeaders {
		at := fmt.Sprintf("%s.httpHeaders[%d]", field, i)
		if !httpguts.ValidHeaderFieldName(header.Name) {
			s.errorf(at+".name", "%q is not the name of a header", header.Name)
		}
		if !httpguts.ValidHeaderFieldValue(header.Value) {
			s.errorf(at+".value", "has a character that no header can have")
		}
	}
}

// checkPortRef checks a port's number, or name.
func checkPortRef(s *Subject, field string, ref v1.PortRef, ports []v1.ContainerPort) {
	if number, err := strconv.Atoi(string(ref)); err == nil {
		if number < 1 || number > 65535 {
			s.errorf(field, "want a port from 1 to 65535")
		}
		return
	}
	var names []string
	for _, port := range ports {
		names = append(names, port.Name)
	}
	if !slices.Contains(names, string(ref)) || ref == "" {
		s.errorHint(field, suggest.DidYouMean(string(ref), names), "the container has no port %q", ref)
	}
}
