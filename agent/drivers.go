package agent

import (
	"github.com/davit-project/davit/agent/bundles"
	"github.com/davit-project/davit/agent/masquerade"
	"github.com/davit-project/davit/agent/networks"
	"github.com/davit-project/davit/agent/volumes"
	"github.com/davit-project/davit/reconcile"
)

// drivers are what a plan is carried out with.
func (n *Node) drivers() reconcile.Drivers {
	return reconcile.Drivers{
		Images:    n.images,
		Networks:  networks.Store{PluginDirs: n.plugins, RemoveMasquerade: masquerade.Remove},
		Volumes:   volumes.Store{},
		Bundles:   bundles.Store{},
		UnitFiles: n.Systemd,
		Services:  n.Systemd,
	}
}
