package agent

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile"
)

// tellPause is the minimum time between two looks at changed units: a crash loop must not keep the agent busy.
const tellPause = 5 * time.Second

// lookAgain computes the report after a pass, or after units changed. It asks no registry, and uses the manifests of the pass.
func (n *Node) lookAgain(ctx context.Context, set *manifests.Set, guard Guard, v *view) (Report, error) {
	var err error
	if v.kept, err = n.generations.List(); err != nil {
		v.warning = err // the pass has reported it
	}
	files, err := n.files.List()
	if err != nil {
		return Report{}, err
	}
	if err := n.observe(ctx, v, files, n.ask(ctx, files, true)); err != nil {
		return Report{}, err
	}
	plan, err := n.planFor(v, guard, true)
	if err != nil {
		return Report{}, err
	}
	report, _, err := n.reportOn(ctx, set, v, plan)
	return report, err
}

// logChanges writes a line for each workload that became unhealthy, is so for another reason, or has recovered. It remembers the
// lines, so that a new agent does not repeat them.
func logChanges(log *slog.Logger, rows []ObjectReport) error {
	before := readMemory()
	fresh := maps.Clone(before)
	for i := range rows {
		row := &rows[i]
		m := before[row.key()]
		if told := row.summary(); told != m.Told {
			m.Told = told
			fresh[row.key()] = m
			row.tell(log)
		}
	}
	return writeMemory(fresh, before)
}

// summary identifies a state, without the parts that change all the time.
func (r *ObjectReport) summary() string {
	if len(r.Causes) == 0 {
		return ""
	}
	root := r.Causes[0]
	if root.Stage == StageDrift && r.Next != nil && r.Next.By == ByDavit {
		return "" // the repair has its own line
	}
	reason := root.Reason
	if reason == reasonCrashLoop {
		reason = reasonError // it is the same one more time
	}
	return strings.Join([]string{root.Object, string(root.Stage), reason}, " ")
}

// tell writes the line. The journal gets its attributes as fields, named as those of the JSON.
func (r *ObjectReport) tell(log *slog.Logger) {
	attributes := []any{"object", r.Object}
	add := func(key, value string) {
		if value != "" {
			attributes = append(attributes, key, value)
		}
	}
	add("unit", r.Unit)
	message, level := "recovered: it matches its manifest again", slog.LevelInfo
	if len(r.Causes) > 0 {
		root := r.Causes[0]
		message, level = root.String(), slog.LevelWarn
		if root.Stage == StageHeld && root.Reason != string(reconcile.ByFailedChange) {
			level = slog.LevelInfo
		}
		add("stage", string(root.Stage))
		add("reason", root.Reason)
		add("cause_object", root.Object)
	}
	if r.Next != nil {
		add("next", r.Next.String())
	}
	add("source", r.Source)
	if r.Generation > 0 {
		attributes = append(attributes, "generation", r.Generation)
	}
	add("revision", r.Revision)
	add("image", r.Image)
	add("image_digest", r.Digest)
	log.Log(context.Background(), level, message, attributes...)
}
