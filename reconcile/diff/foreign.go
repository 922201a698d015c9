package diff

import (
	"fmt"
	"github.com/davit-project/davit/reconcile"
	"maps"
	"slices"
	"strings"
)

// foreign says why a workload is held because of somebody else's unit; empty when it is not.
// Either the unit has the workload's name, or the workload names it: what it says of an object
// of that name, Conflicts= say, would then be said of the other's unit.
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
