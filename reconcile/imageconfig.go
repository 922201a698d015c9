package reconcile

import "time"

// DockerConfig is the part of Docker's configuration of an image that OCI's lacks, as far as it matters to a running container
// (https://github.com/moby/docker-image-spec/blob/v1.3.1/specs-go/v1/image.go).
type DockerConfig struct {
	Healthcheck *Healthcheck `json:"Healthcheck,omitempty"`
	// Shell runs the command of a health check that is written as for a shell.
	Shell []string `json:"Shell,omitempty"`
}

// Healthcheck is an image's HEALTHCHECK.
type Healthcheck struct {
	// Test is ["NONE"], ["CMD", PROGRAM, ARGUMENT…] or ["CMD-SHELL", COMMAND].
	Test []string `json:"Test,omitempty"`
	// Interval and Timeout are 30 s where they are 0, Retries is 3.
	Interval time.Duration `json:"Interval,omitempty"`
	Timeout  time.Duration `json:"Timeout,omitempty"`
	Retries  int           `json:"Retries,omitempty"`
}
