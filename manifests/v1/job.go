package v1

// Job runs a pod to its end.
type Job struct {
	TypeMeta `json:",inline"`
	// Metadata names the job.
	Metadata ObjectMeta `json:"metadata"`
	// Spec describes the job.
	Spec JobSpec `json:"spec"`
}

// Ref implements [Object].
func (j *Job) Ref() Ref { return Ref{KindJob, j.Metadata.Name} }

// Meta implements [Object].
func (j *Job) Meta() ObjectMeta { return j.Metadata }

// JobSpec is Kubernetes' JobSpec, as far as it has a meaning on one node.
type JobSpec struct {
	// Template is the pod; its restartPolicy must be OnFailure or Never.
	Template PodTemplate `json:"template"`
	// Completions is how many pods must end with success; the default is 1.
	Completions *int32 `json:"completions,omitempty"`
	// Parallelism is how many run at once; the default is 1.
	Parallelism *int32 `json:"parallelism,omitempty"`
	// BackoffLimit is how often a failed pod is tried again; the default is 6.
	BackoffLimit *int32 `json:"backoffLimit,omitempty"`
	// ActiveDeadlineSeconds is how long the job may take, in seconds; the default is no limit.
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`
	// TTLSecondsAfterFinished is how long the units of an ended job are kept, in seconds; the
	// default is as long as the manifest.
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
	// Suspend keeps the job from starting.
	Suspend bool `json:"suspend,omitempty"`
}

// CronJob runs a job at set times.
type CronJob struct {
	TypeMeta `json:",inline"`
	// Metadata names the cron job.
	Metadata ObjectMeta `json:"metadata"`
	// Spec describes the jobs and their times.
	Spec CronJobSpec `json:"spec"`
}

// Ref implements [Object].
func (c *CronJob) Ref() Ref { return Ref{KindCronJob, c.Metadata.Name} }

// Meta implements [Object].
func (c *CronJob) Meta() ObjectMeta { return c.Metadata }

// CronJobSpec is Kubernetes' CronJobSpec. One of schedule and onCalendar is required.
type CronJobSpec struct {
	// Schedule is a cron expression of five fields, or @hourly, @daily, @weekly, @monthly,
	// @yearly.
	Schedule string `json:"schedule,omitempty"`
	// OnCalendar are calendar events of systemd.time(7) instead.
	OnCalendar []string `json:"onCalendar,omitempty"`
	// TimeZone is an IANA name; the default is the node's own.
	TimeZone string `json:"timeZone,omitempty"`
	// ConcurrencyPolicy is Allow, Forbid or Replace, for the case that the time comes and the
	// last run has not ended. Allow runs up to three beside each other. The default is Forbid,
	// as with systemd's timers; that of a Kubernetes CronJob is Allow.
	ConcurrencyPolicy string `json:"concurrencyPolicy,omitempty" enum:"Allow,Forbid,Replace"`
	// StartingDeadlineSeconds is how late a missed run may start, in seconds; the default is
	// no limit.
	StartingDeadlineSeconds *int64 `json:"startingDeadlineSeconds,omitempty"`
	// Suspend keeps new runs from starting.
	Suspend bool `json:"suspend,omitempty"`
	// SuccessfulJobsHistoryLimit is how many successful runs davit status shows, out of
	// the journal; the default is 3.
	SuccessfulJobsHistoryLimit *int32 `json:"successfulJobsHistoryLimit,omitempty"`
	// FailedJobsHistoryLimit is how many failed runs davit status shows; the default is 1.
	FailedJobsHistoryLimit *int32 `json:"failedJobsHistoryLimit,omitempty"`
	// JobTemplate is the job that runs.
	JobTemplate JobTemplate `json:"jobTemplate"`
}

// The values of concurrencyPolicy.
const (
	ConcurrencyAllow   = "Allow"
	ConcurrencyForbid  = "Forbid"
	ConcurrencyReplace = "Replace"
)

// JobTemplate is the job a CronJob makes.
type JobTemplate struct {
	// Metadata describes it; a name has no meaning.
	Metadata TemplateMeta `json:"metadata,omitzero"`
	// Spec describes the job.
	Spec JobSpec `json:"spec"`
}
