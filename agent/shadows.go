package agent

import (
	"path/filepath"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/systemd"
)

// unitDirs are the directories in which the agent hears of unit files and links that come, change or go.
var unitDirs = []string{bundle.UnitsDir, systemd.SystemDir}

// noteShadows remembers the units that systemd reads from files of others: when such a file is removed, systemd continues with
// its content until it reads the unit again.
func (n *Node) noteShadows(shadows map[string]string, states map[string]units.State) {
	shadowed := map[string]string{}
	for name, path := range shadows {
		shadowed[name] = path
	}
	for name, path := range n.shadowed {
		if read := states[name].FragmentPath; read != "" && read != filepath.Join(bundle.UnitsDir, name) {
			shadowed[name] = path
		}
	}
	n.shadowed = shadowed
}
