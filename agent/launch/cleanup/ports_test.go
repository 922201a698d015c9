package cleanup

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/davit-project/davit/agent/launch/network"
	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/units/bundle"
)

// TestPortsStayWithAContainerThatStartsAgain checks which ports a program that listens between two runs can keep from
// the next start.
func TestPortsStayWithAContainerThatStartsAgain(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	http, https := bundle.Port{HostPort: 80, ContainerPort: 80, Protocol: "tcp"}, bundle.Port{HostPort: 443, ContainerPort: 443, Protocol: "tcp"}
	now := time.Now()
	failed := func(stage bundle.Stage) *bundle.Failure { return &bundle.Failure{Invocation: "this", Stage: stage} }
	for name, test := range map[string]struct {
		before  *bundle.LastRun
		ports   []bundle.Port // of the run that ends
		failure *bundle.Failure
		after   time.Duration
		want    []bundle.Port // that are checked
	}{
		"its first start":                       {nil, nil, nil, 0, []bundle.Port{http, https}},
		"it ran":                                {nil, []bundle.Port{http, https}, nil, 0, nil},
		"it ran with another port":              {nil, []bundle.Port{http}, nil, 0, []bundle.Port{https}},
		"it ran, long ago":                      {nil, []bundle.Port{http, https}, nil, time.Hour, []bundle.Port{http, https}},
		"it ran until the agent ended it":       {nil, []bundle.Port{http, https}, failed(bundle.StageAlive), 0, nil},
		"it was not ready in time":              {nil, []bundle.Port{http, https}, failed(bundle.StageProbe), 0, nil},
		"it could not start":                    {nil, []bundle.Port{http, https}, failed(bundle.StageNetwork), 0, []bundle.Port{http, https}},
		"it ran, and could not start meanwhile": {&bundle.LastRun{Ports: []bundle.Port{http}}, []bundle.Port{http, https}, failed(bundle.StageImage), 0, []bundle.Port{https}},
	} {
		err := errors.Join(os.MkdirAll(bundle.LastRunsDir, 0o700), os.RemoveAll(bundle.LastRunFile("web")))
		if test.failure != nil {
			text, encodeErr := json.Marshal(test.failure)
			err = errors.Join(err, encodeErr, os.WriteFile(bundle.FailureFile("web"), text, 0o600))
		}
		if test.ports != nil {
			_, noteErr := noteEnd("web", bundle.LastRun{Invocation: "this", At: now, Ports: test.ports}, test.before)
			err = errors.Join(err, noteErr)
		}
		if err != nil {
			t.Fatal(err)
		}
		b := &bundle.Bundle{}
		b.ID, b.Network.Ports = "web", []bundle.Port{http, https}
		if diff := cmp.Diff(test.want, network.NewPorts(b, false, now.Add(test.after)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
