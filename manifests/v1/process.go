package v1

import "encoding/json"

// ContainerPort publishes a port, or a range of them, on the node.
type ContainerPort struct {
	// Name is for people, and for probes that name it.
	Name string `json:"name,omitempty"`
	// ContainerPort is the port inside, 1 to 65535.
	ContainerPort int32 `json:"containerPort"`
	// EndPort makes it a range, containerPort to endPort, published at hostPort and
	// the ports that follow it. On davit's own networks a range is one rule of the kernel, however
	// long it is, which also has a map of the ports where hostPort differs from containerPort.
	EndPort int32 `json:"endPort,omitempty"`
	// HostPort is the port on the node; without it the port is only documented.
	HostPort int32 `json:"hostPort,omitempty"`
	// AutoHostPort publishes the port on a port of the node that davit chooses, from 30000 to 32767. The object keeps it;
	// davit status shows it.
	AutoHostPort bool `json:"autoHostPort,omitempty"`
	// HostIP is the node's address to publish on, IPv4 or IPv6; the default is all.
	HostIP string `json:"hostIP,omitempty"`
	// Protocol is TCP (the default), UDP or SCTP.
	Protocol string `json:"protocol,omitempty" enum:"TCP,UDP,SCTP"`
}

// MinAutoHostPort and MaxAutoHostPort bound the ports that davit chooses for autoHostPort. They are those of Kubernetes' node ports,
// and the kernel gives none of them to clients (ip_local_port_range in Linux' ip-sysctl.rst begins with 32768).
const (
	MinAutoHostPort int32 = 30000
	MaxAutoHostPort int32 = 32767
)

// Ulimit is a limit of setrlimit(2).
type Ulimit struct {
	// Name is the limit's without RLIMIT_, in lower case: nofile, core, memlock, nproc, …
	Name string `json:"name"`
	// Soft is the limit in force; -1 means unlimited.
	Soft int64 `json:"soft"`
	// Hard is how far a process may raise it; the default is soft, -1 means unlimited.
	Hard *int64 `json:"hard,omitempty"`
}

// Probe is a check that davit makes again and again. Exactly one of exec, httpGet,
// tcpSocket and grpc is required.
type Probe struct {
	Handler `json:",inline"`
	// GRPC asks the gRPC health service.
	GRPC *GRPCAction `json:"grpc,omitempty"`
	// InitialDelaySeconds is the time before the first check, in seconds; default 0.
	InitialDelaySeconds int32 `json:"initialDelaySeconds,omitempty"`
	// PeriodSeconds is the time between checks, in seconds; default 10.
	PeriodSeconds int32 `json:"periodSeconds,omitempty"`
	// TimeoutSeconds is how long a check may take, in seconds; default 1.
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
	// SuccessThreshold is how many checks must succeed in a row; default 1, and nothing
	// else for startup and liveness probes.
	SuccessThreshold int32 `json:"successThreshold,omitempty"`
	// FailureThreshold is how many must fail in a row; default 3.
	FailureThreshold int32 `json:"failureThreshold,omitempty"`
	// OnFailure is the action of a liveness probe that has failed: Restart (the default; with
	// restartPolicy Never it stops the container), Stop, Kill (restartPolicy holds, as after a
	// crash), or None, which only reports it.
	OnFailure string `json:"onFailure,omitempty" enum:"Restart,Stop,Kill,None"`
	// TerminationGracePeriodSeconds replaces the container's when a startup or liveness probe
	// stops it.
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// Handler is the action of a probe or hook.
type Handler struct {
	// Exec runs a command in the container; exit status 0 is success.
	Exec *ExecAction `json:"exec,omitempty"`
	// HTTPGet asks for a page; a status from 200 to 399 is success.
	HTTPGet *HTTPGetAction `json:"httpGet,omitempty"`
	// TCPSocket opens a connection.
	TCPSocket *TCPSocketAction `json:"tcpSocket,omitempty"`
}

// ExecAction runs a command in the container, without a shell.
type ExecAction struct {
	// Command is the program and its arguments.
	Command []string `json:"command"`
}

// HTTPGetAction asks for a page.
type HTTPGetAction struct {
	// Path is the page's; default /.
	Path string `json:"path,omitempty"`
	// Port is a number, or the name of one of the container's ports.
	Port PortRef `json:"port"`
	// Host is the address to connect to; the default is the container's own.
	Host string `json:"host,omitempty"`
	// Scheme is HTTP (the default) or HTTPS, whose certificate is not checked.
	Scheme string `json:"scheme,omitempty" enum:"HTTP,HTTPS"`
	// HTTPHeaders are sent with the request.
	HTTPHeaders []HTTPHeader `json:"httpHeaders,omitempty"`
}

// HTTPHeader is one header.
type HTTPHeader struct {
	// Name is the header's.
	Name string `json:"name"`
	// Value is its value.
	Value string `json:"value"`
}

// TCPSocketAction opens a connection.
type TCPSocketAction struct {
	// Port is a number, or the name of one of the container's ports.
	Port PortRef `json:"port"`
	// Host is the address to connect to; the default is the container's own.
	Host string `json:"host,omitempty"`
}

// GRPCAction asks the gRPC health service.
type GRPCAction struct {
	// Port is a number.
	Port int32 `json:"port"`
	// Service is the service to ask for; the default is the server as a whole.
	Service string `json:"service,omitempty"`
}

// PortRef is a port's number or name.
type PortRef string

// UnmarshalJSON takes a name or a number.
func (p *PortRef) UnmarshalJSON(data []byte) error {
	var number json.Number
	if err := json.Unmarshal(data, &number); err == nil {
		*p = PortRef(number)
		return nil
	}
	return json.Unmarshal(data, (*string)(p))
}

// Lifecycle are hooks.
type Lifecycle struct {
	// PostStart runs right after the container's process has started.
	PostStart *Hook `json:"postStart,omitempty"`
	// PreStop runs before the stop signal is sent, within the grace period.
	PreStop *Hook `json:"preStop,omitempty"`
}

// Hook is one action: exactly one of the fields.
type Hook struct {
	Handler `json:",inline"`
	// Sleep waits.
	Sleep *SleepAction `json:"sleep,omitempty"`
}

// SleepAction waits.
type SleepAction struct {
	// Seconds is how long.
	Seconds int64 `json:"seconds"`
}

// Reload is the action of a reload: one of signal and exec.
type Reload struct {
	// Signal is sent to the container's main process, such as SIGHUP.
	Signal string `json:"signal,omitempty"`
	// Exec runs a command in the container.
	Exec *ExecAction `json:"exec,omitempty"`
}

// Logging says where standard output and error go.
type Logging struct {
	// Driver is journald (the default): they are sockets of the journal, or pipes where the image or the manifest names
	// /dev/stdout; pipe: they are pipes, for programs that open /dev/stdout by name, and one small process
	// copies them to the journal; or none: they are /dev/null.
	Driver string `json:"driver,omitempty" enum:"journald,pipe,none"`
	// Tag is the identifier that the journal shows beside each line; the default is the unit's
	// name without ".service".
	Tag string `json:"tag,omitempty" pattern:"^[A-Za-z0-9_.:/-]{1,128}$"`
	// RateLimit is how much the journal takes; the default is journald.conf(5)'s.
	RateLimit *LogRateLimit `json:"rateLimit,omitempty"`
}

// LogRateLimit drops a container's messages beyond a number in an interval.
type LogRateLimit struct {
	// IntervalSeconds is the time, in seconds; 0 takes all.
	IntervalSeconds int64 `json:"intervalSeconds"`
	// Burst is how many messages the journal takes in that time.
	Burst int32 `json:"burst,omitempty"`
}

// The actions of a liveness probe that has failed.
const (
	OnFailureRestart = "Restart"
	OnFailureStop    = "Stop"
	OnFailureKill    = "Kill"
	OnFailureNone    = "None"
)

// The log drivers.
const (
	LogJournald = "journald"
	LogPipe     = "pipe"
	LogNone     = "none"
)

// The values of notify.
const (
	NotifyStarted   = "Started"
	NotifyContainer = "Container"
)
