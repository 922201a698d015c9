package bundle

// Health is how a container is found to be up, to serve and to be alive, and the commands to run after its
// start and before its stop.
type Health struct {
	PostStart *Hook  `json:"postStart,omitempty"`
	PreStop   *Hook  `json:"preStop,omitempty"`
	Startup   *Probe `json:"startup,omitempty"`
	Readiness *Probe `json:"readiness,omitempty"`
	Liveness  *Probe `json:"liveness,omitempty"`
}

// HoldsStart reports whether the container's unit is up only later than its process.
func (h Health) HoldsStart() bool {
	return h.PostStart != nil || h.Startup != nil || h.Readiness != nil
}

// Probe is a periodic check. All of its settings are explicit, without defaults.
type Probe struct {
	Check
	// InitialDelay, Period and Timeout are seconds: from the container's start to the first
	// check, from one check to the next, and the time of a check.
	InitialDelay int32 `json:"initialDelay,omitempty"`
	Period       int32 `json:"period"`
	Timeout      int32 `json:"timeout"`
	// Successes and Failures are how many in a row count.
	Successes int32 `json:"successes"`
	Failures  int32 `json:"failures"`
	// OnFailure is the action of a liveness probe that has failed, one of the constants.
	OnFailure string `json:"onFailure,omitempty"`
	// GraceSeconds replaces the container's own time to stop; nil means that it holds.
	GraceSeconds *int64 `json:"graceSeconds,omitempty"`
}

// The actions of a liveness probe that has failed.
const (
	OnFailureRestart = "restart" // systemd restarts the unit
	OnFailureStop    = "stop"    // systemd stops it
	OnFailureKill    = "kill"    // its processes are killed, and its restart policy holds
	OnFailureNone    = "none"    // it is reported
)

// Check is one look at a container: exactly one of its fields is set.
type Check struct {
	// Exec is a command line in the container.
	Exec []string   `json:"exec,omitempty"`
	HTTP *HTTPCheck `json:"http,omitempty"`
	TCP  *TCPCheck  `json:"tcp,omitempty"`
	GRPC *GRPCCheck `json:"grpc,omitempty"`
}

// HTTPCheck asks for a page. An empty host is the container's own address.
type HTTPCheck struct {
	Scheme  string       `json:"scheme"` // http or https
	Host    string       `json:"host,omitempty"`
	Port    int          `json:"port"`
	Path    string       `json:"path"` // with its query
	Headers []HTTPHeader `json:"headers,omitempty"`
}

// HTTPHeader is one header of a request.
type HTTPHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// TCPCheck opens a connection. An empty host is the container's own address.
type TCPCheck struct {
	Host string `json:"host,omitempty"`
	Port int    `json:"port"`
}

// GRPCCheck asks the health service of gRPC.
type GRPCCheck struct {
	Port    int    `json:"port"`
	Service string `json:"service,omitempty"`
}

// Hook is something that runs once: a check, or a sleep where that has no fields set.
type Hook struct {
	Check
	SleepSeconds int64 `json:"sleepSeconds,omitempty"`
}
