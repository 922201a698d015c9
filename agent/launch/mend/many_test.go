package mend

import (
	"fmt"
	"testing"
	"time"

	"github.com/davit-project/davit/agent/drift"
	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/units/bundle"
)

// TestManyAreMendedAtOnce restores more rules than fit into one transaction. It logs how long that takes.
func TestManyAreMendedAtOnce(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	const many = 50
	var all []*bundle.Bundle
	var ids []string
	for i := range many {
		id := fmt.Sprintf("many-%d", i)
		ids = append(ids, id)
		all = append(all, standUp(t, id,
			bundle.Port{HostPort: int32(8000 + i), ContainerPort: 80, Protocol: "tcp"}, bundle.Port{HostPort: int32(8000 + i), ContainerPort: 53, Protocol: "udp"}))
	}
	timed := func(what string, do func()) {
		began := time.Now()
		do()
		t.Logf("%s: %s", what, time.Since(began).Round(time.Millisecond))
	}
	check := func(want int) {
		t.Helper()
		timed("check", func() {
			faults, err := drift.Check(all)
			if err != nil || len(faults) != want {
				t.Errorf("found %d containers of which something is missing, want %d, %v", len(faults), want, err)
			}
		})
	}
	check(0)
	for _, remove := range []string{"nft flush ruleset", "ip link del dv-net", "for port in $(ls /sys/class/net/dv-net/brif); do ip link del $port; done"} {
		testnode.Sh(t, remove)
		check(many)
		timed("mend after "+remove, func() {
			for id, err := range All(ids) {
				t.Errorf("%s: %v", id, err)
			}
		})
		unlockRecords(t)
		check(0)
	}
}
