package diff

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/davit-project/davit/reconcile"
)

// shadowed reports whether systemd uses a unit file of an operator's instead of davit's. davit leaves such a unit unchanged: it
// does not know the meaning of that file, nor its requirements.
func (d *differ) shadowed(unit string, workload reconcile.Workload) bool {
	current, exists := d.actual.Workloads[unit]
	if !exists || current.Shadow == "" {
		return false
	}
	verb := "is used"
	if current.ShadowUnread {
		verb = "will be used, once systemd has read it,"
	}
	reason := fmt.Sprintf("%s %s instead of the unit file that davit wrote, which stays unchanged: remove it to apply the manifest", current.Shadow, verb)
	d.plan.Hold(reconcile.Held{Object: workload.Ref.String(), Reason: reason, By: reconcile.ByShadow, Intended: true})
	d.kept[unit] = current
	return true
}

// isDisabled reports whether an operator has disabled or masked a unit: davit does not enable it, also if its file changes.
// systemd refuses to enable a masked unit. A unit that an interrupted pass has written and not enabled does not count.
func (d *differ) isDisabled(unit string, workload reconcile.Workload) bool {
	current, exists := d.actual.Workloads[unit]
	isLeft := current.Enabled == "disabled" || current.IsMasked()
	return exists && isLeft && !current.IsOfAnother(workload) && !d.halfWritten(unit, workload, current)
}

// holdDisabled notes that a unit which an operator has disabled is not enabled. All else about it goes on.
func (d *differ) holdDisabled(unit string, workload reconcile.Workload) {
	d.plan.Hold(reconcile.Held{
		Object: workload.Ref.String(), Reason: "unit is disabled and does not start at boot: systemctl enable " + unit + " to have it start",
		By: reconcile.ByDisable, Intended: true,
	})
}

// foreign returns the reason why a workload is held because of a unit that davit does not manage; empty for none. Either that
// unit has the workload's name, or the workload names it: a setting that is meant for the unit of an object, such as Conflicts=,
// would then apply to the unmanaged one.
func (d *differ) foreign(unit string, workload reconcile.Workload) string {
	if owner, taken := d.actual.Foreign[unit]; taken {
		return fmt.Sprintf("%s exists already (%s) and is not davit's: rename the object", unit, owner)
	}
	if workload.Unit == nil || len(d.actual.Foreign) == 0 {
		return ""
	}
	extra := workload.Unit.Extra
	for _, section := range []map[string][]string{extra.Unit, extra.Service, extra.Install} {
		for _, setting := range slices.Sorted(maps.Keys(section)) {
			if named := d.foreignIn(section[setting]); len(named) > 0 {
				return fmt.Sprintf("%s=%s names a unit that is not davit's, %s: rename the object of that name", setting, named[0], d.actual.Foreign[named[0]])
			}
		}
	}
	return ""
}

var withoutQuotes = strings.NewReplacer(`"`, "", `'`, "")

// foreignIn are the foreign units that values name as words, in quotes or without.
func (d *differ) foreignIn(values []string) []string {
	words := strings.Fields(withoutQuotes.Replace(strings.Join(values, " ")))
	return slices.DeleteFunc(words, func(word string) bool { _, foreign := d.actual.Foreign[word]; return !foreign })
}
