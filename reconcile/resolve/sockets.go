package resolve

import (
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

// listen gives a container its socket unit, <unit>.socket, which starts it on demand. The service
// requires it, so that systemctl start hands the sockets over too and an edit of them restarts it.
func (l *lowered) listen(run *runnable) {
	if len(run.Sockets) == 0 {
		return
	}
	socket := units.Socket{
		Head:    units.Head{Name: names.Socket(run.name), WantedBy: []string{units.Sockets}},
		Service: run.unit(),
	}
	for _, declared := range run.Sockets {
		if declared.ListenStream != "" {
			socket.Streams = append(socket.Streams, string(declared.ListenStream))
		} else {
			socket.Datagrams = append(socket.Datagrams, string(declared.ListenDatagram))
		}
	}
	run.wantedBy, run.keep = nil, reconcile.KeepIdle
	run.dependencies = joined(run.dependencies, units.Dependencies{
		After: []string{socket.Name}, Requires: []string{socket.Name},
	})
	l.sockets = append(l.sockets, socket)
}

// socketNames are the sockets' names in the order in which systemd hands them over: that of its
// unit file.
func socketNames(sockets []v1.Socket) []string {
	var streams, datagrams []string
	for _, socket := range sockets {
		if socket.ListenStream != "" {
			streams = append(streams, socket.Name)
		} else {
			datagrams = append(datagrams, socket.Name)
		}
	}
	return append(streams, datagrams...)
}
