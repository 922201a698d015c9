package reconcile

import (
	"bufio"
	"slices"
	"strings"

	"github.com/davit-project/davit/units/names"
)

// Precedes names systemd's next step before it starts a unit for which it has a job; "" if none is known here. It stops the unit
// itself, starts the units that it is ordered after, and stops units that are ordered before or after it: a stop comes before a
// start whatever the order is (systemd.unit(5), Before=).
func Precedes(workload Workload, current ActualWorkload, workloads map[string]ActualWorkload) string {
	if workload.Unit == nil {
		return ""
	}
	if current.Active == names.Deactivating {
		return "it is stopping"
	}
	for _, before := range workload.Unit.Dependencies.After {
		if other := workloads[before]; other.Job != "" || other.Active == names.Activating || other.Active == names.Deactivating {
			return "it waits for " + before
		}
	}
	first := ""
	for unit, other := range workloads {
		isStopping := other.stops() && unit != workload.Unit.Name && slices.Contains(orderedAfter(other.UnitText), workload.Unit.Name)
		if isStopping && (first == "" || unit < first) {
			first = unit
		}
	}
	if first != "" {
		return "it waits for the stop of " + first
	}
	return ""
}

// orderedAfter are the units that a unit file orders its unit after.
func orderedAfter(text string) []string {
	var names []string
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if list, ok := strings.CutPrefix(lines.Text(), "After="); ok {
			names = append(names, strings.Fields(list)...)
		}
	}
	return names
}
