package resolve_test

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile/reconciletest"
)

// TestSkippedRunsComeOnce asks systemd when a job runs in the nights in which clocks change.
func TestSkippedRunsComeOnce(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: install the package systemd")
	}
	manifest := reconciletest.Header + "CronJob\nmetadata: {name: backup}\nspec: {schedule: '30 2 * * *', timeZone: Europe/Berlin, startingDeadlineSeconds: 60, jobTemplate: {spec: {template: {spec: " +
		"{restartPolicy: Never, containers: [{name: main, image: example.com/app:1}]}}}}}\n"
	desired := reconciletest.Resolve(t, manifest, reconciletest.Command)
	events := desired.Workloads["backup.service"].Bundle.Due.Events
	for start, want := range map[string][]string{
		"2027-03-27T12:00:00Z": {"2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"}, // 03:00 and 02:30 in summer time
		"2027-10-30T12:00:00Z": {"2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"}, // the first 02:30 of two
	} {
		base, err := time.Parse(time.RFC3339, start)
		if err != nil {
			t.Fatal(err)
		}
		var at []time.Time
		for _, event := range events {
			at = append(at, elapses(t, analyze, event, base)...)
		}
		slices.SortFunc(at, time.Time.Compare)
		var got []string
		for _, elapse := range at[:2] {
			got = append(got, elapse.Format(time.RFC3339))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %s, of %v: %s", start, events, diff)
		}
	}
}
