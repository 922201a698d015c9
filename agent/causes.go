package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/davit-project/davit/agent/health"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// explainer walks from an object, or one of its units, to the root cause of its state.
type explainer struct {
	view     *view
	now      time.Time
	watched  bool     // an agent runs
	upcoming upcoming // its facts
	blocked  map[string]diff.Blocker
	// said is the last output of a unit; nil if the caller does not need it.
	said func(unit string) string

	rows        map[string][]*ObjectReport // by object
	units       map[string]*ObjectReport   // by unit
	diagnostics map[string]object.Diagnostics
	unnamed     object.Diagnostics // of documents that cannot be read so far
	leftOut     map[string]string
	waiting     map[string]v1.Ref
	problems    map[string][]reconcile.Problem
	held        map[string][]reconcile.Held
	actions     map[string][]reconcile.Action
	seen        map[string]bool // objects on the way to the root
}

func newExplainer(set *manifests.Set, v *view, plan reconcile.Plan, now time.Time) *explainer {
	w := &explainer{
		view: v, now: now, watched: health.Watched(), upcoming: readUpcoming(), blocked: diff.Blocked(v.desired, v.actual),
		rows: map[string][]*ObjectReport{}, units: map[string]*ObjectReport{}, diagnostics: map[string]object.Diagnostics{},
		leftOut: map[string]string{}, waiting: map[string]v1.Ref{},
		problems: map[string][]reconcile.Problem{}, held: map[string][]reconcile.Held{}, actions: map[string][]reconcile.Action{}, seen: map[string]bool{},
	}
	for _, d := range set.Diagnostics {
		if d.Object == "" {
			w.unnamed = append(w.unnamed, d)
		} else {
			w.diagnostics[d.Object] = append(w.diagnostics[d.Object], d)
		}
	}
	for _, left := range set.LeftOut {
		w.leftOut[left.Ref().String()] = left.Reason
	}
	for _, waiting := range set.Waiting {
		w.waiting[waiting.Ref().String()] = waiting.Needs
	}
	for _, problem := range v.desired.Problems {
		w.problems[problem.Ref.String()] = append(w.problems[problem.Ref.String()], problem)
	}
	for _, held := range plan.Held {
		w.held[held.Object] = append(w.held[held.Object], held)
	}
	for _, action := range plan.Actions {
		w.actions[action.Object] = append(w.actions[action.Object], action)
	}
	return w
}

// add makes a row known, which has to be whole by then.
func (w *explainer) add(row *ObjectReport) {
	w.rows[row.Object] = append(w.rows[row.Object], row)
	w.units[row.Unit] = row
}

// causes are those of an object with all its units, the root first.
func (w *explainer) causes(object string) []Cause {
	if w.seen[object] {
		return []Cause{}
	}
	w.seen[object] = true
	defer delete(w.seen, object)
	causes := w.ofObject(object)
	for _, row := range w.rows[object] {
		causes = append(causes, w.ofUnit(row)...)
	}
	if pin := w.view.decided.Pin; pin != nil && w.view.pinned {
		causes = append(causes, w.ofPin(object)...)
	}
	// The causes of the units that a row waits for come first.
	slices.SortStableFunc(causes, func(a, b Cause) int { return cmp.Compare(waits(a, object), waits(b, object)) })
	return once(append(causes, w.ofUpdate(object, len(causes) > 0)...))
}

// waits is 1 for a cause that is only the waiting for another unit of the object.
func waits(c Cause, object string) int {
	if c.Stage == StageDependency && c.Object == object {
		return 1
	}
	return 0
}

// once removes duplicates.
func once(causes []Cause) []Cause {
	kept := []Cause{}
	for _, cause := range causes {
		said := func(other Cause) bool { return other.String() == cause.String() }
		if !slices.ContainsFunc(kept, said) {
			kept = append(kept, cause)
		}
	}
	return kept
}

// ofRow are the causes that concern one unit.
func (w *explainer) ofRow(row *ObjectReport) []Cause {
	w.seen[row.Object] = true
	defer delete(w.seen, row.Object)
	causes := append(w.ofObject(row.Object), w.ofUnit(row)...)
	if ready, _ := w.ready(row); len(causes) == 0 && ready == ConditionTrue {
		return w.ofHindrance(row.Object) // the version before runs on
	}
	return once(append(causes, w.ofUpdate(row.Object, len(causes) > 0)...))
}

// ofObject are the causes that lie in the manifest, the node or a decision about the object.
func (w *explainer) ofObject(object string) []Cause {
	causes := w.ofManifest(object)
	for _, held := range w.held[object] {
		misread := held.By == reconcile.ByPruneGuard && len(causes) > 0
		if held.By != reconcile.ByProblem && !misread && !w.endedByProbe(object, held) {
			causes = append(causes, Cause{Stage: StageHeld, Object: object, Reason: string(held.By), Message: held.Reason})
		}
	}
	for _, problem := range w.problems[object] {
		causes = append(causes, causeOf(problem))
	}
	return causes
}

// endedByProbe reports whether a stop that looks like an operator's was caused by the liveness probe.
func (w *explainer) endedByProbe(object string, held reconcile.Held) bool {
	return held.By == reconcile.ByStop && slices.ContainsFunc(w.rows[object], func(row *ObjectReport) bool {
		return !row.isActive() && row.LastRun != nil && row.LastRun.Failure != nil
	})
}

// ofManifest returns the errors of the manifests that keep an object out of the set. A missing object may be in a file that
// cannot be read: then the errors of that file are the root.
func (w *explainer) ofManifest(object string) []Cause {
	var causes []Cause
	for _, d := range w.diagnostics[object] {
		causes = append(causes, causeOfDiagnostic(object, d))
	}
	if reason := w.leftOut[object]; reason != "" && len(causes) == 0 {
		causes = append(causes, Cause{Stage: StageSelection, Object: object, Reason: reasonExcluded, Message: reason})
	}
	if needs, ok := w.waiting[object]; ok && len(causes) == 0 {
		causes = append(w.causes(needs.String()), Cause{
			Stage: StageValidation, Object: object, Reason: reasonDependency,
			Message: fmt.Sprintf("it needs %s, whose manifest has an error", needs),
		})
	}
	if len(causes) > 0 || w.isWanted(object) {
		return causes
	}
	for _, d := range w.unnamed {
		causes = append(causes, causeOfDiagnostic(object, d))
	}
	return causes
}

func causeOfDiagnostic(object string, d object.Diagnostic) Cause {
	cause := Cause{Stage: StageValidation, Object: object, Reason: reasonInvalid, Message: d.String()}
	if d.Denied {
		cause.Stage, cause.Reason = StagePolicy, reasonDenied
	}
	return cause
}

// isWanted reports whether the set has the object.
func (w *explainer) isWanted(object string) bool {
	if len(w.problems[object]) > 0 {
		return true
	}
	return slices.ContainsFunc(w.rows[object], func(row *ObjectReport) bool {
		_, wanted := w.view.desired.Workloads[row.Unit]
		return wanted
	})
}

// parts maps parts that cannot be resolved to their stages and words.
var parts = map[reconcile.Part]Cause{
	reconcile.PartManifest: {Stage: StageValidation, Reason: reasonInvalid},
	reconcile.PartImage:    {Stage: StageImage, Reason: reasonImage},
	reconcile.PartNetwork:  {Stage: StageNetwork, Reason: reasonNetwork},
	reconcile.PartVolume:   {Stage: StageVolume, Reason: reasonMount},
	reconcile.PartNode:     {Stage: StageStart, Reason: reasonStart},
}

// imagePrefix begins errors about an image; the stage says it already.
const imagePrefix = "image "

func causeOf(problem reconcile.Problem) Cause {
	cause := parts[problem.Part]
	cause.Object, cause.Message = problem.Ref.String(), fmt.Sprintf("%s: %v", problem.Source, problem.Err)
	if problem.Part == reconcile.PartImage {
		cause.Message = strings.TrimPrefix(problem.Err.Error(), imagePrefix) // it is not the manifest that is wrong
	}
	return cause
}

// ofPin says that the whole node is as an earlier generation was.
func (w *explainer) ofPin(object string) []Cause {
	var causes []Cause
	for _, held := range w.view.held {
		causes = append(causes, Cause{
			Stage: StageHeld, Object: object, Reason: string(held.By), Message: "the node is at " + held.Object + ": " + held.Reason,
		})
	}
	return causes
}

// ofUpdate returns the outcome of the change to the newest generation. If the cause that blocks the object is known, a missing
// wait adds nothing.
func (w *explainer) ofUpdate(object string, known bool) []Cause {
	if len(w.view.kept) == 0 {
		return nil
	}
	newest := w.view.kept[0]
	if reason := newest.Failed[object]; reason != "" && !w.isToldByRun(object, reason) {
		return []Cause{{Stage: StageUpdate, Object: object, Reason: reasonUpdate, Message: reason}}
	}
	if known {
		return nil
	}
	return w.ofHindrance(object)
}

// ofHindrance says why the change of an object cannot be made.
func (w *explainer) ofHindrance(object string) []Cause {
	if len(w.view.kept) == 0 {
		return nil
	}
	reason := w.view.kept[0].Hindered(object)
	if waits := w.upcoming.Objects[object]; reason == "" && waits.Failed {
		reason = waits.For // the last try failed, and the next one has not begun
	}
	if reason == "" {
		return nil
	}
	cause := Cause{Stage: StageUpdate, Object: object, Reason: reasonUpdate, Message: strings.TrimPrefix(reason, "skipped: ")}
	if message, ok := strings.CutPrefix(cause.Message, imagePrefix); ok {
		cause.Stage, cause.Reason, cause.Message = StageImage, reasonImage, message
		return []Cause{cause}
	}
	verb, _, _ := strings.Cut(cause.Message, " ")
	switch reconcile.Verb(verb) {
	case reconcile.MakeNetwork:
		cause.Stage, cause.Reason = StageNetwork, reasonNetwork
	case reconcile.MakeVolume:
		cause.Stage, cause.Reason = StageVolume, reasonMount
	}
	return []Cause{cause}
}

// isToldByRun reports whether a run failed with the same words.
func (w *explainer) isToldByRun(object, reason string) bool {
	return slices.ContainsFunc(w.rows[object], func(row *ObjectReport) bool {
		run := row.lastRun(w.now)
		return run != nil && run.Failure != nil && strings.Contains(reason, run.Failure.Error)
	})
}

// ofUnit returns the causes in the requirements of a unit and in its runs.
func (w *explainer) ofUnit(row *ObjectReport) []Cause {
	var causes []Cause
	if missing := w.missing(row); missing != "" {
		causes = append(causes, w.causes(missing)...)
	}
	if blocker, ok := w.blocked[row.Unit]; ok {
		if blocker.Object == row.Object && row.isStoppedByHand(w) {
			return causes // it waits for another part of a held change
		}
		switch other := w.units[blocker.Unit]; {
		case blocker.Object != row.Object:
			causes = append(causes, w.causes(blocker.Object)...)
		case other != nil && blocker.Unit != row.Unit:
			causes = append(causes, w.ofRun(other)...)
		}
		return append(causes, Cause{
			Stage: StageDependency, Object: row.Object, Unit: row.Unit, Reason: reasonDependency, Message: blocker.String(),
		})
	}
	return slices.Concat(causes, w.ofRun(row), w.ofPorts(row), w.ofDisk(row))
}

// ofDisk reports a container that has used up a quota of the disk. It runs on, and its writes fail, so it comes last.
func (w *explainer) ofDisk(row *ObjectReport) []Cause {
	if row.fullQuota == "" {
		return nil
	}
	message := fmt.Sprintf("%s has used up its %s, and writes beyond it fail: raise the limit, or have it keep less", row.name(), row.fullQuota)
	return []Cause{{Stage: StageRun, Object: row.Object, Unit: row.Unit, Reason: reasonDisk, Message: message}}
}

// ofPorts reports a program of the node that began to listen on a port after the unit had published it. It does not keep
// the unit from running, so it comes last.
func (w *explainer) ofPorts(row *ObjectReport) []Cause {
	contested := w.view.actual.Workloads[row.Unit].Contested
	if contested == "" || !row.isActive() {
		return nil
	}
	message := fmt.Sprintf("%s takes the connections of a program of the node: %s", row.name(), contested)
	return []Cause{{Stage: StageNetwork, Object: row.Object, Unit: row.Unit, Reason: string(reconcile.ByListener), Message: message}}
}

// missing returns an object that a unit needs and that has never been applied to the node; "" for none.
func (w *explainer) missing(row *ObjectReport) string {
	workload := w.view.desired.Workloads[row.Unit]
	if workload.Unit == nil || row.isActive() {
		return ""
	}
	for _, needed := range slices.Concat(workload.Unit.Dependencies.Requires, workload.Unit.Dependencies.BindsTo) {
		if _, exists := w.view.actual.Workloads[needed]; exists {
			continue
		}
		for object := range w.problems {
			_, name, _ := strings.Cut(object, "/")
			if object != row.Object && slices.Contains([]string{names.Service(name), names.Service(names.Pod(name, "")), names.Target(name)}, needed) {
				return object
			}
		}
	}
	return ""
}

// ofRun returns the cause in the unit's own run.
func (w *explainer) ofRun(row *ObjectReport) []Cause {
	cause := Cause{Object: row.Object, Unit: row.Unit}
	run := row.lastRun(w.now)
	switch {
	case row.isStoppedByHand(w):
		return nil
	case w.view.actual.Workloads[row.Unit].Missing != "":
		cause.Stage, cause.Reason = StageDrift, reasonMissing
		cause.Message = fmt.Sprintf("%s runs, but %s", row.name(), w.view.actual.Workloads[row.Unit].Missing)
	case row.isActive() && row.Ready != nil && !*row.Ready:
		cause.Stage, cause.Reason = StageProbe, reasonNotReady
		cause.Message = fmt.Sprintf("%s is not ready: %s", row.name(), row.Status)
	case run != nil && run.Failure != nil:
		cause.Stage, cause.Reason = stageOf(run.Failure.Stage)
		cause.Message = run.Failure.Error + row.soFar()
	case run != nil && run.Result != "success":
		cause.Stage, cause.Reason = StageRun, reasonOf(row)
		cause.Message = w.withWords(row, fmt.Sprintf("%s is %s, last run: %s%s", row.name(), row.State, run, row.inTime())+row.soFar())
	case row.isLooping():
		cause.Stage, cause.Reason = StageRun, reasonEnded
		cause.Message = w.withWords(row, fmt.Sprintf("the container exits successfully every time%s. A Container is expected to keep running: use restartPolicy OnFailure or Never, or a Job", row.soFar()))
	case row.state.ActiveState == names.Failed || row.state.SubState.Restarting():
		cause.Stage, cause.Reason = StageRun, reasonOf(row)
		cause.Message = w.withWords(row, fmt.Sprintf("%s is %s (%s)", row.name(), row.State, row.state.Result)+row.soFar())
		if text, ok := systemdStatus[row.state.ExitStatus]; ok && row.state.Result == "exit-code" {
			cause.Stage, cause.Reason, cause.Message = StageStart, reasonStart, text+row.soFar()
		}
	case row.state.ActiveState == names.Activating && row.Status != "":
		cause.Stage, cause.Reason = StageProbe, reasonNotReady
		cause.Message = fmt.Sprintf("%s is not ready: %s", row.name(), row.Status)
	default:
		return nil
	}
	return []Cause{cause}
}

// systemdStatus explains the exit statuses that systemd itself gives a service (systemd.exec(5), Process Exit Codes), if no
// launcher ran that could note more.
var systemdStatus = map[int32]string{
	203: "systemd cannot execute davit-run: install davit again",
	226: "systemd cannot set up the mounts of the unit: see its journal",
}

// withWords adds the last output of the unit if the caller needs it.
func (w *explainer) withWords(row *ObjectReport, message string) string {
	if w.said == nil {
		return message
	}
	if words := w.said(row.Unit); words != "" {
		return message + "; " + quote(words, w.view.actual.Workloads[row.Unit].Bundle)
	}
	return message
}

func stageOf(stage bundle.Stage) (Stage, string) {
	switch stage {
	case bundle.StageImage:
		return StageImage, reasonImage
	case bundle.StageVolume:
		return StageVolume, reasonMount
	case bundle.StageNetwork:
		return StageNetwork, reasonNetwork
	case bundle.StageProbe, bundle.StageAlive:
		return StageProbe, reasonUnhealthy
	case bundle.StageDisk:
		return StageRun, reasonDisk
	default:
		return StageStart, reasonStart
	}
}

// reasonOf is how a run ended, in a word.
func reasonOf(row *ObjectReport) string {
	result := row.state.Result
	if row.LastRun != nil && result == "success" {
		result = row.LastRun.Result
	}
	switch {
	case result == "oom-kill":
		return reasonOOM
	case result == "timeout":
		return reasonDeadline
	case row.Restarts > 0:
		return reasonCrashLoop
	default:
		return reasonError
	}
}

// name is the unit's, for people.
func (r *ObjectReport) name() string { return names.ID(r.Unit) }

// soFar says how often systemd has tried.
func (r *ObjectReport) soFar() string {
	text := ""
	if r.Restarts > 0 {
		text = ", restarted " + times(r.Restarts)
	}
	if r.state.Result == "start-limit-hit" {
		text += ", and not again"
	}
	return text
}

func times(count uint32) string {
	if count == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", count)
}

// inTime says which time ran out, where one did.
func (r *ObjectReport) inTime() string {
	if r.LastRun.Result != "timeout" || r.state.Entered >= r.state.Started && r.state.Entered > 0 {
		return ""
	}
	if r.state.Type == "oneshot" {
		return fmt.Sprintf(", it did not end within %s", r.state.StartTimeout)
	}
	return fmt.Sprintf(", it did not say that it was up within %s", r.state.StartTimeout)
}

// isActive reports whether the unit runs, or holds its resources.
func (r *ObjectReport) isActive() bool {
	return r.state.ActiveState.Up()
}

// isStoppedByHand reports whether an operator wants it down: how its last run ended says nothing then.
func (r *ObjectReport) isStoppedByHand(w *explainer) bool {
	return slices.ContainsFunc(w.held[r.Object], func(held reconcile.Held) bool {
		hand := held.By == reconcile.ByMask || held.By == reconcile.ByDisable || held.By == reconcile.ByStop
		return hand && !r.isActive() && !w.endedByProbe(r.Object, held)
	})
}

// lastRun returns the end of the last run, as long as it explains the unit's state: until the unit has run well for a while, or
// was started for another reason. It is nil if no launcher could record it.
func (r *ObjectReport) lastRun(now time.Time) *bundle.LastRun {
	run := r.LastRun
	switch {
	case run == nil:
		return nil
	case r.isActive():
		if (r.Restarts > 0 || run.Failure.IsOfRun()) && now.Sub(run.At) < calm {
			return run
		}
	case run.Invocation == r.state.Invocation:
		return run
	case !r.state.SubState.Restarting() && r.state.ActiveState != names.Failed && run.Result != "signal" && !run.Asked:
		return run // the next run begins; the end of a run that was stopped for a restart explains nothing, even if it had to be killed
	}
	return nil
}

// isLooping reports whether systemd starts it again and again though nothing goes wrong.
func (r *ObjectReport) isLooping() bool {
	return r.Restarts > 0 && r.state.SubState.Restarting() && r.state.Result == "success"
}
