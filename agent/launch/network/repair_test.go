package network

import (
	"errors"
	"strings"
	"testing"

	"github.com/davit-project/davit/agent/nat"
)

func TestTheErrorOfAllRulesIsGivenOnce(t *testing.T) {
	t.Parallel()
	var r Repair
	failures := map[string]error{"asks": errors.New("network net: no bridge")}
	for _, id := range []string{"web", "web", "asks", "last"} {
		r.standing = append(r.standing, nat.Standing{Endpoint: nat.Endpoint{Container: id}})
	}
	r.failRules(errors.New("translate addresses: no room"), failures)
	for id, want := range map[string]string{
		"web": "translate addresses: no room", "asks": "network net: no bridge; nftables rules: see web", "last": "nftables rules: see web",
	} {
		if got := strings.ReplaceAll(failures[id].Error(), "\n", "; "); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
}
