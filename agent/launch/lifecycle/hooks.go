package lifecycle

import (
	"context"
	"os"
	"time"

	"github.com/davit-project/davit/agent/launch/exec"
	"github.com/davit-project/davit/agent/probe"
	"github.com/davit-project/davit/units/bundle"
)

// runHook runs a hook to its end. The output of a command goes to the journal.
func runHook(ctx context.Context, b *bundle.Bundle, target probe.Target, hook bundle.Hook) error {
	if len(hook.Exec) > 0 {
		return exec.RunCommand(ctx, b, hook.Exec, os.Stdout, os.Stderr)
	}
	if hook.HTTP != nil || hook.TCP != nil {
		return target.Check(ctx, hook.Check)
	}
	return sleepUntil(ctx, time.Now().Add(time.Duration(hook.SleepSeconds)*time.Second))
}
