package health

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/agent/probe"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// fakeSystemd notes its calls, and how long after the fake was made.
type fakeSystemd struct {
	made  time.Time
	state units.State
	fail  error

	mu    sync.Mutex
	asked []request
	noted bundle.Failure
}

type request struct {
	Verb  string
	After time.Duration
}

func (f *fakeSystemd) note(verb string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, request{verb, time.Since(f.made)})
	return f.fail
}

func (f *fakeSystemd) State(context.Context, string) (units.State, error) { return f.state, nil }
func (f *fakeSystemd) QueueRestart(_ context.Context, name string) error {
	return f.note("restart " + name)
}
func (f *fakeSystemd) QueueStop(_ context.Context, name string) error { return f.note("stop " + name) }
func (f *fakeSystemd) KillUnit(_ context.Context, name string) error  { return f.note("kill " + name) }
func (f *fakeSystemd) RunCommand(_ context.Context, _, _ string, _ []string, _ time.Duration) (string, error) {
	return "", errors.New("not in this test")
}
func (f *fakeSystemd) Watch(context.Context) (<-chan string, error) {
	return nil, errors.New("not in this test")
}

// patient makes a container whose TCP checks fail from one time to another.
func patient(f *fakeSystemd, from, to time.Duration) *watched {
	w := &watched{
		monitor: New(f, "/bin/false", slog.New(slog.DiscardHandler)),
		Bundle:  &bundle.Bundle{Launch: bundle.Launch{ID: "web", Object: "Container/web"}},
		pid:     7, invocation: "one", began: f.made,
	}
	w.monitor.note = func(_ string, failure bundle.Failure) error {
		f.noted = failure
		return nil
	}
	w.target = probe.Target{Address: "192.0.2.1", Dial: func(context.Context, string, string) (net.Conn, error) {
		if now := time.Since(f.made); now >= from && now < to {
			return nil, errors.New("down")
		}
		here, there := net.Pipe()
		go io.Copy(io.Discard, there)
		return here, nil
	}}
	return w
}

func TestWhatIsDeadIsActedOnOnce(t *testing.T) {
	grace := int64(5)
	for name, test := range map[string]struct {
		action string
		grace  *int64
		state  units.State
		fail   error
		want   []string
	}{
		"restart": {bundle.OnFailureRestart, nil, units.State{}, nil, []string{"restart web.service"}},
		"stop":    {bundle.OnFailureStop, nil, units.State{}, nil, []string{"stop web.service"}},
		"kill":    {bundle.OnFailureKill, nil, units.State{}, nil, []string{"kill web.service"}},
		"none":    {bundle.OnFailureNone, nil, units.State{}, nil, nil},
		"its own grace period is over": {
			bundle.OnFailureRestart, &grace, units.State{Invocation: "one", MainPID: 7, ActiveState: "deactivating"}, nil,
			[]string{"restart web.service", "kill web.service"},
		},
		"stopped within it":    {bundle.OnFailureRestart, &grace, units.State{Invocation: "two", MainPID: 8, ActiveState: "active"}, nil, []string{"restart web.service"}},
		"systemd will not act": {bundle.OnFailureStop, &grace, units.State{}, errors.New("shutting down"), []string{"stop web.service"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeSystemd{made: time.Now(), state: test.state, fail: test.fail}
				w := patient(f, 0, time.Hour)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				w.later = func(do func(context.Context)) { w.monitor.group.Go(func() { do(ctx) }) }
				w.keepAlive(ctx, bundle.Probe{
					Check:  bundle.Check{TCP: &bundle.TCPCheck{Port: 80}},
					Period: 2, Timeout: 1, Successes: 1, Failures: 3, InitialDelay: 10,
					OnFailure: test.action, GraceSeconds: test.grace,
				})
				w.monitor.group.Wait()
				var got []string
				for _, request := range f.asked {
					got = append(got, request.Verb)
				}
				if acts := test.action != bundle.OnFailureNone; acts != (f.noted.Error == "its liveness probe failed: TCP 192.0.2.1:80: down") {
					t.Errorf("noted %+v", f.noted)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
				// The third check, of which the first comes within a period of the initial delay.
				if len(f.asked) > 0 && (f.asked[0].After < 14*time.Second || f.asked[0].After > 16*time.Second) {
					t.Errorf("acted after %s", f.asked[0].After)
				}
				if len(f.asked) > 1 && f.asked[1].After-f.asked[0].After != 5*time.Second {
					t.Errorf("killed after %s", f.asked[1].After-f.asked[0].After)
				}
			})
		})
	}
}

func TestChecksThatSucceedAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSystemd{made: time.Now()}
		// Two failures in a row, of the three that count.
		w := patient(f, 20*time.Second, 24*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.keepAlive(ctx, bundle.Probe{
			Check:  bundle.Check{TCP: &bundle.TCPCheck{Port: 80}},
			Period: 2, Timeout: 1, Successes: 1, Failures: 3, OnFailure: bundle.OnFailureRestart,
		})
		if len(f.asked) > 0 {
			t.Errorf("asked for %v", f.asked)
		}
	})
}

func TestOnlyWhatIsUpIsProbed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		state units.State
		want  bool
	}{
		"up":                    {units.State{ActiveState: "active", SubState: "running", Type: "notify", MainPID: 1}, true},
		"reloading":             {units.State{ActiveState: "reloading", SubState: "reload", Type: "notify", MainPID: 1}, true},
		"the launcher's to ask": {units.State{ActiveState: "activating", SubState: "start-post", Type: "notify", MainPID: 1}, false},
		"a job that runs":       {units.State{ActiveState: "activating", SubState: "start", Type: "oneshot", MainPID: 1}, true},
		"a job that waits":      {units.State{ActiveState: "activating", SubState: "auto-restart", Type: "oneshot"}, false},
		"a job that has ended":  {units.State{ActiveState: "active", SubState: "exited", Type: "oneshot"}, false},
		"stopping":              {units.State{ActiveState: "deactivating", SubState: "stop-sigterm", Type: "notify", MainPID: 1}, false},
		"failed":                {units.State{ActiveState: "failed", Type: "notify"}, false},
	} {
		if got := isUp(test.state); got != test.want {
			t.Errorf("%s: probed %v, want %v", name, got, test.want)
		}
	}
}
