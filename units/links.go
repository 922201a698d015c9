package units

import "strings"

// LinkKinds are the settings of [Install] by which units start others, and how systemd calls the directories of the
// links (systemd.unit(5)).
var LinkKinds = map[string]string{"WantedBy": ".wants", "RequiredBy": ".requires", "UpheldBy": ".upholds"}

// linksOf are the links that systemctl enable makes for a unit's [Install] section, relative to a directory of units,
// without the unit's own name. Those whose names systemd has to work out first are left out.
func linksOf(settings map[key][]string) []string {
	var links []string
	for setting, kind := range LinkKinds {
		for _, value := range settings[key{"Install", setting}] {
			for unit := range strings.FieldsSeq(value) {
				if !strings.ContainsAny(unit, "%@") {
					links = append(links, unit+kind)
				}
			}
		}
	}
	return links
}
