package check_test

import (
	"testing"
)

func TestSocketsAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("sockets: [{name: http}]"), `spec.sockets[0]: want one of listenStream, listenDatagram`},
		{spec("sockets: [{name: http, listenStream: 80, listenDatagram: 80}]"), `spec.sockets[0].listenDatagram: there is listenStream already`},
		{spec("sockets: [{name: 'a:b', listenStream: 80}]"), `spec.sockets[0].name: "a:b": want`},
		{spec("sockets: [{name: a, listenStream: 80}, {name: a, listenStream: 81}]"), `spec.sockets[1].name: socket a appears twice`},
		{spec("sockets: [{name: a, listenStream: '026'}]"), `spec.sockets[0].listenStream: "026": want a port`},
		{spec("sockets: [{name: a, listenStream: '127.0.0.1:0022'}]"), `spec.sockets[0].listenStream: "127.0.0.1:0022": want a port`},
		{spec("sockets: [{name: a, listenStream: 65536}]"), `spec.sockets[0].listenStream: "65536": want a port`},
		{spec("sockets: [{name: a, listenStream: 'localhost:80'}]"), `spec.sockets[0].listenStream: "localhost:80": want a port`},
		{spec("sockets: [{name: a, listenDatagram: '@abstract'}]"), `spec.sockets[0].listenDatagram: "@abstract": want a port`},
		{spec("sockets: [{name: a, listenStream: /run/../etc/x}]"), `spec.sockets[0].listenStream: "/run/../etc/x": want an absolute path`},
		{spec("sockets: [{name: a, listenStream: 80}]", "init: true"), `spec.sockets: init would be the process`},
		{spec("sockets: [{name: a, listenStream: 80}]", "hostPID: true"), `spec.sockets: need a process namespace`},
		{spec("sockets: [{name: a, listenStream: 80}]", "oneshot: true"), `spec.sockets: a oneshot container`},
		{spec(`sockets: [{name: a, listenStream: "/run/\uFFFF"}]`), `spec.sockets[0].listenStream: "/run/\uffff" has U+FFFF, which is no character`},
	})
}
